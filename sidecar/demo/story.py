"""What the demo shows, in order: tokens of every kind, then a key's coming and another's going.

Every answer is judged; the tally says how many were wrong. Called by ``demo.performance``.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from sidecar.demo.caller import Answer, Caller
from sidecar.demo.screen import Row, Screen
from sidecar.demo.system import PRIVATE_PATH, PUBLIC_PATH, System
from sidecar.demo.tally import PICKUP_S, Tally, Turn

#: The key that is in use when the demo begins, and the one that follows it.
OLD, NEW = "2026-05", "2026-11"
_PEOPLE = ("alice", "bruce", "carla")

_ACCEPTED = "200"
_UNKNOWN_KEY = "401 unknown_key"
_BAD_SIGNATURE = "401 bad_signature"

#: Seconds between two requests of a stream.
_PAUSE_S = 0.005
#: Seconds for which streams flow before a change, and again after it, to see that it stays.
_AROUND_S = 0.3


@dataclass(frozen=True, slots=True)
class Trial:
    """One request, and the answer that it must get. ``key_id``: whose valid token it brings."""

    sent: str
    token: str | None
    expected: str
    path: str = PRIVATE_PATH
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests with tokens of one kind, one after the other, for as long as a step lasts."""

    sent: str
    tokens: Sequence[str]
    turn: Turn
    key_id: str | None = None


class Story:
    """The acts of the demo, each complete when its method returns."""

    def __init__(self, system: System, caller: Caller, screen: Screen) -> None:
        self._system = system
        self._caller = caller
        self._screen = screen
        self._accepted: Counter[str] = Counter()  # by key, as the callers saw it
        self._valid = {
            key_id: [system.mint.valid(key_id, person) for person in _PEOPLE]
            for key_id in (OLD, NEW)
        }
        self.tally = Tally()

    @property
    def newest_token(self) -> str:
        """A token that is good when all acts are over."""
        return self._valid[NEW][0]

    # --- tokens of every kind --------------------------------------------------------------

    async def show_tokens(self) -> None:
        """One request for each kind of token, while only the old key is accepted."""
        self._screen.heading(f"1  Tokens of every kind; the keyring holds {OLD}")
        rows = []
        for trial in self._trials():
            answer = await self._caller.ask(self._system.service_url + trial.path, trial.token)
            is_right = str(answer) == trial.expected
            self._count(trial.sent, trial.key_id, answer, is_right=is_right)
            rows.append(Row((trial.sent, str(answer), _who_answered(answer)), is_right))
        self._screen.table(("SENT", "ANSWER", "FROM"), rows)
        await self._show_keys()

    def _trials(self) -> list[Trial]:
        mint = self._system.mint
        return [
            Trial(f"valid, old key {OLD}", self._valid[OLD][0], _ACCEPTED, key_id=OLD),
            Trial(f"valid, new key {NEW}", self._valid[NEW][0], _UNKNOWN_KEY, key_id=NEW),
            Trial("expired an hour ago", mint.expired(OLD, "alice"), "401 expired"),
            Trial(f"forged, claims to be {OLD}", mint.forged(OLD, "mallory"), _BAD_SIGNATURE),
            Trial("unsigned, alg none", mint.unsigned(OLD, "mallory"), "401 algorithm_not_allowed"),
            Trial("no token", None, "401 missing"),
            Trial("no token, public path", None, _ACCEPTED, PUBLIC_PATH),
        ]

    # --- a change of keys ------------------------------------------------------------------

    async def show_arrival(self) -> None:
        """The new key is added: its tokens are accepted from then on, the old one's still."""
        self._screen.heading(
            f"2  The new key comes: {NEW}.pub is added, while requests keep coming"
        )
        arrival = Turn(_UNKNOWN_KEY, _ACCEPTED)
        streams = [
            Stream("valid token of the old key", self._valid[OLD], _steady(_ACCEPTED), OLD),
            Stream("valid token of the new key", self._valid[NEW], arrival, NEW),
            Stream("forged token", [self._forged], _steady(_BAD_SIGNATURE)),
        ]
        await self._step(streams, [arrival], lambda: self._system.accept_key(NEW))
        self._say_turn(arrival, f"tokens of {NEW}: refused {self._screen.arrow} accepted")
        old = (await self._show_keys())[OLD]
        self._screen.line()
        self._screen.paragraph(f"May {OLD} go? {old['why']}")

    async def show_removal(self) -> None:
        """The old key is removed: its tokens are refused from then on."""
        self._screen.heading(f"3  The old key goes: {OLD}.pub is removed at once, as after a leak")
        removal, forgery = Turn(_ACCEPTED, _UNKNOWN_KEY), Turn(_BAD_SIGNATURE, _UNKNOWN_KEY)
        streams = [
            Stream("valid token of the old key", self._valid[OLD], removal, OLD),
            Stream("valid token of the new key", self._valid[NEW], _steady(_ACCEPTED), NEW),
            Stream("forged token", [self._forged], forgery),
        ]
        await self._step(streams, [removal, forgery], lambda: self._system.remove_key(OLD))
        self._say_turn(removal, f"tokens of {OLD}: accepted {self._screen.arrow} refused")
        await self._show_keys()

    @property
    def _forged(self) -> str:
        return self._system.mint.forged(OLD, "mallory")

    async def _step(
        self, streams: Sequence[Stream], turning: Sequence[Turn], change: Callable[[], None]
    ) -> None:
        """Let the streams flow, make the change in their midst, and see the answers turn."""
        is_over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for stream in streams:
                tasks.create_task(self._flow(stream, is_over))
            await asyncio.sleep(_AROUND_S)
            for turn in turning:
                turn.cause(time.monotonic())
            change()
            # The turns are pure and wake nobody, so they are looked at.
            while any(turn.is_awaited(time.monotonic()) for turn in turning):  # noqa: ASYNC110
                await asyncio.sleep(_PAUSE_S)
            await asyncio.sleep(_AROUND_S)
            is_over.set()

    async def _flow(self, stream: Stream, is_over: asyncio.Event) -> None:
        url = self._system.service_url + PRIVATE_PATH
        for token in cycle(stream.tokens):
            if is_over.is_set():
                return
            asked_at = time.monotonic()
            answer = await self._caller.ask(url, token)
            is_right = stream.turn.judge(answer, asked_at=asked_at, answered_at=time.monotonic())
            self._count(stream.sent, stream.key_id, answer, is_right=is_right)
            await asyncio.sleep(_PAUSE_S)

    def _say_turn(self, turn: Turn, what: str) -> None:
        took_s = turn.took_s
        when = f"not within {PICKUP_S:g} s" if took_s is None else f"after {took_s:.2f} s"
        is_right = took_s is not None and took_s <= PICKUP_S
        self._screen.verdict(f"{what}, {when}", is_right=is_right)

    # --- counts ----------------------------------------------------------------------------

    def _count(self, sent: str, key_id: str | None, answer: Answer, *, is_right: bool) -> None:
        self.tally.add(sent, answer, is_right=is_right)
        if key_id is not None and answer.status == 200:
            self._accepted[key_id] += 1

    async def _show_keys(self) -> dict[str, dict[str, Any]]:
        """The counts of ``GET /keys``; right where the sidecar counted what the callers saw."""
        self._system.check()
        keys = await self._caller.fetch_keys(self._system.admin_url)
        rows = []
        for key in keys:
            key_id, counted = key["id"], key["accepted_total"]
            is_right = counted == self._accepted[key_id]
            if not is_right:
                self.tally.complain(f"/keys counts {counted} accepted tokens of {key_id}")
            cells = (key_id, f"{counted:,}", f"{key['live_tokens']:,}", key["state"])
            rows.append(Row(cells, is_right))
        self._screen.line()
        self._screen.table(("KEY", "ACCEPTED", "LIVE TOKENS", "STATE"), rows)
        return {key["id"]: key for key in keys}


def _steady(answer: str) -> Turn:
    return Turn(answer, answer)


def _who_answered(answer: Answer) -> str:
    if not answer.status:
        return "-"
    return "sidecar" if answer.is_from_sidecar else "application"
