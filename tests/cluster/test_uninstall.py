"""Nothing of a release outlives it."""

import json

from tests.cluster.kubernetes import run, wait_until
from tests.cluster.reference import Reference
from tests.cluster.release import Release

#: Whoever makes these removes them, in its own time.
_OF_OTHERS = {"events", "events.events.k8s.io", "endpoints"}


def test_uninstalling_leaves_nothing(reference: Reference) -> None:
    system = reference.system
    values = {
        "keyring": {"existingSecret": "", "inline": {"2026-11": _public_key(reference)}},
        "autoscaling": {"enabled": True, "minReplicas": 1},
        "networkPolicy": {"enabled": True},
        "preflight": {"config": True},
    }
    release = system.release("brief", system.values(values))
    release.install()
    release.helm("test", release.name)
    assert _left(release)

    release.uninstall()

    wait_until("nothing is left", lambda: not _left(release))


def _public_key(reference: Reference) -> str:
    (text,) = reference.system.keys.public("2026-11").values()
    return text


def _left(release: Release) -> list[str]:
    """What is in the namespace with the release's name on it."""
    kinds = run(["kubectl", "api-resources", "--namespaced", "--verbs=list", "--output=name"])
    wanted = ",".join(sorted(set(kinds.split()) - _OF_OTHERS))
    found = release.namespace.kubectl("get", wanted, "--output=json")
    names = [f"{item['kind']}/{item['metadata']['name']}" for item in json.loads(found)["items"]]
    return [name for name in names if name.split("/")[1].startswith(f"{release.name}")]
