"""The demo as people run it: a process of its own, judged by what it prints, returns and leaves.

Every process that it starts inherits a mark in its environment, by which the leftovers are found.
"""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest

from tests.cli.terminal import run_in_terminal
from tests.functional.sidecar_process import free_port

MARK = "DEMO_UNDER_TEST"
#: The whole story takes less than a minute; how long it may take is for `make bench` to say.
PATIENCE_S = 240
#: Without a Prometheus, which takes its time to start.
ALONE = ("--plain", "--prometheus", "none")
TITLES = [
    "Every service can hold several keys",
    "The backends hold the new key",
    "The frontends hold the new key",
    "The signers use the new key",
    "The last token of the old key is dead",
    "The old key is gone from everyone",
]

pytestmark = pytest.mark.timeout(PATIENCE_S + 30)


class Demo:
    """A running ``sidecar demo`` whose temporary files go into a directory of its own."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self.directory = directory
        self.read = ""
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
        for line in self.process.stdout:
            self.read += line
            if wanted in line:
                return self.read
        raise AssertionError(f"it ended without saying {wanted!r}: {self.read}")

    def finish(self) -> tuple[int, str, str]:
        """Its exit code and what else it printed, once it has ended by itself."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        # Not communicate(): what was read ahead with the lines before would be lost.
        output = self.process.stdout.read()
        errors = self.process.stderr.read()
        return self.process.wait(PATIENCE_S), output, errors

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


def assert_is_whole(output: str) -> None:
    """The output of a demo that went as it must, from the first step to the last."""
    parts = re.split(r"^Step (\d) of 6: (.*)$", output, flags=re.MULTILINE)
    assert parts[2::3] == TITLES
    texts = [re.sub(r"\s+", " ", part) for part in parts[3::3]]
    beginning = re.sub(r" +", " ", parts[0])
    assert "ok thoughts-backend users-backend >=v2.3 v2.3 satisfied" in beginning
    assert "ok frontend thoughts-backend >=v1.5 v1.6 satisfied" in beginning
    for number, text in enumerate(texts, start=1):
        assert re.search(rf"ok step {number} is done, \d+ s after the start \S+", text)
    assert "3 services" in texts[0]
    rows = [re.sub(r" {2,}", " | ", line.strip()) for line in output.splitlines()]
    assert rows[rows.index("TOKEN | ANSWER | FROM") + 1 :][:7] == [
        "ok | handed out, key 2026-05 | 200 | application",
        "ok | of the next key, 2026-11 | 401 unknown_key | sidecar",
        "ok | expired an hour ago | 401 expired | sidecar",
        "ok | forged, says 2026-05 | 401 bad_signature | sidecar",
        "ok | unsigned, alg none | 401 algorithm_not_allowed | sidecar",
        "ok | no token | 401 missing | sidecar",
        "ok | no token, public path | 200 | application",
    ]
    assert "All 3 replicas hold 2026-11." in texts[1]
    switch, wait, removal = texts[3:]
    assert "ok found: Not every signer is known to have switched." in switch
    assert "users-backend/users-2: has handed out no token of 2026-11 yet" in switch
    refused = re.search(r"ok refused: \d+ tokens of this key seen are still alive.*", switch)
    assert refused is not None
    assert "users-backend/users-2: its newest token" in refused[0]
    assert re.search(r"ok held: the sidecar of users-2 kept \d+ tokens? of 2026-05 back", switch)
    assert "ok restarted: users-3 has replaced users-2" in wait
    assert re.search(r"\d+ tokens? of 2026-05 alive, \d+ s to go", wait)
    assert ": it can go." in wait
    assert "ok signed with 2026-05 now 401 unknown_key sidecar" in removal
    assert re.search(r"ok [\d,]+ requests of visitors, \d+ logins, 0 failed", removal)
    assert "WRONG" not in output
    assert output.isascii()
    assert len(rows) - rows.index("Three commands to try next") == 4


def test_once_tells_the_whole_story_and_leaves_nothing(demos: list[Demo], tmp_path: Path) -> None:
    demo = start(demos, tmp_path, "--once", *ALONE)

    code, output, errors = demo.finish()

    assert (code, errors) == (0, "")
    assert_is_whole(output)
    demo.assert_nothing_is_left()


@pytest.mark.needs_tool("prometheus")
def test_where_there_is_a_prometheus_the_evidence_comes_from_it(
    demos: list[Demo], tmp_path: Path
) -> None:
    demo = start(demos, tmp_path, "--once", "--plain")

    code, output, errors = demo.finish()

    assert (code, errors) == (0, "")
    assert re.search(
        r"The evidence is kept by a real Prometheus at http://127\.0\.0\.1:\d+", output
    )
    assert_is_whole(output)
    demo.assert_nothing_is_left()


# Moments of its life: as soon as the first child is there, and somewhere after these lines.
@pytest.mark.parametrize("line", ["", "started in", "Step 1", "Step 2", "found:", "Step 5"])
def test_ctrl_c_at_any_moment_leaves_nothing(demos: list[Demo], tmp_path: Path, line: str) -> None:
    demo = start(demos, tmp_path, *ALONE)
    if line:
        demo.read_until(line)
    else:
        demo.wait_for_child("sidecar run")
    time.sleep(random.uniform(0, 1.0))

    demo.process.send_signal(signal.SIGINT)
    code, output, errors = demo.finish()

    assert (code, errors) == (130, "")
    assert output.endswith("Interrupted; nothing is left behind.\n")
    demo.assert_nothing_is_left()


@pytest.mark.needs_tool("prometheus")
def test_ctrl_c_ends_the_prometheus_too(demos: list[Demo], tmp_path: Path) -> None:
    demo = start(demos, tmp_path, "--plain")
    demo.wait_for_child("--storage.tsdb.path")

    demo.process.send_signal(signal.SIGINT)

    assert demo.finish()[0] == 130
    demo.assert_nothing_is_left()


def test_impatient_signals_do_not_disturb_the_tidying(demos: list[Demo], tmp_path: Path) -> None:
    demo = start(demos, tmp_path, *ALONE)
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
    demo = start(demos, tmp_path, *ALONE)
    demo.read_until("Step 2")

    demo.process.send_signal(number)

    assert demo.finish()[0] == code
    demo.assert_nothing_is_left()


@pytest.mark.needs_tool("curl")
def test_it_stays_up_and_every_door_that_it_names_opens(demos: list[Demo], tmp_path: Path) -> None:
    demo = start(demos, tmp_path, *ALONE)
    text = demo.read_until("fleet serve")
    consoles = re.findall(r"^ +console of (\S+) +(\S+)$", text, re.MULTILINE)
    assert [name for name, _ in consoles] == ["users-1", "thoughts-1", "frontend-1", "users-3"]
    for _, url in consoles:
        assert b"200" in run(f"curl -s -o /dev/null -w '%{{http_code}}' {url}")

    commands = [line.strip() for line in text[text.rindex("Three commands") :].splitlines()[1:]]

    assert len(commands) == 3
    assert json.loads(run(commands[0]))["Authorization"].startswith("Bearer ")
    steps = json.loads(run(f"{commands[1]} --json"))["steps"]
    assert [step["title"] for step in steps] == TITLES
    assert [step["progress"] for step in (steps[0], steps[1], steps[5])] == ["done"] * 3
    console = subprocess.Popen(
        shlex.split(f"{commands[2]} --listen 127.0.0.1:{free_port()}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert console.stdout is not None
        said = console.stdout.readline()
        url = re.search(r"http://\S+", said)
        assert url is not None, said
        assert b"users-backend" in run(f"curl -s {url[0].rstrip('.')}state")
    finally:
        console.terminate()
        console.communicate()
    assert demo.process.poll() is None


def run(command: str) -> bytes:
    return subprocess.run(
        ["/bin/sh", "-c", command], check=True, capture_output=True, timeout=30
    ).stdout


def test_a_child_that_dies_is_named_in_one_line(demos: list[Demo], tmp_path: Path) -> None:
    demo = start(demos, tmp_path, *ALONE)
    demo.read_until("Step 2")

    os.kill(demo.wait_for_child("sidecar run"), signal.SIGKILL)
    code, _, errors = demo.finish()

    assert code == 1
    assert re.fullmatch(r"sidecar: demo: \S+\.sidecar ended with code -9: [^\n]+\n", errors)
    demo.assert_nothing_is_left()


def test_a_child_that_fails_to_start_is_named_with_its_last_line(
    demos: list[Demo], tmp_path: Path
) -> None:
    demo = start(demos, tmp_path, *ALONE)

    os.kill(demo.wait_for_child("sidecar.demo.thoughts"), signal.SIGKILL)
    code, _, errors = demo.finish()

    assert code == 1
    assert errors == "sidecar: demo: thoughts-1.application ended with code -9: it said nothing\n"
    demo.assert_nothing_is_left()


def test_requests_that_fail_are_counted_and_make_the_exit_code_1(
    demos: list[Demo], tmp_path: Path
) -> None:
    demo = start(demos, tmp_path, "--once", *ALONE)
    demo.read_until("Step 3")
    stopped = demo.wait_for_child("sidecar.demo.thoughts")

    os.kill(stopped, signal.SIGSTOP)
    time.sleep(12)  # longer than a visitor waits
    os.kill(stopped, signal.SIGCONT)
    code, output, errors = demo.finish()

    assert (code, errors) == (1, "")
    assert re.search(r"WRONG [\d,]+ requests of visitors, \d+ logins, [1-9]\d* failed", output)
    assert re.search(r"wrong: (GET|POST) /thoughts: no answer: TimeoutError", output)
    demo.assert_nothing_is_left()


def test_settings_of_the_shell_do_not_reach_the_demo(
    demos: list[Demo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIDECAR_AUTH", "off")
    monkeypatch.setenv("SIDECAR_LISTEN", "nowhere")

    demo = start(demos, tmp_path, *ALONE)
    demo.read_until("401 unknown_key")


def test_a_prometheus_that_is_none_is_wrong_usage(demos: list[Demo], tmp_path: Path) -> None:
    code, _, errors = start(demos, tmp_path, "--prometheus", "/no/such/program").finish()

    assert code == 2
    assert "--prometheus: /no/such/program is no program" in errors


@pytest.mark.parametrize("columns", [40, 110])
def test_on_a_terminal_there_is_a_live_picture_and_it_is_taken_away(
    tmp_path: Path, columns: int
) -> None:
    command = [sys.executable, "-m", "sidecar", "demo", "--prometheus", "none"]

    shown = run_in_terminal(
        command,
        columns=columns,
        environment={"TMPDIR": str(tmp_path), "NO_COLOR": "", "LANG": "C.UTF-8"},
        interrupt_after="Step 3",
    )

    pictures = shown.split("\x1b[J")
    assert len(pictures) > 2
    assert any(" requests, 0 failed" in click.unstyle(picture) for picture in pictures)
    assert any("\u2713 " in picture for picture in pictures)
    assert "requests, " not in pictures[-1]
    assert pictures[-1].endswith("Interrupted; nothing is left behind.\n")
    assert list(tmp_path.iterdir()) == []
