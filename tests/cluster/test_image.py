"""The image that the project's own Dockerfile makes: the product and what it needs, no more."""

import json
from typing import Any

import pytest

import sidecar
from tests.cluster.kubernetes import Namespace, wait_until
from tests.cluster.reference import Reference

#: What the product adds to the image of Python.
ADDS_AT_MOST_BYTES = 64 * 1024 * 1024


def _output(reference: Reference, name: str, **container: Any) -> str:
    """What a pod says that runs the image as its own user, whom nobody has named."""
    namespace: Namespace = reference.system.namespace
    pod = reference.system.program(name, "", {})
    # The kubelet starts only what is not root, by the number in the image.
    pod["spec"] |= {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    (only,) = pod["spec"]["containers"]
    del only["command"]
    only |= container
    namespace.apply(pod)

    def has_ended() -> bool:
        return bool(namespace.get("pod", name)["status"]["phase"] in {"Succeeded", "Failed"})

    wait_until(f"pod {name} has ended", has_ended)
    said = namespace.kubectl("logs", name)
    namespace.kubectl("delete", "pod", name, "--wait=false")
    return said


@pytest.fixture(scope="module")
def inventory(reference: Reference) -> dict[str, Any]:
    command = ["python", "/app/inventory.py"]
    found: dict[str, Any] = json.loads(_output(reference, "inventory", command=command))
    return found


def test_the_image_runs_the_sidecar(reference: Reference) -> None:
    assert sidecar.__version__ in _output(reference, "entry", args=["--version"])


def test_the_image_names_a_user_who_is_not_root(inventory: dict[str, Any]) -> None:
    assert inventory["user"] == 1337


def test_nothing_but_the_product_is_in_the_image(inventory: dict[str, Any]) -> None:
    assert inventory["needless"] == []
    assert inventory["places"] == ["sidecar"]
    assert [name for name in inventory["programs"] if "python" not in name] == ["sidecar"]
    assert inventory["bytes"] < ADDS_AT_MOST_BYTES
