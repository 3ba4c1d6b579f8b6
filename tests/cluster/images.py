"""The images under test: built by this machine's builder, put where the cluster finds them.

Three settings, all of them commands or names in the environment:

``TEST_CLUSTER_IMAGE``, ``TEST_CLUSTER_PROMETHEUS_IMAGE``
    images that are there already, and are not built.
``TEST_CLUSTER_BUILD``
    builds an image; called with its name and the directory of its Dockerfile.
``TEST_CLUSTER_LOAD``
    puts a built image into the cluster; called with its name. Empty where building does that too.
"""

import os
import shlex
from pathlib import Path

from tests.cluster.kubernetes import run

_PROJECT = Path(__file__).parents[2]
_BUILD_TIMEOUT_S = 900.0


def sidecar_image() -> str:
    return os.environ.get("TEST_CLUSTER_IMAGE") or _build("sidecar:test", _PROJECT)


def prometheus_image() -> str:
    given = os.environ.get("TEST_CLUSTER_PROMETHEUS_IMAGE")
    return given or _build("sidecar-test-prometheus:test", Path(__file__).with_name("prometheus"))


def _build(name: str, directory: Path) -> str:
    build = shlex.split(os.environ.get("TEST_CLUSTER_BUILD", "docker build --tag"))
    run([*build, name, str(directory)], timeout_s=_BUILD_TIMEOUT_S)
    if load := shlex.split(os.environ.get("TEST_CLUSTER_LOAD", "")):
        run([*load, name], timeout_s=_BUILD_TIMEOUT_S)
    return name


def repository(image: str) -> str:
    return image.rpartition(":")[0]


def tag(image: str) -> str:
    return image.rpartition(":")[2]
