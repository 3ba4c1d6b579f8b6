"""The cluster that the tests were given: kubectl and helm, and waiting for what becomes true.

Everything goes through the API server, pods' answers included, so that it works with any cluster,
wherever it runs.
"""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

Document = dict[str, Any]
T = TypeVar("T")

#: For everything that a healthy cluster does in seconds, on a machine with other work.
PATIENCE_S = 120.0
#: Kubelets may look at Secrets and ConfigMaps once a minute only, and a cache stands before that.
PROPAGATION_S = 180.0

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "sidecar"


class CommandFailed(AssertionError):
    """A program said no; its words are the message."""


class NotYet(AssertionError):
    """What was waited for did not come."""


def run(arguments: Sequence[str], *, text: str | None = None, timeout_s: float = 300.0) -> str:
    """What the program prints. Raises :class:`CommandFailed` with what it printed besides."""
    done = subprocess.run(
        arguments, input=text, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if done.returncode:
        raise CommandFailed(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(
    what: str, look: Callable[[], T | None], *, patience_s: float = PATIENCE_S, every_s: float = 0.3
) -> T:
    """What ``look`` finds, once it is something. What it raises meanwhile is in the message."""
    deadline = time.monotonic() + patience_s
    while True:
        problem = ""
        try:
            found = look()
        except (CommandFailed, OSError, LookupError, ValueError) as error:
            found, problem = None, f": {error}"
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotYet(f"not within {patience_s:.0f} s: {what}{problem}")
        time.sleep(every_s)


class Namespace:
    """A namespace of the tests' own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        return run(["kubectl", "--namespace", self.name, *arguments], text=text)

    def create(self, *, pod_security: str) -> None:
        labels = {f"pod-security.kubernetes.io/{way}": pod_security for way in ("enforce", "warn")}
        metadata = {"name": self.name, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def delete(self) -> None:
        """Return once it is gone. Its pods are not given the time to end in peace."""
        run(["kubectl", "delete", "namespace", self.name, "--wait=false"])

        def is_gone() -> bool:
            self.kubectl("delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")
            return not run(["kubectl", "get", "namespace", self.name, "--ignore-not-found"])

        wait_until(f"namespace {self.name} is gone", is_gone, every_s=1.0)

    def apply(self, *documents: Document) -> None:
        self.kubectl("apply", "--filename=-", text=yaml.safe_dump_all(documents))

    def get(self, kind: str, name: str) -> Document:
        found: Document = json.loads(self.kubectl("get", kind, name, "--output=json"))
        return found

    def list(self, kind: str, selector: str = "") -> list[Document]:
        answer = self.kubectl("get", kind, f"--selector={selector}", "--output=json")
        items: list[Document] = json.loads(answer)["items"]
        return items

    def secret(self, name: str, entries: dict[str, str]) -> None:
        """Make the Secret, or give it these entries in place of those that it had."""
        metadata = {"name": name}
        self.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries}
        )
        data = self.get("secret", name).get("data", {})
        gone = [{"op": "remove", "path": f"/data/{entry}"} for entry in set(data) - set(entries)]
        if gone:
            self.kubectl("patch", "secret", name, "--type=json", f"--patch={json.dumps(gone)}")

    def config_map(self, name: str, entries: dict[str, str]) -> None:
        metadata = {"name": name}
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": entries})

    def execute(self, pod: str, *command: str, container: str | None = None) -> str:
        chosen = (f"--container={container}",) if container else ()
        return self.kubectl("exec", pod, *chosen, "--", *command)

    def ask(self, pod: str, *command: str) -> tuple[int, str]:
        """The exit code of a command in a pod, and what it prints."""
        kubectl = ["kubectl", f"--namespace={self.name}", "exec", pod, "--", *command]
        done = subprocess.run(kubectl, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout or done.stderr

    def read(self, pod: str, port: int, path: str) -> str:
        """The answer of a pod to a GET, which the API server passes on."""
        return run(
            ["kubectl", "get", "--raw", f"{self._pod(pod)}:{port}/proxy{path}"], timeout_s=30
        )

    def _pod(self, pod: str) -> str:
        return f"/api/v1/namespaces/{self.name}/pods/{pod}"

    def events(self, pod: str) -> str:
        return self.kubectl(
            "get", "events", f"--field-selector=involvedObject.name={pod}", "--output=wide"
        )


def is_ready(pod: Document) -> bool:
    """Whether it is in service: ready, and not about to end."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def describe(pod: Document) -> str:
    """What each container of the pod is doing."""
    status = pod["status"]
    every = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    states = [f"{each['name']} {json.dumps(each['state'])}" for each in every]
    end = "ending, " if "deletionTimestamp" in pod["metadata"] else ""
    return f"{pod['metadata']['name']}: {end}{', '.join(states) or status['phase']}"


def restarts(pod: Document) -> int:
    """How often a container of the pod was started again."""
    status = pod["status"]
    every = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    return sum(each["restartCount"] for each in every)
