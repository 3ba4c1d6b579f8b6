"""A pod of the demo: an application and the sidecar beside it, as two real processes on loopback.

Each pod has a directory of its own, which holds what Kubernetes would mount: the keyring, the
sidecar's configuration and state, and the signing keys where its service signs. Called by
``demo.system``.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sidecar.demo import frontend, users
from sidecar.demo.processes import Process, Processes, clean_environment
from sidecar.demo.reservation import Reservation
from sidecar.demo.serving import VERSION_PATH
from sidecar.demo.thoughts import USERNAME_FIELD

FRONTEND, THOUGHTS, USERS = "frontend", frontend.THOUGHTS, frontend.USERS

#: Seconds that a token is good for; two days in the reference system.
LIFETIME_S = 30
LEEWAY_S = 1
PUBLIC_PATH = "/api/thoughts/"
PRIVATE_PATH = "/api/me/thoughts/"


@dataclass(frozen=True, slots=True)
class Service:
    """One of the three. ``needs``: the least version of each service that it calls."""

    name: str
    version: str
    commit: str
    rules: tuple[Mapping[str, Any], ...]
    needs: Mapping[str, str]

    @property
    def signs(self) -> bool:
        """Whether it hands out tokens."""
        return self.name == USERS


SERVICES = (
    Service(
        USERS,
        "v2.3",
        "4d1d2cf1a5b6c7d8e9f00112233445566778899a",
        ({"paths": [users.LOGIN_PATH], "methods": ["POST"], "access": "public"},),
        {},
    ),
    Service(
        THOUGHTS,
        "v1.6",
        "8f1c2a6d0b7e4f3395a1c0d2e4b6f8a013579bdf",
        ({"paths": [f"{PUBLIC_PATH}*"], "methods": ["GET"], "access": "public"},),
        {USERS: "v2.3"},
    ),
    Service(
        FRONTEND,
        "v4.1",
        "c3a5e7091b2d4f60718293a4b5c6d7e8f9010203",
        ({"paths": [frontend.LOGIN_PATH], "methods": ["POST"], "access": "public"},),
        {USERS: "v2.3", THOUGHTS: "v1.5"},
    ),
)


class Pod:
    """One replica of a service. Nothing runs until it is started, the sidecar first.

    ``ports``: of the application, the sidecar's inbound and its admin port.
    """

    def __init__(
        self, service: Service, name: str, directory: Path, ports: Sequence[Reservation]
    ) -> None:
        self.service = service
        self.name = name
        self.keyring = directory / "keyring"
        self.signer = directory / "signer"
        self._directory = directory
        self._upstream, self._inbound, self._admin = ports
        self.processes: list[Process] = []
        for made in (directory, self.keyring, self.signer):
            made.mkdir()

    @property
    def url(self) -> str:
        """The service, as its callers reach it: through the sidecar."""
        return f"http://{self._inbound.address}"

    @property
    def admin_url(self) -> str:
        return f"http://{self._admin.address}"

    @property
    def application_url(self) -> str:
        """The application itself, past the sidecar; no caller comes this way."""
        return f"http://{self._upstream.address}"

    def start_sidecar(self, processes: Processes, needed: Mapping[str, str]) -> None:
        """``needed``: where each service says its version. The keyring must hold a key by now."""
        config = self._directory / "sidecar.yaml"
        config.write_text(yaml.safe_dump(self._settings(needed), sort_keys=False))
        self._start(processes, "sidecar", ["sidecar", "run", "--config", str(config)])

    def start_application(self, processes: Processes, endpoints: Path) -> None:
        """Where it signs, once the sidecar watches: so that no token is handed out unseen."""
        more: Mapping[str, list[str]] = {
            USERS: ["--keys", str(self.signer), "--lifetime", str(LIFETIME_S)],
            FRONTEND: ["--endpoints", str(endpoints)],
        }
        module = f"sidecar.demo.{self.service.name.removesuffix('-backend')}"
        port = str(self._upstream.port)
        extra = more.get(self.service.name, [])
        self._start(processes, "application", [module, "--port", port, *extra])

    def _start(self, processes: Processes, role: str, module: Sequence[str]) -> None:
        environ = clean_environment(os.environ)
        environ |= {"VERSION_NAME": self.service.version, "VERSION_SHA": self.service.commit}
        self.processes.append(processes.start(f"{self.name}.{role}", module, environ))

    def _settings(self, needed: Mapping[str, str]) -> dict[str, Any]:
        auth: dict[str, Any] = {
            "keyring": str(self.keyring),
            "require": ["exp", "username"],
            "max_lifetime": f"{LIFETIME_S}s",
            "leeway": f"{LEEWAY_S}s",
            "switch": "enforce",
            "forward": {"claims": {"username": USERNAME_FIELD}},
            "rules": [dict(rule) for rule in self.service.rules],
        }
        if self.service.signs:
            auth["issues"] = [
                {"paths": [users.LOGIN_PATH], "methods": ["POST"], "json": "Authorization"}
            ]
        return {
            "service": self.service.name,
            "listen": self._inbound.address,
            "admin": self._admin.address,
            "upstream": self.application_url,
            "auth": auth,
            "version": {"paths": ["/version", VERSION_PATH]},
            "dependencies": {
                name: {"url": needed[name], "min": least, "interval": "2s"}
                for name, least in self.service.needs.items()
            },
            "shutdown": {"drain": "1s", "grace": "5s", "last_word": "4s"},
            "state_dir": str(self._directory),
            "log": {"format": "text", "access": "errors"},
        }
