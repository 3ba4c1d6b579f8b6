"""A whole rotation, compressed to a minute, as a real Prometheus and ``sidecar rotate`` see it.

Two replicas of a service that hands out tokens and one that takes them. Tokens live for seconds;
one issuer lags behind, and sidecars are killed in the middle.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sidecar.rotation.moment import format_moment
from tests.conftest import find_tool
from tests.functional.application import Application
from tests.functional.client import Truncated, request
from tests.functional.conftest import complete
from tests.functional.credentials import Signer
from tests.functional.login import AT_ONCE, AUTH, Issuer, log_in
from tests.functional.prometheus import Prometheus
from tests.functional.sidecar_process import SidecarProcess, run_command, wait_until

OLD, NEW = "2026-08", "2026-11"
LIFETIME_S = 10
LEEWAY_S = 1
LONG_S = 120.0

pytestmark = [pytest.mark.needs_tool("prometheus"), pytest.mark.timeout(400)]


class Replica:
    """A sidecar, its application, and its own copy of the keyring."""

    def __init__(self, directory: Path, service: str, signer: Signer | None) -> None:
        self.directory = directory
        directory.mkdir()
        self.keyring = directory / "keyring"
        self.keyring.mkdir()
        self.application = Application()
        self._service = service
        self.issuer = None if signer is None else Issuer(self.application, signer)
        if self.issuer is not None:
            self.issuer.claims = {"lifetime_s": LIFETIME_S}
            self.application.stop_listening()  # its sidecar is there first
        self.sidecar: SidecarProcess

    def start(self, in_place_of: SidecarProcess | None = None) -> None:
        auth: dict[str, Any] = {"leeway": f"{LEEWAY_S}s", "max_lifetime": "15s"}
        configuration: dict[str, Any] = {"service": self._service, "shutdown": AT_ONCE}
        if self.issuer is not None:
            auth = {**AUTH, **auth}
            configuration["state_dir"] = str(self.directory / "state")
        self.sidecar = SidecarProcess(
            self.directory,
            complete({**configuration, "auth": auth}, self.application, self.keyring),
            environment={"VERSION_NAME": "v2.3", "VERSION_SHA": "a" * 40},
            in_place_of=in_place_of,
        )
        if self.issuer is not None and in_place_of is None:
            wait_until(lambda: self.sidecar.ready_status() is not None, "the sidecar is there")
            self.application.listen()
        self.sidecar.wait_until_ready()

    def crash(self) -> None:
        """Kill its sidecar, and start another one in its place."""
        self.sidecar.kill()
        self.start(in_place_of=self.sidecar)

    def stop(self) -> None:
        self.sidecar.stop()
        self.application.close()


class Fleet:
    """The replicas, a caller that never rests, and whoever asks about them."""

    def __init__(self, directory: Path, program: Path, signer: Signer, older: Signer) -> None:
        self.stack = ExitStack()
        self.signers = {NEW: signer, OLD: older}
        self.began = time.time() - 1
        self.users = [Replica(directory / f"users-{n}", "users-backend", older) for n in (0, 1)]
        self.thoughts = Replica(directory / "thoughts", "thoughts-backend", None)
        for replica in self.replicas:
            older.publish(replica.keyring)
            replica.start()
            self.stack.callback(replica.stop)
        self.prometheus = Prometheus(program, directory)
        self.stack.callback(self.prometheus.stop)
        self.prometheus.wait_until_ready()
        self.prometheus.watch([replica.sidecar for replica in self.replicas])
        self.refused: list[int] = []
        self._is_over = threading.Event()
        self._caller = threading.Thread(target=self._call)

    @property
    def replicas(self) -> list[Replica]:
        return [*self.users, self.thoughts]

    def start_calling(self) -> None:
        self._caller.start()
        self.stack.callback(self._caller.join)
        self.stack.callback(self._is_over.set)

    def _call(self) -> None:
        """Log in at each issuer in turn, and use the token at once."""
        while not self._is_over.wait(0.2):
            for replica in self.users:
                try:
                    answer = log_in(replica.sidecar)
                    if answer.status != 200:
                        continue
                    token = json.loads(answer.body)["Authorization"]
                    seen = self.thoughts.sidecar.ask(request("/", f"Authorization: {token}"))
                except (OSError, Truncated):
                    continue  # a sidecar was killed just now
                if seen.status != 200:
                    self.refused.append(seen.status)

    def publish(self, key_id: str, *replicas: Replica) -> None:
        for replica in replicas:
            self.signers[key_id].publish(replica.keyring)
        wait_until(
            lambda: all(replica.sidecar.keys().get(key_id) for replica in replicas), "it is held"
        )

    # --- what is asked ---

    def rotate(self, *arguments: str) -> Any:
        return run_command(
            "rotate",
            *arguments,
            *("--prometheus", self.prometheus.url, "--window", "1h"),
            *("--watched-since", format_moment(self.began)),
        )

    def gate(self, gate: str, key_id: str, *more: str) -> tuple[int, str]:
        asked = self.rotate("gate", gate, "--key", key_id, *more)
        return asked.returncode, asked.stdout + asked.stderr

    def wait_for_gate(self, gate: str, key_id: str, code: int, words: str = "") -> str:
        said: list[str] = []

        def answers() -> bool:
            answered, text = self.gate(gate, key_id)
            said[:] = [f"{answered}: {text}"]
            return answered == code and words in text

        try:
            wait_until(answers, f"{gate} {key_id} answers {code}", patience_s=LONG_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said {said[0]}") from None
        return said[0]

    def steps(self) -> dict[int, str]:
        asked = self.rotate("status", "--json", "--key", NEW)
        assert asked.returncode == 0, asked.stderr
        return {step["number"]: step["progress"] for step in json.loads(asked.stdout)["steps"]}

    def wait_for_steps(self, *done: int) -> None:
        seen: list[dict[int, str]] = []

        def are_done() -> bool:
            seen[:] = [self.steps()]
            return {number for number, word in seen[0].items() if word == "done"} == set(done)

        try:
            wait_until(are_done, f"steps {done} are done", patience_s=LONG_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen[0]}") from None


@pytest.fixture
def fleet(tmp_path: Path, signer: Signer, older_signer: Signer) -> Iterator[Fleet]:
    program = find_tool("prometheus")
    assert program is not None
    fleet = Fleet(tmp_path, program, signer, older_signer)
    with fleet.stack:
        fleet.start_calling()
        yield fleet


def test_a_whole_rotation_is_seen_step_by_step_and_no_gate_opens_early(fleet: Fleet) -> None:
    first, second = fleet.users
    fleet.wait_for_gate("distribute", OLD, 0)
    code, said = fleet.gate("distribute", NEW)
    assert code == 2
    assert OLD in said

    # Steps 2 and 3: the key reaches the replicas one after another.
    fleet.publish(NEW, first)
    fleet.wait_for_gate("distribute", NEW, 1, "thoughts-backend/")
    fleet.wait_for_steps(1, 3)
    fleet.publish(NEW, second, fleet.thoughts)
    fleet.wait_for_gate("distribute", NEW, 0)
    fleet.wait_for_steps(1, 2, 3)
    assert fleet.gate("switch", NEW)[0] == 1
    assert fleet.gate("retire", OLD)[0] == 1

    # Step 4: one replica of the issuer switches, the other lags behind.
    assert first.issuer is not None
    assert second.issuer is not None
    first.issuer.signer = fleet.signers[NEW]
    lagging = "{}:{}".format(*second.sidecar.admin_address)
    assert lagging in fleet.wait_for_gate("switch", NEW, 3)
    fleet.thoughts.crash()
    first.crash()
    state = ["switched", "--key", NEW, "--dir"]
    for replica in fleet.replicas:
        assert run_command("rotate", *state, str(replica.keyring)).returncode == 0
    assert lagging in fleet.wait_for_gate("switch", NEW, 1, "handed out a token of 2026-08")
    assert fleet.gate("retire", OLD)[0] != 0
    second.issuer.signer = fleet.signers[NEW]
    since = format_moment(time.time() + LEEWAY_S + 1)
    for replica in fleet.replicas:
        stated = run_command("rotate", *state, str(replica.keyring), "--at", since)
        assert stated.returncode == 0, stated.stderr
    fleet.wait_for_gate("switch", NEW, 0)
    fleet.wait_for_steps(1, 2, 3, 4)

    # Step 5: what was signed with the old key dies out.
    last_death = max(_expiry(token) for each in (first, second) for token in _old(each))
    said = fleet.wait_for_gate("retire", OLD, 0)
    assert time.time() >= last_death + LEEWAY_S
    assert "observed" in fleet.rotate("status").stdout, said
    fleet.wait_for_steps(1, 2, 3, 4, 5)

    # Step 6: it is removed, and nobody notices.
    for replica in fleet.replicas:
        (replica.keyring / f"{OLD}.pub").unlink()
    fleet.wait_for_steps(1, 2, 3, 4, 5, 6)
    assert fleet.gate("retire", OLD)[0] == 0
    assert not fleet.refused


def _old(replica: Replica) -> list[str]:
    import jwt

    assert replica.issuer is not None
    tokens = replica.issuer.handed_out
    return [token for token in tokens if jwt.get_unverified_header(token)["kid"] == OLD]


def _expiry(token: str) -> float:
    import jwt

    claims = jwt.decode(token, options={"verify_signature": False})
    return float(claims["exp"])
