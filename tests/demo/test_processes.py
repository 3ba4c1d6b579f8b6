import os
import signal
import time
from pathlib import Path

import pytest

from sidecar.demo.processes import Processes, ProcessFailed, clean_environment

WRONG_FLAG = ["sidecar", "run", "--auth", "off", "--listen", "nonsense"]
SLEEP = ["timeit", "-n1", "-r1", "import time; time.sleep(600)"]
STUBBORN = [
    "timeit",
    "-n1",
    "-r1",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(600)",
]


def wait_until_failed(processes: Processes) -> ProcessFailed:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            processes.check()
        except ProcessFailed as error:
            return error
        time.sleep(0.01)
    raise AssertionError("it goes on running")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_fails_to_start_is_named_with_the_last_line_of_its_output(
    tmp_path: Path,
) -> None:
    with Processes(tmp_path) as processes:
        processes.start("sidecar", WRONG_FLAG, clean_environment({}))
        error = wait_until_failed(processes)

    assert error.detail.startswith("demo: sidecar ended with code 2: sidecar: ")
    assert "nonsense" in error.detail
    assert "\n" not in error.detail


def test_where_a_program_can_be_done_without_its_failure_says_so(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start_program("scraper", ["/bin/sh", "-c", "exit 3"], {}, "leave it out")
        error = wait_until_failed(processes)

    assert error.detail == "demo: scraper ended with code 3: it said nothing (leave it out)"


def test_at_the_end_no_process_runs(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        started = [processes.start(name, SLEEP, os.environ) for name in ("one", "two")]
        processes.check()
        assert all(is_running(process.popen.pid) for process in started)

    assert not any(is_running(process.popen.pid) for process in started)
    assert [process.popen.returncode for process in started] == [-signal.SIGTERM] * 2


def test_a_process_that_does_not_listen_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.demo.processes._GRACE_S", 0.2)
    with Processes(tmp_path) as processes:
        process = processes.start("deaf", STUBBORN, os.environ)
        deadline = time.monotonic() + 30
        while "deaf" not in process.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)

    assert process.popen.returncode == -signal.SIGKILL


def test_an_error_ends_the_processes_too(tmp_path: Path) -> None:
    started = []

    def fail() -> None:
        with Processes(tmp_path) as processes:
            started.append(processes.start("one", SLEEP, os.environ))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not is_running(started[0].popen.pid)


def test_ctrl_c_in_the_terminal_does_not_reach_the_processes_directly(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        process = processes.start("one", SLEEP, os.environ)

        assert os.getpgid(process.popen.pid) == process.popen.pid != os.getpgrp()


def test_the_environment_of_a_process_configures_no_sidecar_and_finds_this_code() -> None:
    environ = clean_environment({"SIDECAR_AUTH": "off", "HOME": "/root", "PYTHONPATH": "/other"})

    assert "SIDECAR_AUTH" not in environ
    assert environ["HOME"] == "/root"
    code, other = environ["PYTHONPATH"].split(os.pathsep)
    assert (Path(code) / "sidecar" / "demo").is_dir()
    assert other == "/other"


def test_a_process_that_was_asked_to_end_is_no_failure_and_is_not_left_behind(
    tmp_path: Path,
) -> None:
    with Processes(tmp_path) as processes:
        process = processes.start("deaf", STUBBORN, os.environ)
        deadline = time.monotonic() + 30
        while "deaf" not in process.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        processes.begin_end(process)
        processes.check()
        assert is_running(process.popen.pid)

    assert process.popen.returncode == -signal.SIGKILL
