"""The demo as people run it: a process of its own, judged by what it prints, returns and leaves.

Every process that it starts inherits a mark in its environment, by which the leftovers are found.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

MARK = "DEMO_UNDER_TEST"


class Demo:
    """A running ``sidecar demo`` whose temporary files go into a directory of its own."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self.directory = directory
        self._mark = f"{MARK}={uuid.uuid4().hex}"
        name, value = self._mark.split("=")
        # Whoever runs the tests under nohup has the signal ignored, and the demo would honour that.
        before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sidecar", "demo", *flags],
            env=os.environ | {name: value, "TMPDIR": str(directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        signal.signal(signal.SIGHUP, before)

    def read_until(self, wanted: str) -> str:
        """What it prints, up to and with the first line that holds ``wanted``."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if wanted in line:
                return "".join(lines)
        raise AssertionError(f"it ended without saying {wanted!r}: {lines}")

    def finish(self) -> tuple[int, str, str]:
        """Its exit code and what else it printed, once it has ended by itself."""
        output, errors = self.process.communicate(timeout=50)
        return self.process.returncode, output, errors

    def children(self) -> dict[int, str]:
        """The processes that it started and that are there, with their command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and self._mark.encode() in (
                    (entry / "environ").read_bytes().split(b"\0")
                ):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        found.pop(self.process.pid, None)
        return found

    def wait_for_child(self, words: str) -> int:
        """The id of the child with these words in its command line."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for pid, command in self.children().items():
                if words in command:
                    return pid
            time.sleep(0.005)
        raise AssertionError(f"no child has {words!r} in its command")

    def assert_nothing_is_left(self) -> None:
        assert self.children() == {}
        assert list(self.directory.iterdir()) == []

    def kill(self) -> None:
        """End everything, however the test went."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        for pid in self.children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[list[Demo]]:
    """Demos that are put here are gone after the test."""
    started: list[Demo] = []
    yield started
    for demo in started:
        demo.kill()


def start(demos: list[Demo], tmp_path: Path, *flags: str) -> Demo:
    demos.append(Demo(tmp_path, *flags))
    return demos[-1]


def test_once_shows_every_kind_of_token_and_a_change_of_keys_and_leaves_nothing(
    demos: list[Demo], tmp_path: Path
) -> None:
    demo = start(demos, tmp_path, "--once")

    code, output, errors = demo.finish()

    assert (code, errors) == (0, "")
    rows = [re.sub(r" {2,}", " | ", line.strip()) for line in output.splitlines()]
    assert rows[rows.index("SENT | ANSWER | FROM") + 1 :][:7] == [
        "ok | valid, old key 2026-05 | 200 | application",
        "ok | valid, new key 2026-11 | 401 unknown_key | sidecar",
        "ok | expired an hour ago | 401 expired | sidecar",
        "ok | forged, claims to be 2026-05 | 401 bad_signature | sidecar",
        "ok | unsigned, alg none | 401 algorithm_not_allowed | sidecar",
        "ok | no token | 401 missing | sidecar",
        "ok | no token, public path | 200 | application",
    ]
    assert "ok | 2026-05 | 1 | 1 | current" in rows
    turned = re.findall(r"ok +tokens of (\S+): (\w+) -> (\w+), after [01]\.\d\d s", output)
    assert turned == [("2026-11", "refused", "accepted"), ("2026-05", "accepted", "refused")]
    assert re.search(r"ok +[\d,]+ requests: [\d,]+ accepted, [\d,]+ refused, 0 wrong", output)
    assert "WRONG" not in output
    assert output.isascii()
    assert len(rows) - rows.index("Three commands to try next") == 4
    demo.assert_nothing_is_left()


# Moments of its life: as soon as the first child is there, and somewhere after these lines.
@pytest.mark.parametrize(
    "line", ["", "started in", "SENT", "requests keep coming", "removed at once", "TOKEN="]
)
def test_ctrl_c_at_any_moment_leaves_nothing(demos: list[Demo], tmp_path: Path, line: str) -> None:
    demo = start(demos, tmp_path)
    if line:
        demo.read_until(line)
    else:
        demo.wait_for_child("sidecar.demo.thoughts")
    time.sleep(random.uniform(0, 0.3))

    demo.process.send_signal(signal.SIGINT)
    code, output, errors = demo.finish()

    assert (code, errors) == (130, "")
    assert output.endswith("Interrupted; nothing is left behind.\n")
    demo.assert_nothing_is_left()


def test_impatient_signals_do_not_disturb_the_tidying(demos: list[Demo], tmp_path: Path) -> None:
    demo = start(demos, tmp_path)
    demo.read_until("started in")

    while demo.process.poll() is None and demo.children():
        demo.process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    demo.finish()

    demo.assert_nothing_is_left()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_demo_that_is_told_to_end_leaves_nothing(
    demos: list[Demo], tmp_path: Path, number: int, code: int
) -> None:
    demo = start(demos, tmp_path)
    demo.read_until("TOKEN=")

    demo.process.send_signal(number)

    assert demo.finish()[0] == code
    demo.assert_nothing_is_left()


@pytest.mark.needs_tool("curl")
def test_it_stays_up_and_every_door_that_it_names_opens(demos: list[Demo], tmp_path: Path) -> None:
    demo = start(demos, tmp_path)
    text = demo.read_until("curl http://127.0.0.1")
    token = re.search(r"TOKEN=(\S+)", text)
    assert token is not None
    environ = os.environ | {"TOKEN": token[1]}
    doors = re.findall(r"^ +(console|metrics|service) +(\S+)$", text, re.MULTILINE)
    assert [name for name, _ in doors] == ["console", "metrics", "service"]
    for _, url in doors:
        assert b"200" in run(f"curl -s -o /dev/null -w '%{{http_code}}' {url}", environ)

    commands = [line.strip() for line in text[text.index("Three commands") :].splitlines()[1:]]

    assert len(commands) == 3
    assert b"HTTP/1.1 200" in run(commands[0], environ)
    assert b"verified by key 2026-11" in run(commands[1], environ)
    assert b"2026-05" in run(commands[2], environ)
    assert demo.process.poll() is None


def run(command: str, environ: dict[str, str]) -> bytes:
    return subprocess.run(
        ["/bin/sh", "-c", command], env=environ, check=True, capture_output=True, timeout=30
    ).stdout


def test_a_child_that_dies_is_named_in_one_line(demos: list[Demo], tmp_path: Path) -> None:
    demo = start(demos, tmp_path)
    demo.read_until("TOKEN=")

    os.kill(demo.wait_for_child("sidecar run"), signal.SIGKILL)
    code, _, errors = demo.finish()

    assert code == 1
    assert re.fullmatch(r"sidecar: demo: sidecar ended with code -9: [^\n]+\n", errors)
    demo.assert_nothing_is_left()


def test_a_child_that_fails_to_start_is_named_with_its_last_line(
    demos: list[Demo], tmp_path: Path
) -> None:
    demo = start(demos, tmp_path)

    os.kill(demo.wait_for_child("sidecar.demo.thoughts"), signal.SIGKILL)
    code, _, errors = demo.finish()

    assert code == 1
    assert errors == "sidecar: demo: thoughts ended with code -9: it said nothing\n"
    demo.assert_nothing_is_left()


def test_settings_of_the_shell_do_not_reach_the_demo(
    demos: list[Demo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_AUTH", "off")
    monkeypatch.setenv("SIDECAR_LISTEN", "nowhere")

    assert start(demos, tmp_path, "--once").finish()[0] == 0
