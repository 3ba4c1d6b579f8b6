"""Where this service's answers hand out tokens (``auth.issues``), and which answers those are.

A request is watched when any reader of its path could take it for one of the configured paths: a
token must not slip out because ``/api//login`` is the same to the application. Where only such a
reading fits, and not the path as it stands, an answer without a token means nothing.

Finds the texts of tokens in an answer; judges none (``issued`` does). Called by the proxy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from sidecar.errors import AnswerNotJson, AnswerUnreadable, AnswerWithoutToken, IssuedNotJwt
from sidecar.tokens.extract import FieldValues
from sidecar.tokens.paths import UnreadablePath, readings
from sidecar.tokens.patterns import PatternTree
from sidecar.tokens.settings import IssueSettings
from sidecar.tokens.strictjson import parse_object

_MAX_REMEMBERED: Final = 4096
_MAX_REMEMBERED_PATH_BYTES: Final = 256
_SUCCESSES: Final = range(200, 300)
# Answers after whose head nothing is passed on (RFC 9112, section 6.3).
_WITHOUT_BODY: Final = frozenset((204, 304))
# It should have no body either, but one that it has is passed on (RFC 9110, section 15.3.6).
_RESET_CONTENT: Final = 205


@dataclass(frozen=True, slots=True)
class Findings:
    """The texts of the tokens in an answer, and why there may be one that was not found."""

    texts: tuple[bytes, ...]
    failure: AnswerUnreadable | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """Where the answers to one kind of request hold tokens.

    ``is_certain``: the path is a configured one, and not only in some reader's eyes.
    """

    members: tuple[tuple[str, ...], ...]
    headers: tuple[bytes, ...]
    cookies: tuple[bytes, ...]
    is_certain: bool

    @property
    def needs_body(self) -> bool:
        """Whether the head of the answer does not tell everything."""
        return bool(self.members)

    def find(
        self, method: str, status: int, values: FieldValues, body: bytes | None, now: float
    ) -> Findings:
        """The tokens of a final answer. ``body`` is decoded, or None where nobody could read it:
        why, the caller knows. ``now`` in unix seconds; it tells a cookie that is deleted.

        A successful answer has to hold something in one of its places at least.
        """
        is_bodyless = method == "HEAD" or status in _WITHOUT_BODY
        is_empty = is_bodyless or (status == _RESET_CONTENT and not body)
        is_needed = status in _SUCCESSES and not is_empty and method != "OPTIONS"
        texts, failure = self._in_head(values, now)
        if self.members and body is not None and not is_bodyless:
            found, wrong = self._in_body(body, is_needed=is_needed)
            texts, failure = texts + found, failure or wrong
        if is_needed and not texts and failure is None and body is not None:
            failure = AnswerWithoutToken()
        if not self.is_certain and not isinstance(failure, IssuedNotJwt):
            failure = None
        return Findings(tuple(texts), failure)

    def find_in_interim(self, values: FieldValues, now: float) -> Findings:
        """The tokens of an interim answer (1xx), which needs to hold none."""
        texts, failure = self._in_head(values, now)
        return Findings(tuple(texts), failure)

    def _in_head(
        self, values: FieldValues, now: float
    ) -> tuple[list[bytes], AnswerUnreadable | None]:
        stated = [value for name in self.headers for value in values(name)]
        stated += [
            value
            for field in (values(b"set-cookie") if self.cookies else ())
            if (value := _cookie_value(field, self.cookies, now)) is not None
        ]
        return _read(stated)

    def _in_body(
        self, body: bytes, *, is_needed: bool
    ) -> tuple[list[bytes], AnswerUnreadable | None]:
        try:
            document = parse_object(body)
        except ValueError:
            return [], AnswerNotJson() if is_needed else None
        values = [_member(document, path) for path in self.members]
        texts, failure = _read([value.encode() for value in values if isinstance(value, str)])
        if any(value is not None and not isinstance(value, str) for value in values):
            failure = IssuedNotJwt()
        return texts, failure


class IssuePlaces:
    """Compiled from ``auth.issues``. ``scope`` is another text for other settings."""

    def __init__(self, settings: Sequence[IssueSettings]) -> None:
        self._settings = tuple(settings)
        self._methods = [_methods(each) for each in self._settings]
        paths = [each.paths for each in self._settings]
        self._tree = PatternTree(paths, is_folded=False)
        self._folded_tree = PatternTree(paths, is_folded=True)
        self._remembered: dict[tuple[str, bytes], Places | None] = {}
        self.scope = sha256(repr(self._settings).encode()).hexdigest()[:32]

    def of(self, method: str, path: bytes) -> Places | None:
        """Where the answer to a request may hold tokens; None = it is not watched. ``path`` as it
        was sent, without the query."""
        request = (method, path)
        try:
            return self._remembered[request]
        except KeyError:
            places = self._find(method, path)
        if len(path) <= _MAX_REMEMBERED_PATH_BYTES and len(method) <= 16:
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[request] = places
        return places

    def _find(self, method: str, path: bytes) -> Places | None:
        methods = {method, method.upper()}  # some frameworks treat `post` as `POST`
        asked = [i for i, allowed in enumerate(self._methods) if not allowed or methods & allowed]
        if not asked or not path.startswith(b"/"):
            return None
        try:
            found = readings(path).readings
        except UnreadablePath:
            return self._places(asked, is_certain=False)
        plain = set(self._tree.matches(found[0])).intersection(asked)
        if plain:
            return self._places(plain, is_certain=True)
        seen: set[int] = set()
        for segments in found:
            twin = segments[:-1] if segments[-1] == b"" else (*segments, b"")
            for form in (segments, twin):
                seen.update(self._tree.matches(form))
                seen.update(self._folded_tree.matches(tuple(part.lower() for part in form)))
        seen.intersection_update(asked)
        return self._places(seen, is_certain=False) if seen else None

    def _places(self, indexes: Sequence[int] | set[int], *, is_certain: bool) -> Places:
        chosen = [self._settings[index] for index in sorted(indexes)]
        return Places(
            members=tuple(tuple(each.json.split(".")) for each in chosen if each.json),
            headers=tuple(each.header.lower().encode() for each in chosen if each.header),
            cookies=tuple(each.cookie.encode() for each in chosen if each.cookie),
            is_certain=is_certain,
        )


def _methods(settings: IssueSettings) -> frozenset[str]:
    extra = ("HEAD",) if "GET" in settings.methods else ()
    return frozenset((*settings.methods, *extra))


def _member(document: Any, path: tuple[str, ...]) -> Any:
    """What stands at the path, through objects by name and lists by index; None = nothing."""
    for name in path:
        if isinstance(document, dict):
            document = document.get(name)
        elif isinstance(document, list) and name.isascii() and name.isdigit() and len(name) < 6:
            document = document[int(name)] if int(name) < len(document) else None
        else:
            return None
    return document


def _cookie_value(field: bytes, names: tuple[bytes, ...], now: float) -> bytes | None:
    """The value of a ``Set-Cookie`` field (RFC 6265, section 4.1); None = another cookie, or one
    that is deleted by it. What looks like a token is one, whatever the attributes say: readers
    differ about them, and no token may slip through between two of them."""
    pair, *attributes = field.split(b";")
    name, _, value = pair.partition(b"=")
    if name.strip(b" \t") not in names:
        return None
    if value.count(b".") != 2 and _is_deletion(attributes, now):
        return None
    value = value.strip(b" \t")
    if len(value) > 1 and value[:1] == value[-1:] == b'"':
        value = value[1:-1]
    return unquote_to_bytes(value) if b"%" in value else value


def _is_deletion(attributes: list[bytes], now: float) -> bool:
    for attribute in attributes:
        key, _, value = attribute.partition(b"=")
        key, value = key.strip(b" \t").lower(), value.strip(b" \t")
        if key == b"max-age":
            return value.startswith(b"-") or (value.isdigit() and not int(value[:20]))
        if key == b"expires":
            try:
                return parsedate_to_datetime(value.decode("ascii")).timestamp() < now
            except (ValueError, TypeError, OverflowError):
                return False
    return False


def _read(stated: list[bytes]) -> tuple[list[bytes], AnswerUnreadable | None]:
    """The tokens after their schemes, where there are any; an empty value is no token."""
    texts: list[bytes] = []
    failure: AnswerUnreadable | None = None
    for value in stated:
        words = value.split()
        is_more_than_one = len(words) > 1 and b"." in words[0]  # a token, no scheme
        if len(words) > 2 or is_more_than_one:
            failure = IssuedNotJwt()
        elif words:
            texts.append(words[-1])
    return texts, failure
