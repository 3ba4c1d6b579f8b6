"""What every test may rely on: programs that may be missing, with a loud word when they are.

A test that needs another program says so, ``@pytest.mark.needs_tool("nginx", "wrk")``, and finds it
with the ``tool_path`` fixture. Where the program is missing the test is skipped and named at the
end of the run; with ``SIDECAR_REQUIRE_TOOLS=1`` in the environment it fails instead, so that a
machine that is meant to have everything cannot hide a hole.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No law depends on how fast this machine is today; in CI the same examples are tried every time.
settings.register_profile(
    "sidecar",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sidecar")

#: Every program that a test may ask for, and the Debian package that brings it.
PACKAGES: Mapping[str, str] = dict(
    line.split()
    for line in Path(__file__).with_name("programs.txt").read_text().splitlines()
    if not line.startswith("#")
)

_MISSING = pytest.StashKey[dict[str, list[str]]]()
_IS_REQUIRED = pytest.StashKey[bool]()


def find_tool(name: str) -> Path | None:
    """Where the program is; servers live in ``sbin``, which is not on everybody's path."""
    places = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = shutil.which(name, path=places)
    return Path(found) if found else None


def pytest_configure(config: pytest.Config) -> None:
    """Take note of the mode, and clear the environment of everything that configures a sidecar.

    The machine's own settings must not play a part in a test, and a sidecar refuses to start with a
    SIDECAR_ variable that it does not know, such as that of the mode.
    """
    config.stash[_MISSING] = {}
    config.stash[_IS_REQUIRED] = os.environ.get("SIDECAR_REQUIRE_TOOLS") == "1"
    for name in list(os.environ):
        if name.startswith("SIDECAR_") or name in {"VERSION_NAME", "VERSION_SHA"}:
            del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several files run at once, those that wait for processes come first.

    They take longest, and leave the processor to whoever is beside them.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: "functional" not in item.path.parts)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let no test start without the programs that its markers name."""
    for marker in item.iter_markers("needs_tool"):
        for name in marker.args:
            _require(item, name)


@pytest.fixture
def tool_path(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """A function that says where a program is, and skips the test where it is missing."""
    return lambda name: _require(request.node, name)


def _require(item: pytest.Item, name: str) -> Path:
    package = PACKAGES.get(name)
    if package is None:
        pytest.fail(f"tests/programs.txt does not name the program `{name}`", pytrace=False)
    found = find_tool(name)
    if found is None:
        item.config.stash[_MISSING].setdefault(name, []).append(item.nodeid)
        reason = f"needs the program `{name}`, which is missing (Debian package {package})"
        if item.config.stash[_IS_REQUIRED]:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name every test that did not run, by the program that it waits for."""
    missing = config.stash[_MISSING]
    if not missing:
        return
    terminalreporter.section("programs that are missing here")
    for tool, node_ids in sorted(missing.items()):
        terminalreporter.line(f"{tool}: {len(node_ids)} tests did not run")
        for node_id in node_ids:
            terminalreporter.line(f"    {node_id}")
