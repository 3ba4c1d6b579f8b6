"""Where rules cannot be had it is one clear line, and nothing is half applied."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.pod.namespaces import (
    APPLY,
    PORT,
    REMOVE,
    SHOW,
    UID,
    found,
    hidden,
    in_place_of,
    intercept,
    rules,
)
from tests.functional.sidecar_process import COMMAND, run_command, wait_until


def test_iptables_keeps_the_rules_where_there_is_no_nft(tmp_path: Path) -> None:
    with hidden("nft", tmp_path):
        intercept()
        shown = run_command(*SHOW, "--json")
        assert json.loads(shown.stdout)["backend"] == "iptables"
        assert run_command(*APPLY, "--backend", "nft").returncode == 3


def test_without_a_program_it_is_one_clear_line(tmp_path: Path) -> None:
    before = rules()
    with hidden("nft", tmp_path), hidden("iptables", tmp_path):
        for command in (APPLY, SHOW, REMOVE):
            done = run_command(*command)
            assert done.returncode == 3
            (line,) = done.stderr.splitlines()
            assert line == (
                "sidecar: there is no nft nor iptables here: install nftables or iptables"
            )
    assert rules() == before


def test_what_a_program_refuses_changes_nothing(backend: str) -> None:
    intercept(backend=backend)
    before = rules()
    # What no program knows stands in for what a kernel does not know.
    broken = "from sidecar.interception import iptables, nftables\n" + (
        "nftables._set = lambda _: 'nowhere'\n"
        if backend == "nft"
        else "iptables._LOOPBACK[6] = 'nowhere'\n"
    )
    command = ["intercept", "apply", "--ports", "9000", "--outbound-to", "15001"]
    run_it = f"{broken}from sidecar.cli.main import main\nmain({[*command, '--backend', backend]})"
    done = subprocess.run(
        [sys.executable, "-c", run_it], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert f"{'nft' if backend == 'nft' else 'ip6tables-restore'} failed: " in line
    assert rules() == before


# In place of both programs: where IPv4 has new rules, ip6tables says so and waits.
SLOW = """#!{python}
import os, subprocess, sys, time
real, hold, waiting = "{real}", "{hold}", "{waiting}"
if sys.argv[0].endswith("/ip6tables"):
    listed = subprocess.run(["iptables", "-t", "nat", "-S"], executable=real, capture_output=True)
    if b"--dport 9000" not in listed.stdout:
        open(waiting, "x").close()
        while os.path.exists(hold):
            time.sleep(0.02)
os.execv(real, sys.argv)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("command", [APPLY, REMOVE], ids=["apply", "remove"])
def test_no_signal_that_can_wait_leaves_one_family_without_the_other(
    tmp_path: Path, number: signal.Signals, command: tuple[str, ...]
) -> None:
    intercept("--except-ports", "9000", backend="iptables")
    real = shutil.copy(found("iptables"), tmp_path / "real")
    hold, waiting, slow = (tmp_path / name for name in ("hold", "waiting", "slow"))
    hold.touch()
    slow.write_text(SLOW.format(python=sys.executable, real=real, hold=hold, waiting=waiting))
    slow.chmod(0o755)
    options = ("--backend", "iptables") if command == APPLY else ()
    with in_place_of("iptables", slow):
        running = subprocess.Popen([*COMMAND, *command, *options], stdout=subprocess.DEVNULL)
        wait_until(waiting.exists, "one of the two is done")
        running.send_signal(number)
        hold.unlink()
        assert running.wait(60) == (130 if number == signal.SIGINT else -number)
    has_earlier = ["--dport 9000" in listing for listing in rules()[1:]]
    assert has_earlier in ([True, True], [False, False])


def test_without_the_capability_it_is_one_clear_line(backend: str) -> None:
    without = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-all", *COMMAND)
    done = subprocess.run(
        [*without, *APPLY, "--backend", backend],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("sidecar: not permitted: ")
    assert "NET_ADMIN" in line


def test_what_the_older_iptables_needs_besides_is_named() -> None:
    without = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-all", *COMMAND)
    with in_place_of("iptables", found("iptables-legacy")):
        done = subprocess.run(
            [*without, *APPLY], capture_output=True, text=True, timeout=60, check=False
        )
        assert is_one_clear_line(done, "not permitted: iptables needs root and NET_ADMIN and NET_")


def run_without(parts: str, *command: str) -> subprocess.CompletedProcess[str]:
    """The command where the kernel lacks these parts; see ``kernel_without``."""
    return subprocess.run(
        [sys.executable, "-m", "tests.functional.kernel_without", parts, *COMMAND, *command],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def is_one_clear_line(done: subprocess.CompletedProcess[str], says: str) -> bool:
    """Whether that is all, with the exit code of what could not be found out."""
    (line,) = done.stderr.splitlines()
    return (done.returncode, done.stdout) == (3, "") and line.startswith(f"sidecar: {says}")


def test_a_kernel_without_nat_is_one_clear_line(backend: str) -> None:
    before = rules()
    for command in (APPLY, SHOW):
        done = run_without("netlink,nat4,nat6", *command, "--backend", backend)
        assert is_one_clear_line(done, f"the kernel lacks what {backend} needs: "), done
    removed = run_without("netlink,nat4,nat6", *REMOVE)
    assert (removed.returncode, removed.stdout) == (0, "There were no rules.\n")
    assert rules() == before


def test_a_kernel_with_nat_for_ipv4_alone_gets_no_half_of_the_rules() -> None:
    with in_place_of("iptables", found("iptables-legacy")):
        before = rules()
        for command in (APPLY, SHOW):
            done = run_without("netlink,nat6", *command)
            assert is_one_clear_line(done, "the kernel lacks what nft needs: "), done
            assert "ip6tables table `nat'" in done.stderr
            assert rules() == before


def test_an_older_kernel_has_its_rules_by_iptables() -> None:
    with in_place_of("iptables", found("iptables-legacy")):
        for command in (APPLY, SHOW):
            done = run_without("netlink", *command)
            assert done.stdout == "Connections to port 8000 reach port 15006 (iptables).\n"
        assert run_without("netlink", *REMOVE).stdout == "The rules are gone.\n"


@pytest.mark.parametrize("command", [APPLY, SHOW], ids=["apply", "show"])
def test_a_kernel_whose_tables_know_no_nat_is_one_clear_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    # The tables of bridges are such, in every kernel.
    real = shutil.copy(found("nft"), tmp_path / "real")
    for_bridges = tmp_path / "nft"
    for_bridges.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = -f ] || exec {real} "$@"\n'
        f"sed 's/ inet / bridge /; s/redirect to.*/accept/' | {real} -f -\n"
    )
    for_bridges.chmod(0o755)
    with in_place_of("nft", for_bridges):
        before = rules()
        done = run_command(*command, "--backend", "nft")
        assert is_one_clear_line(done, "the kernel lacks what nft needs: Could not process"), done
        assert rules() == before


def test_an_application_that_runs_as_the_sidecars_user_is_found() -> None:
    before = rules()
    os.seteuid(UID)
    try:
        application = socket.create_server(("", PORT))
    finally:
        os.seteuid(0)
    with application:
        done = run_command(*APPLY)
        assert done.returncode == 2
        assert "--uid: 1337 is the user that listens at port 8000" in done.stderr
        assert rules() == before
        assert run_command(*APPLY, "--uid", "1338").returncode == 0
