"""Keys and tokens that are taken out by name are out within two seconds, whatever they are."""

import time
from pathlib import Path

import pytest

from tests.functional.application import Application, Request, Talk
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import SidecarProcess, run_command, wait_until

#: How long a change of files may take to be in force; the rest is for slow machines.
PROMISED_S = 2.0
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n"


@pytest.fixture
def ring(keyring: Path, signer: Signer, older_signer: Signer) -> Path:
    """A keyring of two keys, 2026-08 and 2026-11."""
    signer.publish(keyring)
    older_signer.publish(keyring)
    return keyring


def reason(sidecar: SidecarProcess, token: str) -> str | None:
    """Why the token is refused; ``None`` where it is not."""
    answer = sidecar.ask(request(token=token))
    return None if answer.status == 200 else answer.problem_reason


def wait_for(sidecar: SidecarProcess, token: str, wanted: str | None) -> None:
    took_s = wait_until(lambda: reason(sidecar, token) == wanted, f"the token is {wanted}")
    assert took_s < PROMISED_S


# --- keys --------------------------------------------------------------------------------------


def test_a_file_beside_the_key_takes_it_out_also_for_tokens_that_were_seen(
    launch: Launch, application: Application, ring: Path, signer: Signer, older_signer: Signer
) -> None:
    sidecar = launch({"log": {"access": "all"}}, application=application, keyring=ring)
    warm, fresh, unnamed = signer.token(), signer.token(a=1), signer.token(kid="")
    older = older_signer.token()
    assert [reason(sidecar, token) for token in (warm, older, unnamed)] == [None] * 3

    (ring / "2026-11.revoked").write_text("the laptop with it was stolen\n")

    wait_for(sidecar, warm, "revoked")
    assert reason(sidecar, fresh) == "revoked"
    assert reason(sidecar, unnamed) == "revoked"
    assert reason(sidecar, older) is None
    answer = sidecar.ask(request(token=warm))
    assert answer.status == 401
    assert b'error="invalid_token"' in answer.value("WWW-Authenticate")
    report = sidecar.admin("/keys").json()
    assert [key["id"] for key in report["keys"]] == ["2026-08"]
    (revoked,) = report["revoked"]
    assert (revoked["id"], revoked["said"]) == ("2026-11", str(ring / "2026-11.revoked"))
    metrics = sidecar.metrics()
    assert metrics.value("sidecar_key_revoked", key="2026-11") == 1
    # The key's own generation while it was in the ring was "new"; out of it, no key is.
    count = metrics.value("sidecar_tokens_rejected_total", reason="revoked", generation="old")
    assert count >= 4
    sidecar.wait_for_log("revoked 2026-11")
    assert "stolen" not in sidecar.stderr

    (ring / "2026-11.revoked").unlink()

    wait_for(sidecar, warm, None)


def test_the_configuration_takes_a_key_out_whatever_the_sources_say(
    launch: Launch, application: Application, ring: Path, signer: Signer, older_signer: Signer
) -> None:
    auth = {"revoked": ["2026-08"], "keyring": [str(ring), str(ring / "2026-08.pub")]}
    sidecar = launch({"auth": auth}, application=application)

    assert reason(sidecar, older_signer.token()) == "revoked"
    assert reason(sidecar, signer.token()) is None
    older_signer.publish(ring)
    assert reason(sidecar, older_signer.token()) == "revoked"


def test_a_sidecar_whose_only_key_is_revoked_refuses_and_goes_on(
    launch: Launch, application: Application, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    (keyring / "2026-11.revoked").touch()
    rules = [{"paths": ["/open"], "access": "public"}]
    sidecar = launch({"auth": {"rules": rules}}, application=application, keyring=keyring)

    assert reason(sidecar, signer.token()) == "revoked"
    assert sidecar.ask(request("/open")).status == 200


# --- tokens ------------------------------------------------------------------------------------


@pytest.fixture
def list_file(tmp_path: Path) -> Path:
    file = tmp_path / "revoked-tokens"
    file.write_text("# nothing yet\n")
    return file


def test_one_token_is_taken_out_by_its_jti(
    launch: Launch, application: Application, ring: Path, signer: Signer, list_file: Path
) -> None:
    auth = {"revoked_tokens": str(list_file)}
    sidecar = launch({"auth": auth}, application=application, keyring=ring)
    stolen, other, nameless = signer.token(jti="t-1"), signer.token(jti="t-2"), signer.token()
    assert [reason(sidecar, token) for token in (stolen, other, nameless)] == [None] * 3

    list_file.write_text("t-1  # lost on the train\n")

    wait_for(sidecar, stolen, "revoked")
    assert [reason(sidecar, token) for token in (other, nameless)] == [None] * 2
    assert sidecar.admin("/keys").json()["revoked_tokens"] == 1
    assert sidecar.metrics().value("sidecar_revoked_tokens") == 1
    assert sidecar.metrics().value(
        "sidecar_tokens_rejected_total", reason="revoked", generation="new", enforced="true"
    )


@pytest.mark.parametrize("harm", ["broken", "empty", "gone"])
def test_a_list_that_is_lost_keeps_what_it_said(
    launch: Launch,
    application: Application,
    ring: Path,
    signer: Signer,
    list_file: Path,
    harm: str,
) -> None:
    list_file.write_text("t-1\n")
    auth = {"revoked_tokens": str(list_file)}
    sidecar = launch({"auth": auth}, application=application, keyring=ring)
    stolen = signer.token(jti="t-1")
    assert reason(sidecar, stolen) == "revoked"

    if harm == "gone":
        list_file.unlink()
    elif harm == "empty":
        list_file.write_bytes(b"")
    else:
        list_file.write_bytes(b"t-9\n\xff\xfe")

    sidecar.wait_for_log(str(list_file))
    assert reason(sidecar, stolen) == "revoked"
    before = sidecar.metrics().value("sidecar_keyring_last_success_timestamp_seconds")
    list_file.write_text("t-2\n")
    wait_for(sidecar, stolen, None)
    assert reason(sidecar, signer.token(jti="t-2")) == "revoked"
    wait_until(
        lambda: sidecar.metrics().value("sidecar_keyring_last_success_timestamp_seconds") > before,
        "everything is in order again",
    )


def test_a_list_that_was_never_there_keeps_the_sidecar_from_starting(
    tmp_path: Path, ring: Path
) -> None:
    missing = tmp_path / "nowhere"
    file = tmp_path / "sidecar.yaml"
    file.write_text(f"auth: {{keyring: [{ring}], revoked_tokens: {missing}}}\n")

    done = run_command("run", "--config", str(file))

    assert done.returncode == 2
    assert f"auth.revoked_tokens: {missing} " in done.stderr
    assert "Traceback" not in done.stderr


# --- tunnels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["key", "jti"])
def test_a_tunnel_ends_when_what_opened_it_is_revoked(
    launch: Launch,
    application: Application,
    ring: Path,
    signer: Signer,
    list_file: Path,
    by: str,
) -> None:
    def switch(talk: Talk, _: Request) -> None:
        talk.send(SWITCHED)
        while data := talk.socket.recv(100):
            talk.send(data)

    application.answer = switch
    auth = {"revoked_tokens": str(list_file)}
    sidecar = launch({"auth": auth}, application=application, keyring=ring)
    token = signer.token(jti="t-1")
    with sidecar.connect() as client:
        client.send(request("/", "Connection: upgrade", "Upgrade: raw", token=token))
        assert client.socket.recv(12).startswith(b"HTTP/1.1 101")
        began = time.monotonic()
        if by == "key":
            (ring / "2026-11.revoked").touch()
        else:
            list_file.write_text("t-1\n")
        while client.socket.recv(4096):
            pass
        assert time.monotonic() - began < PROMISED_S + 1
