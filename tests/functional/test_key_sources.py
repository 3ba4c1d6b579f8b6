"""Keys from an issuer that is a process of its own, on the other side of TLS."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.keys.schedule import HASTE_GAP_S
from tests.functional.application import Application
from tests.functional.client import Client, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.issuer import LIES, Authority, Issuer
from tests.functional.sidecar_process import SidecarProcess, run_command, wait_until
from tests.tokens.minting import b64

OLD = Signer.generate("2026-08")
NEW = Signer.generate("2026-11")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def issuer(tmp_path: Path, authority: Authority) -> Iterator[Issuer]:
    """Not started yet; it publishes the old key."""
    issuer = Issuer(tmp_path, authority)
    issuer.publish(OLD)
    yield issuer
    issuer.die()


@pytest.fixture
def started(issuer: Issuer) -> Issuer:
    issuer.start()
    return issuer


def keyring_of(authority: Authority, **source: Any) -> dict[str, Any]:
    return {"auth": {"keyring": [{"ca": str(authority.file), **source}]}}


def status_of(sidecar: SidecarProcess, signer: Signer, issuer: str | None = None) -> int | str:
    """200, or the reason why the signer's token, of this issuer, is refused."""
    answer = sidecar.ask(request(token=signer.token(iss=issuer)))
    return 200 if answer.status == 200 else answer.problem_reason


def source_of(sidecar: SidecarProcess) -> dict[str, Any]:
    (source,) = sidecar.admin("/keys").json()["sources"]
    found: dict[str, Any] = source
    return found


def wait_for_error(sidecar: SidecarProcess, part: str) -> None:
    def is_there() -> bool:
        return part in str(source_of(sidecar)["last_error"])

    wait_until(is_there, f"the source's error has {part!r}")


# --- what it is for ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["url", "issuer"])
def test_keys_come_over_tls_from_a_set_or_by_discovery(
    launch: Launch, application: Application, authority: Authority, started: Issuer, kind: str
) -> None:
    place = started.url if kind == "issuer" else started.jwks_url
    sidecar = launch(keyring_of(authority, **{kind: place}), application=application)
    assert status_of(sidecar, OLD, started.url) == 200
    assert status_of(sidecar, OLD, "https://other.example") == (
        "wrong_issuer" if kind == "issuer" else 200
    )
    assert status_of(sidecar, NEW) == "unknown_key"
    source = source_of(sidecar)
    assert (source["name"], source["up"], source["keys"]) == (place, True, ["2026-08"])
    assert source["age_s"] < 20
    assert sidecar.keys()["2026-08"]["source"] == place
    metrics = sidecar.metrics()
    assert metrics.value("sidecar_key_source_up", source=place) == 1
    last = metrics.value("sidecar_key_source_last_success_timestamp_seconds", source=place)
    assert abs(time.time() - last) < 20


def test_a_rotation_is_followed_and_a_key_that_leaves_the_set_goes(
    launch: Launch, application: Application, authority: Authority, started: Issuer
) -> None:
    sidecar = launch(
        keyring_of(authority, url=started.jwks_url, refresh="1s"), application=application
    )
    token = OLD.token()
    assert sidecar.ask(request(token=token)).status == 200
    started.publish(OLD, NEW)
    wait_until(lambda: status_of(sidecar, NEW) == 200, "the new key is in use")
    assert sidecar.ask(request(token=token)).status == 200
    started.publish(NEW)
    wait_until(lambda: status_of(sidecar, OLD) == "unknown_key", "the old key is gone")
    assert sidecar.ask(request(token=token)).problem_reason == "unknown_key"
    assert status_of(sidecar, NEW) == 200
    known = [visit.etag for visit in started.visits()]
    assert known[0] is None
    assert known[-1] is not None


def test_a_key_that_leaves_the_set_may_be_kept_for_a_while(
    launch: Launch, application: Application, authority: Authority, started: Issuer
) -> None:
    place = keyring_of(authority, url=started.jwks_url, refresh="1s", keep_removed="4s")
    sidecar = launch(place, application=application)
    started.publish(NEW)
    wait_until(lambda: status_of(sidecar, NEW) == 200, "the new key is in use")
    assert status_of(sidecar, OLD) == 200
    wait_until(lambda: status_of(sidecar, OLD) == "unknown_key", "the old key is gone")


def test_the_first_token_of_a_new_key_waits_for_the_key_and_is_accepted(
    launch: Launch, application: Application, authority: Authority, started: Issuer
) -> None:
    """A rotation without overlap: the new key signs as soon as it is published."""
    place = keyring_of(authority, issuer=started.url, refresh="1h")
    sidecar = launch(place, application=application)
    wait_until(
        lambda: time.time() - started.visits()[-1].at > HASTE_GAP_S + 0.5, "haste is allowed"
    )
    started.publish(NEW)
    assert len(started.visits()) == 1
    assert status_of(sidecar, NEW, started.url) == 200
    assert status_of(sidecar, OLD, started.url) == "unknown_key"
    assert len(started.visits()) == 2


# --- an issuer that is not there ---------------------------------------------------------------


def test_a_start_without_the_issuer_is_not_ready_says_why_and_recovers_by_itself(
    launch: Launch, application: Application, authority: Authority, issuer: Issuer
) -> None:
    rules = [{"paths": ["/open"], "access": "public"}]
    place = keyring_of(authority, issuer=issuer.url)
    place["auth"]["rules"] = rules
    sidecar = launch(place, application=application, waits=False)
    wait_until(lambda: sidecar.ready_status() == 503, "the admin port answers")
    why = f"There is no usable key: {issuer.url} cannot be reached"
    wait_until(
        lambda: why in str(sidecar.admin("/ready").json()["reasons"].get("keys")), "it says why"
    )
    for token in (OLD.token(), None):
        answer = sidecar.ask(request(token=token))
        assert (answer.status, answer.problem_reason) == (503, "keys_unavailable")
        assert int(answer.value("Retry-After")) > 0
    assert sidecar.ask(request("/open")).status == 200
    assert sidecar.metrics().value("sidecar_key_source_up", source=issuer.url) == 0
    issuer.start()
    sidecar.wait_until_ready()
    assert status_of(sidecar, OLD, issuer.url) == 200
    sidecar.wait_for_log("The keys are here.")


def test_where_nobody_is_refused_nobody_waits_for_the_issuer(
    launch: Launch, application: Application, authority: Authority, issuer: Issuer
) -> None:
    place = keyring_of(authority, url=issuer.jwks_url)
    place["auth"]["mode"] = "observe"
    sidecar = launch(place, application=application)
    wait_for_error(sidecar, "cannot be reached")
    assert status_of(sidecar, OLD) == 200
    issuer.start()
    wait_until(lambda: source_of(sidecar)["up"], "the keys are here")
    assert status_of(sidecar, NEW) == 200
    rejected = sidecar.metrics().nonzero("sidecar_tokens_rejected_total")
    assert rejected == {
        ("false", "none", "keys_unavailable"): 1,
        ("false", "none", "unknown_key"): 1,
    }


def test_an_issuer_that_dies_leaves_its_keys_and_is_found_again_when_it_returns(
    launch: Launch, application: Application, authority: Authority, started: Issuer
) -> None:
    sidecar = launch(
        keyring_of(authority, url=started.jwks_url, refresh="1s"), application=application
    )
    assert status_of(sidecar, OLD) == 200
    started.die()
    wait_for_error(sidecar, "cannot be reached")
    source = source_of(sidecar)
    assert not source["up"]
    assert source["age_s"] > 0
    assert status_of(sidecar, OLD) == 200
    assert sidecar.ready_status() == 200
    started.publish(OLD, NEW)
    started.start()
    wait_until(lambda: status_of(sidecar, NEW) == 200, "the new key is in use")
    assert source_of(sidecar)["up"]
    sidecar.wait_for_log(f"{started.jwks_url} cannot be reached")
    sidecar.wait_for_log("No longer so")


def test_another_authority_is_not_trusted(
    launch: Launch, application: Application, tmp_path: Path, started: Issuer
) -> None:
    stranger = Authority(tmp_path, "another authority")
    sidecar = launch(
        keyring_of(stranger, url=started.jwks_url), application=application, waits=False
    )
    wait_until(lambda: sidecar.ready_status() == 503, "the admin port answers")
    wait_for_error(sidecar, "has a certificate that is not trusted")
    assert status_of(sidecar, OLD) == "keys_unavailable"
    assert started.visits() == []


def test_an_authority_file_that_comes_late_is_used(
    launch: Launch, application: Application, tmp_path: Path, authority: Authority, started: Issuer
) -> None:
    late = tmp_path / "late.pem"
    place = {"auth": {"keyring": [{"ca": str(late), "url": started.jwks_url}]}}
    sidecar = launch(place, application=application, waits=False)
    wait_until(lambda: sidecar.ready_status() == 503, "the admin port answers")
    wait_for_error(sidecar, f"{late}, cannot be used")
    late.write_bytes(authority.file.read_bytes())
    sidecar.wait_until_ready()
    assert status_of(sidecar, OLD) == 200


# --- an issuer that lies -----------------------------------------------------------------------

_SAYS = {
    "garbage": "is not usable JSON",
    "html": "is HTML",
    "empty": "is a JWKS without keys",
    "nothing": "is empty",
    "private": "is a private key",
    "elsewhere": "redirects to another server",
    "loop": "redirects more than",
    "huge": "more than 1024 KiB",
    "bomb": "an encoding that was not asked for",
    "failing": "answered with status 500",
    "impostor": "is the document of another issuer",
}


def test_no_lie_costs_a_key_or_the_process(
    launch: Launch, application: Application, authority: Authority, started: Issuer
) -> None:
    sidecar = launch(
        keyring_of(authority, issuer=started.url, refresh="1s"), application=application
    )
    assert status_of(sidecar, OLD, started.url) == 200
    before = sidecar.peak_memory_bytes()
    for lie in LIES:
        started.behave(lie)
        wait_for_error(sidecar, _SAYS[lie])
        assert status_of(sidecar, OLD, started.url) == 200, lie
        assert list(sidecar.keys()) == ["2026-08"]
    started.publish(OLD, NEW)
    wait_until(lambda: status_of(sidecar, NEW, started.url) == 200, "the new key is in use")
    assert source_of(sidecar)["last_error"] is None
    assert sidecar.peak_memory_bytes() - before < 30_000_000
    errors = [line for line in sidecar.log if line["level"] == "error"]
    assert errors
    assert all("is a private key" in line["message"] for line in errors)


def test_a_source_that_stalls_or_drips_holds_nothing_up(
    launch: Launch, application: Application, authority: Authority, started: Issuer, keyring: Path
) -> None:
    started.behave("drip")
    OLD.publish(keyring)
    remote = {"ca": str(authority.file), "url": started.jwks_url}
    place = {"auth": {"keyring": [remote, {"path": str(keyring)}]}}
    sidecar = launch(place, application=application, waits=False)
    wait_until(lambda: bool(started.visits()), "the issuer was asked")
    assert sidecar.ready_status() == 503
    assert started.jwks_url in sidecar.admin("/ready").json()["reasons"]["keys"]
    assert status_of(sidecar, OLD) == 200
    NEW.publish(keyring)
    took_s = wait_until(lambda: status_of(sidecar, NEW) == 200, "the file is in use")
    assert took_s < 2
    took_s = wait_until(lambda: sidecar.ready_status() == 200, "it was asked once")
    assert took_s < 12
    started.behave("stall")
    errors = [each["last_error"] for each in sidecar.admin("/keys").json()["sources"]]
    assert "did not answer in full within 10 s" in errors[0]
    assert errors[1] is None
    assert sidecar.metrics().value("sidecar_key_source_up", source=str(keyring)) == 1


# --- clients that lie --------------------------------------------------------------------------


def test_a_flood_of_unknown_keys_leads_to_one_look_in_ten_seconds(
    launch: Launch, application: Application, authority: Authority, started: Issuer
) -> None:
    place = keyring_of(authority, url=started.jwks_url, refresh="1h")
    sidecar = launch(place, application=application)
    stop, refused = threading.Event(), itertools.count()

    def flood(number: int) -> None:
        _, _, rest = OLD.token().partition(".")
        with Client(sidecar.inbound_address) as client:
            for serial in itertools.count():
                if stop.is_set():
                    return
                head = b64(json.dumps({"alg": "ES256", "kid": f"{number}-{serial}"}).encode())
                answer = client.exchange(request(token=f"{head.decode()}.{rest}"))
                assert answer.problem_reason == "unknown_key"
                next(refused)

    begin = time.monotonic()
    floods = [threading.Thread(target=flood, args=(number,)) for number in range(4)]
    for thread in floods:
        thread.start()
    wait_until(lambda: len(started.visits()) == 2, "the issuer was asked again")
    end = time.monotonic() + 2
    wait_until(lambda: time.monotonic() > end, "the flood went on for a while")
    assert status_of(sidecar, OLD) == 200
    stop.set()
    for thread in floods:
        thread.join()
    first, second = started.visits()
    assert second.at - first.at >= HASTE_GAP_S
    assert next(refused) / (time.monotonic() - begin) > 1000 / 4
    assert set(sidecar.keys()) == {"2026-08"}


# --- commands ----------------------------------------------------------------------------------


def test_a_command_asks_the_issuer_once_and_says_when_it_could_not_find_out(
    tmp_path: Path, authority: Authority, started: Issuer
) -> None:
    config = tmp_path / "sidecar.yaml"
    source = f"{{url: '{started.jwks_url}', ca: '{authority.file}'}}"
    config.write_text(f"auth: {{keyring: [{source}]}}")
    listed = run_command("keys", "list", "--config", str(config))
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "2026-08" in listed.stdout
    untrusted = run_command("keys", "list", "--keyring", started.jwks_url)
    assert untrusted.returncode == 3
    assert "certificate that is not trusted" in untrusted.stderr
    started.die()
    silent = run_command("token", "inspect", OLD.token(), "--config", str(config))
    assert silent.returncode == 3
    assert f"{started.jwks_url} cannot be reached" in silent.stderr
