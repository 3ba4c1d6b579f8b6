"""What a text says about its place in the order, and what says nothing about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import VersionError
from sidecar.versions.version import parse_version

NO_PLACE = [
    ("latest", "names no number"),
    ("stable", "names no number"),
    ("v", "names no number"),
    ("unknown", "names no number"),
    ("main-dirty", "names no number"),
    ("2257f9c", "is a commit"),
    ("2257F9C", "is a commit"),
    ("g2257f9c", "is a commit"),
    ("2257f9c-dirty", "is a commit"),
    ("2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90", "is a commit"),
    ("1234567890123456789012345678901234567890", "is a commit"),
    ("sha-1234567", "is a commit"),
    ("main-2257f9c", "is a commit"),
    ("550e8400-e29b-41d4-a716-446655440000", "is a commit"),
    ("v2.3-2257f9c", "has a commit where"),
    ("v2.3-g2257f9c", "has a commit where"),
    ("2.x", "names many versions"),
    ("v2.3.x", "names many versions"),
    ("2.*", "is not the text of a version"),
    ("", "is not the text of a version"),
    ("   ", "is not the text of a version"),
    ("BAD VERSION", "is not the text of a version"),
    ("v2 3", "is not the text of a version"),
    ("v2\n3", "is not the text of a version"),
    ("\udcff", "is not the text of a version"),
    ("v\u0662", "is not the text of a version"),
    ("1." * 200, "is not the text of a version"),
    ("sha256:2257f9c", "is not the text of a version"),
]


@pytest.mark.parametrize(("text", "why"), NO_PLACE)
def test_what_has_no_place_in_the_order_says_so(text: str, why: str) -> None:
    with pytest.raises(VersionError, match=why) as refused:
        parse_version(text)
    assert refused.value.detail.isprintable()


@pytest.mark.parametrize("text", ["7654321", "20261123", "build42", "123456"])
def test_digits_alone_are_a_number_and_no_commit(text: str) -> None:
    assert parse_version(text).text == text


def test_a_version_keeps_its_text_and_the_commit_that_it_names() -> None:
    version = parse_version(" v2.3-17-g2257F9C-dirty ")
    assert str(version) == "v2.3-17-g2257F9C-dirty"
    assert version.commit == "2257f9c"


@pytest.mark.parametrize("text", ["v3-rc1", "3.0.0-rc.1", "3.0a1", "3.dev1", "v3-rc1-4-gabcdef1"])
def test_a_pre_release_belongs_to_its_release(text: str) -> None:
    version = parse_version(text)
    assert version.is_pre_release
    assert version.release == parse_version("v3.0").release


@pytest.mark.parametrize("text", ["v3", "v3.post1", "v3-4-gabcdef1", "v3-dirty", "v3+local"])
def test_what_comes_after_a_release_is_no_pre_release(text: str) -> None:
    assert not parse_version(text).is_pre_release


@given(st.text() | st.text(alphabet="v0123456789abcg.-+_~!x@/", max_size=40))
def test_any_text_is_a_version_or_is_refused(text: str) -> None:
    refused = ""
    try:
        version = parse_version(text)
    except VersionError as refusal:
        refused = refusal.detail
    else:
        assert version.rank == parse_version(version.text).rank
    assert refused.isprintable()
    assert len(refused) < 300
