"""A whole rotation of the signing key, as people walk it, under traffic that never pauses."""

import time

from tests.cluster.reference import LOGIN_URL, THOUGHTS_URL, Reference
from tests.cluster.system import TTL_S

NEXT_KEY = "2026-12"


def test_a_rotation_costs_no_request_and_no_restart(reference: Reference) -> None:
    old_key = reference.signing
    old_token = reference.system.keys.token(old_key)
    before = {pod["metadata"]["uid"] for pod in reference.thoughts.ready_pods()}

    with reference.client.without_a_failure([THOUGHTS_URL, LOGIN_URL]):
        reference.distribute(old_key, NEXT_KEY)
        reference.sign_with(NEXT_KEY)
        # The last token of the old key ends by itself.
        time.sleep(TTL_S)
        reference.distribute(NEXT_KEY)

    assert {pod["metadata"]["uid"] for pod in reference.thoughts.ready_pods()} == before
    assert reference.thoughts.restarts() == 0
    _is_refused_everywhere(reference, old_token)


def _is_refused_everywhere(reference: Reference, old_token: str) -> None:
    """On every pod, though the token has an hour to live."""
    new_token = reference.system.keys.token(reference.signing)
    for pod in reference.thoughts.ready_pods():
        url = f"http://{pod['status']['podIP']}:15006/x"
        old, new = reference.client.ask(f"GET {url} {old_token}", f"GET {url} {new_token}")
        assert (old.status, new.status) == (401, 200)
        assert "unknown_key" in old.text
