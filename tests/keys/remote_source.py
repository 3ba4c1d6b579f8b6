"""A remote source whose other side is the test: what is fetched, and what time it is."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jwt.algorithms import ECAlgorithm

from sidecar.errors import FetchError
from sidecar.keys.remote import RemoteSource
from sidecar.keys.schedule import Schedule
from sidecar.keys.settings import KeySourceSettings
from tests.tokens.minting import private_key

URL = "https://issuer.example/jwks.json"


def jwk(kid: str | None, number: int = 0) -> dict[str, Any]:
    """A public key as a member of a set."""
    members = ECAlgorithm.to_jwk(private_key("ES256", number).public_key(), as_dict=True)
    return {**members, "use": "sig"} | ({} if kid is None else {"kid": kid})


def jwks(*kids: str) -> bytes:
    """A set with a key of its own for each id."""
    return json.dumps({"keys": [jwk(kid, ord(kid[0])) for kid in kids]}).encode()


@dataclass(frozen=True)
class Answered:
    content: bytes | None
    etag: str | None = None
    fresh_s: float | None = None


@dataclass
class World:
    """``answers`` by URL: an answer, or what goes wrong. ``asked``: the URLs and ETags in order."""

    answers: dict[str, Answered | str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    now: float = 1000.0

    async def fetch(self, url: str, *, etag: str | None, ca: str | None) -> Answered:
        self.asked.append((url, etag))
        answer = self.answers.get(url, "cannot be reached")
        if isinstance(answer, str):
            raise FetchError(answer)
        return answer

    def source(
        self,
        name: str = URL,
        *,
        jitter: Callable[[float, float], float] = lambda low, high: high,
        **settings: Any,
    ) -> RemoteSource:
        """A source that is asked here; ``settings`` as in :class:`KeySourceSettings`."""
        if not settings.keys() & {"url", "issuer"}:
            settings["url"] = URL
        configured = KeySourceSettings(**settings)
        return RemoteSource(
            name,
            configured,
            self.fetch,
            Schedule(configured.refresh_s, jitter=jitter),
            clock=lambda: 1_000_000 + self.now,
            timer=lambda: self.now,
        )


def ids(source: RemoteSource) -> Sequence[str]:
    """The ids of the keys that the source gives now."""
    return [key.id for key in source.load().keys]
