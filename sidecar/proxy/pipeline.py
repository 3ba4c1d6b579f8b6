"""A request's way through the sidecar, on one screen.

framing -> extract -> verify -> permit -> strip -> identity -> forward -> strip -> record, with
``rescue`` around it. Every stage is a function of ``proxy.stages`` or of a room below. Forwarding
takes a :class:`~sidecar.tokens.permit.Permit`: what was not authorised cannot be forwarded.

Called by ``proxy.connection`` for each request in turn.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sidecar.errors import (
    ClientGone,
    KeysUnavailable,
    OverLimit,
    SidecarError,
    UnknownKey,
    UpstreamBrokeOff,
)
from sidecar.keys.unknown import UnknownKeys
from sidecar.proxy.answers import write_answer
from sidecar.proxy.credentials import Credentials
from sidecar.proxy.exchange import Exchange
from sidecar.proxy.issued import IssueWatcher
from sidecar.proxy.record import Recorder
from sidecar.proxy.rescue import InternalError, rescue
from sidecar.proxy.settings import LimitSettings
from sidecar.proxy.stages import (
    is_repeatable,
    read_body,
    read_head,
    relay_answer,
    request_bytes,
    send_body,
    send_whole_body,
    switch_protocols,
    write_interim,
)
from sidecar.proxy.tunnels import Tunnels
from sidecar.proxy.version import VersionField
from sidecar.setting import Address
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.permit import Authorizer, Permit
from sidecar.upstream.client import Upstream
from sidecar.upstream.connection import UpstreamConnection
from sidecar.wire.head import ResponseHead
from sidecar.wire.headers import Filter
from sidecar.wire.identity import Identity

log = logging.getLogger("sidecar.proxy")


@dataclass(frozen=True, slots=True)
class VersionAnswer:
    """What the inbound port answers on the version paths; ``body`` is asked for each answer."""

    paths: frozenset[bytes]
    body: Callable[[], bytes]


class Application(Protocol):
    """Finds the way to the application: ``upstream.client``, or ``upstream.ports``."""

    def admit(self, destination: Address | None, /) -> None: ...
    def reach(self, destination: Address | None, /) -> Upstream: ...


@dataclass(slots=True)
class Pipeline:
    """Everything that a request passes on its way; wired by ``app.build``.

    ``version_field`` is replaced when the service's version becomes another one.
    """

    service: str
    limits: LimitSettings
    version: VersionAnswer
    version_field: VersionField | None
    authorizer: Authorizer
    keyring: Callable[[], Keyring]
    unknown_keys: UnknownKeys
    identity: Identity
    credentials: Credentials
    fields: Filter
    upstream: Application
    tunnels: Tunnels
    recorder: Recorder
    tasks: asyncio.TaskGroup
    issued: IssueWatcher | None = None  # where this service hands out tokens

    async def serve(self, x: Exchange) -> None:
        """Answer one request. Never raises but for a cancellation: the client is gone."""
        self.recorder.begin()
        try:
            read_head(x, self.limits.headers)
            self._admit(x)
            if x.target.path in self.version.paths and x.head.method in ("GET", "HEAD"):
                self._answer_version(x)
                return
            self.upstream.admit(x.connection.destination)
            read_body(x, self.limits.body_bytes)
            now = time.time()
            try:
                permit = self._judge(x, now)
            except KeysUnavailable:
                self.unknown_keys.note()
                raise
            except UnknownKey:
                if not await self.unknown_keys.resolve():
                    raise
                now = time.time()
                permit = self._judge(x, now)
            if isinstance(permit.refusal, UnknownKey | KeysUnavailable):
                self.unknown_keys.note()
            self.recorder.permitted(permit, now)
            await self._forward(x, permit, now)
        except SidecarError as error:
            rescue(x, error, self.service)
        except asyncio.CancelledError:
            rescue(x, ClientGone(), self.service)
            raise
        except Exception as error:
            log.exception("A fault of the proxy itself ended a request.")
            rescue(x, InternalError(), self.service)
            x.refused_by = error
        finally:
            self.recorder.end(x)

    def _admit(self, x: Exchange) -> None:
        limit = self.limits.in_flight
        if limit and self.recorder.in_flight > limit:
            raise OverLimit(f"More than {limit} requests are in flight.")

    def _judge(self, x: Exchange, now: float) -> Permit:
        head = x.head
        return self.authorizer.permit(
            head.method, x.target.path, head.values, self.keyring(), now, x.target.query
        )

    def _answer_version(self, x: Exchange) -> None:
        fields = b"Content-Type: application/json\r\nCache-Control: no-store\r\n"
        read_body(x, self.limits.body_bytes)
        x.keep_alive = x.keep_alive and x.is_discardable
        write_answer(x, 200, fields, self.version.body())

    async def _forward(self, x: Exchange, permit: Permit, now: float) -> None:
        x.permit = permit
        way = x.way = self.upstream.reach(x.connection.destination)
        if self.issued is not None:
            self.issued.begin(x)
        status = self.authorizer.status(permit)
        who = self.identity.lines(permit.token.claims if permit.token is not None else None, status)
        token = self.credentials.line(permit, now)
        request = request_bytes(x, self.fields, self.credentials, who + token)
        must_be_fresh = not is_repeatable(x)
        x.connection.is_awaiting_upstream = True
        try:
            upstream = way.take_idle(must_be_fresh=must_be_fresh)
            if upstream is None:
                upstream = await way.acquire(must_be_fresh=must_be_fresh)
            try:
                await self._exchange(x, request, upstream)
            except UpstreamBrokeOff:
                # It had closed the connection before the request reached it.
                if not (upstream.was_stale and is_repeatable(x)):
                    raise
                await self._exchange(x, request, await way.acquire_new())
        finally:
            x.connection.is_awaiting_upstream = False

    async def _exchange(self, x: Exchange, request: bytes, upstream: UpstreamConnection) -> None:
        sender: asyncio.Task[None] | None = None
        sent = time.monotonic()
        try:
            upstream.send(request, x.head.method, x.way.response_deadline())
            if not x.body.has_ended:
                sender = self.tasks.create_task(
                    send_body(x, upstream, self.fields, x.way.response_deadline)
                )
            elif x.body_length:
                send_whole_body(x, upstream, self.fields)
            while (head := await upstream.next_head()).status < 200 and head.status != 101:
                if self.issued is not None and x.issues is not None:
                    await self.issued.read(x, head, upstream.body)
                write_interim(x, head)
            x.upstream_s = time.monotonic() - sent
            if head.status == 101:
                await self.tunnels.run(x, upstream, switch_protocols(x, head))
                return
            if self.version_field is not None:
                head = self.version_field.added(head)
            if x.issues is None:
                await relay_answer(x, upstream, head)
            else:
                await self._relay_watched(x, upstream, head)
        finally:
            if sender is not None and not sender.done():
                sender.cancel()
                upstream.is_reusable = False
            x.way.give_back(upstream)

    async def _relay_watched(
        self, x: Exchange, upstream: UpstreamConnection, head: ResponseHead
    ) -> None:
        """Pass on an answer that hands out tokens, once they are known."""
        assert self.issued is not None
        try:
            await self.issued.read(x, head, upstream.body)
            await relay_answer(x, upstream, head)
        finally:
            self.issued.end(x)
