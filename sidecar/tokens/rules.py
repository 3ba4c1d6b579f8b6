"""The access rules: method and path to the one rule that decides (``auth.rules``).

The first rule that matches decides; where none does, a token is needed. A path that could be read
in two ways is refused where that would lead to two rules: see ``paths``. It looks at no token.

Called by ``permit`` for each request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from sidecar.errors import AmbiguousPath, ConfigError
from sidecar.tokens.conditions import Condition, parse_condition
from sidecar.tokens.paths import Segments, UnreadablePath, decode, readings, split
from sidecar.tokens.settings import RuleSettings

_STAR: Final = "*"
_EVERY_PATH: Final = "/*"
_MAX_REMEMBERED: Final = 4096  # decisions, in each of two generations
_MAX_REMEMBERED_PATH_BYTES: Final = 256


class Access(Enum):
    """What a request needs: a token; none, but a wrong one is refused; nothing; it never passes."""

    TOKEN = "token"
    OPTIONAL = "optional"
    PUBLIC = "public"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Rule:
    """``index`` is the position in ``auth.rules``; ``None`` the default: a token is needed."""

    index: int | None
    access: Access
    conditions: tuple[Condition, ...] = ()


DEFAULT: Final = Rule(None, Access.TOKEN)
_AMBIGUOUS: Final = Rule(None, Access.DENY)  # stands for "no single rule"; nobody outside sees it


class _Node:
    """A segment in the tree of all patterns."""

    __slots__ = ("any_segment", "ends", "literals", "rests")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.any_segment: _Node | None = None
        self.ends: list[int] = []  # rules of patterns that end with this segment
        self.rests: list[int] = []  # rules of patterns in which `*` stands for all that follows


class _Tree:
    """All patterns at once, so that many rules cost hardly more than one."""

    def __init__(self, rules: Iterable[RuleSettings], *, is_folded: bool) -> None:
        self._root = _Node()
        for index, rule in enumerate(rules):
            for pattern in rule.paths:
                self._add(pattern.lower() if is_folded else pattern, index)

    def _add(self, pattern: str, index: int) -> None:
        node = self._root
        segments = pattern[1:].split("/")
        for segment in segments[:-1]:
            node = self._step(node, segment)
        if segments[-1] == _STAR:
            node.rests.append(index)
        else:
            self._step(node, segments[-1]).ends.append(index)

    @staticmethod
    def _step(node: _Node, segment: str) -> _Node:
        if segment == _STAR:
            if node.any_segment is None:
                node.any_segment = _Node()
            return node.any_segment
        return node.literals.setdefault(decode(segment.encode("utf-8")), _Node())

    def matches(self, segments: Segments) -> list[int]:
        """Every rule with a pattern that fits, in no particular order."""
        found: list[int] = []
        nodes = [self._root]
        for segment in segments:
            following: list[_Node] = []
            for node in nodes:
                found += node.rests
                literal = node.literals.get(segment)
                if literal is not None:
                    following.append(literal)
                if node.any_segment is not None and segment:
                    following.append(node.any_segment)
            nodes = following
            if not nodes:
                return found
        for node in nodes:
            found += node.ends
        return found


class _Compiled(NamedTuple):
    rule: Rule
    methods: frozenset[str]
    fits_every_path: bool


class Rules:
    """Compiled from ``auth.rules``; raises :class:`ConfigError` with every wrong rule's index."""

    def __init__(self, settings: Sequence[RuleSettings]) -> None:
        self._rules = _compile(settings)
        self._depends_on_path = any(not each.fits_every_path for each in self._rules)
        self._tree = _Tree(settings, is_folded=False)
        self._folded_tree = _Tree(settings, is_folded=True)
        patterns = "".join(pattern for rule in settings for pattern in rule.paths)
        self._is_lower = patterns == patterns.lower()
        self._young: dict[tuple[str, bytes], Rule] = {}
        self._old: dict[tuple[str, bytes], Rule] = {}

    @property
    def remembered(self) -> int:
        """How many decisions are remembered."""
        return len(self._young) + len(self._old)

    def match(self, method: str, path: bytes) -> Rule:
        """The rule that decides. ``path`` as it was sent, without the query.

        Raises :class:`AmbiguousPath` where two readings of the path lead to two rules.
        """
        request = (method, path)
        rule = self._young.get(request) or self._recall_or_decide(request)
        if rule is _AMBIGUOUS:
            raise AmbiguousPath
        return rule

    def _recall_or_decide(self, request: tuple[str, bytes]) -> Rule:
        rule = self._old.get(request) or self._decide(*request)
        if len(request[1]) <= _MAX_REMEMBERED_PATH_BYTES and len(request[0]) <= 16:
            if len(self._young) >= _MAX_REMEMBERED:
                self._old, self._young = self._young, {}
            self._young[request] = rule
        return rule

    def _decide(self, method: str, path: bytes) -> Rule:
        if not self._rules or path == b"*":  # `OPTIONS *` is about the server, not about a path
            return DEFAULT
        methods = {method, method.upper()}  # some frameworks treat `delete` as `DELETE`
        if not self._depends_on_path:
            return _only(self._first(range(len(self._rules)), each).rule for each in methods)
        if not path.startswith(b"/"):
            return _AMBIGUOUS
        try:
            found, is_hostile = readings(path)
        except UnreadablePath:
            return _AMBIGUOUS
        decisions = {
            self._first(matches, each) for matches in self._all_matches(found) for each in methods
        }
        if is_hostile and not all(decision.fits_every_path for decision in decisions):
            return _AMBIGUOUS
        return _only(decision.rule for decision in decisions)

    def _all_matches(self, found: Iterable[Segments]) -> Iterable[list[int]]:
        """For every reading the rules that match; also for readers that ignore case."""
        for segments in found:
            yield self._tree.matches(segments)
            folded = tuple(segment.lower() for segment in segments)
            if folded != segments or not self._is_lower:
                yield self._folded_tree.matches(folded)

    def _first(self, indexes: Iterable[int], method: str) -> _Compiled:
        fitting = (
            index
            for index in indexes
            if not self._rules[index].methods or method in self._rules[index].methods
        )
        first = min(fitting, default=None)
        return _DEFAULT if first is None else self._rules[first]


_DEFAULT: Final = _Compiled(DEFAULT, frozenset(), fits_every_path=True)


def _only(rules: Iterable[Rule]) -> Rule:
    distinct = {rule.index: rule for rule in rules}
    return next(iter(distinct.values())) if len(distinct) == 1 else _AMBIGUOUS


def _compile(settings: Sequence[RuleSettings]) -> list[_Compiled]:
    compiled: list[_Compiled] = []
    problems: list[str] = []
    for index, rule in enumerate(settings):
        conditions: list[Condition] = []
        wrong = [problem for pattern in rule.paths for problem in _problems_of(pattern)]
        for claim, wanted in rule.claims.items():
            try:
                conditions.append(parse_condition(claim, wanted))
            except ConfigError as error:
                wrong.append(f"claims.{error.detail}")
        problems += [f"auth.rules[{index}].{problem}" for problem in wrong]
        compiled.append(
            _Compiled(
                Rule(index, Access(rule.access), tuple(conditions)),
                frozenset(rule.methods),
                fits_every_path=_EVERY_PATH in rule.paths,
            )
        )
    if problems:
        raise ConfigError(problems)
    return compiled


def _problems_of(pattern: str) -> list[str]:
    """What keeps a pattern from ever matching, or makes it match other than it seems."""
    if not pattern.startswith("/"):
        return [f"paths: {pattern!r} does not begin with a slash"]
    segments = pattern[1:].split("/")
    if any(_STAR in segment and segment != _STAR for segment in segments):
        return [f"paths: in {pattern!r} a * is not a whole segment"]
    text = pattern.replace(_STAR, "x").encode("utf-8")
    try:
        found = readings(text)
    except UnreadablePath:
        found = None
    if found is None or found.is_hostile or b"" in split(text)[:-1]:
        return [f"paths: {pattern!r} has an empty, . or .. segment, or characters no path has"]
    return []
