"""Runs the programs of the system that keep the kernel's rules, and says why one failed.

No shell, an environment of our own, a fixed path, and no patience without end: no variable of the
caller's may point it elsewhere. Called by ``backends``.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from sidecar.errors import InterceptionError, KernelLacksRules, RulesNotPermitted, TableOfOthers

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TIMEOUT_S: Final = 20.0
_MAX_REASON: Final = 200

_NOT_PERMITTED: Final = re.compile(r"not permitted|Permission denied|must be root")
# What nft and the two kinds of iptables say where a part of netfilter is not in the kernel.
_KERNEL_LACKS: Final = re.compile(
    r"(?:Protocol|Operation|Address family) not supported|Table does not exist"
    r"|No such file or directory|No chain/target/match|Couldn't load|nknown symbol|insmod"
)
# What iptables says of a table that somebody made with nft.
_NOT_READ: Final = re.compile(r"table `\w+' is incompatible")
# Where nft says in which line of its input, or of its source, the error is, and iptables its name.
_PREFIX: Final = re.compile(
    r".*?\bError: |\w+\.c:\d+: |ip6?tables[\w-]*(?:[ /]v?[0-9.]+)?(?: \([\w-]+\))?:?\s*"
)


def find_program(name: str) -> str | None:
    """Where a program is, or None."""
    return shutil.which(name, path=_PATH)


def run_program(command: Sequence[str], text: str = "") -> str:
    """What the program printed when it was given ``text``.

    Raises :class:`InterceptionError`, or one of its kinds where the program says so.
    """
    program = find_program(command[0])
    if program is None:
        raise InterceptionError(f"there is no {command[0]} here")
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and a program of the system
            [program, *command[1:]],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",  # comments in the rules of others may hold any byte
            timeout=_TIMEOUT_S,
            check=False,
            env={"PATH": _PATH, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise InterceptionError(f"{command[0]} did not end within {_TIMEOUT_S:g} s") from None
    except OSError as error:
        raise InterceptionError(f"{command[0]} does not run: {error.strerror}") from None
    if done.returncode == 0:
        return done.stdout
    if _NOT_PERMITTED.search(done.stderr):
        # The older kind of iptables asks the kernel through a raw socket.
        needed = "NET_ADMIN" if command[0] == "nft" else "NET_ADMIN and NET_RAW"
        raise RulesNotPermitted(
            f"not permitted: {command[0]} needs root and {needed} in this network namespace"
        )
    reason = reason_of(done.stderr) or f"exit code {done.returncode}"
    if _KERNEL_LACKS.search(done.stderr):
        raise KernelLacksRules(f"the kernel lacks what {command[0]} needs: {reason}")
    kind = TableOfOthers if _NOT_READ.search(done.stderr) else InterceptionError
    raise kind(f"{command[0]} failed: {reason}")


def reason_of(stderr: str) -> str:
    """The one line of a program's complaint that says what is wrong."""
    lines = [line.strip() for line in stderr.splitlines() if not line.startswith("#")]
    # The kernel's own word before what nft guesses from it.
    lines.sort(key=lambda line: ("Could not process" not in line, "Error: " not in line))
    reasons = (_PREFIX.sub("", line, count=1) for line in lines)
    return next(filter(None, reasons), "")[:_MAX_REASON]
