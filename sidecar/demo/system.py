"""The reference system in miniature: a service with its sidecar, as real processes on loopback.

Everything of it lives in one temporary directory: ``signer/`` with the pairs of keys, ``keyring/``
with the public keys that the sidecar accepts, its configuration, and a log of each process.
"""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from sidecar.demo.caller import Caller
from sidecar.demo.mint import LIFETIME_S, Mint
from sidecar.demo.processes import Processes, ProcessFailed, clean_environment
from sidecar.demo.reservation import Reservation
from sidecar.demo.thoughts import USERNAME_FIELD

PUBLIC_PATH = "/api/thoughts/"
PRIVATE_PATH = "/api/me/thoughts/"
_VERSION_PATH = "/admin/version/"
_VERSION = {"VERSION_NAME": "v1.6", "VERSION_SHA": "8f1c2a6d0b7e4f3395a1c0d2e4b6f8a013579bdf"}

#: Far more than a start takes; a process that fails is noticed at once.
_START_TIMEOUT_S = 30.0


class System:
    """What is running, where, and how its keyring is changed."""

    def __init__(self, directory: Path, processes: Processes, ports: list[Reservation]) -> None:
        self._processes = processes
        self._upstream, self._inbound, self._admin = ports
        self.keyring = directory / "keyring"
        self.signer = directory / "signer"
        self.sidecar_log = directory / "sidecar.log"
        self._config = directory / "sidecar.yaml"
        self.mint = Mint(self.signer)
        for made in (self.keyring, self.signer):
            made.mkdir()

    @property
    def service_url(self) -> str:
        """The service, as its callers reach it: through the sidecar."""
        return f"http://{self._inbound.address}"

    @property
    def admin_url(self) -> str:
        return f"http://{self._admin.address}"

    @property
    def upstream_url(self) -> str:
        """The service itself, past the sidecar; no caller comes this way."""
        return f"http://{self._upstream.address}"

    def start(self) -> None:
        """Start both processes; the keyring must hold a key by now."""
        environ = clean_environment(os.environ) | _VERSION
        self._config.write_text(yaml.safe_dump(self._settings(), sort_keys=False))
        self._processes.start(
            "thoughts",
            ["sidecar.demo.thoughts", "--port", str(self._upstream.port)],
            environ,
        )
        self._processes.start("sidecar", ["sidecar", "run", "--config", str(self._config)], environ)

    def _settings(self) -> dict[str, Any]:
        return {
            "service": "thoughts-backend",
            "listen": self._inbound.address,
            "admin": self._admin.address,
            "upstream": {"url": self.upstream_url},
            "auth": {
                "keyring": [{"path": str(self.keyring)}],
                "require": ["exp", "username"],
                "max_lifetime": f"{LIFETIME_S}s",
                "forward": {"claims": {"username": USERNAME_FIELD}},
                "rules": [{"paths": [f"{PUBLIC_PATH}*"], "methods": ["GET"], "access": "public"}],
            },
            "version": {"paths": ["/version", _VERSION_PATH]},
            # Nobody else sends anything here, so there is nothing to wait for at the end.
            "shutdown": {"drain": "0s", "grace": "1s"},
            "log": {"format": "text", "access": "all"},
        }

    def accept_key(self, key_id: str) -> None:
        """Put the public key into the keyring, whole from the first moment on."""
        arriving = self.keyring / f".{key_id}.arriving"
        arriving.write_bytes(self.mint.public_file(key_id).read_bytes())
        arriving.rename(self.keyring / f"{key_id}.pub")

    def remove_key(self, key_id: str) -> None:
        """Take the public key out of the keyring."""
        (self.keyring / f"{key_id}.pub").unlink()

    async def wait_until_ready(self, caller: Caller) -> None:
        """Return when both answer. Raises :class:`ProcessFailed` when one does not."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        for name, url in (
            ("thoughts", self.upstream_url + _VERSION_PATH),
            ("sidecar", f"{self.admin_url}/ready"),
        ):
            while (await caller.ask(url)).status != 200:
                self.check()
                if time.monotonic() > deadline:
                    raise ProcessFailed(f"demo: {name} did not answer on {url} in time")
                await asyncio.sleep(0.02)

    def check(self) -> None:
        """Raise :class:`ProcessFailed` when a process has ended by itself."""
        self._processes.check()


@contextmanager
def build_system() -> Iterator[System]:
    """A system that is gone, with its directory, when the context ends; nothing runs yet."""
    with (
        TemporaryDirectory(prefix="sidecar-demo-") as directory,
        Reservation() as upstream,
        Reservation() as inbound,
        Reservation() as admin,
        Processes(Path(directory)) as processes,
    ):
        yield System(Path(directory), processes, [upstream, inbound, admin])
