"""What the sidecar says of itself on either port, held against the traffic that was sent."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import Metrics, SidecarProcess

COMMIT = "2257f9c0aa11bb22cc33dd44ee55ff6677889900"
STAMP = {"VERSION_NAME": "v2.3-17-g2257f9c", "VERSION_SHA": COMMIT}
VERSION = {
    "service": "thoughts-backend",
    "version": "v2.3-17-g2257f9c",
    "commit": COMMIT,
    "sidecar": "0.1.0",
}


@pytest.fixture(scope="module")
def stand(
    tmp_path_factory: pytest.TempPathFactory, signer: Signer, older_signer: Signer
) -> Iterator[SidecarProcess]:
    """A sidecar through which known traffic has gone."""
    directory = tmp_path_factory.mktemp("stand")
    keyring = directory / "keyring"
    keyring.mkdir()
    signer.publish(keyring)
    older_signer.publish(keyring)
    application = Application()
    configuration = {
        "service": "thoughts-backend",
        "upstream": {"url": application.url},
        "auth": {
            "keyring": [str(keyring)],
            "rules": [{"paths": ["/public"], "access": "public"}],
            "max_lifetime": "48h",
        },
        "version": {"paths": ["/version", "/admin/version/"]},
        "shutdown": {"drain": "0"},
    }
    sidecar = SidecarProcess(directory, configuration, environment=STAMP)
    try:
        sidecar.wait_until_ready()
        send_traffic(sidecar, application, signer, older_signer)
        yield sidecar
    finally:
        sidecar.stop()
        application.close()


def send_traffic(
    sidecar: SidecarProcess, application: Application, signer: Signer, older_signer: Signer
) -> None:
    """28 requests of every kind. The older key's newest token was issued an hour ago."""
    now = int(time.time())
    tokens = [signer.token(number=number) for number in range(3)]
    old = older_signer.token(iat=now - 3600, exp=now + 7200)
    expired_old = older_signer.token(iat=now - 7200, exp=now - 3600)
    stranger = Signer.generate("2030-01")
    raws = [request(token=token) for token in tokens for _ in range(4)]  # 12 x 200
    raws += [request(method="POST", token=old)] * 5  # 5 x 200
    raws += [request("/public")] * 2  # 2 x 200
    raws += [request()] * 3  # 3 x 401 missing
    raws += [request(token=expired_old)]  # 401 expired
    raws += [request(token=stranger.token())] * 2  # 2 x 401 unknown_key
    raws += [request("/", "Authorization: Bearer x", token=tokens[0])]  # 400 duplicate
    raws += [request("/version")]  # 200
    raws += [request("/public", method="PROPFIND")]  # 200, of no method that is a label
    with sidecar.connect() as client:
        answers = [client.exchange(raw).status for raw in raws]
    assert answers.count(200) == 21, answers


# --- the version -----------------------------------------------------------------------------


def test_the_version_is_answered_on_both_ports(stand: SidecarProcess) -> None:
    for target in ("/version", "/version?x=y", "/admin/version/"):
        answer = stand.ask(request(target))
        assert (answer.status, answer.json()) == (200, VERSION)
        assert answer.value("Content-Type") == b"application/json"
    assert stand.admin("/version").json() == VERSION


def test_head_of_the_version_has_the_same_fields_and_no_body(stand: SidecarProcess) -> None:
    with stand.connect() as client:
        head = client.exchange(request("/version", method="HEAD"))
        get = client.exchange(request("/version"))
    assert head.body == b""
    assert head.status == get.status == 200
    assert head.value("Content-Length") == get.value("Content-Length")
    assert stand.admin("/version", method="HEAD").status == 200


def test_the_version_is_for_get_and_head_alone(stand: SidecarProcess) -> None:
    assert stand.ask(request("/version", method="DELETE")).problem_reason == "missing"
    assert stand.ask(request("/version/")).problem_reason == "missing"


def test_an_unknown_version_is_said_to_be_unknown(launch: Launch, application: Application) -> None:
    environment = {"VERSION_NAME": "BAD VERSION"}
    sidecar = launch({"auth": {"mode": "off"}}, application=application, environment=environment)

    answer = sidecar.ask(request("/version")).json()

    assert (answer["version"], answer["commit"]) == ("unknown", "unknown")
    assert sidecar.metrics().value("sidecar_service_version_known") == 0
    assert any(
        line["level"] == "warning" and "VERSION_NAME" in line["message"] for line in sidecar.log
    )


def test_without_version_paths_the_application_answers_itself(
    launch: Launch, application: Application
) -> None:
    configuration = {"auth": {"mode": "off"}, "version": {"paths": []}}
    sidecar = launch(configuration, application=application)

    assert sidecar.ask(request("/version")).body == b"ok"
    assert application.last.target == b"/version"


# --- probes and reports ----------------------------------------------------------------------


def test_a_running_sidecar_is_live_and_ready(stand: SidecarProcess) -> None:
    assert stand.admin("/live").json() == {"live": True}
    assert stand.admin("/ready").json() == {"ready": True, "reasons": {}}
    assert stand.admin("/nothing").status == 404
    assert stand.admin("/ready", method="DELETE").status == 405


def test_every_key_reports_what_was_seen_of_it(stand: SidecarProcess) -> None:
    report = stand.admin("/keys").json()
    new, old = report["keys"]

    assert (report["unwatched_until"], report["switch"]) == (None, "declare")
    assert (new["id"], new["generation"], new["algorithm"]) == ("2026-11", "new", "RS256")
    assert (old["id"], old["generation"], old["algorithm"]) == ("2026-08", "old", "ES256")
    assert (new["accepted_total"], new["live_tokens"]) == (12, 3)
    assert (old["accepted_total"], old["live_tokens"]) == (5, 1)
    assert (new["state"], old["state"]) == ("current", "in_use")
    assert old["basis"] == "none"
    assert old["retirable_at"] is None
    assert old["why"]
    observing_since = seconds(report["observing_since"])
    assert observing_since <= seconds(old["last_used_at"]) <= time.time() + 1
    assert seconds(old["latest_expiry_at"]) - seconds(old["last_issued_at"]) == 3 * 3600
    for key in (new, old):
        assert key["source"].endswith(f"/{key['id']}.pub")
        assert len(key["thumbprint"]) == 43
        assert key["signing_since"] is None


def seconds(moment: str) -> float:
    """Unix seconds of RFC 3339 in UTC."""
    assert moment.endswith("Z")
    return datetime.fromisoformat(moment).timestamp()


def test_the_configuration_is_shown_with_its_origins(stand: SidecarProcess) -> None:
    shown = stand.admin("/config").json()

    assert shown["service"]["value"] == "thoughts-backend"
    assert "sidecar-0.yaml" in shown["service"]["origin"]
    assert shown["auth.max_lifetime"]["value"] in ("48h", "2d")
    assert shown["auth.leeway"] == {"value": "30s", "origin": "default"}


def test_the_console_is_a_page_that_loads_nothing_from_elsewhere(stand: SidecarProcess) -> None:
    page = stand.admin("/")

    assert page.status == 200
    assert page.value("Content-Type").startswith(b"text/html")
    assert b"default-src 'none'" in page.value("Content-Security-Policy")
    assert b"2026-11" in stand.admin("/state").body


# --- metrics ---------------------------------------------------------------------------------


@pytest.fixture
def metrics(stand: SidecarProcess) -> Metrics:
    return stand.metrics()


def test_accepted_and_rejected_tokens_are_counted_exactly(metrics: Metrics) -> None:
    assert metrics.nonzero("sidecar_tokens_accepted_total") == {
        ("new", "2026-11"): 12,
        ("old", "2026-08"): 5,
    }
    rejected = metrics.nonzero("sidecar_tokens_rejected_total")
    missing = rejected.pop(("true", "none", "missing"))
    assert missing >= 3  # other tests add to it
    assert rejected == {
        ("true", "old", "expired"): 1,
        ("true", "none", "unknown_key"): 2,
        ("true", "none", "duplicate"): 1,
    }


def test_what_was_seen_of_each_key_is_exported(metrics: Metrics) -> None:
    now = time.time()
    assert metrics.value("sidecar_key_live_tokens", key="2026-11") == 3
    assert metrics.value("sidecar_key_live_tokens", key="2026-08") == 1
    for key in ("2026-11", "2026-08"):
        since = metrics.value("sidecar_observing_since_timestamp_seconds")
        used = metrics.value("sidecar_key_last_used_timestamp_seconds", key=key)
        assert since <= used <= now
        info = metrics.value("sidecar_key_info", key=key)
        assert info == 1
    issued = metrics.value("sidecar_key_last_issued_timestamp_seconds", key="2026-08")
    expiry = metrics.value("sidecar_key_latest_expiry_timestamp_seconds", key="2026-08")
    assert expiry - issued == 3 * 3600
    assert 3600 <= now - issued < 3700


def test_what_is_enforced_is_exported(metrics: Metrics) -> None:
    assert metrics.value("sidecar_token_max_lifetime_seconds") == 48 * 3600
    assert metrics.value("sidecar_token_leeway_seconds") == 30
    assert metrics.value("sidecar_switch_enforced") == 0
    assert metrics.value("sidecar_key_retirable", key="2026-08", basis="none") == 0


def test_requests_are_counted_exactly_by_method_and_code(metrics: Metrics) -> None:
    assert metrics.value("sidecar_requests_total", method="POST", code="200") == 5
    assert metrics.value("sidecar_requests_total", method="other", code="200") == 1
    assert metrics.value("sidecar_requests_total", method="GET", code="400") == 1
    total = sum(value for _, value in metrics.samples("sidecar_requests_total"))
    assert metrics.value("sidecar_request_duration_seconds_count") == total >= 28
    assert metrics.value("sidecar_upstream_duration_seconds_count") == 20
    assert metrics.value("sidecar_requests_in_flight") == 0


def test_service_and_build_are_named(metrics: Metrics) -> None:
    info = metrics.value(
        "sidecar_service_info",
        service="thoughts-backend",
        version="v2.3-17-g2257f9c",
        commit=COMMIT,
    )
    assert info == 1
    assert metrics.value("sidecar_service_version_known") == 1
    assert metrics.value("sidecar_build_info", version="0.1.0") == 1
    assert metrics.value("sidecar_keyring_info") == 1
    assert metrics.value("sidecar_keyring_reloads_total", result="ok") == 1
    assert metrics.value("sidecar_keyring_last_success_timestamp_seconds") > 0


def test_open_connections_are_counted(stand: SidecarProcess) -> None:
    before = stand.metrics().value("sidecar_connections_open")
    with stand.connect() as one, stand.connect() as two:
        for client in (one, two):
            assert client.exchange(request("/version")).status == 200
        assert stand.metrics().value("sidecar_connections_open") - before == 2


def test_metrics_are_read_by_both_parsers_of_prometheus(stand: SidecarProcess) -> None:
    text = stand.admin("/metrics")
    openmetrics = stand.admin(
        "/metrics", "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    )

    assert text.value("Content-Type").startswith(b"text/plain")
    assert openmetrics.value("Content-Type").startswith(b"application/openmetrics-text")
    names = {family.name for family in read_text(text.body.decode())}
    assert names >= CONTRACT
    families = read_openmetrics(openmetrics.body.decode())  # type: ignore[no-untyped-call]
    assert {family.name for family in families} >= {each.removesuffix("_info") for each in CONTRACT}


#: The families that dashboards and rules rely on, as the text parser names them.
CONTRACT = set(
    "sidecar_tokens_accepted sidecar_tokens_rejected sidecar_key_live_tokens "
    "sidecar_key_last_used_timestamp_seconds sidecar_key_last_issued_timestamp_seconds "
    "sidecar_key_latest_expiry_timestamp_seconds sidecar_key_retirable "
    "sidecar_key_signing_since_timestamp_seconds sidecar_switch_enforced "
    "sidecar_token_max_lifetime_seconds sidecar_token_leeway_seconds sidecar_key_info "
    "sidecar_keyring_info sidecar_keyring_reloads sidecar_keyring_last_success_timestamp_seconds "
    "sidecar_observing_since_timestamp_seconds sidecar_requests sidecar_request_duration_seconds "
    "sidecar_upstream_duration_seconds sidecar_requests_in_flight sidecar_connections_open "
    "sidecar_upstream_errors sidecar_service_info sidecar_service_version_known "
    "sidecar_build_info".split()
)


def test_what_clients_invent_never_becomes_a_label(
    launch: Launch, application: Application, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)
    for number in range(20):
        invented = f"invented-{number}"
        token = signer.token(kid=invented)
        sidecar.ask(request(f"/{invented}", method=invented.upper(), token=token))
        sidecar.ask(request(f"/{invented}", host=invented))

    text = sidecar.admin("/metrics").body.decode()

    assert "invented" not in text.lower()


def test_the_drain_is_for_local_clients_that_are_no_browser(
    launch: Launch, application: Application
) -> None:
    configuration = {"auth": {"mode": "off"}}
    sidecar = launch(configuration, application=application)

    refused = sidecar.admin("/drain", "Origin: http://evil.example", method="POST")
    assert refused.status == 403
    assert sidecar.ready_status() == 200
    assert sidecar.admin("/drain", method="GET").status == 405

    assert sidecar.admin("/drain", method="POST").status == 202
    assert sidecar.ready_status() == 503
    answer = sidecar.ask(request())
    assert (answer.status, answer.value("Connection")) == (200, b"close")
    assert not sidecar.has_ended
