"""Who still brings tokens of a key: the last few subjects, in constant memory.

A subject is the value of one claim. It is shown as a digest unless the configuration asks for the
name itself, and it is never written to disk. Called by the proxy for every accepted token; read
by the keys report.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

SUBJECTS_BOUND = 20

_MAX_NAME_LENGTH = 128
_MAX_KEYS = 64


@dataclass(frozen=True, slots=True)
class Bearer:
    """A subject that brought a token of the key, and when last (unix seconds)."""

    subject: str
    last_used_at: float


class Subjects:
    """The last ``bound`` subjects of each key, by the claim ``claim``."""

    def __init__(self, claim: str = "sub", *, bound: int = SUBJECTS_BOUND) -> None:
        self.claim = claim
        self._bound = bound
        self._keys: dict[str, OrderedDict[str, float]] = {}

    def note(self, key_id: str, claims: Mapping[str, object], now: float) -> None:
        """A token of the key with these claims was accepted. The hot path."""
        name = claims.get(self.claim)
        if type(name) is not str:
            return
        names = self._keys.get(key_id)
        if names is None:
            names = self._page(key_id)
        if len(name) > _MAX_NAME_LENGTH:
            name = name[:_MAX_NAME_LENGTH]
        names[name] = now
        names.move_to_end(name)
        if len(names) > self._bound:
            names.popitem(last=False)

    def of(self, key_id: str, *, show: bool) -> tuple[Bearer, ...]:
        """The last subjects first; a digest is the start of the name's SHA-256 in hexadecimal."""
        names: Mapping[str, float] = self._keys.get(key_id, {})
        return tuple(
            Bearer(name if show else digest_of(name), at)
            for name, at in reversed(list(names.items()))
        )

    def _page(self, key_id: str) -> OrderedDict[str, float]:
        if len(self._keys) >= _MAX_KEYS:
            del self._keys[next(iter(self._keys))]
        page = self._keys[key_id] = OrderedDict()
        return page


def digest_of(subject: str) -> str:
    """The same on every replica, so that a subject can be followed, and looked up by its name."""
    return sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:16]
