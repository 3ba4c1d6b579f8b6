"""What a service needs of another's version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import VersionError
from sidecar.versions.order import Order, compare
from sidecar.versions.requirement import Requirement, build_requirement, parse_requirement
from sidecar.versions.version import parse_version
from tests.versions import written


def judge(requirement: str, version: str) -> bool | None:
    return parse_requirement(requirement).judge(version).holds


@pytest.mark.parametrize(
    ("requirement", "met", "unmet"),
    [
        (">=v2.3", "v2.3 2.3.0 v2.3-dirty v2.3-1-gabcdef1 v2.4 v10", "v2.2 v2.3-rc1 v1"),
        ("<v3", "v2.9 v2.9-17-gabcdef1 v0", "v3 v3.0.1 v4 v3-rc1 3.0.0-rc.1 v3-rc1-5-gabcdef1"),
        ("<v3-rc2", "v3-rc1 v2", "v3-rc2 v3"),
        ("!=v2.5", "v2.4 v2.5-1-gabcdef1 v2.6 v2.5.1", "v2.5 2.5.0 v2.5-dirty 2.5+local"),
        (">=v2.3,<v3", "v2.3 v2.9", "v2.2 v3"),
        (" >= v2.3 , < v3 , != v2.5 , != v2.7 ", "v2.6", "v2.5 v2.7 v3"),
        (">=v2.3-17-g2257f9c", "v2.3-17-g2257f9cd v2.4", "v2.3-16-gabcdef1"),
        (">=2026.11.23", "2026-11-24", "2026.11.22"),
        ("any", "v1 latest unknown 2257f9c", ""),
    ],
)
def test_a_version_meets_its_bounds(requirement: str, met: str, unmet: str) -> None:
    wanted = dict.fromkeys(met.split(), True) | dict.fromkeys(unmet.split(), False)
    assert {version: judge(requirement, version) for version in wanted} == wanted


@pytest.mark.parametrize("version", ["latest", "2257f9c", "unknown", "release-9", ""])
def test_what_cannot_be_ordered_is_neither_good_nor_bad_enough(version: str) -> None:
    judgement = parse_requirement(">=v2.3").judge(version)
    assert judgement.holds is None
    assert judgement.why


@pytest.mark.parametrize("requires", [">=v2.3-17-g2257f9c", "<v2.3-17-g2257f9c"])
def test_a_commit_of_another_branch_at_the_same_distance_is_not_known_to_hold_what_is_needed(
    requires: str,
) -> None:
    judgement = parse_requirement(requires).judge("v2.3-17-gabcdef1")
    assert judgement.holds is None
    assert "on different branches" in judgement.why


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("v2.2", "v2.2 is older than v2.3"),
        ("v3.1", "v3.1 is not below v3"),
        ("v3-rc1", "v3-rc1 is a pre-release of v3"),
        ("v2.5", "v2.5 is excluded"),
        ("unknown", "its version is unknown"),
    ],
)
def test_a_judgement_says_why(version: str, why: str) -> None:
    assert parse_requirement(">=v2.3,<v3,!=v2.5").judge(version).why == why


@pytest.mark.parametrize("requires", [">=users-v2.3", "<users-v3", "!=users-v2.5"])
@pytest.mark.parametrize("number", ["v2.3", "v3", "v4"])
def test_the_same_number_of_another_thing_is_no_answer(requires: str, number: str) -> None:
    assert parse_requirement(requires).judge(f"thoughts-{number}").holds is None


@pytest.mark.parametrize(
    "text",
    [
        ">=v3,<v2",
        ">=v3,<v3",
        ">=v3,<v3.0.0",
        ">=v3-rc1,<v3",
        ">=users-v1,<v2",
        ">=v2.3-dirty,<v2.3",
    ],
)
def test_a_requirement_that_no_version_can_meet_is_refused(text: str) -> None:
    with pytest.raises(VersionError, match="no version can be"):
        parse_requirement(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a requirement"),
        ("v2.3", "accepted are >=v2.3, <v3 and !=v2.5"),
        (">v2.3", "is not a requirement"),
        ("<=v2.3", "is not a requirement"),
        ("==v2.3", "is not a requirement"),
        ("~=2.3", "is not a requirement"),
        (">=v2.3,", "is not a requirement"),
        (">=v2.3 <v3", "is not a requirement"),
        (">=v2,>=v3", "says >= more than once"),
        ("<v2,<v3", "says < more than once"),
        (">=latest", "names no number"),
        ("!=2257f9c", "is a commit"),
    ],
)
def test_what_is_no_requirement_is_refused(text: str, why: str) -> None:
    with pytest.raises(VersionError, match=why):
        parse_requirement(text)


def test_bounds_one_by_one_say_the_same_as_the_short_form() -> None:
    built = build_requirement(least="v2.3", below="v3", excluded=["v2.5"])
    assert built == parse_requirement(">=v2.3,<v3,!=v2.5")
    assert build_requirement(least=None, below=None, excluded=()) == parse_requirement("any")


bounds = st.builds(
    lambda least, below, excluded: (least, below, excluded),
    st.none() | written.versions,
    st.none() | written.versions,
    st.lists(written.versions, max_size=2),
)


@given(bounds, written.versions)
def test_the_short_form_is_read_back_as_it_was_and_judged_by_the_order(
    given_bounds: tuple[str | None, str | None, list[str]], text: str
) -> None:
    least, below, excluded = given_bounds
    try:
        requirement = build_requirement(least=least, below=below, excluded=excluded)
    except VersionError:
        assert least is not None
        assert below is not None
        return
    assert parse_requirement(str(requirement)) == requirement
    check_bounds(requirement, text)


def check_bounds(requirement: Requirement, text: str) -> None:
    version = parse_version(text)
    if requirement.judge(text).holds:
        for bound, allowed in (
            (requirement.least, {Order.NEWER, Order.EQUAL}),
            (requirement.below, {Order.OLDER}),
        ):
            if bound is not None and bound.rank != version.rank:
                assert compare(version, bound) in allowed
        if requirement.below is not None:
            assert version.rank != requirement.below.rank
        assert all(each.rank != version.rank for each in requirement.excluded)
