"""The reference system of ``deploy/examples``, as the tests walk through its life.

Users signs, thoughts and the frontend verify; the Secrets have the names of docs/install.md.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.cluster.kubernetes import PROPAGATION_S, wait_until
from tests.cluster.release import Release
from tests.cluster.scraping import SCRAPE_INTERVAL_S
from tests.cluster.system import Client, System, signing_with

USERS_URL = "http://users-backend"
THOUGHTS_URL = "http://thoughts-backend"
FRONTEND_URL = "http://frontend"
LOGIN_URL = f"{USERS_URL}/api/login/"

FIRST_KEY = "2026-05"
REPLICAS = 3
ISSUERS = 2
#: One node's pods share a clock.
LEEWAY_S = 1
MAX_LIFETIME_S = 30

_PUBLIC, _PRIVATE = "verification-keys", "signing-key"
#: To thoughts, a hundred times a second; and to the frontend.
_CALLED = [THOUGHTS_URL] * 4 + [FRONTEND_URL]
_PER_SECOND = 125


class Reference:
    """``signing`` is the key that users signs with; ``accepted`` are the entries of the keyring."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.signing = FIRST_KEY
        self.users = self._release("users", ISSUERS)
        self.thoughts = self._release("thoughts", REPLICAS)
        self.frontend = self._release("frontend", 1)
        self.client: Client

    def _release(self, example: str, replicas: int) -> Release:
        values = self.system.example(example, self.here(replicas))
        return self.system.release(values["app"]["name"], values)

    def here(self, replicas: int) -> dict[str, Any]:
        """What is special here: everything that takes hours takes seconds."""
        auth = {"leeway": f"{LEEWAY_S}s", "max_lifetime": f"{MAX_LIFETIME_S}s"}
        return {
            "workload": {"replicas": replicas},
            "monitoring": {"scrapeInterval": f"{SCRAPE_INTERVAL_S}s"},
            # A node that tests keep busy may take its time to send callers elsewhere.
            "sidecar": {"config": {"auth": auth, "shutdown": {"drain": "8s"}}},
        }

    @property
    def releases(self) -> tuple[Release, ...]:
        return (self.users, self.thoughts, self.frontend)

    def start(self) -> None:
        self.publish(self.system.keys.public(FIRST_KEY))
        self.give_private_keys()
        for release in self.releases:
            release.install(wait=False)
        self.wait_until_settled()
        environment = {
            "LOGIN": LOGIN_URL,
            "SERVICES": " ".join(_CALLED),
            "PER_SECOND": str(_PER_SECOND),
        }
        self.client = self.system.client("client", environment)
        self.client.wait_until_ready()
        # A Service refuses for a moment, until each node knows its pods: those are not ours.
        wait_until("the caller is served", self._is_served)

    def wait_until_settled(self) -> None:
        for release, replicas in zip(self.releases, (ISSUERS, REPLICAS, 1), strict=True):
            release.wait_until_settled(replicas)

    def _is_served(self) -> bool:
        return bool(self.client.counts()["answered"].get(THOUGHTS_URL, 0) > 50)

    def publish(self, entries: dict[str, str]) -> None:
        """Make these the entries of the keyring."""
        self.system.namespace.secret(_PUBLIC, entries)

    def distribute(self, *key_ids: str) -> None:
        """Give every service these keys, and return once every replica accepts exactly them."""
        self.publish(self.system.keys.public(*key_ids))
        self.wait_until_accepted(*key_ids)

    def wait_until_accepted(self, *key_ids: str) -> None:
        for release in self.releases:
            for pod in release.pod_names():
                wait_until(
                    f"{pod} has the keys {key_ids}",
                    lambda release=release, pod=pod: release.key_ids(pod) == set(key_ids),  # type: ignore[misc]
                    patience_s=PROPAGATION_S,
                )

    def state_switch(self, *key_ids: str) -> None:
        """State beside the keys that from now on all signers use the last of them."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.publish(self.system.keys.public(*key_ids) | {f"{key_ids[-1]}.since": f"{now}\n"})
        for release in self.releases:
            for pod in release.pod_names():
                wait_until(
                    f"{pod} knows of the switch",
                    lambda release=release, pod=pod: now in release.admin(pod, "/keys"),  # type: ignore[misc]
                    patience_s=PROPAGATION_S,
                )

    def wait_until_led_to(self, release: Release) -> None:
        """Wait until callers reach the release by its Service: nodes learn of it a little later."""
        url = f"GET http://{release.name}.{release.namespace.name}/x"
        wait_until("its Service leads to it", lambda: self.client.ask_one(url).status == 401)

    def sign_with(self, key_id: str, over: Mapping[str, Any] | None = None) -> None:
        """Switch the signer, as people do: with an upgrade of its release."""
        self.give_private_keys(key_id)
        self.users.values = signing_with(key_id, self.users.values)
        self.users.upgrade(over or {})
        self.users.wait_until_settled(ISSUERS)
        self.signing = key_id

    def give_private_keys(self, *more: str) -> None:
        """Those that were made so far, and these."""
        self.system.keys.private(*more)
        self.system.namespace.secret(_PRIVATE, self.system.keys.every_private())
