"""The start gate: no service starts before what it needs runs at the version that it needs."""

import pytest

from tests.cluster.kubernetes import CommandFailed, Document, wait_until
from tests.cluster.reference import Reference
from tests.cluster.release import Release, merged


def test_a_service_waits_for_the_version_that_it_needs(reference: Reference) -> None:
    system = reference.system
    backend = system.release("backend", system.values())
    backend.install(wait=False)
    needs = {"backend": {"url": "http://backend/version", "min": "v1.1"}}
    values = system.values({"dependencies": needs, "dependencyWait": {"enabled": True}})
    frontend = system.release("late-frontend", values)
    frontend.install(wait=False)
    wait_until("the gate is being waited at", lambda: _waiting_at(frontend) == "dependencies")
    wait_until("it says for what", lambda: "v1.1" in frontend.log(_name(frontend), "dependencies"))
    assert not _app_has_started(frontend)

    backend.upgrade({"app": {"version": {"name": "v1.1"}}})

    frontend.wait_until_settled(1)
    assert "v1.1" in frontend.admin(_name(frontend), "/dependencies")
    for release in (backend, frontend):
        release.helm("uninstall", release.name)


def test_an_upgrade_goes_no_further_than_what_it_needs_allows(reference: Reference) -> None:
    thoughts = reference.thoughts
    before = set(thoughts.pod_names())
    needs = {"users-backend": {"url": "http://users-backend/version", "min": "v9.0"}}
    values = merged(
        thoughts.values,
        {"dependencies": needs, "preflight": {"dependencies": True, "timeout": "1s"}},
    )
    release = reference.system.release(thoughts.name, values)

    with pytest.raises(CommandFailed, match="pre-upgrade hooks failed"):
        release.upgrade({})

    assert set(thoughts.pod_names()) == before
    thoughts.upgrade({})


def _pod(release: Release) -> Document:
    (pod,) = release.pods()
    return pod


def _name(release: Release) -> str:
    name: str = _pod(release)["metadata"]["name"]
    return name


def _waiting_at(release: Release) -> str | None:
    """The init container that runs now."""
    for status in _pod(release)["status"].get("initContainerStatuses", []):
        if "running" in status["state"]:
            name: str = status["name"]
            return name
    return None


def _app_has_started(release: Release) -> bool:
    (status,) = _pod(release)["status"]["containerStatuses"]
    return "running" in status["state"]
