"""The path patterns of rules: a tree that finds all that fit a path, and what makes one useless.

``*`` stands for one segment, at the end of a pattern for all that follows. It decides nothing:
``rules``, its only user, picks the first rule.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sidecar.tokens.paths import Segments, UnreadablePath, decode, readings, split

STAR: Final = "*"


class _Node:
    """A segment in the tree of all patterns."""

    __slots__ = ("any_segment", "ends", "literals", "rests")

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.any_segment: _Node | None = None
        self.ends: list[int] = []  # rules of patterns that end with this segment
        self.rests: list[int] = []  # rules of patterns in which `*` stands for all that follows


class PatternTree:
    """All patterns at once, so that many rules cost hardly more than one.

    ``patterns``: those of each rule. ``is_folded``: for paths in lower case.
    """

    def __init__(self, patterns: Iterable[Sequence[str]], *, is_folded: bool) -> None:
        self._root = _Node()
        for index, alternatives in enumerate(patterns):
            for pattern in alternatives:
                self._add(pattern.lower() if is_folded else pattern, index)

    def _add(self, pattern: str, index: int) -> None:
        node = self._root
        segments = pattern[1:].split("/")
        for segment in segments[:-1]:
            node = self._step(node, segment)
        if segments[-1] == STAR:
            node.rests.append(index)
        else:
            self._step(node, segments[-1]).ends.append(index)

    @staticmethod
    def _step(node: _Node, segment: str) -> _Node:
        if segment == STAR:
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


def problems_of(pattern: str) -> list[str]:
    """What keeps a pattern from ever matching, or makes it match other than it seems."""
    if not pattern.startswith("/"):
        return [f"paths: {pattern!r} does not begin with a slash"]
    segments = pattern[1:].split("/")
    if any(STAR in segment and segment != STAR for segment in segments):
        return [f"paths: in {pattern!r} a * is not a whole segment"]
    text = pattern.replace(STAR, "x").encode("utf-8")
    try:
        found = readings(text)
    except UnreadablePath:
        found = None
    if found is None or found.is_hostile or b"" in split(text)[:-1]:
        return [f"paths: {pattern!r} has an empty, . or .. segment, or characters no path has"]
    return []
