"""The house rules that no linter has: every module alone, no clock in pure rooms, no loose task.

The layers themselves are contracts of import-linter in pyproject.toml, which `make lint` checks.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sidecar

ROOT = Path(sidecar.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PURE_ROOMS = ("rotation", "tokens", "versions", "wire")
#: Ways to the time of day that need no forbidden import.
CLOCKS = frozenset({"now", "utcnow", "today", "time", "monotonic", "perf_counter"})
#: A task may be started only in a group that somebody waits for.
TASK_GROUPS = frozenset({"tasks", "_tasks", "group", "_group", "task_group"})


def module_name(file: Path) -> str:
    parts = ("sidecar", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def where(file: Path, node: ast.AST) -> str:
    return f"{file.relative_to(ROOT.parent)}:{getattr(node, 'lineno', 0)}"


def calls(file: Path) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call, with the last name of what it is called on, and the called name."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                owner = node.func.value
                owner_name = getattr(owner, "attr", getattr(owner, "id", ""))
                yield node, owner_name, node.func.attr
            elif isinstance(node.func, ast.Name):
                yield node, "", node.func.id


def pure_files() -> list[Path]:
    return [file for file in FILES if file.relative_to(ROOT).parts[0] in PURE_ROOMS]


@pytest.mark.timeout(300)  # more work than any other test here, and nobody's clock
def test_every_module_can_be_imported_alone() -> None:
    """No module works only because another one was imported before it."""
    names = [module_name(file) for file in FILES if file.name != "__main__.py"]
    # One interpreter for all, forked before each import: a new one for each would take minutes.
    program = """
import importlib, json, os, sys
failed = []
for name in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException as error:
            sys.stderr.write(f"{name}: {error!r}\\n")
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
print(json.dumps(failed))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(names)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [], done.stderr


def test_pure_rooms_have_no_clock() -> None:
    found = [
        where(file, node)
        for file in pure_files()
        for node, owner, name in calls(file)
        if name in CLOCKS and (owner or name in {"monotonic", "perf_counter"})
    ]
    assert found == []


def test_pure_rooms_open_nothing_and_print_nothing() -> None:
    found = [
        where(file, node)
        for file in pure_files()
        for node, owner, name in calls(file)
        if not owner and name in {"open", "print", "input"}
    ]
    assert found == []


def test_tasks_are_started_only_in_a_group() -> None:
    found = [
        where(file, node)
        for file in FILES
        for node, owner, name in calls(file)
        if name in {"create_task", "ensure_future"} and owner not in TASK_GROUPS
    ]
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        module_name(file)
        for file in FILES
        if file.read_text().strip() and ast.get_docstring(ast.parse(file.read_bytes())) is None
    ]
    assert silent == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
    assert [module_name(file) for file in FILES if file.stem in drawers] == []


@pytest.mark.parametrize("name", ["aiohttp", "uvloop", "prometheus_client", "jwt", "cryptography"])
def test_a_command_that_does_not_serve_starts_without_what_serves(name: str) -> None:
    """``sidecar --help`` and ``sidecar healthcheck`` run often, and beside a service."""
    program = "import sys, sidecar.cli.main, sidecar.cli.healthcheck; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert name not in done.stdout.split()
