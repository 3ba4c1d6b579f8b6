"""The version as the environment states it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.versions.stamp import ServiceVersion, stamp_from_environment

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"


def test_a_stamped_image_says_its_version_and_commit() -> None:
    stamp = stamp_from_environment({"VERSION_NAME": "v2.3-17-g2257f9c", "VERSION_SHA": COMMIT})
    assert stamp == ServiceVersion("v2.3-17-g2257f9c", COMMIT)
    assert stamp.is_known


@pytest.mark.parametrize("text", ["", "  ", "BAD VERSION", " BAD VERSION\n", "v1\x00", "\udcff"])
def test_what_is_no_version_is_unknown(text: str) -> None:
    stamp = stamp_from_environment({"VERSION_NAME": text, "VERSION_SHA": COMMIT})
    assert stamp == ServiceVersion("unknown", COMMIT)
    assert not stamp.is_known


def test_an_image_without_a_stamp_is_unknown() -> None:
    assert stamp_from_environment({}) == ServiceVersion("unknown", "unknown")


def test_half_a_stamp_is_shown_but_not_known() -> None:
    stamp = stamp_from_environment({"VERSION_NAME": "v2.3"})
    assert stamp == ServiceVersion("v2.3", "unknown")
    assert not stamp.is_known
    assert stamp.missing == ("VERSION_SHA",)


def test_spaces_around_a_version_are_no_part_of_it() -> None:
    assert stamp_from_environment({"VERSION_NAME": " v2.3\n"}).version == "v2.3"


@given(st.text(), st.text())
def test_no_text_breaks_it_and_every_answer_can_be_a_label(name: str, commit: str) -> None:
    stamp = stamp_from_environment({"VERSION_NAME": name, "VERSION_SHA": commit})
    for text in (stamp.version, stamp.commit):
        assert 0 < len(text) <= 256
        text.encode("utf-8")
