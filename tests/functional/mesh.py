"""The reference system: the frontend calls thoughts and users, thoughts calls users."""

from collections.abc import Mapping
from typing import Any

from tests.functional.application import Application
from tests.functional.client import Client, request
from tests.functional.conftest import Launch
from tests.functional.sidecar_process import SidecarProcess, free_port, wait_until

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"
NEEDS: Mapping[str, Mapping[str, str]] = {
    "users": {},
    "thoughts": {"users": ">=v2.3,<v3"},
    "frontend": {"users": ">=v2.3", "thoughts": ">=v1.6"},
}
VERSIONS = {"users": "v2.3", "thoughts": "v1.6", "frontend": "v4.1"}


class Mesh:
    """Three places where a service listens; who is started there is up to the test."""

    def __init__(self, launch: Launch, application: Application) -> None:
        self._launch = launch
        self._application = application
        self.ports = {name: free_port() for name in NEEDS}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}/version"

    def version(self, name: str) -> Any:
        """What the service answers to who needs it."""
        with Client(("127.0.0.1", self.ports[name])) as client:
            return client.exchange(request("/version")).json()

    def start(
        self,
        name: str,
        version: str = "",
        *,
        waits: bool = False,
        lives: bool = False,
        port: int | None = None,
        **entry: Any,
    ) -> SidecarProcess:
        """Start the sidecar of a service; ``entry`` is said of every dependency. It is waited for
        until it ``lives``, or until it is ready (``waits``). One more replica has a ``port`` of its
        own, where nobody asks it."""
        needs = {
            other: {"url": self.url(other), "requires": requires, "interval": "200ms", **entry}
            for other, requires in NEEDS[name].items()
        }
        sidecar = self._launch(
            {
                "service": name,
                "listen": f"127.0.0.1:{port or self.ports[name]}",
                "auth": {"mode": "off"},
                "dependencies": needs,
            },
            application=self._application,
            environment={"VERSION_NAME": version or VERSIONS[name], "VERSION_SHA": COMMIT},
            waits=waits,
        )
        if lives:
            wait_until(lambda: sidecar.ready_status() is not None, f"{name} lives")
        return sidecar


def dependency(sidecar: SidecarProcess, name: str) -> dict[str, Any]:
    """What ``/dependencies`` says of one."""
    entries = {each["name"]: each for each in sidecar.admin("/dependencies").json()["dependencies"]}
    entry: dict[str, Any] = entries[name]
    return entry
