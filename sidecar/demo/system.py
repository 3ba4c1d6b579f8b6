"""The reference system on one machine: three services, five pods in the course of the demo.

Everything of it lives in one temporary directory: ``keys/`` with the pairs of keys, a directory for
each pod, a log of each process, and the list of the replicas that take requests.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sidecar.demo.caller import Caller
from sidecar.demo.endpoints import write_endpoints
from sidecar.demo.mint import Mint
from sidecar.demo.pods import FRONTEND, LIFETIME_S, SERVICES, THOUGHTS, USERS, Pod
from sidecar.demo.processes import Processes, ProcessFailed
from sidecar.demo.reservation import Reservation
from sidecar.demo.serving import VERSION_PATH
from sidecar.rotation.moment import format_moment

FIRST_PODS = {
    "users-1": USERS,
    "users-2": USERS,
    "thoughts-1": THOUGHTS,
    "frontend-1": FRONTEND,
}
_SERVICES = {service.name: service for service in SERVICES}

#: Far more than a start or an end takes; a process that fails is noticed at once.
_PATIENCE_S = 60.0
_PACE_S = 0.02


class System:
    """Which pods there are, and what an operator does to them."""

    def __init__(self, directory: Path, processes: Processes, resources: ExitStack) -> None:
        self.directory = directory
        self.processes = processes
        self._resources = resources
        self._endpoints = directory / "endpoints.json"
        self.pods: dict[str, Pod] = {}
        keys = directory / "keys"
        keys.mkdir()
        self.mint = Mint(keys, LIFETIME_S)

    def add_pod(self, name: str, service: str) -> Pod:
        """A pod of which nothing runs yet, and that holds no key."""
        ports = [self.reserve_port() for _ in range(3)]
        pod = Pod(_SERVICES[service], name, self.directory / name, ports)
        self.pods[name] = pod
        return pod

    def reserve_port(self) -> Reservation:
        """A port that nobody else is given while the system is there."""
        return self._resources.enter_context(Reservation())

    def pods_of(self, *services: str) -> list[Pod]:
        """The pods of these services that are there."""
        return [pod for pod in self.pods.values() if pod.service.name in services]

    # --- running -----------------------------------------------------------------------------

    async def start(self, caller: Caller, *pods: Pod) -> None:
        """Start these pods and return when all are ready. Raises :class:`ProcessFailed`."""
        needed = {name: self._replica_of(name).url + VERSION_PATH for name in (USERS, THOUGHTS)}
        for pod in pods:
            pod.start_sidecar(self.processes, needed)
        for pod in pods:
            await self._wait_for(caller, pod, f"{pod.admin_url}/live")
            pod.start_application(self.processes, self._endpoints)
        for pod in pods:
            await self._wait_for(caller, pod, pod.application_url + VERSION_PATH)
            await self._wait_for(caller, pod, f"{pod.admin_url}/ready")

    async def stop(self, pod: Pod) -> None:
        """As Kubernetes does with a native sidecar: no new requests, then the end, and the
        application goes on until its sidecar needs it no more."""
        application = next(each for each in pod.processes if each.name.endswith("application"))
        (sidecar,) = (each for each in pod.processes if each is not application)
        for process in (sidecar, application):
            self.processes.begin_end(process)
            deadline = time.monotonic() + _PATIENCE_S
            while process.popen.poll() is None:
                if time.monotonic() > deadline:
                    raise ProcessFailed(f"demo: {process.name} did not end in time")
                await asyncio.sleep(_PACE_S)
        del self.pods[pod.name]

    def route(self, *without: str) -> None:
        """Let requests go to all pods but those named."""
        urls: dict[str, list[str]] = {service: [] for service in _SERVICES}
        for pod in self.pods.values():
            if pod.name not in without:
                urls[pod.service.name].append(pod.url)
        write_endpoints(self._endpoints, urls)

    def _replica_of(self, service: str) -> Pod:
        """The replica that stays for the whole of the demo."""
        return self.pods_of(service)[0]

    async def _wait_for(self, caller: Caller, pod: Pod, url: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while (await caller.ask(url)).status != 200:
            self.check()
            if time.monotonic() > deadline:
                raise ProcessFailed(f"demo: {pod.name} did not answer on {url} in time")
            await asyncio.sleep(_PACE_S)

    def check(self) -> None:
        """Raise :class:`ProcessFailed` when a process has ended by itself."""
        self.processes.check()

    # --- keys --------------------------------------------------------------------------------

    def accept_key(self, pod: Pod, key_id: str) -> None:
        """Put the public key into the pod's keyring."""
        _arrive(pod.keyring / f"{key_id}.pub", self.mint.public_file(key_id).read_bytes())

    def copy_keyring(self, source: Pod, target: Pod) -> None:
        """All public keys and statements, as a new pod mounts them."""
        for file in source.keyring.iterdir():
            _arrive(target.keyring / file.name, file.read_bytes())

    def remove_key(self, pod: Pod, key_id: str) -> None:
        """Take the public key out of the pod's keyring."""
        (pod.keyring / f"{key_id}.pub").unlink()

    def sign_with(self, pod: Pod, key_id: str) -> None:
        """Give the pod the private key: from now on its application signs with it."""
        _arrive(pod.signer / f"{key_id}.key", self.mint.private_file(key_id).read_bytes())

    def state_switch(self, pod: Pod, key_id: str, since: float) -> None:
        """State beside the pod's keys from when on all signers use the key."""
        _arrive(pod.keyring / f"{key_id}.since", f"{format_moment(since)}\n".encode())


def _arrive(path: Path, content: bytes) -> None:
    """Write a file that is whole from the first moment on."""
    arriving = path.with_name(f".{path.name}.arriving")
    arriving.touch(mode=0o600)
    arriving.write_bytes(content)
    arriving.rename(path)


@contextmanager
def build_system() -> Iterator[System]:
    """The first pods, of which nothing runs yet; all is gone, with its directory, at the end."""
    with (
        TemporaryDirectory(prefix="sidecar-demo-") as directory,
        ExitStack() as resources,
        Processes(Path(directory)) as processes,
    ):
        system = System(Path(directory), processes, resources)
        for name, service in FIRST_PODS.items():
            system.add_pod(name, service)
        system.route()
        yield system
