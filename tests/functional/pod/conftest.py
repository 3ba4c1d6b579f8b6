"""The pod that the modules of this directory run in; none of them runs outside of one."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.functional.application import Application
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.pod.namespaces import (
    PORT,
    REMOVE,
    UID,
    Everywhere,
    found,
    in_place_of,
    make_namespaces,
    rules,
)
from tests.functional.sidecar_process import COMMAND, SidecarProcess, run_command

# The image's user as the kernel sees it, with leave to read what this test wrote as root.
AS_THE_SIDECAR: Final = (
    *("setpriv", f"--euid={UID}", f"--regid={UID}", "--clear-groups"),
    *("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"),
    *COMMAND,
)
#: What keeps the rules: ``nft``, and ``iptables`` of both kinds.
KEEPERS = ("nft", "iptables-nft", "iptables-legacy")


@pytest.fixture(scope="session", autouse=True)
def world() -> None:
    make_namespaces()


@pytest.fixture
def application() -> Iterator[Application]:
    """Where it always listened: every address of the pod, both families."""
    listening = Everywhere()
    yield listening
    listening.close()


Start = Callable[..., SidecarProcess]


@pytest.fixture
def start(launch: Launch, application: Application, signer: Signer, keyring: Path) -> Start:
    """Starts the sidecar of the pod; settings may be given. The application is there already."""

    def start_it(**more: Any) -> SidecarProcess:
        signer.publish(keyring)
        upstream = {"url": "original-dst", "ports": [PORT]}
        settings = {"listen": "[::]:15006", "upstream": upstream, **more}
        # A test that has the admin port elsewhere waits for it itself.
        return launch(settings, keyring=keyring, command=AS_THE_SIDECAR, waits="admin" not in more)

    return start_it


@pytest.fixture(autouse=True)
def no_rules() -> Iterator[None]:
    yield
    assert run_command(*REMOVE).returncode == 0
    assert "SIDECAR" not in "".join(rules()).upper()


@pytest.fixture(params=KEEPERS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of each backend; ``iptables`` is of either kind."""
    keeper = str(request.param)
    with ExitStack() as stack:
        if keeper != "nft" and os.path.realpath(found(keeper)) != os.path.realpath(
            found("iptables")
        ):
            stack.enter_context(in_place_of("iptables", found(keeper)))
        yield keeper.partition("-")[0]
        assert run_command(*REMOVE).returncode == 0
