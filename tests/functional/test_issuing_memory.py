"""What was handed out is remembered across restarts, told to the end, and held back when a switch
says so."""

import json
import signal
import time
from pathlib import Path
from typing import Any

from tests.functional.application import Application
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.login import AT_ONCE, AUTH, Issuer, issued, log_in, unwatched_until

LATEST_EXPIRY = "sidecar_issued_key_latest_expiry_timestamp_seconds"


def settings(state_dir: Path | None = None, **auth: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"auth": {**AUTH, **auth}, "shutdown": AT_ONCE}
    if state_dir is not None:
        found["state_dir"] = str(state_dir)
    return found


def test_a_kill_does_not_make_the_sidecar_forget_a_token_that_it_let_out(
    launch: Launch, application: Application, signer: Signer, keyring: Path, tmp_path: Path
) -> None:
    signer.publish(keyring)
    issuer = Issuer(application, signer)
    configuration = settings(tmp_path / "state")
    first = launch(configuration, application=application, keyring=keyring)
    expires = time.time() + 3600
    assert log_in(first).status == 200
    since = first.metrics().value("sidecar_observing_since_timestamp_seconds")
    first.kill()

    second = launch(configuration, application=application, keyring=keyring)
    metrics = second.metrics()
    assert metrics.value("sidecar_observing_since_timestamp_seconds") == since
    assert metrics.value(LATEST_EXPIRY, key="2026-11") >= expires - 1
    remembered = (tmp_path / "state" / "ledger.json").read_text()
    for part in issuer.handed_out[0].split("."):
        assert part not in remembered


def test_without_a_memory_a_restart_is_said_to_have_seen_nothing_before(
    launch: Launch, application: Application, signer: Signer, keyring: Path
) -> None:
    signer.publish(keyring)
    Issuer(application, signer)
    first = launch(settings(), application=application, keyring=keyring)
    assert log_in(first).status == 200
    first.kill()
    before = time.time()
    second = launch(settings(), application=application, keyring=keyring)
    assert unwatched_until(second) >= before - 1
    assert issued(second) == {}


def test_a_memory_that_is_damaged_is_set_aside_and_named(
    launch: Launch, application: Application, signer: Signer, keyring: Path, tmp_path: Path
) -> None:
    signer.publish(keyring)
    state = tmp_path / "state"
    state.mkdir()
    (state / "ledger.json").write_text('{"service": "thoughts-backend", "led')
    sidecar = launch(settings(state), application=application, keyring=keyring)
    sidecar.wait_for_log("cannot be used, and is set aside")
    (aside,) = state.glob("ledger.set-aside-*.json")
    assert aside.read_text().endswith('"led')
    assert unwatched_until(sidecar) > 0


def test_the_last_word_waits_for_one_more_scrape(
    launch: Launch, application: Application, signer: Signer, keyring: Path
) -> None:
    signer.publish(keyring)
    Issuer(application, signer)
    patient = {"drain": "0", "grace": "60s", "last_word": "60s"}
    sidecar = launch({**settings(), "shutdown": patient}, application=application, keyring=keyring)
    assert log_in(sidecar).status == 200
    assert sidecar.metrics().value("sidecar_issuing_ended_timestamp_seconds") == 0
    sidecar.signal(signal.SIGTERM)
    sidecar.wait_for_log("waiting until /metrics is read once more")
    assert not sidecar.has_ended
    last = sidecar.metrics()
    assert last.value("sidecar_issuing_ended_timestamp_seconds") > 0
    assert last.value(LATEST_EXPIRY, key="2026-11") > time.time()
    assert sidecar.wait() == 0


def test_an_enforced_switch_keeps_an_older_keys_tokens_from_getting_out(
    launch: Launch, application: Application, signer: Signer, older_signer: Signer, keyring: Path
) -> None:
    signer.publish(keyring)
    older_signer.publish(keyring)
    issuer = Issuer(application, older_signer)
    switched: dict[str, Any] = {
        "switch": "enforce",
        "signing_since": {"2026-11": "2026-11-01T00:00:00Z"},
    }
    sidecar = launch(settings(**switched), application=application, keyring=keyring)

    issuer.claims = {"iat": int(time.time())}
    held_back = log_in(sidecar)
    assert held_back.status == 503
    assert json.loads(held_back.body)["reason"] == "signer_behind"
    assert issuer.handed_out[0].encode() not in held_back.raw
    refused = sidecar.metrics().value("sidecar_issued_tokens_refused_total", key="2026-08")
    assert refused == 1
    assert issued(sidecar) == {}
    sidecar.wait_for_log("The application still signs with a key that the enforced switch")

    issuer.signer = signer
    assert log_in(sidecar).status == 200
    assert issued(sidecar) == {"2026-11": 1}
