"""A version's text, and its place in the order of all versions.

One order holds tags of the form vMajor.Minor (with any number of parts), semantic versions
(semver.org 2.0.0, section 11), Python's (PEP 440), dates, and what ``git describe`` says. A text
that names no place in it (``latest``, a bare commit) is refused: nothing here guesses.

``versions.order`` compares, ``versions.requirement`` asks for more than an order.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from sidecar.errors import VersionError
from sidecar.versions.grammar import (
    PEP_440,
    SEMVER,
    Identifier,
    local_parts,
    natural_parts,
    semver_parts,
)

MAX_LENGTH: Final = 256

#: Final releases come after their pre-releases.
_PRE_RELEASE, _FINAL = 0, 1
_NOT_POST: Final = -1
_NOT_DEV: Final = (1, 0)
_DEV_ALONE: Final[tuple[Identifier, ...]] = ((-1, 0, ""),)  # before every named pre-release

# git describe --tags --long --dirty: TAG-COUNT-gCOMMIT-dirty (git-describe(1)).
_DIRTY: Final = re.compile(r"(.+)-dirty", re.IGNORECASE)
_DESCRIBED: Final = re.compile(r"(.+)-([0-9]+)-g([0-9a-f]{4,64})", re.IGNORECASE)

_COMMIT: Final = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{7,64}|[0-9]{40}|[0-9]{64}")
_MARK: Final = re.compile(f"g?(?:{_COMMIT.pattern})")
_COMMIT_WORDS: Final = frozenset(("g", "sha", "git", "commit"))
_ALLOWED: Final = re.compile(r"[0-9A-Za-z.+_~!@/-]+")

# What stands before the number: nothing but a v; words that end in - _ / or @, the tags of one
# service among others in a repository (users-backend/v2.3); or a word that the number follows.
_SERIES: Final = (
    re.compile(r"()[vV]?\.?(?=[0-9])"),
    re.compile(r"@?([A-Za-z][A-Za-z0-9]*(?:[-_/@][A-Za-z][A-Za-z0-9]*)*)[-_/@][vV]?\.?(?=[0-9])"),
    re.compile(r"([A-Za-z]+)\.?(?=[0-9])"),
)
_CORE: Final = re.compile(r"(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(.*)")
_WILDCARD: Final = re.compile(r"[._-]x(?:\..*)?", re.IGNORECASE)

_YEAR, _MONTH, _DAY = "(?:19|2[0-9])[0-9]{2}", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_DASHED_DATE: Final = re.compile(rf"({_YEAR})-({_MONTH})(?:-({_DAY}))?(?![0-9])")
# Semantic versions in form, but a number after a day counts what came after, not before.
_BUILD_OF_A_DAY: Final = re.compile(rf"{_YEAR}\.(?:{_MONTH}|[1-9])\.(?:{_DAY}|[1-9])-[0-9]+")


class Rank(NamedTuple):
    """A version's place: of two in one series, the one with the smaller rank is older."""

    epoch: int
    release: tuple[int, ...]
    stage: int
    pre: tuple[Identifier, ...] = ()
    suffix: tuple[Identifier, ...] = ()
    post: int = _NOT_POST
    dev: tuple[int, int] = _NOT_DEV
    distance: int = 0
    is_dirty: bool = False
    local: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """``series`` is what the tag calls its line, empty for a plain ``v2.3``; versions of different
    series have no order. ``commit`` is the abbreviated one that ``git describe`` names."""

    text: str
    series: str
    rank: Rank
    commit: str | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def is_pre_release(self) -> bool:
        """Whether it comes before the release that it is named after."""
        return self.rank.stage == _PRE_RELEASE

    @property
    def release(self) -> tuple[object, ...]:
        """What it has in common with its release: v3-rc1 and v3 have the same."""
        return self.series, self.rank.epoch, self.rank.release

    @property
    def content(self) -> tuple[object, ...]:
        """What it shares with a version that was built from the same commit in another way."""
        return self.series, self.rank._replace(is_dirty=False, local=())


def parse_version(text: str) -> Version:
    """The version that ``text`` names.

    Raises :class:`VersionError`, whose detail says why the text has no place in the order.
    """
    stripped = text.strip()
    if not stripped or len(stripped) > MAX_LENGTH or not _ALLOWED.fullmatch(stripped):
        raise VersionError(f"{_quote(text)} is not the text of a version")
    body, is_dirty = stripped, False
    if dirty := _DIRTY.fullmatch(body):
        body, is_dirty = dirty[1], True
    distance, commit = 0, None
    if described := _DESCRIBED.fullmatch(body):
        body, distance, commit = described[1], int(described[2]), described[3].lower()
    version = _parse_tag(body, stripped)
    rank = version.rank._replace(distance=distance, is_dirty=is_dirty)
    return replace(version, rank=rank, commit=commit)


def _parse_tag(tag: str, text: str) -> Version:
    series, core = _split_series(tag, text)
    core = _DASHED_DATE.sub(lambda date: ".".join(filter(None, date.groups())), core, count=1)
    match = _CORE.fullmatch(core)
    if match is None:
        raise VersionError(f"{_quote(text)} names no number that could be ordered")
    epoch, parts, rest = int(match[1] or 0), match[2].split("."), match[3]
    if _WILDCARD.fullmatch(rest):
        raise VersionError(f"{_quote(text)} names many versions, not one")
    release = tuple(map(int, parts))
    while len(release) > 1 and release[-1] == 0:
        release = release[:-1]
    if SEMVER.fullmatch(core) and not _BUILD_OF_A_DAY.fullmatch(core):
        return Version(text, series, _semver_rank(release, rest))
    return Version(text, series, _rank(epoch, release, rest, text))


def _split_series(tag: str, text: str) -> tuple[str, str]:
    _refuse_commit(tag, text)
    match = next(filter(None, (form.match(tag) for form in _SERIES)), None)
    if match is None:
        raise VersionError(f"{_quote(text)} names no number that could be ordered")
    series, core = match[1].lower(), tag[match.end() :]
    if re.split("[-_/@]", series)[-1] in _COMMIT_WORDS:
        raise _commit_error(text)
    _refuse_commit(core, text)
    return series, core


def _refuse_commit(tag: str, text: str) -> None:
    if _COMMIT.fullmatch(re.split(r"[-._+!]", tag, maxsplit=1)[0].lower()):
        raise _commit_error(text)


def _commit_error(text: str) -> VersionError:
    return VersionError(f"{_quote(text)} is a commit, and does not say what came before it")


def _semver_rank(release: tuple[int, ...], rest: str) -> Rank:
    """By the letter of semver.org: build metadata does not count (section 10)."""
    pre = rest.partition("+")[0].removeprefix("-")
    if pre:
        return Rank(0, release, _PRE_RELEASE, semver_parts(pre))
    return Rank(0, release, _FINAL)


def _rank(epoch: int, release: tuple[int, ...], rest: str, text: str) -> Rank:
    """By PEP 440 where its grammar fits, else by nature: -word is a pre-release, .word is not."""
    match = PEP_440.fullmatch(rest)
    if match is None:
        rest, _, build = rest.partition("+")
        if any(_MARK.fullmatch(each) for each in re.split("[-._~]", rest.lower())):
            raise VersionError(
                f"{_quote(text)} has a commit where its place in the order should be"
            )
        local = local_parts(build)
        if rest.startswith(("-", "~")):
            return Rank(epoch, release, _PRE_RELEASE, natural_parts(rest), local=local)
        return Rank(epoch, release, _FINAL, suffix=natural_parts(rest), local=local)
    post = _NOT_POST
    if match["post"]:
        post = int(match["implicit_post"] or match["post_number"] or 0)
    dev = (0, int(match["dev_number"] or 0)) if match["dev"] else _NOT_DEV
    pre: tuple[Identifier, ...] = ()
    if match["pre"]:
        pre = natural_parts(f"{match['pre']}{match['pre_number'] or 0}")
    elif match["dev"] and not match["post"]:
        pre = _DEV_ALONE
    stage = _PRE_RELEASE if pre else _FINAL
    return Rank(epoch, release, stage, pre, (), post, dev, local=local_parts(match["local"] or ""))


def _quote(text: str) -> str:
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    return "'" + "".join(each if each.isprintable() else "?" for each in shown) + "'"
