"""The program itself, started as its users start it, watched from outside."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.functional import credentials
from tests.functional.client import PATIENCE_S, Client, Response, request

COMMAND = (sys.executable, "-m", "sidecar")
ROOT = Path(__file__).parents[2]

Labels = Mapping[str, str]
# Of the system: tests that run at once may have seeded the other one alike, and would get one port.
_CHANCE = random.SystemRandom()


def free_port() -> int:
    """A port of loopback that nobody has, below those that the kernel gives to connections."""
    while True:
        port = _CHANCE.randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(is_so: Callable[[], bool], what: str, *, patience_s: float = PATIENCE_S) -> float:
    """Wait for a condition; how many seconds that took."""
    begin = time.monotonic()
    while not is_so():
        if time.monotonic() - begin > patience_s:
            raise AssertionError(f"waited {patience_s:g} s in vain until {what}")
        time.sleep(0.01)
    return time.monotonic() - begin


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would configure a sidecar."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SIDECAR_", "VERSION_"))
    }
    return {**inherited, **more}


def run_command(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the program that ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=clean_environment(environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class SidecarProcess:
    """One running sidecar, on ports that nobody else has.

    ``configuration`` is what the YAML file says; ``listen`` and ``admin`` are added where absent.
    ``in_place_of``: one that has ended, whose ports it takes over.
    """

    def __init__(
        self,
        directory: Path,
        configuration: Mapping[str, Any],
        *,
        flags: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
        in_place_of: "SidecarProcess | None" = None,
    ) -> None:
        self._inbound, self._admin = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        if in_place_of is not None:
            self._inbound, self._admin = in_place_of._inbound, in_place_of._admin
        addresses = {
            "listen": "{}:{}".format(*self._inbound),
            "admin": "{}:{}".format(*self._admin),
        }
        serial = len(list(directory.glob("sidecar-*.yaml")))
        file = directory / f"sidecar-{serial}.yaml"
        file.write_text(json.dumps({**addresses, **configuration}))  # JSON is YAML
        self._errors = file.with_suffix(".stderr")
        self._expected_codes: tuple[int, ...] = (0, 2)
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*command, "run", "--config", str(file), *flags],
                cwd=ROOT,
                env=clean_environment(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )

    # --- its life ---

    def wait_until_ready(self) -> None:
        """Wait until ``/ready`` says so; fails with its last words if it ends instead."""

        def is_ready() -> bool:
            if self.has_ended:
                raise AssertionError(f"the sidecar did not start: {self.stderr}")
            return self.ready_status() == 200

        wait_until(is_ready, "the sidecar is ready")

    def ready_status(self) -> int | None:
        """What ``/ready`` answers; ``None`` while nobody does."""
        try:
            return self.admin("/ready").status
        except OSError:
            return None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would, without a chance to say or write anything."""
        self._expected_codes = (-signal.SIGKILL,)
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(PATIENCE_S)

    def stop(self) -> None:
        """Make sure that it ends, and that it leaves no traceback and no secret behind."""
        for _ in range(2):  # the second signal ends a drain
            if not self.has_ended:
                self.signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(PATIENCE_S / 4)
        if not self.has_ended:
            self._process.kill()
            self._process.wait()
        self.check_words()
        code = self._process.returncode
        assert code in self._expected_codes, f"{code}: {self.stderr}"

    def check_words(self) -> None:
        """What is wrong in any case: a traceback, a fault of its own, a secret in the log."""
        text = self.stderr
        assert "Traceback" not in text, text
        assert '"fault"' not in text, text
        leaks = sum(secret in text for secret in credentials.secrets)
        assert leaks == 0, f"{leaks} pieces of tokens or keys are in the log"

    # --- what it says ---

    @property
    def stderr(self) -> str:
        return self._errors.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every finished line of its log, which must all be JSON."""
        return [json.loads(line) for line in self.stderr.split("\n")[:-1]]

    @property
    def complaints(self) -> list[str]:
        """What it said to people, not to a log."""
        return [line for line in self.stderr.splitlines() if not line.startswith("{")]

    def wait_for_log(self, text: str) -> None:
        """Wait until a line of the log holds ``text``."""
        wait_until(lambda: text in self.stderr.rpartition("\n")[0], f"the log says {text!r}")

    @property
    def access_log(self) -> list[dict[str, Any]]:
        return [line for line in self.log if line["room"] == "access"]

    def access_line(self, request_id: str) -> dict[str, Any]:
        """The access line of one request; it is written just after its answer."""
        self.wait_for_log(f'"request_id": "{request_id}"')
        (line,) = [line for line in self.access_log if line["request_id"] == request_id]
        return line

    def peak_memory_bytes(self) -> int:
        """The most memory it ever had."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024

    # --- its ports ---

    def connect(self) -> Client:
        """A connection to the inbound port."""
        return Client(self._inbound)

    def ask(self, raw: bytes) -> Response:
        """One request on a connection of its own."""
        with self.connect() as client:
            return client.exchange(raw)

    @property
    def admin_url(self) -> str:
        """Where a browser finds the admin port."""
        return "http://{}:{}/".format(*self._admin)

    def admin(self, target: str, *fields: str, method: str = "GET") -> Response:
        """One request to the admin port."""
        with Client(self._admin) as client:
            raw = request(target, "Connection: close", *fields, method=method)
            return client.exchange(raw)

    @property
    def admin_address(self) -> tuple[str, int]:
        return self._admin

    @property
    def inbound_address(self) -> tuple[str, int]:
        return self._inbound

    def keys(self) -> dict[str, dict[str, Any]]:
        """The keys of ``/keys``, by id."""
        return {key["id"]: key for key in self.admin("/keys").json()["keys"]}

    def metrics(self) -> "Metrics":
        return Metrics(self.admin("/metrics").body.decode())


class Metrics:
    """One scrape, read by Prometheus' own parser."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))

    def samples(self, name: str) -> Iterator[tuple[Labels, float]]:
        """Every sample of that name."""
        for family in self.families:
            for sample in family.samples:
                if sample.name == name:
                    yield sample.labels, sample.value

    def value(self, name: str, **labels: str) -> float:
        """The one sample that has these labels, among others."""
        (value,) = [value for found, value in self.samples(name) if labels.items() <= found.items()]
        return value

    def nonzero(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples that are not 0, by the values of their labels in the labels' order."""
        return {
            tuple(labels[label] for label in sorted(labels)): value
            for labels, value in self.samples(name)
            if value
        }
