"""The access rules: method and path to the one rule that decides (``auth.rules``).

The first rule that matches decides; where none does, a token is needed. A path that could be read
in two ways is refused where that would lead to two rules: see ``paths``. It looks at no token.

Called by ``permit`` for each request.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from sidecar.errors import AmbiguousPath, ConfigError
from sidecar.tokens.conditions import Condition, parse_condition
from sidecar.tokens.paths import Segments, UnreadablePath, readings
from sidecar.tokens.patterns import PatternTree, problems_of
from sidecar.tokens.settings import RuleSettings

_EVERY_PATH: Final = "/*"
_MAX_REMEMBERED: Final = 4096  # decisions, in each of two generations
_MAX_REMEMBERED_PATH_BYTES: Final = 256


class Access(Enum):
    """What a request needs: a token; none, but a wrong one is refused; nothing; it never passes."""

    TOKEN = "token"
    OPTIONAL = "optional"
    PUBLIC = "public"
    DENY = "deny"


_STRICTNESS: Final = (Access.PUBLIC, Access.OPTIONAL, Access.TOKEN, Access.DENY)


@dataclass(frozen=True, slots=True)
class Rule:
    """``index`` is the position in ``auth.rules``; ``None`` the default: a token is needed."""

    index: int | None
    access: Access
    conditions: tuple[Condition, ...] = ()
    name: str = "default"  # the index as a word for logs and metrics


DEFAULT: Final = Rule(None, Access.TOKEN)
_AMBIGUOUS: Final = Rule(None, Access.DENY)  # stands for "no single rule"; nobody outside sees it


class _Compiled(NamedTuple):
    rule: Rule
    methods: frozenset[str]
    fits_every_path: bool


class Decision(NamedTuple):
    """What one reader of the path and method would decide."""

    segments: Segments
    method: str
    ignores_case: bool
    rule: Rule


class Explanation(NamedTuple):
    """``rule`` is ``None`` where the request is refused as ambiguous; ``why`` is a sentence.
    ``decisions`` are of every reading that was looked at."""

    rule: Rule | None
    why: str
    decisions: tuple[Decision, ...] = ()


class Rules:
    """Compiled from ``auth.rules``; raises :class:`ConfigError` with every wrong rule's index."""

    def __init__(self, settings: Sequence[RuleSettings]) -> None:
        self._rules = _compile(settings)
        self._depends_on_path = any(not each.fits_every_path for each in self._rules)
        paths = [rule.paths for rule in settings]
        self._tree = PatternTree(paths, is_folded=False)
        self._folded_tree = PatternTree(paths, is_folded=True)
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
        rule = self._old.get(request) or self.explain(*request).rule or _AMBIGUOUS
        if len(request[1]) <= _MAX_REMEMBERED_PATH_BYTES and len(request[0]) <= 16:
            if len(self._young) >= _MAX_REMEMBERED:
                self._old, self._young = self._young, {}
            self._young[request] = rule
        return rule

    def explain(self, method: str, path: bytes) -> Explanation:
        """As ``match``, with every reading that led there. Remembers nothing."""
        if not self._rules:
            return Explanation(DEFAULT, "There are no rules.")
        if path == b"*":
            return Explanation(DEFAULT, "`*` is about the server, not about a path.")
        methods = sorted({method, method.upper()})  # some frameworks treat `delete` as `DELETE`
        if not self._depends_on_path:
            rules = [self._first(range(len(self._rules)), each).rule for each in methods]
            return _agreed(rules, "No rule depends on the path.", ())
        if not path.startswith(b"/"):
            return Explanation(None, "The path does not begin with a slash.")
        try:
            found, is_hostile = readings(path)
        except UnreadablePath:
            return Explanation(None, "The path has too many readings.")
        decisions = tuple(self._decide(found, methods))
        if is_hostile:
            return Explanation(
                None,
                "The path has dot segments or characters that no honest client sends.",
                decisions,
            )
        if any(self._has_stricter_twin(decision) for decision in decisions):
            why = "With its last slash the other way, a stricter rule would decide."
            return Explanation(None, why, decisions)
        return _agreed([each.rule for each in decisions], "Every reading agrees.", decisions)

    def _decide(self, found: Iterable[Segments], methods: Sequence[str]) -> Iterator[Decision]:
        """For every reading the first rule."""
        for segments, ignores_case in self._cases(found):
            matches = self._tree_of(ignores_case).matches(segments)
            for method in methods:
                rule = self._first(matches, method).rule
                yield Decision(segments, method, ignores_case, rule)

    def _has_stricter_twin(self, decision: Decision) -> bool:
        """Whether for a reader who ignores the last slash a rule for the other form is passed by.

        A rule that fits this form as well was passed by on purpose: an earlier one fits better.
        """
        segments, method, ignores_case, rule = decision
        if segments == (b"",):
            return False
        twin = segments[:-1] if segments[-1] == b"" else (*segments, b"")
        tree = self._tree_of(ignores_case)
        first = self._first(tree.matches(twin), method).rule
        is_new = first.index is not None and first.index not in tree.matches(segments)
        return is_new and _is_stricter(first, rule)

    def _tree_of(self, ignores_case: bool) -> PatternTree:
        return self._folded_tree if ignores_case else self._tree

    def _cases(self, found: Iterable[Segments]) -> Iterator[tuple[Segments, bool]]:
        """Every reading; also as readers have it that ignore case."""
        for segments in found:
            yield segments, False
            folded = tuple(segment.lower() for segment in segments)
            if folded != segments or not self._is_lower:
                yield folded, True

    def _first(self, indexes: Iterable[int], method: str) -> _Compiled:
        fitting = (
            index
            for index in indexes
            if not self._rules[index].methods or method in self._rules[index].methods
        )
        first = min(fitting, default=None)
        return _DEFAULT if first is None else self._rules[first]


_DEFAULT: Final = _Compiled(DEFAULT, frozenset(), fits_every_path=True)


def _is_stricter(one: Rule, other: Rule) -> bool:
    strictness = _STRICTNESS.index(one.access) - _STRICTNESS.index(other.access)
    known = [each[:2] for each in other.conditions]  # claim and what is wanted of it
    demands_more = any(each[:2] not in known for each in one.conditions)
    return strictness > 0 or (strictness == 0 and demands_more)


def _agreed(rules: Sequence[Rule], why: str, decisions: tuple[Decision, ...]) -> Explanation:
    if all(rule.index == rules[0].index for rule in rules):
        return Explanation(rules[0], why, decisions)
    return Explanation(None, "Its readings lead to different rules.", decisions)


def _compile(settings: Sequence[RuleSettings]) -> list[_Compiled]:
    compiled: list[_Compiled] = []
    problems: list[str] = []
    for index, rule in enumerate(settings):
        conditions: list[Condition] = []
        wrong = [problem for pattern in rule.paths for problem in problems_of(pattern)]
        for claim, wanted in rule.claims.items():
            try:
                conditions.append(parse_condition(claim, wanted))
            except ConfigError as error:
                wrong.append(f"claims.{error.detail}")
        problems += [f"auth.rules[{index}].{problem}" for problem in wrong]
        compiled.append(
            _Compiled(
                Rule(index, Access(rule.access), tuple(conditions), str(index)),
                _methods(rule),
                fits_every_path=_EVERY_PATH in rule.paths,
            )
        )
    if problems:
        raise ConfigError(problems)
    return compiled


def _methods(rule: RuleSettings) -> frozenset[str]:
    """HEAD is GET without the answer's body (RFC 9110, section 9.3.2): one right for both."""
    return frozenset((*rule.methods, "HEAD") if "GET" in rule.methods else rule.methods)
