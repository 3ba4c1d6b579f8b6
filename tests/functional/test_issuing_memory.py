"""What a sidecar beside an issuer knows after a crash, after a restart, and at its end."""

import json
import signal as signals
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.application import Application
from tests.functional.client import PATIENCE_S, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.login import AT_ONCE, AUTH, Issuer, issued, log_in, unwatched_until
from tests.functional.sidecar_process import SidecarProcess, free_port, wait_until

MAX_LIFETIME = {"max_lifetime": "2d"}


@pytest.fixture
def own() -> Iterator[Application]:
    """An application of the test's own that does not listen yet."""
    application = Application()
    application.stop_listening()
    yield application
    application.close()


@pytest.fixture
def issuer(own: Application, older_signer: Signer) -> Issuer:
    return Issuer(own, older_signer)


@pytest.fixture
def ring(keyring: Path, signer: Signer, older_signer: Signer) -> Path:
    signer.publish(keyring)
    older_signer.publish(keyring)
    return keyring


def settings(state: Path | None = None, **more: Any) -> dict[str, Any]:
    remembered = {} if state is None else {"state_dir": str(state)}
    return {"auth": AUTH | MAX_LIFETIME, "shutdown": AT_ONCE, **remembered, **more}


def value(sidecar: SidecarProcess, name: str, **labels: str) -> float:
    return sidecar.metrics().value(name, **labels)


def since(sidecar: SidecarProcess) -> float:
    return value(sidecar, "sidecar_observing_since_timestamp_seconds")


def latest_expiry(sidecar: SidecarProcess) -> float:
    name = "sidecar_issued_key_latest_expiry_timestamp_seconds"
    return value(sidecar, name, key="2026-08")


# --- from birth --------------------------------------------------------------------------------


def test_a_sidecar_that_was_there_first_watches_from_birth(
    launch: Launch, own: Application, ring: Path
) -> None:
    sidecar = launch(settings(), application=own, keyring=ring)
    assert unwatched_until(sidecar) == 0
    assert sidecar.admin("/keys").json()["unwatched_until"] is None
    assert "nobody watched" not in sidecar.stderr


def test_a_sidecar_that_came_second_says_so(launch: Launch, own: Application, ring: Path) -> None:
    own.listen()
    began = time.time()
    sidecar = launch(settings(), application=own, keyring=ring)
    assert began - 1 < unwatched_until(sidecar) <= time.time()
    assert sidecar.admin("/keys").json()["unwatched_until"] is not None
    sidecar.wait_for_log("nobody watched")


# --- across restarts ---------------------------------------------------------------------------


def test_a_crash_after_any_token_forgets_nothing_that_counts(
    launch: Launch, own: Application, issuer: Issuer, ring: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    first = launch(settings(state), application=own, keyring=ring)
    own.listen()
    began = since(first)
    for lifetime_s in (60, 3600, 7200):
        issuer.claims = {"lifetime_s": lifetime_s}
        assert log_in(first).status == 200
        promised = latest_expiry(first)
        first.kill()  # at once: what counts is on disk before the caller has the token
        first = launch(settings(state), application=own, keyring=ring)
        assert since(first) == began
        assert unwatched_until(first) == 0
        assert promised <= latest_expiry(first) <= promised + 10
        assert issued(first)["2026-08"] >= 1
    assert "nobody watched" not in first.stderr


def test_without_a_state_dir_a_restart_knows_that_it_knows_nothing(
    launch: Launch, own: Application, issuer: Issuer, ring: Path
) -> None:
    first = launch(settings(), application=own, keyring=ring)
    own.listen()
    log_in(first)
    began = since(first)
    first.kill()
    second = launch(settings(), application=own, keyring=ring)
    assert since(second) > began
    assert unwatched_until(second) > began
    assert issued(second) == {}


def test_a_clean_end_is_remembered_exactly(
    launch: Launch, own: Application, issuer: Issuer, ring: Path, tmp_path: Path
) -> None:
    first = launch(settings(tmp_path / "state"), application=own, keyring=ring)
    own.listen()
    for _ in range(5):
        log_in(first)
    assert first.ask(request("/me", token=issuer.handed_out[0])).status == 200
    told = latest_expiry(first)
    first.stop()
    second = launch(settings(tmp_path / "state"), application=own, keyring=ring)
    assert issued(second) == {"2026-08": 5}
    assert latest_expiry(second) == told
    assert second.keys()["2026-08"]["accepted_total"] == 1
    assert value(second, "sidecar_issuing_ended_timestamp_seconds") == 0


def test_no_token_is_on_disk_and_nobody_else_can_read_what_is(
    launch: Launch, own: Application, issuer: Issuer, ring: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    sidecar = launch(settings(state), application=own, keyring=ring)
    own.listen()
    log_in(sidecar)
    sidecar.ask(request("/me", token=issuer.handed_out[0]))
    sidecar.stop()
    assert state.stat().st_mode & 0o077 == 0
    for file in state.iterdir():
        content = file.read_text()
        assert file.stat().st_mode & 0o077 == 0
        assert all(part not in content for part in issuer.handed_out[0].split("."))
        assert "bruce" not in content  # nor whose it was


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"service": "thoughts-backend", "ledger": {}}'],
    ids=["empty", "cut off", "no object", "no text", "no ledger"],
)
def test_what_is_damaged_is_set_aside_named_and_not_believed(
    launch: Launch, own: Application, ring: Path, tmp_path: Path, content: bytes
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "ledger.json").write_bytes(content)
    sidecar = launch(settings(state), application=own, keyring=ring)
    (line,) = [line for line in sidecar.log if "set_aside_as" in line]
    assert Path(line["set_aside_as"]).read_bytes() == content
    assert unwatched_until(sidecar) > 0  # something was there before, and nobody knows what


def test_the_ledger_of_another_service_is_set_aside(
    launch: Launch, own: Application, issuer: Issuer, ring: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    other = launch(settings(state, service="other"), application=own, keyring=ring)
    own.listen()
    log_in(other)
    other.stop()
    sidecar = launch(settings(state), application=own, keyring=ring)
    assert issued(sidecar) == {}
    assert "It is the ledger of another service." in sidecar.stderr


def test_two_sidecars_do_not_share_a_memory(
    launch: Launch, own: Application, ring: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    launch(settings(state), application=own, keyring=ring)
    second = launch(settings(state), application=own, keyring=ring, waits=False)
    assert second.wait() == 2
    assert "in use by another sidecar" in second.stderr


def test_a_disk_that_fails_refuses_nobody_and_is_not_believed_later(
    launch: Launch, own: Application, issuer: Issuer, ring: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    sidecar = launch(settings(state), application=own, keyring=ring)
    own.listen()
    wait_until((state / "ledger.json").exists, "there is a record")
    blocked = state / ".ledger.json.new"
    wait_until(lambda: not blocked.exists(), "no write is under way")
    blocked.mkdir()  # no record can be written any more
    assert log_in(sidecar).status == 200
    sidecar.wait_for_log("cannot be written to state_dir")
    wait_until(lambda: not (state / "ledger.json").exists(), "what is not true is removed")
    sidecar.kill()
    blocked.rmdir()
    second = launch(settings(state), application=own, keyring=ring)
    assert unwatched_until(second) > 0


def test_a_state_dir_that_is_a_file_is_a_wrong_configuration(
    launch: Launch, own: Application, ring: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    sidecar = launch(settings(file), application=own, keyring=ring, waits=False)
    assert sidecar.wait() == 2
    assert "is not a directory" in sidecar.stderr


# --- the last word -----------------------------------------------------------------------------


def test_it_stays_for_one_more_scrape_after_its_last_answer(
    launch: Launch, own: Application, issuer: Issuer, ring: Path
) -> None:
    shutdown = {"drain": "0", "grace": "60s", "last_word": "60s"}
    sidecar = launch(settings(shutdown=shutdown), application=own, keyring=ring)
    own.listen()
    log_in(sidecar)
    assert value(sidecar, "sidecar_issuing_ended_timestamp_seconds") == 0
    sidecar.signal(signals.SIGTERM)
    sidecar.wait_for_log("The last answer is out")
    with pytest.raises(OSError, match="refused"):
        sidecar.ask(request("/me"))  # nothing is handed out any more
    assert not sidecar.has_ended
    metrics = sidecar.metrics()
    ended = metrics.value("sidecar_issuing_ended_timestamp_seconds")
    assert abs(ended - time.time()) < 60
    assert metrics.value("sidecar_issued_tokens_total", key="2026-08") == 1
    assert sidecar.wait() == 0


def test_the_last_word_is_bounded_by_the_grace_and_by_a_second_signal(
    launch: Launch, own: Application, ring: Path
) -> None:
    short = {"drain": "0", "grace": "500ms", "last_word": "60s"}
    sidecar = launch(settings(shutdown=short), application=own, keyring=ring)
    sidecar.signal(signals.SIGTERM)
    assert sidecar.wait() == 0
    assert "Nobody has read /metrics" in sidecar.stderr
    long = {"drain": "0", "grace": "60s", "last_word": "60s"}
    hurried = launch(settings(shutdown=long), application=own, keyring=ring)
    hurried.signal(signals.SIGTERM)
    hurried.wait_for_log("The last answer is out")
    hurried.signal(signals.SIGTERM)
    assert hurried.wait() == 0


def test_a_sidecar_that_watches_nothing_ends_at_once(
    launch: Launch, own: Application, ring: Path
) -> None:
    shutdown = {"drain": "0", "grace": "60s", "last_word": "60s"}
    sidecar = launch({"shutdown": shutdown}, application=own, keyring=ring)
    assert not list(sidecar.metrics().samples("sidecar_issuing_ended_timestamp_seconds"))
    sidecar.signal(signals.SIGTERM)
    assert sidecar.wait() == 0


# --- the switch --------------------------------------------------------------------------------

EARLIER = "2026-11-01T00:00:00Z"


def switched(since: str, **auth: Any) -> dict[str, Any]:
    stated = {"switch": "enforce", "signing_since": {"2026-11": since}}
    return settings() | {"auth": AUTH | MAX_LIFETIME | stated | auth}


@pytest.mark.parametrize("path", ["/api/login", "/api/header", "/api/cookie"])
def test_an_enforced_switch_lets_no_older_keys_token_out(
    launch: Launch, own: Application, issuer: Issuer, ring: Path, signer: Signer, path: str
) -> None:
    own.listen()
    sidecar = launch(switched(EARLIER), application=own, keyring=ring)
    for claims in ({}, {"iat": int(time.time()) - 90 * 86_400}, {"iat": None}):
        issuer.claims = claims  # dating it back does not help
        answered = log_in(sidecar, path)
        assert answered.status == 503
        assert answered.problem_reason == "signer_behind"
        assert answered.values("Retry-After")
        assert issuer.handed_out[-1].encode() not in answered.raw
    assert value(sidecar, "sidecar_issued_tokens_refused_total", key="2026-08") == 3
    assert sidecar.admin("/keys").json()["issuing"]["refused"] == {"2026-08": 3}
    assert issued(sidecar) == {}
    sidecar.wait_for_log("its tokens are held back")
    issuer.signer, issuer.claims = signer, {}
    assert log_in(sidecar, path).status == 200
    assert issued(sidecar) == {"2026-11": 1}


def test_a_moment_in_the_future_is_a_plan_and_in_force_from_then_on(
    launch: Launch, own: Application, issuer: Issuer, ring: Path
) -> None:
    own.listen()
    at = int(time.time()) + 4
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    sidecar = launch(switched(text), application=own, keyring=ring)
    assert sidecar.keys()["2026-11"]["signing_since"] == text
    assert sidecar.keys()["2026-11"]["stated_by"] == "auth.signing_since"
    if time.time() < at - 1:
        assert log_in(sidecar).status == 200
    wait_until(lambda: log_in(sidecar).status == 503, "the switch is in force")
    assert time.time() > at


def test_where_the_switch_is_only_stated_a_later_token_contradicts_it_aloud(
    launch: Launch, own: Application, issuer: Issuer, ring: Path
) -> None:
    own.listen()
    sidecar = launch(switched(EARLIER, switch="declare"), application=own, keyring=ring)
    assert value(sidecar, "sidecar_key_switch_contradicted", key="2026-08") == 0
    assert sidecar.keys()["2026-08"]["basis"] == "declared"
    assert log_in(sidecar).status == 200
    assert value(sidecar, "sidecar_key_switch_contradicted", key="2026-08") == 1
    sidecar.wait_for_log("a signer lags behind")
    assert sidecar.keys()["2026-08"]["state"] == "in_use"
    log_in(sidecar)
    log_in(sidecar)
    (ring / "2026-12.since").write_text("x")  # another sweep, another look
    assert sidecar.stderr.count("a signer lags behind") == 1


def test_a_presented_token_contradicts_a_statement_as_well(
    launch: Launch, own: Application, ring: Path, older_signer: Signer
) -> None:
    own.listen()
    (ring / "2026-11.since").write_text(EARLIER)
    sidecar = launch(settings(), application=own, keyring=ring)
    assert sidecar.keys()["2026-11"]["stated_by"] == str(ring / "2026-11.since")
    assert sidecar.ask(request("/me", token=older_signer.token())).status == 200
    sidecar.wait_for_log("a signer lags behind")
    assert value(sidecar, "sidecar_key_switch_contradicted", key="2026-08") == 1


def test_who_still_brings_old_tokens_is_shown_as_a_digest_unless_names_are_asked_for(
    launch: Launch, own: Application, ring: Path, older_signer: Signer, signer: Signer
) -> None:
    own.listen()
    for shows in (False, True):
        more = {"subject_claim": "username", "show_subjects": shows}
        configuration = settings() | {"auth": AUTH | more}
        sidecar = launch(configuration, application=own, keyring=ring)
        for each in (older_signer, signer):
            assert sidecar.ask(request("/me", token=each.token())).status == 200
        keys = sidecar.keys()
        (bearer,) = keys["2026-08"]["subjects"]
        assert (bearer["subject"] == "bruce") is shows
        assert "subjects" not in keys["2026-11"]


# --- the whole way -----------------------------------------------------------------------------


def test_the_old_key_may_go_once_its_last_token_is_dead(
    launch: Launch, own: Application, issuer: Issuer, ring: Path, signer: Signer
) -> None:
    # One replica cannot know what others handed out before its birth; for that, a bound has to do.
    short = settings() | {"auth": AUTH | {"max_lifetime": "5s"}}
    sidecar = launch(short, application=own, keyring=ring)
    own.listen()
    issuer.claims = {"lifetime_s": 4}
    log_in(sidecar)
    old = sidecar.keys()["2026-08"]
    assert (old["state"], old["basis"]) == ("in_use", "none")
    issuer.signer = signer

    def is_observed() -> bool:  # an iat is a whole second: the next one has to come first
        log_in(sidecar)
        return bool(sidecar.keys()["2026-08"]["basis"] == "observed")

    wait_until(is_observed, "its newest issue is under the newer key")
    wait_until(
        lambda: sidecar.keys()["2026-08"]["state"] == "retirable", "the last old token is dead"
    )
    metrics = sidecar.metrics()
    assert metrics.value("sidecar_key_retirable", key="2026-08", basis="observed") == 1
    name = "sidecar_key_retirable_timestamp_seconds"
    assert metrics.value(name, key="2026-08", basis="observed") <= time.time()


def test_the_log_says_when_it_becomes_ready_however_late(
    launch: Launch, own: Application, ring: Path
) -> None:
    sidecar = launch(settings(), application=own, keyring=ring)
    sidecar.wait_for_log("The sidecar is ready.")
    needed = f"127.0.0.1:{free_port()}"
    needs = {"users": {"url": f"http://{needed}/version", "min": "v1", "interval": "1s"}}
    late = launch({"dependencies": needs}, application=own, keyring=ring, waits=False)
    late.wait_for_log("not ready yet")
    assert "The sidecar is ready." not in late.stderr
    host, port = needed.split(":")
    with socket.create_server((host, int(port))) as listener:
        listener.settimeout(PATIENCE_S)
        body = json.dumps({"version": "v2"}).encode()
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

        def has_become_ready() -> bool:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head + body)
            return late.ready_status() == 200

        wait_until(has_become_ready, "it is ready")
    late.wait_for_log("The sidecar is ready.")
