"""The pod that the modules of this directory run in; none of them runs outside of one."""

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.functional.application import Application
from tests.functional.pod.namespaces import (
    REMOVE,
    Everywhere,
    found,
    in_place_of,
    make_namespaces,
    rules,
)
from tests.functional.sidecar_process import run_command

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
