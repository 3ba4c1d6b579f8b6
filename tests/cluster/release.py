"""A release of the chart under test, and its pods."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

from tests.cluster.kubernetes import (
    CHART,
    Document,
    Namespace,
    describe,
    is_ready,
    restarts,
    run,
    wait_until,
)

ADMIN_PORT = 15020


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """As Helm merges values: maps into maps, everything else in place of what was there."""
    result = deepcopy(dict(values))
    for name, value in over.items():
        below = result.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[name] = merged(below, value)
        else:
            result[name] = deepcopy(value)
    return result


class Release:
    """``values`` are those of the last installation or upgrade."""

    def __init__(self, namespace: Namespace, name: str, values: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.name = name
        self.values = dict(values)
        self._before = self.values

    def install(self, *, wait: bool = True) -> None:
        self._helm("install", wait=wait)

    def upgrade(self, over: Mapping[str, Any], *, wait: bool = True) -> None:
        """Change these values, and keep the others."""
        self._before = self.values
        self.values = merged(self.values, over)
        self._helm("upgrade", wait=wait)

    def roll_back(self) -> None:
        """To what it was before the last upgrade."""
        self.helm("rollback", self.name, "--wait", "--timeout=180s")
        self.values = self._before

    def _helm(self, verb: str, *, wait: bool) -> None:
        waiting = ("--wait", "--timeout=180s") if wait else ()
        self.helm(
            verb, self.name, str(CHART), "--values=-", *waiting, text=yaml.safe_dump(self.values)
        )

    def helm(self, *arguments: str, text: str | None = None) -> str:
        return run(["helm", f"--namespace={self.namespace.name}", *arguments], text=text)

    @property
    def selector(self) -> str:
        return f"app.kubernetes.io/instance={self.name},app.kubernetes.io/name={self.name}"

    def pods(self) -> list[Document]:
        """Every pod of the workload, also those that are about to end."""
        return self.namespace.list("pods", self.selector)

    def ready_pods(self) -> list[Document]:
        return [pod for pod in self.pods() if is_ready(pod)]

    def pod_names(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.ready_pods()]

    def restarts(self) -> int:
        return sum(restarts(pod) for pod in self.pods())

    def wait_until_settled(self, replicas: int) -> None:
        """Exactly so many pods, all of them ready, none about to end."""

        def is_settled() -> bool:
            pods = self.pods()
            if len(pods) == replicas and all(map(is_ready, pods)):
                return True
            raise LookupError("; ".join(map(describe, pods)) or "there is no pod")

        wait_until(f"{self.name} has {replicas} pods, all ready", is_settled)

    def admin(self, pod: str, path: str) -> str:
        return self.namespace.read(pod, ADMIN_PORT, path)

    def key_ids(self, pod: str) -> set[str]:
        """The keys that this replica accepts now."""
        report = yaml.safe_load(self.admin(pod, "/keys"))
        return {key["id"] for key in report["keys"]}

    def log(self, pod: str, container: str = "sidecar") -> str:
        return self.namespace.kubectl("logs", pod, f"--container={container}")

    def uninstall(self) -> None:
        self.helm("uninstall", self.name, "--wait", "--timeout=180s")
