"""A switch that is held: a signer that was left behind hands out nothing."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.cluster.kubernetes import PROPAGATION_S, wait_until
from tests.cluster.reference import Reference
from tests.cluster.release import Release
from tests.cluster.system import Answer, signing_with

_OLD, _NEW = "2027-05", "2027-11"
_SECRET = "switch-keys"


@pytest.fixture(scope="module")
def signers(reference: Reference) -> Iterator[tuple[Release, Release]]:
    """The same service twice, under one keyring: one signs with the new key, one was forgotten."""
    system = reference.system
    system.namespace.secret(_SECRET, system.keys.public(_OLD, _NEW))
    reference.give_private_keys(_OLD, _NEW)
    held = {
        "workload": {"replicas": 1},
        "app": {"name": "signer"},
        "keyring": {"existingSecret": _SECRET},
        "sidecar": {"config": {"auth": {"switch": "enforce", "leeway": "1s"}}},
    }
    values = system.example("users", held)
    releases = (
        system.release("switched", signing_with(_NEW, values)),
        system.release("forgotten", signing_with(_OLD, values)),
    )
    for release in releases:
        release.install(wait=False)
    for release in releases:
        release.wait_until_settled(1)
    yield releases
    for release in releases:
        release.helm("uninstall", release.name)


def test_a_signer_that_was_left_behind_hands_out_nothing_after_the_switch(
    signers: tuple[Release, Release], reference: Reference
) -> None:
    logins = ["POST http://switched/api/login/", "POST http://forgotten/api/login/"]
    wait_until("both hand out", lambda: _statuses(reference.client.ask(*logins)) == [200, 200])
    now = time.time()
    keys = reference.system.keys
    earlier = keys.token(_OLD, issued_at=now - 60, lifetime_s=3600)

    _state_switch(signers, reference, at=now - 30)
    after = reference.client.ask(*logins)
    late = keys.token(_OLD)
    presented = reference.client.ask(
        f"GET http://switched/x {earlier}", f"GET http://switched/x {late}"
    )

    assert _statuses(after) == [200, 503]
    assert "signer_behind" in after[1].text
    assert _statuses(presented) == [200, 401]
    assert "issued_after_switch" in presented[1].text


def _statuses(answers: list[Answer]) -> list[int]:
    return [answer.status for answer in answers]


def _state_switch(signers: tuple[Release, Release], reference: Reference, *, at: float) -> None:
    """Put the statement beside the keys, and return once every replica holds it."""
    system = reference.system
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    entries = system.keys.public(_OLD, _NEW) | {f"{_NEW}.since": f"{moment}\n"}
    system.namespace.secret(_SECRET, entries)
    for release in signers:
        (pod,) = release.pod_names()
        wait_until(
            f"{pod} knows of the switch",
            lambda release=release, pod=pod: moment in release.admin(pod, "/keys"),  # type: ignore[misc]
            patience_s=PROPAGATION_S,
        )
