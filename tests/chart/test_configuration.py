"""The configuration that the chart writes is one that the sidecar takes; what it would refuse, the
chart refuses first."""

import shutil
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from scripts.chart.render import CHART, Document, cases, documents, examples, render
from sidecar.config.load import load_settings
from sidecar.config.settings import Settings
from sidecar.errors import ConfigError
from tests.chart.blocks import BLOCKS, LEAST, Values, merged, with_block

ALL = {**cases(), **examples(), **{name: with_block(name) for name in BLOCKS}}


def configuration(values: Values, version: str = "v1.34.0") -> str:
    """The file that the rendered ConfigMap holds."""
    found = documents(render({**values, "kubeVersion": version}))
    (text,) = (
        each["data"]["sidecar.yaml"]
        for each in found
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].endswith("-sidecar")
        and "sidecar.yaml" in each["data"]
    )  # fmt: skip
    assert isinstance(text, str)
    return text


def loaded(tmp_path: Path, text: str) -> Settings:
    """What the sidecar makes of it. Raises ConfigError as ``sidecar config check`` would."""
    file = tmp_path / "sidecar.yaml"
    file.write_text(text)
    return load_settings({}, {}, file).settings


def with_config(**config: Any) -> Values:
    return merged(LEAST, {"sidecar": {"config": config}})


@pytest.mark.parametrize("version", ["v1.25.0", "v1.34.0"])
@pytest.mark.parametrize("name", ALL)
def test_the_sidecar_accepts_what_the_chart_writes(name: str, version: str, tmp_path: Path) -> None:
    values = {**ALL[name]}
    if values.get("workload", {}).get("kind") in ("Job", "CronJob"):
        version = "v1.34.0"
    loaded(tmp_path, configuration(values, version))


def test_what_the_values_say_arrives(tmp_path: Path) -> None:
    settings = loaded(tmp_path, configuration(cases()["everything"]))
    assert settings.service == "thoughts-backend"
    assert settings.listen == ("0.0.0.0:15006",)
    assert settings.admin == "0.0.0.0:15020"
    assert settings.upstream.url == "http://127.0.0.1:8080"
    assert [source.path or source.url or source.issuer for source in settings.keyring] == [
        "/etc/sidecar/keys",
        "https://issuer.example/jwks.json",
        "https://login.example/tenant",
    ]
    assert settings.outbound.listen == ("127.0.0.1:15001",)
    assert settings.dependencies["users-backend"].min == "v2.3"
    assert settings.state_dir == "/var/lib/sidecar"
    assert settings.auth.max_lifetime_s == 48 * 3600


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    assert loaded(tmp_path, configuration(ALL["a large limit"])).limits.body_bytes == 1000000


def test_probes_come_first_so_that_no_rule_of_the_user_stops_them(tmp_path: Path) -> None:
    values = merged(with_block("probes through the sidecar"), {
        "sidecar": {"config": {"auth": {"rules": [{"paths": ["/*"], "access": "token"}]}}}
    })  # fmt: skip
    first, last = loaded(tmp_path, configuration(values)).auth.rules
    assert (first.paths, first.methods, first.access) == (
        ("/healthz", "/readyz"),
        ("GET",),
        "public",
    )
    assert last.paths == ("/*",)


@pytest.mark.parametrize(
    ("interception", "port", "is_public"),
    [(False, None, True), (False, 8000, False), (True, None, True), (True, 8000, True),
     (True, "http", True), (True, 9999, False), (False, "http", False)],
)  # fmt: skip
def test_a_path_is_public_only_where_its_probe_comes_through_the_sidecar(
    interception: bool, port: int | str | None, is_public: bool, tmp_path: Path
) -> None:
    http_get = {"path": "/healthz", **({"port": port} if port else {})}
    values = merged(LEAST, {
        "app": {"probes": {"liveness": {"httpGet": http_get}}},
        "interception": {"enabled": interception},
    })  # fmt: skip
    assert bool(loaded(tmp_path, configuration(values)).auth.rules) == is_public


def test_probes_open_nothing_where_that_is_not_wanted(tmp_path: Path) -> None:
    values = merged(
        with_block("probes through the sidecar"), {"app": {"probes": {"public": False}}}
    )
    assert loaded(tmp_path, configuration(values)).auth.rules == ()


def test_beside_a_service_that_hands_out_tokens_there_is_time_for_one_more_scrape(
    tmp_path: Path,
) -> None:
    shutdown = loaded(tmp_path, configuration(ALL["issuing"])).shutdown
    assert shutdown.last_word_s >= 90  # monitoring.scrapeInterval
    assert shutdown.grace_s == shutdown.last_word_s + 25


def test_what_the_user_says_of_the_end_is_not_touched(tmp_path: Path) -> None:
    values = merged(ALL["issuing"], {
        "sidecar": {"config": {"shutdown": {"grace": "40s", "last_word": "10s"}}}
    })  # fmt: skip
    shutdown = loaded(tmp_path, configuration(values)).shutdown
    assert (shutdown.grace_s, shutdown.last_word_s) == (40, 10)


def test_several_ports_are_told_apart_by_where_each_connection_was_made_to(tmp_path: Path) -> None:
    settings = loaded(tmp_path, configuration(ALL["interception of several ports"]))
    assert settings.upstream.is_original_dst
    assert list(map(str, settings.upstream.ports)) == ["8000", "9000-9010"]
    assert list(map(str, settings.opaque_ports)) == ["5432"]


def test_of_several_ports_a_service_leads_to_the_applications(tmp_path: Path) -> None:
    values = merged(LEAST, {"interception": {"enabled": True, "ports": [9000, 8000]}})
    settings = loaded(tmp_path, configuration(values))
    assert settings.upstream.fallback == "http://127.0.0.1:8000"


# --- what the sidecar would refuse --------------------------------------------------------------

RULE = {"paths": ["/*"]}
CONTRADICTIONS: dict[str, Values] = {
    "a start held back for too long": with_config(outbound={"detect_timeout": "6s"}),
    "no time to connect": with_config(outbound={"connect_timeout": "99ms"}),
    "a token of a moment": with_config(auth={"forward": {"resign": {"lifetime": "9.5s"}}}),
    "a token of a day": with_config(auth={"forward": {"resign": {"lifetime": "1d"}}}),
    "keys asked for without a pause": merged(
        LEAST, {"keyring": {"urls": [{"url": "https://a.example/k", "refresh": "500ms"}]}}
    ),
    "a dependency asked without a pause": merged(
        LEAST, {"dependencies": {"a": {"url": "http://a/version", "interval": 0}}}
    ),
    "a dependency's answer awaited for too long": merged(
        LEAST, {"dependencies": {"a": {"url": "http://a/version", "timeout": "1m1s"}}}
    ),
    "no keys": merged(LEAST, {"keyring": {"existingSecret": ""}}),
    "a place twice": with_config(auth={"from": [{"cookie": "a"}, {"cookie": "a"}]}),
    "a header of the connection": with_config(auth={"from": [{"header": "TE"}]}),
    "the header Cookie": with_config(auth={"from": [{"header": "cookie"}]}),
    "unbounded and bounded": with_config(auth={"allow_unbounded": True, "max_lifetime": "1h"}),
    "unbounded and required": with_config(auth={"allow_unbounded": True, "require": "exp"}),
    "a claim in Host": with_config(auth={"forward": {"claims": {"sub": "Host"}}}),
    "a claim in the token's place": with_config(
        auth={"from": [{"header": "X-Token"}], "forward": {"claims": {"sub": "x_token"}}}
    ),
    "two claims in one field": with_config(
        auth={"forward": {"claims": {"sub": "X-User", "name": "x.user"}}}
    ),
    "resigning without a file": with_config(auth={"forward": {"token": "resign"}}),
    "resigning among the keys": with_config(
        auth={"forward": {"token": "resign", "resign": {"public_key": "/etc/sidecar/keys/a.pub"}}}
    ),
    "resigning into Host": with_config(
        auth={
            "forward": {"token": "resign", "resign": {"public_key": "/a/a.pub", "header": "Host"}}
        }
    ),
    "resigning nothing": with_config(auth={"forward": {"resign": {"public_key": "/a/a.pub"}}}),
    "resigning while off": with_config(
        auth={"mode": "off", "forward": {"token": "resign", "resign": {"public_key": "/a/a.pub"}}}
    ),
    "a rule that is never reached": with_config(auth={"rules": [RULE, {"paths": ["/a"]}]}),
    "claims of nobody": with_config(
        auth={"rules": [{"paths": "/a", "access": "public", "claims": {"role": "admin"}}]}
    ),
    "dots in a rule": with_config(auth={"rules": [{"paths": ["/a/../b"]}]}),
    "dots in a probe": merged(
        LEAST, {"app": {"probes": {"liveness": {"httpGet": {"path": "/a/%2e%2E/b"}}}}}
    ),
    "dots in a version path": with_config(version={"paths": ["/a/."]}),
    "an issue twice": with_config(
        auth={"issues": [{"paths": "/a", "json": "t"}, {"paths": "/a", "json": "t"}]}
    ),
    "an issue in Set-Cookie": with_config(auth={"issues": {"paths": "/a", "header": "Set-Cookie"}}),
    "an issue of the connection": with_config(auth={"issues": {"paths": "/a", "header": "TE"}}),
    "an issue of ours": with_config(auth={"issues": {"paths": "/version", "json": "t"}}),
    "an issue without keys": merged(
        with_config(auth={"mode": "off", "issues": {"paths": "/a", "json": "t"}}),
        {"keyring": {"existingSecret": ""}},
    ),
    "the word of nobody": with_config(version={"from": "app"}),
    "everybody as a balancer": with_config(proxy_protocol={"from": ["::/0"]}),
    "a requirement twice": merged(
        LEAST, {"dependencies": {"a": {"url": "http://a/version", "min": "v1", "requires": ">=v1"}}}
    ),
    "an authority for http": merged(
        LEAST, {"dependencies": {"a": {"url": "http://a/version", "ca": "/ca.pem"}}}
    ),
    "one source of keys twice": merged(
        LEAST, {"keyring": {"urls": [{"url": "https://a.example/k"}, {"url": "https://a.example/k"}]}}
    ),
    "keys in the clear": merged(LEAST, {"keyring": {"urls": [{"url": "http://a.example/k"}]}}),
    "insecure for nothing": merged(
        LEAST, {"keyring": {"urls": [{"url": "https://a.example/k", "insecure": True}]}}
    ),
    "an authority of nothing": merged(
        LEAST,
        {"keyring": {"urls": [{"url": "http://a.example/k", "insecure": True, "ca": "/ca.pem"}]}},
    ),
    "the application on our port": merged(LEAST, {"app": {"port": 15006}}),
    "two ports of ours": merged(LEAST, {"sidecar": {"ports": {"admin": 15006}}}),
    "calls to our port": merged(
        LEAST, {"interception": {"enabled": True, "outbound": {"enabled": True, "port": 15020}}}
    ),
    "a range with our port": merged(
        LEAST, {"interception": {"enabled": True, "ports": [8000, "15000-15010"]}}
    ),
    "a range the wrong way": merged(
        LEAST, {"interception": {"enabled": True, "ports": [8000, "9010-9000"]}}
    ),
    "read and not read": merged(
        LEAST, {"interception": {"enabled": True, "ports": [8000, "9000-9010"], "opaquePorts": [9005]}}  # noqa: E501
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_what_the_sidecar_would_refuse_the_chart_refuses(name: str, tmp_path: Path) -> None:
    values = CONTRADICTIONS[name]
    with pytest.raises(helm_python.HelmError, match=r"checks\.yaml"):
        render(values)
    with pytest.raises(ConfigError):
        loaded(tmp_path, unchecked(values, tmp_path))


def unchecked(values: Values, tmp_path: Path) -> str:
    """The configuration that the chart would write, if it did not look."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    (chart / "templates/checks.yaml").unlink()
    found: list[Document] = [
        each
        for text in helm_python.Chart.load(chart).render(values, name="a", namespace="b").values()
        for each in yaml.safe_load_all(text if "kind: ConfigMap" in text else "")
        if each and "sidecar.yaml" in each.get("data", {})
    ]
    return str(found[0]["data"]["sidecar.yaml"])
