"""The six steps of docs/install.md, walked with the chart under traffic that never pauses.

``sidecar rotate`` is asked before each step, as a pipeline asks it; it reads a real Prometheus that
was there before the services were.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pytest

from tests.cluster.kubernetes import Document, wait_until
from tests.cluster.reference import (
    FIRST_KEY,
    FRONTEND_URL,
    LEEWAY_S,
    LOGIN_URL,
    THOUGHTS_URL,
    Reference,
)
from tests.cluster.release import merged
from tests.cluster.scraping import SCRAPE_INTERVAL_S, Prometheus
from tests.cluster.system import System, signing_with

SECOND_KEY, THIRD_KEY = "2026-11", "2027-05"
EVERYBODY = (THOUGHTS_URL, FRONTEND_URL, LOGIN_URL)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The reference system, watched from its start."""

    reference: Reference
    prometheus: Prometheus

    def status(self) -> Document:
        code, report = self.prometheus.rotate("client", "status")
        assert code == 0
        return report

    def gate(self, gate: str, key_id: str) -> Document:
        """What a pipeline is told: the exit code goes with the answer."""
        code, decision = self.prometheus.rotate("client", "gate", gate, f"--key={key_id}")
        assert {"yes": 0, "no": 1, "unknown": 3}[decision["answer"]] == code
        return decision

    def wait_for(self, gate: str, key_id: str) -> Document:
        """Return once the step may be taken. What was in its way last is in the message."""
        return wait_until(f"{gate} {key_id}", lambda: self._passed(gate, key_id), every_s=1.0)

    def _passed(self, gate: str, key_id: str) -> Document | None:
        decision = self.gate(gate, key_id)
        if decision["answer"] == "yes":
            return decision
        raise LookupError(str(decision))

    def verdict(self, key_id: str) -> Document:
        (found,) = (key for key in self.status()["keys"] if key["id"] == key_id)
        verdict: Document = found
        return verdict


@pytest.fixture(scope="module")
def fleet(make_system: Callable[[str, str], System], prometheus_image: str) -> Fleet:
    reference = Reference(make_system("rotation", "restricted"))
    prometheus = Prometheus(reference.system.namespace, prometheus_image)
    prometheus.start()
    reference.start()
    return Fleet(reference, prometheus)


def test_every_replica_is_named(fleet: Fleet) -> None:
    replicas = {name for release in fleet.reference.releases for name in release.pod_names()}

    def are_named() -> bool:
        return {each["name"].rpartition("/")[2] for each in fleet.status()["replicas"]} == replicas

    wait_until("every replica is named, and nobody else", are_named, every_s=1.0)


def test_a_rotation_costs_no_request_and_no_restart(fleet: Fleet) -> None:
    reference = fleet.reference
    signers = set(reference.users.pod_names())
    verifiers = _verifiers(reference)

    with reference.client.without_a_failure(EVERYBODY):
        reference.distribute(FIRST_KEY, SECOND_KEY)
        fleet.wait_for("distribute", SECOND_KEY)
        assert fleet.gate("retire", FIRST_KEY)["answer"] == "no"

        reference.sign_with(SECOND_KEY)
        reference.state_switch(FIRST_KEY, SECOND_KEY)
        fleet.wait_for("switch", SECOND_KEY)

        fleet.wait_for("retire", FIRST_KEY)
        verdict = fleet.verdict(FIRST_KEY)
        reference.distribute(SECOND_KEY)

    last_end = reference.client.counts()["expires"][FIRST_KEY]
    assert verdict["basis"] == "observed"
    assert _seconds(verdict["retirable_at"]) <= last_end + 2 * LEEWAY_S + 2 * SCRAPE_INTERVAL_S
    assert signers <= _heard_to_the_end(fleet)
    assert _verifiers(reference) == verifiers
    assert reference.thoughts.restarts() + reference.frontend.restarts() == 0
    _is_refused_everywhere(reference, FIRST_KEY)


def test_a_signer_that_was_left_behind_is_held_and_holds_nobody_up(fleet: Fleet) -> None:
    reference = fleet.reference
    enforced = {"sidecar": {"config": {"auth": {"switch": "enforce"}}}}
    values = merged(reference.system.example("users", reference.here(1)), enforced)
    forgotten = reference.system.release("forgotten", signing_with(SECOND_KEY, values))
    login = f"POST http://{forgotten.name}/api/login/"

    with reference.client.without_a_failure(EVERYBODY):
        forgotten.install(wait=False)
        reference.distribute(SECOND_KEY, THIRD_KEY)
        forgotten.wait_until_settled(1)
        fleet.wait_for("distribute", THIRD_KEY)
        wait_until("it hands out", lambda: reference.client.ask_one(login).status == 200)

        for release in (reference.thoughts, reference.frontend):
            release.upgrade(enforced, wait=False)
        reference.sign_with(THIRD_KEY, enforced)
        reference.wait_until_settled()
        (left_behind,) = forgotten.pod_names()
        wait_until("it is in the way", lambda: _is_in_the_way(fleet, left_behind), every_s=1.0)
        reference.state_switch(SECOND_KEY, THIRD_KEY)
        held = wait_until("it is held", lambda: _held(reference, login))

        fleet.wait_for("retire", SECOND_KEY)
        verdict = fleet.verdict(SECOND_KEY)
        reference.distribute(THIRD_KEY)

    assert "signer_behind" in held
    assert verdict["basis"] in {"observed", "enforced"}
    _is_refused_everywhere(reference, SECOND_KEY)


def _is_in_the_way(fleet: Fleet, pod: str) -> bool:
    refusal = fleet.gate("retire", SECOND_KEY)
    return refusal["answer"] == "no" and pod in str(refusal["missing"])


def _held(reference: Reference, login: str) -> str | None:
    """What the caller of a signer is told whose tokens are held back."""
    answer = reference.client.ask_one(login)
    return answer.text if answer.status == 503 else None


def _verifiers(reference: Reference) -> set[str]:
    return {*reference.thoughts.pod_names(), *reference.frontend.pod_names()}


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _heard_to_the_end(fleet: Fleet) -> set[str]:
    """The pods whose last word was scraped."""
    replicas = fleet.status()["replicas"]
    return {each["name"].rpartition("/")[2] for each in replicas if each["state"] == "ended"}


def _is_refused_everywhere(reference: Reference, key_id: str) -> None:
    """On every pod, also what is signed with it now."""
    for pod in reference.thoughts.ready_pods():
        url = f"http://{pod['status']['podIP']}:15006/x"
        old_token, new_token = map(reference.system.keys.token, (key_id, reference.signing))
        old, new = reference.client.ask(f"GET {url} {old_token}", f"GET {url} {new_token}")
        assert (old.status, new.status) == (401, 200)
        assert "unknown_key" in old.text
