"""A real sidecar process on loopback, between clients and an application that the tests control.

A test module shares one sidecar and one application; a fixture ``configuration`` in the module says
how that sidecar is configured. Tests that need a process of their own take ``launch``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.functional.application import Application
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import SidecarProcess, run_command

Launch = Callable[..., SidecarProcess]


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """The holder of the current key, 2026-11, which the program itself made."""
    directory = tmp_path_factory.mktemp("signer")
    made = run_command("keys", "generate", "--id", "2026-11", "--out", str(directory))
    assert made.returncode == 0, made.stderr
    return Signer.read(directory / "2026-11.key", "RS256")


@pytest.fixture(scope="session")
def older_signer() -> Signer:
    """The holder of the key before, 2026-08."""
    return Signer.generate("2026-08")


@pytest.fixture(scope="session")
def stranger() -> Signer:
    """Signs with a key that no keyring has, and says that it is the current one."""
    return Signer.generate("2026-11", "RS256")


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    """What the module's sidecar is configured with, besides the application and the keys."""
    return {}


@pytest.fixture(scope="module")
def shared_application() -> Iterator[Application]:
    application = Application()
    yield application
    application.close()


@pytest.fixture
def application(shared_application: Application) -> Application:
    """The application behind the module's sidecar, as new for each test."""
    shared_application.forget()
    return shared_application


@pytest.fixture(scope="module")
def sidecar(
    tmp_path_factory: pytest.TempPathFactory,
    shared_application: Application,
    configuration: dict[str, Any],
    signer: Signer,
    older_signer: Signer,
) -> Iterator[SidecarProcess]:
    """The module's sidecar; its keyring holds 2026-11 and 2026-08."""
    directory = tmp_path_factory.mktemp("sidecar")
    keyring = directory / "keyring"
    keyring.mkdir()
    signer.publish(keyring)
    older_signer.publish(keyring)
    settings = complete(configuration, shared_application, keyring)
    process = SidecarProcess(directory, settings)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.stop()


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """An empty directory for keys."""
    directory = tmp_path / "keyring"
    directory.mkdir()
    return directory


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start sidecars that are this test's own; ``waits=False`` does not wait until one is ready."""
    processes = ExitStack()  # a complaint about one must not keep the others running

    def start(
        configuration: Mapping[str, Any],
        *,
        application: Application | None = None,
        keyring: Path | None = None,
        waits: bool = True,
        **more: Any,
    ) -> SidecarProcess:
        settings = complete(configuration, application, keyring)
        process = SidecarProcess(tmp_path, settings, **more)
        processes.callback(process.stop)
        if waits:
            process.wait_until_ready()
        return process

    with processes:
        yield start


def complete(
    configuration: Mapping[str, Any], application: Application | None, keyring: Path | None
) -> dict[str, Any]:
    """The configuration with the application's address and the directory of keys; a sidecar that
    is told to end does so without waiting for callers that have not heard of it yet."""
    at_once = {"drain": "0", "grace": "10s"}
    settings = {"service": "thoughts-backend", "shutdown": at_once, **configuration}
    if application is not None:
        settings["upstream"] = {"url": application.url, **settings.get("upstream", {})}
    if keyring is not None:
        settings["auth"] = {"keyring": [str(keyring)], **settings.get("auth", {})}
    return settings
