"""An application with one public key in one file goes through any number of rotations unchanged."""

import contextlib
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.functional.client import Client, Response, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import (
    SidecarProcess,
    clean_environment,
    free_port,
    run_command,
    wait_until,
)

PLACES = [
    {"header": "Authorization", "scheme": "Bearer"},
    {"header": "X-Api-Token"},
    {"cookie": "session"},
    {"query": "access_token"},
]
RULES = [
    {"paths": ["/open/*"], "access": "public"},
    {"paths": ["/maybe"], "access": "optional"},
    {"paths": ["/admin"], "claims": {"role": "admin"}},
]


class Pod:
    """A sidecar, the application beside it, and the directory that they share."""

    def __init__(self, launch: Launch, shared: Path, keyring: Path) -> None:
        self._launch = launch
        self._keyring = keyring
        self._port = free_port()
        self.public_key = shared / "public_key.pub"
        self._application: subprocess.Popen[str] | None = None

    def start(self, *, algorithm: str = "ES256", field: str = "Authorization", **auth: Any) -> Any:
        """The sidecar first: the application needs the file."""
        resign = {"algorithm": algorithm, "public_key": str(self.public_key), "header": field}
        resign |= auth.pop("resign", {})
        forward = {"token": "resign", "resign": resign}
        settings = {"from": PLACES, "rules": RULES, **auth, "forward": forward}
        sidecar = self._launch(
            {"auth": settings, "upstream": {"url": f"http://127.0.0.1:{self._port}"}},
            keyring=self._keyring,
        )
        self.start_application(algorithm, field)
        return sidecar

    def start_application(self, algorithm: str = "ES256", field: str = "Authorization") -> None:
        words = [str(self._port), str(self.public_key), algorithm, field]
        self._application = subprocess.Popen(
            [sys.executable, "-m", "tests.functional.thoughts_like", *words],
            env=clean_environment({}),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._application.stdout is not None
        assert self._application.stdout.readline() == "ready\n"

    def ask_directly(self, raw: bytes) -> Response:
        """As somebody does who gets around the sidecar."""
        with Client(("127.0.0.1", self._port)) as client:
            return client.exchange(raw)

    def stop(self) -> None:
        if self._application is not None:
            self._application.kill()
            self._application.wait()
            assert self._application.stdout is not None
            self._application.stdout.close()


@pytest.fixture
def pod(launch: Launch, tmp_path: Path, keyring: Path) -> Iterator[Pod]:
    shared = tmp_path / "shared"
    shared.mkdir()
    pod = Pod(launch, shared, keyring)
    yield pod
    pod.stop()


def claims(sidecar: SidecarProcess, *fields: str, target: str = "/", **more: Any) -> dict[str, Any]:
    answer = sidecar.ask(request(target, *fields, **more))
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()["claims"]
    return found


def seen_token(answer: Response, field: str = "authorization") -> str | None:
    """What the application was sent as its token."""
    values = [value for name, value in answer.json()["fields"] if name.lower() == field]
    assert len(values) <= 1
    return values[0].removeprefix("Bearer ") if values else None


# --- rotations -----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_the_application_goes_through_two_rotations_unchanged(
    pod: Pod, keyring: Path, signer: Signer, older_signer: Signer, algorithm: str
) -> None:
    first, second, third = older_signer, signer, Signer.generate("2027-02", "EdDSA")
    first.publish(keyring)
    sidecar = pod.start(algorithm=algorithm)
    public_key = pod.public_key.read_bytes()
    for before, after in ((first, second), (second, third)):
        old = before.token(username="ana")
        assert claims(sidecar, token=old)["username"] == "ana"
        after.publish(keyring)
        new = after.token(username="bruce")
        wait_until(lambda: sidecar.ask(request(token=new)).status == 200, "the new key is known")  # noqa: B023
        assert claims(sidecar, token=old)["username"] == "ana"
        assert claims(sidecar, token=new)["username"] == "bruce"
        (keyring / f"{before.key_id}.pub").unlink()
        wait_until(lambda: sidecar.ask(request(token=old)).status == 401, "the old key is gone")  # noqa: B023
        assert claims(sidecar, token=new)["username"] == "bruce"
    assert pod.public_key.read_bytes() == public_key


def test_the_application_gets_the_same_claims_with_times_of_our_own(
    pod: Pod, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    sidecar = pod.start(resign={"lifetime": "30s"})
    token = signer.token(role=["a"], aud="thoughts", jti="t-1", nested={"x": [1, "é"]})
    original = jwt.decode(token, options={"verify_signature": False})

    found = claims(sidecar, token=token)

    assert {**found, "iat": 0, "exp": 0} == {**original, "iat": 0, "exp": 0}
    assert time.time() - 10 < found["iat"] <= time.time()
    assert found["exp"] == found["iat"] + 30
    soon = signer.token(lifetime_s=12)
    end = jwt.decode(soon, options={"verify_signature": False})["exp"]
    assert claims(sidecar, token=soon)["exp"] == end


def test_a_caller_who_comes_again_costs_no_signature(
    pod: Pod, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    sidecar = pod.start(resign={"lifetime": "1h"})
    token, other = signer.token(), signer.token(username="ana")
    tokens = {seen_token(sidecar.ask(request(token=token))) for _ in range(5)}
    assert len(tokens) == 1
    assert seen_token(sidecar.ask(request(token=other))) not in tokens


# --- the file and the key ------------------------------------------------------------------------


def test_the_public_key_is_there_before_the_sidecar_is_ready_and_the_private_one_nowhere(
    pod: Pod, keyring: Path, signer: Signer, tmp_path: Path
) -> None:
    signer.publish(keyring)
    pod.public_key.write_text("what an earlier sidecar left")
    sidecar = pod.start(algorithm="RS256")

    assert pod.public_key.read_text().startswith("-----BEGIN PUBLIC KEY-----\n")
    assert stat.S_IMODE(pod.public_key.stat().st_mode) == 0o644
    assert list(pod.public_key.parent.iterdir()) == [pod.public_key]
    assert claims(sidecar, token=signer.token())
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"PRIVATE" not in path.read_bytes(), path
    environment = Path(f"/proc/{sidecar.pid}/environ").read_bytes()
    assert b"PRIVATE" not in environment
    descriptors = [os.readlink(each) for each in Path(f"/proc/{sidecar.pid}/fd").iterdir()]  # noqa: PTH115
    assert not [each for each in descriptors if str(pod.public_key.parent) in each]


def test_every_start_has_a_key_of_its_own(
    pod: Pod, launch: Launch, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    pod.start()
    first = pod.public_key.read_bytes()
    forward = {"token": "resign", "resign": {"public_key": str(pod.public_key)}}
    launch({"auth": {"forward": forward}}, keyring=keyring)
    assert pod.public_key.read_bytes() != first


def test_a_file_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    file = tmp_path / "sidecar.yaml"
    path = tmp_path / "nowhere" / "public_key.pub"
    document = {
        "listen": f"127.0.0.1:{free_port()}",
        "admin": f"127.0.0.1:{free_port()}",
        "auth": {
            "keyring": [str(keyring)],
            "forward": {"token": "resign", "resign": {"public_key": str(path)}},
        },
    }
    file.write_text(json.dumps(document))

    done = run_command("run", "--config", str(file))

    assert done.returncode == 2
    assert f"auth.forward.resign.public_key: {path} cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sidecar_that_cannot_start_leaves_the_key_of_the_one_that_runs(
    pod: Pod, tmp_path: Path, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    sidecar = pod.start()
    (file,) = tmp_path.glob("sidecar-*.yaml")
    before = pod.public_key.read_bytes()

    assert run_command("run", "--config", str(file)).returncode == 2

    assert pod.public_key.read_bytes() == before
    assert claims(sidecar, token=signer.token())


# --- attacks -------------------------------------------------------------------------------------


def test_who_gets_around_the_sidecar_is_refused_by_the_application(
    pod: Pod, keyring: Path, signer: Signer, stranger: Signer
) -> None:
    signer.publish(keyring)
    pod.start()
    for token in (signer.token(), stranger.token(), None):
        assert pod.ask_directly(request(token=token)).status == 401


def test_a_token_of_ours_opens_no_sidecar(pod: Pod, keyring: Path, signer: Signer) -> None:
    signer.publish(keyring)
    sidecar = pod.start()
    ours = seen_token(sidecar.ask(request(token=signer.token())))
    assert ours is not None
    answer = sidecar.ask(request(token=ours))
    assert answer.status == 401
    assert answer.value("Server") == b"sidecar"


@pytest.mark.parametrize("path", ["/", "/maybe", "/open/x"])
def test_the_application_sees_exactly_one_token_and_it_is_ours(
    pod: Pod, keyring: Path, signer: Signer, path: str
) -> None:
    signer.publish(keyring)
    sidecar = pod.start()
    token = signer.token()
    fields = [f"X-Api-Token: {token}", f"x_api_token: {token}", f"Cookie: a=1; session={token}"]
    answer = sidecar.ask(request(f"{path}?a&access_token={token}", *fields, token=token))
    text = answer.body.decode()
    assert token not in text
    assert ["Cookie", "a=1"] in answer.json()["fields"]
    assert answer.json()["target"] == f"{path}?a"
    if path == "/open/x":
        assert seen_token(answer) is None  # nobody verified it there
        assert answer.status == 401
    else:
        assert answer.status == 200
        assert answer.json()["claims"]["username"] == "bruce"


@pytest.mark.parametrize("mode", ["enforce", "observe"])
@pytest.mark.parametrize("path", ["/", "/maybe", "/open/x"])
def test_what_was_not_verified_never_arrives_where_the_application_believes_it(
    pod: Pod, keyring: Path, signer: Signer, stranger: Signer, mode: str, path: str
) -> None:
    signer.publish(keyring)
    sidecar = pod.start(mode=mode, field="X-Internal-Token", resign={"scheme": ""})
    ours = seen_token(sidecar.ask(request(token=signer.token())), "x-internal-token")
    attempts = [
        [f"X-Internal-Token: {ours}"],
        [f"x-internal-token: {ours}", f"X_Internal_Token: {ours}", f"X.Internal.Token: {ours}"],
        ["Connection: x-internal-token, close", f"X-Internal-Token: {ours}"],
        [f"Authorization: Bearer {stranger.token()}"],
        [f"Authorization: Bearer {signer.token(lifetime_s=-3600)}"],
        [f"Authorization: bearer\t{ours}"],
        [f"Authorization: Bearer {ours}"],
        [f"Cookie: session={ours}"],
    ]
    for fields in attempts:
        with contextlib.suppress(ValueError):
            answer = sidecar.ask(request(path, *fields))
            if answer.values("Server") == [b"sidecar"]:
                continue
            assert answer.json().get("why") == "0 tokens", (fields, answer.body)
            assert ours is not None
            assert ours not in answer.body.decode(), fields


def test_in_observe_mode_only_a_good_token_becomes_one_of_ours(
    pod: Pod, keyring: Path, signer: Signer, stranger: Signer
) -> None:
    signer.publish(keyring)
    sidecar = pod.start(mode="observe")
    assert claims(sidecar, token=signer.token())["username"] == "bruce"
    good = signer.token()
    bad = [stranger.token(), signer.token(lifetime_s=-3600), "nonsense", None]
    answers = [sidecar.ask(request(token=token)) for token in bad]
    answers.append(sidecar.ask(request("/", f"Authorization: Bearer {good}", token=good)))
    for answer in answers:
        assert answer.status == 401
        assert answer.json()["why"] == "0 tokens"
