"""The stamp of the image and the word of the application."""

import pytest

from sidecar.versions.stamp import ServiceVersion
from sidecar.versions.statement import Statement

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"
UNKNOWN = ServiceVersion("unknown", "unknown")
STAMP = ServiceVersion("v2.3", COMMIT)


def test_before_the_application_spoke_nothing_is_verified() -> None:
    statement = Statement(STAMP)
    assert statement.version == STAMP
    assert statement.document() == {"verified": None}


@pytest.mark.parametrize(
    "reported",
    [
        STAMP,
        ServiceVersion("2.3.0", COMMIT),
        ServiceVersion("v2.3", "unknown"),
        ServiceVersion("v2.3", COMMIT[:7].upper()),
    ],
)
def test_the_same_version_in_another_spelling_is_verified(reported: ServiceVersion) -> None:
    assert Statement(STAMP, reported).document() == {"verified": True}


@pytest.mark.parametrize(
    "reported",
    [
        ServiceVersion("v2.4", COMMIT),
        ServiceVersion("latest", COMMIT),
        ServiceVersion("v2.3-dirty", COMMIT),
        ServiceVersion("v2.3", "0" * 40),
        ServiceVersion("v2.3", COMMIT[:4]),
    ],
)
def test_a_disagreement_is_shown_with_both_words(reported: ServiceVersion) -> None:
    statement = Statement(STAMP, reported)
    assert statement.version == STAMP
    assert statement.document() == {
        "verified": False,
        "stamp": {"version": "v2.3", "commit": COMMIT},
        "application": {"version": reported.version, "commit": reported.commit},
    }


def test_where_the_application_decides_its_word_is_the_version() -> None:
    reported = ServiceVersion("v2.4", COMMIT)
    assert Statement(STAMP, None, follows_application=True).version == UNKNOWN
    statement = Statement(STAMP, reported, follows_application=True)
    assert statement.version == reported
    assert statement.is_verified is False
    assert Statement(UNKNOWN, reported, follows_application=True).is_verified is True


@pytest.mark.parametrize(
    ("stamp", "reported"), [(UNKNOWN, STAMP), (STAMP, UNKNOWN), (UNKNOWN, UNKNOWN)]
)
def test_one_word_alone_proves_nothing(stamp: ServiceVersion, reported: ServiceVersion) -> None:
    assert Statement(stamp, reported).is_verified is None
