"""Settings classes are read into paths, shapes and defaults; a careless declaration is an error."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from sidecar.config.fields import Many, One, Record, Table, fields_of, sections_of
from sidecar.config.settings import Settings


def test_paths_are_what_users_write_and_attributes_what_the_program_uses() -> None:
    fields = {field.path: field.attributes for field in fields_of(Settings)}
    assert fields["timeouts.header"] == ("timeouts", "header_s")
    assert fields["auth.from"] == ("auth", "places")
    assert fields["auth.keyring"] == ("keyring",)
    assert fields["limits.header_bytes"] == ("limits", "header_bytes")
    assert fields["auth.forward.claims"] == ("auth", "forward", "claims")


def test_shapes_follow_the_types() -> None:
    shapes = {field.path: field.shape for field in fields_of(Settings)}
    assert isinstance(shapes["service"], One)
    assert isinstance(shapes["auth.newest"], One)
    assert shapes["auth.newest"].is_nullable
    assert isinstance(shapes["auth.issuer"], Many)
    assert isinstance(shapes["auth.signing_since"], Table)
    assert isinstance(shapes["listen"], Many)
    assert shapes["listen"].at_least == 1
    assert isinstance(shapes["auth.rules"], Many)
    assert isinstance(shapes["auth.rules"].item, Record)


def test_sections_are_known_at_every_depth() -> None:
    assert {"auth", "auth.forward", "limits"} <= set(sections_of(Settings))


def test_a_default_and_a_value_are_found_in_a_settings_object() -> None:
    settings = Settings()
    for field in fields_of(Settings):
        assert field.value_in(settings) == field.default()


@dataclass(frozen=True, slots=True)
class Unmarked:
    careless: Annotated[int, "a comment"] = 1


def test_an_attribute_without_a_setting_is_an_error_of_the_programmer() -> None:
    with pytest.raises(TypeError, match=r"Unmarked\.careless is not marked as a Setting"):
        fields_of(Unmarked)
