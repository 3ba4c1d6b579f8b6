"""The reference system as the tests walk through its life: users signs, thoughts verifies."""

from tests.cluster.kubernetes import PROPAGATION_S, wait_until
from tests.cluster.release import Release
from tests.cluster.scraping import SCRAPE_INTERVAL_S
from tests.cluster.system import Client, System, issuer_env

USERS_URL = "http://users"
THOUGHTS_URL = "http://thoughts"
LOGIN_URL = f"{USERS_URL}/login"

_FIRST_KEY = "2026-11"
REPLICAS = 3


class Reference:
    """``signing`` is the key that users signs with; ``accepted`` are those of the keyring."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.signing = _FIRST_KEY
        self.accepted: tuple[str, ...] = (_FIRST_KEY,)
        auth = {"issuer": "users", "max_lifetime": "2h"}
        verifier = {
            "workload": {"replicas": REPLICAS},
            "sidecar": {"config": {"auth": auth}},
        }
        self.thoughts = system.release("thoughts", system.values(verifier))
        issuer = {
            "workload": {"replicas": 2},
            "monitoring": {"scrapeInterval": f"{SCRAPE_INTERVAL_S}s"},
        }
        self.users = system.release("users", system.issuer_values(_FIRST_KEY, issuer))
        self.client: Client

    @property
    def releases(self) -> tuple[Release, Release]:
        return (self.users, self.thoughts)

    def start(self) -> None:
        namespace = self.system.namespace
        namespace.secret("keys", self.system.keys.public(*self.accepted))
        namespace.secret("signing", self.system.keys.private(_FIRST_KEY))
        environment = {"LOGIN": LOGIN_URL, "SERVICES": THOUGHTS_URL, "PER_SECOND": "100"}
        for release in self.releases:
            release.install(wait=False)
        self.users.wait_until_settled(2)
        self.thoughts.wait_until_settled(REPLICAS)
        self.client = self.system.client("client", environment)
        self.client.wait_until_ready()
        # A Service refuses for a moment, until each node knows its pods: those are not ours.
        wait_until("the caller is served", self._is_served)

    def _is_served(self) -> bool:
        return bool(self.client.counts()["answered"].get(THOUGHTS_URL, 0) > 50)

    def distribute(self, *key_ids: str) -> None:
        """Give every service these keys, and return once every replica accepts exactly them."""
        self.accepted = key_ids
        self.system.namespace.secret("keys", self.system.keys.public(*key_ids))
        for release in self.releases:
            for pod in release.pod_names():
                wait_until(
                    f"{pod} has the keys {key_ids}",
                    lambda release=release, pod=pod: release.key_ids(pod) == set(key_ids),  # type: ignore[misc]
                    patience_s=PROPAGATION_S,
                )

    def sign_with(self, key_id: str) -> None:
        """Switch the signer, as people do: with an upgrade of its release."""
        self.system.namespace.secret("signing", self.system.keys.private(self.signing, key_id))
        self.users.upgrade({"app": {"env": issuer_env(key_id)}})
        self.users.wait_until_settled(2)
        self.signing = key_id
