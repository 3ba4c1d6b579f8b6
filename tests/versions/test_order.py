"""One order over every form of version, and the laws of an order."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version as PythonVersion

from sidecar.errors import VersionError
from sidecar.versions.order import Order, compare
from sidecar.versions.version import Version, parse_version
from tests.versions import written

SIGN = {Order.OLDER: -1, Order.EQUAL: 0, Order.NEWER: 1}

# Each ladder of published or stated versions, oldest first.
SEMVER_ORG = (  # semver.org 2.0.0, section 11
    "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1"
    " 1.0.0 2.0.0 2.1.0 2.1.1"
)
PEP_440 = (  # PEP 440, "Summary of permitted suffixes and relative ordering", and packaging's tests
    "1.dev0 1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2"
    " 1.0b2.post345.dev456 1.0b2.post345 1.0b2-346 1.0rc1.dev456 1.0rc1 1.0rc2 1.0c3 1.0 1.0+abc.5"
    " 1.0+abc.7 1.0+5 1.0.post456.dev34 1.0.post456 1.0.15 1.1.dev1 1.2+123abc 1.2+123abc456"
    " 1.2+abc 1.2+abc123 1.2+abc123def 1.2+1234.abc 1.2+123456 1.2.r32+123456 1.2.rev33+123456"
    " 1!1.0.dev456 1!1.0a1 1!1.0b2.post345 1!1.0 1!1.0.post456 1!1.2.rev33+123456"
)
LADDERS = {
    "semver.org": SEMVER_ORG,
    "PEP 440": PEP_440,
    "growing tags": "v0.9 v1 v1.6 v1.9 v1.10 v2.3 v2.3.1 v2.3.1.4 v2.4 v10.0",
    "git describe": (
        "v2.3-rc1 v2.3-rc1-4-gabcdef1 v2.3 v2.3-dirty v2.3-1-gabcdef1 v2.3-17-g2257f9c"
        " v2.3-17-g2257f9c-dirty v2.3-101-gabcdef1 v2.4"
    ),
    "git describe of semantic versions": (
        "v1.2.2 v1.2.3-rc.1 v1.2.3 v1.2.3-17-g2257f9c v1.2.4-alpha"
    ),
    "dates": (
        "2025.12.31 2026.1.5 2026-02-01 2026.11.22 2026.11.23 2026.11.23-1 2026.11.23-2 2026-11-24"
    ),
    "from tags to dates": "v2.3 v17.0 2026.11.23",
    "nature": "release-8 release-9 release-10 release-10.1",
    "one of several services": "users/v2.3 users/v2.3-4-gabcdef1 users-v2.10",
    "word and number": "build9 build42 build100",
    "letters after the number": "1.0.1 1.0.2 1.0.2k 1.0.2u 1.0.3",
    "pre-releases of two parts": "v2.3-alpha v2.3-beta v2.3-rc9 v2.3-rc10 v2.3",
}
EQUAL = [
    ("v2.3", "2.3"),
    ("v2.3", "V2.3.0"),
    ("v2", "v2.0.0"),
    ("v0", "0.0"),
    (" v2.3\n", "v2.3"),
    ("2026.11.23", "2026-11-23"),
    ("2026.01.05", "2026.1.5"),
    ("1.0.0+build.1", "1.0.0+build.2"),
    ("1.0.0-alpha+001", "1.0.0-alpha"),
    ("v2.3-0-g2257f9c", "v2.3"),
    ("v2.3-17-g2257f9c", "v2.3-17-g2257f9c0a1"),
    ("v2.3-rc1", "v2.3rc1"),
    ("Release-2.3", "release/v2.3"),
]


def sign(one: str, other: str) -> int:
    return SIGN[compare(parse_version(one), parse_version(other))]


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)
def test_every_step_of_a_ladder_is_newer_than_all_before(ladder: str) -> None:
    wrong = [
        (one, other) for one, other in combinations(ladder.split(), 2) if sign(one, other) != -1
    ]
    assert wrong == []


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_two_spellings_of_one_version_are_equal(one: str, other: str) -> None:
    assert sign(one, other) == sign(other, one) == 0


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("users-v2", "thoughts-v2", "versions of different things"),
        ("release-2", "v2", "versions of different things"),
        ("v2.3-17-g2257f9c", "v2.3-17-gabcdef1", "equally far from one tag"),
    ],
)
def test_versions_without_an_order_say_why(one: str, other: str, why: str) -> None:
    for first, second in ((one, other), (other, one)):
        with pytest.raises(VersionError, match=why):
            compare(parse_version(first), parse_version(second))


# Twenty versions make 190 pairs and 1140 triples: together far more than 100,000 of each.
@settings(max_examples=550)
@given(st.lists(written.versions, min_size=20, max_size=20))
def test_the_order_is_total_antisymmetric_and_transitive(texts: list[str]) -> None:
    versions = [parse_version(text) for text in texts]
    signs = {}
    for (i, one), (j, other) in combinations(enumerate(versions), 2):
        signs[i, j], signs[j, i] = rank_sign(one, other), rank_sign(other, one)
        assert signs[i, j] == -signs[j, i], (one, other)
    for i, j, k in combinations(range(len(versions)), 3):
        # i <= j <= k in any arrangement: sorting by the signs must never contradict them
        for a, b, c in ((i, j, k), (j, i, k), (i, k, j)):
            if signs[a, b] <= 0 and signs[b, c] <= 0:
                assert signs[a, c] <= 0, (versions[a], versions[b], versions[c])
                if signs[a, b] or signs[b, c]:
                    assert signs[a, c] < 0, (versions[a], versions[b], versions[c])


def rank_sign(one: Version, other: Version) -> int:
    """As ``compare``; two branches at one distance from a tag are the only ones that it refuses."""
    try:
        return SIGN[compare(one, other)]
    except VersionError:
        assert one.rank == other.rank
        assert one.commit != other.commit
        return 0


@given(st.lists(written.versions, min_size=2, max_size=12))
def test_sorting_by_rank_agrees_with_comparing(texts: list[str]) -> None:
    ordered = sorted((parse_version(text) for text in texts), key=lambda version: version.rank)
    assert all(rank_sign(one, other) <= 0 for one, other in pairwise(ordered))


@settings(max_examples=1000)
@given(written.semantic, written.semantic)
def test_semantic_versions_are_ordered_by_the_letter_of_semver_org(one: str, other: str) -> None:
    expected = (semver_precedence(one) > semver_precedence(other)) - (
        semver_precedence(one) < semver_precedence(other)
    )
    assert sign(one, other) == expected


def semver_precedence(text: str) -> tuple[object, ...]:
    """Section 11, read anew."""
    core, _, pre = text.partition("+")[0].partition("-")
    numbers = tuple(int(part) for part in core.split("."))
    parts = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in pre.split(".")] if pre else []
    return numbers, not pre, parts


@settings(max_examples=1000)
@given(written.python, written.python)
def test_python_versions_are_ordered_as_by_packaging(one: str, other: str) -> None:
    first, second = PythonVersion(one), PythonVersion(other)
    assert sign(one, other) == (first > second) - (first < second)


@given(written.versions, st.integers(1, 99))
def test_commits_after_a_tag_are_newer_than_it_and_older_than_what_is_newer(
    text: str, count: int
) -> None:
    base = parse_version(text.removesuffix("-dirty").partition("-g")[0])
    after = parse_version(f"{base}-{count}-g2257f9c")
    assert compare(base, after) is Order.OLDER
