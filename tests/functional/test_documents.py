"""What stands in the documents works: every command block is run, and prints what is shown.

Each document's blocks run one after the other in one shell, in an empty directory and a network of
its own, so that their ports are free. A text block shows lines of what the block above it printed;
``…`` stands for anything. A block with ``not run:`` above it says why not.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.site_links import name_outside_files

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/getting-started.md")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"(<!-- not run: .*? -->\n\n)?```(\w+)\n(.*?)```", re.DOTALL)
_MARK = "--- end of block ---"
_PROGRAM = f"""#!/bin/sh
PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m sidecar "$@"
"""


@dataclass(frozen=True, slots=True)
class Block:
    """Commands, and the lines that they print, as far as the document shows them."""

    commands: str
    shown: tuple[str, ...]


def blocks_of(document: str) -> Iterator[Block]:
    found = _BLOCK.findall((ROOT / document).read_text())
    for place, (excuse, language, text) in enumerate(found):
        if language == "sh" and not excuse:
            following = found[place + 1 : place + 2]
            shown = [lines for _, kind, lines in following if kind == "text"]
            yield Block(text, tuple("".join(shown).splitlines()))


@pytest.mark.needs_tool("unshare", "ip", "curl")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_block_works_and_prints_what_is_shown(document: str, tmp_path: Path) -> None:
    blocks = list(blocks_of(document))
    assert blocks
    printed = run(tmp_path, [block.commands for block in blocks], is_served=document == "README.md")

    for block, text in zip(blocks, printed, strict=True):
        for line in block.shown:
            assert is_in(line, text), f"{block.commands}printed\n{text}\nand not\n{line}"


def run(directory: Path, commands: list[str], *, is_served: bool) -> list[str]:
    """What each of the blocks printed. ``is_served``: a service on port 8000 is there already."""
    (directory / "bin").mkdir()
    program = directory / "bin" / "sidecar"
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    (directory / "work").mkdir()
    script = "python3 -m http.server 8000 --bind 127.0.0.1 2> /dev/null &\n" * is_served
    script += "\n".join(f"{text}echo; echo '{_MARK}'" for text in commands)
    done = subprocess.run(
        [*NAMESPACE, "bash", "-c", f"ip link set lo up; set -euo pipefail\n{script}"],
        cwd=directory / "work",
        env=os.environ | {"PATH": f"{directory / 'bin'}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    parts = done.stdout.split(f"{_MARK}\n")
    assert len(parts) == len(commands) + 1, f"{commands[len(parts) - 1]}failed:\n{done.stderr}"
    return parts[:-1]


#: A network of its own, whose processes end with it.
NAMESPACE = (
    *("unshare", "--net", "--pid", "--fork", "--kill-child"),
    *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
)


def is_in(line: str, text: str) -> bool:
    """Whether a shown line stands among the printed ones."""
    pattern = ".*".join(map(re.escape, line.strip().split("…")))
    return any(re.fullmatch(pattern, printed.strip()) for printed in text.splitlines())


def test_every_block_that_is_not_run_is_of_make_or_docker() -> None:
    for document in DOCUMENTS:
        for excuse, language, text in _BLOCK.findall((ROOT / document).read_text()):
            if language == "sh" and excuse:
                words = {line.split()[0] for line in text.splitlines()}
                assert words <= {"make", "export", "docker", "git", "cd"}


def test_every_target_of_make_that_is_named_exists() -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in (*DOCUMENTS, "CONTRIBUTING.md"):
        named = re.findall(r"\bmake ([a-z]+)\b(?=[^a-z]*[`\n#A])", (ROOT / document).read_text())
        assert set(named) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_that_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_on_the_site_what_is_no_page_is_named_and_what_is_not_there_stays_a_broken_link() -> None:
    text = "[a](../Makefile) [`Makefile`](../Makefile#x) [b](../no) [c](rules.md#x) [d](https://x/)"

    shown = name_outside_files(text, ROOT / "docs")

    assert shown == "a (`Makefile`) `Makefile` [b](../no) [c](rules.md#x) [d](https://x/)"


def test_every_page_stands_in_the_contents_of_the_site() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        assert f" {page.relative_to(ROOT / 'docs')}\n" in contents
