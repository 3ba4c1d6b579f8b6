"""What the tests on a cluster share: the cluster that was given, and the reference system on it.

``make test-cluster`` runs them, against any cluster; see README.md beside this file.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.kubernetes import CommandFailed, Namespace, run
from tests.cluster.reference import Reference
from tests.cluster.system import System

_TIMEOUT_S = 600

_NEEDS = """\
The tests on a cluster need
  KUBECONFIG          a cluster on which they may make and remove namespaces
  kubectl, helm       on the path
  TEST_CLUSTER_BUILD  how an image is built (default: docker build --tag)
  TEST_CLUSTER_LOAD   how it gets into the cluster, such as: kind load docker-image
tests/cluster/README.md says more."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test here needs the cluster, and some wait for kubelets' slowest habits."""
    here = Path(__file__).parent
    own = [item for item in items if here in item.path.parents]
    for item in own:
        item.add_marker(pytest.mark.cluster)
        item.add_marker(pytest.mark.timeout(_TIMEOUT_S))
    left_out = _of_other_parts(own)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _of_other_parts(items: list[pytest.Item]) -> list[pytest.Item]:
    """With ``TEST_CLUSTER_PART=1/2``: the tests of every second file."""
    part, _, parts = os.environ.get("TEST_CLUSTER_PART", "1/1").partition("/")
    files = sorted({item.path for item in items})
    chosen = files[int(part) - 1 :: int(parts)]
    return [item for item in items if item.path not in chosen]


@pytest.fixture(scope="session")
def image() -> str:
    """The sidecar's image, in the cluster."""
    missing = [name for name in ("kubectl", "helm") if shutil.which(name) is None]
    if "KUBECONFIG" not in os.environ:
        missing.insert(0, "KUBECONFIG")
    if missing:
        pytest.exit(f"Missing: {', '.join(missing)}.\n{_NEEDS}", returncode=2)
    try:
        run(["kubectl", "get", "--raw", "/readyz"], timeout_s=30)
    except CommandFailed as error:
        pytest.exit(f"The cluster does not answer.\n{error}\n{_NEEDS}", returncode=2)
    return images.sidecar_image()


@pytest.fixture(scope="session")
def make_system(image: str) -> Iterator[Callable[[str, str], System]]:
    """A function that makes a namespace, of a name and a Pod Security level, for this run."""
    made: list[System] = []
    run_id = secrets.token_hex(3)

    def make(name: str, pod_security: str) -> System:
        system = System(Namespace(f"sidecar-test-{run_id}-{name}"), image)
        made.append(system)
        system.prepare(pod_security=pod_security)
        return system

    yield make
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda system: system.namespace.delete(), made))


@pytest.fixture(scope="session")
def reference(make_system: Callable[[str, str], System]) -> Reference:
    """Users, thoughts and a caller, in a namespace that enforces the standard "restricted"."""
    reference = Reference(make_system("reference", "restricted"))
    reference.start()
    return reference


@pytest.fixture(scope="session")
def prometheus_image(image: str) -> str:
    """A Prometheus, in the cluster. ``image`` has seen to it that there is one."""
    return images.prometheus_image()


@pytest.fixture(scope="session")
def transparent(make_system: Callable[[str, str], System]) -> Callable[[], System]:
    """A function that gives the namespace in which interception may be set up; made when asked."""

    @cache
    def make() -> System:
        return make_system("transparent", "privileged")

    return make
