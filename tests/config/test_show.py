"""What is shown are the settings in force: it can be given back as the file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from sidecar.config.fields import fields_of
from sidecar.config.load import load_settings
from sidecar.config.show import report, show_settings, shown_in
from sidecar.errors import ConfigError
from sidecar.setting import Setting
from tests.config.documents import right_documents


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sidecar.yaml"


def test_each_setting_stands_with_its_origin(file: Path) -> None:
    file.write_text("auth:\n  leeway: 10s\n  rules: [{paths: [/a]}]\n")
    loaded = load_settings({"keyring": ("/keys",)}, {"SIDECAR_GRACE": "1m30s"}, file)
    lines = show_settings(loaded.settings, loaded.origins).splitlines()
    assert f"  leeway: 10s                           # file {file}:2" in lines
    assert "  grace: 90s                            # environment SIDECAR_GRACE" in lines
    assert "  keyring:                              # flag --keyring" in lines
    assert "    - {path: /keys}" in lines
    assert "    - {paths: [/a], access: token}" in lines
    assert "  max_lifetime: 0                       # default" in lines


def test_a_source_of_keys_is_shown_with_what_was_said_of_it_alone(file: Path) -> None:
    source = "{issuer: 'https://issuer.example', refresh: 60s, insecure: false}"
    file.write_text(f"auth: {{keyring: [/keys, {source}]}}")
    loaded = load_settings({}, {}, file)
    lines = show_settings(loaded.settings, loaded.origins).splitlines()
    assert "    - {path: /keys}" in lines
    assert "    - {issuer: https://issuer.example, refresh: 1m}" in lines


def test_a_report_is_json_with_value_and_origin_by_path() -> None:
    loaded = load_settings({"auth": "off"}, {})
    found = report(loaded.settings, loaded.origins)
    assert found["auth.mode"] == {"value": "off", "origin": "flag --auth"}
    assert found["auth.from"]["value"] == [{"header": "Authorization", "scheme": "Bearer"}]
    assert json.loads(json.dumps(found)) == found
    assert report(loaded.settings)["auth.mode"] == {"value": "off"}


def test_yaml_readers_of_version_1_1_read_the_same_texts() -> None:
    loaded = load_settings({"auth": "off", "access_log": "off", "service": "15:06"}, {})
    shown = yaml.safe_load(show_settings(loaded.settings, loaded.origins))
    assert shown["auth"]["mode"] == "off"
    assert shown["log"]["access"] == "off"
    assert shown["service"] == "15:06"
    assert shown["listen"] == ["0.0.0.0:15006"]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=right_documents)
def test_what_is_shown_loads_to_the_same_settings(file: Path, document: dict[str, Any]) -> None:
    file.write_text(json.dumps(document))
    try:
        loaded = load_settings({"keyring": "/keys"}, {}, file)
    except ConfigError:
        return  # right values that contradict each other
    file.write_text(show_settings(loaded.settings, loaded.origins), encoding="utf-8")
    again = load_settings({}, {}, file)
    assert again.settings == loaded.settings


@pytest.mark.parametrize(
    "text", ["\u2028", "\U0001f600\u200d", 'a"\\b', "\ufeff", "\ufffe", "\U000e0001", "\u00ad x "]
)
def test_any_text_survives_being_shown(file: Path, text: str) -> None:
    loaded = load_settings({"auth": "off", "service": text}, {})
    file.write_text(show_settings(loaded.settings, loaded.origins), encoding="utf-8")
    assert load_settings({}, {}, file).settings.service == text


@dataclass(frozen=True, slots=True)
class Vault:
    password: Annotated[str | None, Setting("opens it", secret=True)] = None


def test_a_secret_is_not_shown_but_its_absence_is() -> None:
    (field,) = fields_of(Vault)
    assert shown_in(Vault("open sesame"), field) == "(not shown)"
    assert shown_in(Vault(), field) is None
