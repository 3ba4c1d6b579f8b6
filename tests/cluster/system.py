"""The reference system on a cluster: who signs, who verifies, and who calls, in one namespace."""

import json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import yaml

from sidecar.tokens.generate import generate_pair
from tests.cluster.images import repository, tag
from tests.cluster.kubernetes import Document, Namespace, is_ready, wait_until
from tests.cluster.release import Release, merged

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
_APP = Path(__file__).with_name("app")

#: Of the tokens that the services hand out: short, so that the last of an old key ends in the test.
TTL_S = 20

RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD_SECURITY: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


#: What the service says of itself, and how long its tokens live.
_APP_ENV: Sequence[Mapping[str, Any]] = (
    {
        "name": "VERSION_NAME",
        "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['version']"}},
    },
    {"name": "TTL_S", "value": str(TTL_S)},
)


class Keys:
    """Pairs of keys by id, made when they are first asked for."""

    def __init__(self) -> None:
        self._private: dict[str, str] = {}
        self._public: dict[str, str] = {}

    def every_private(self) -> dict[str, str]:
        """All that were made so far."""
        return self.private(*self._private)

    def _make(self, key_id: str) -> None:
        if key_id not in self._private:
            pair = generate_pair("RS256")
            self._private[key_id] = pair.private_pem.decode()
            self._public[key_id] = pair.public_pem.decode()

    def private(self, *key_ids: str) -> dict[str, str]:
        for key_id in key_ids:
            self._make(key_id)
        return {f"{key_id}.key": self._private[key_id] for key_id in key_ids}

    def public(self, *key_ids: str) -> dict[str, str]:
        self.private(*key_ids)
        return {f"{key_id}.pub": self._public[key_id] for key_id in key_ids}

    def token(self, key_id: str, *, issued_at: float | None = None, lifetime_s: int = TTL_S) -> str:
        """A token such as ``users`` hands out."""
        private = self.private(key_id)[f"{key_id}.key"]
        at = int(time.time() if issued_at is None else issued_at)
        claims = {"iss": "users", "username": "ann", "iat": at, "exp": at + lifetime_s}
        return jwt.encode(claims, private, algorithm="RS256", headers={"kid": key_id})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question from inside the cluster got; ``status`` 0 is no answer at all."""

    status: int
    text: str


class System:
    """A namespace with everything in it that the tests' services need."""

    def __init__(self, namespace: Namespace, image: str) -> None:
        self.namespace = namespace
        self.image = image
        self.keys = Keys()

    def prepare(self, *, pod_security: str) -> None:
        self.namespace.create(pod_security=pod_security)
        files = {path.name: path.read_text() for path in _APP.glob("*.py")}
        self.namespace.config_map("app", files)

    def values(self, over: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """A small service of the tests' own behind the sidecar; ``over`` says what is special."""
        plain: dict[str, Any] = {
            "workload": {"replicas": 1},
            "app": {
                "image": {"repository": repository(self.image), "tag": tag(self.image)},
                "version": {"name": "v1.0"},
                "command": ["python", "/app/service.py"],
                "volumeMounts": [{"name": "app", "mountPath": "/app"}],
                "probes": {"readiness": {"httpGet": {"path": "/healthz"}, "periodSeconds": 1}},
            },
            "sidecar": {
                "image": {"repository": repository(self.image), "tag": tag(self.image)},
                "probes": {"readiness": {"periodSeconds": 1}},
                # All of the tests' pods find room on a node of two processors.
                "resources": {"requests": {"cpu": "10m"}},
            },
            "keyring": {"existingSecret": "verification-keys"},
            "pod": {
                "securityContext": POD_SECURITY,
                "volumes": [{"name": "app", "configMap": {"name": "app"}}],
            },
        }
        return merged(plain, over or {})

    def example(self, name: str, over: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The values of ``deploy/examples`` for this service, with the tests' own one in it."""
        example: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
        app = example["app"]
        own = self.values()
        own["app"]["version"]["name"] = app["image"]["tag"]
        own["app"]["env"] = [*app.get("env", []), *_APP_ENV]
        own["app"]["probes"]["readiness"] = {"periodSeconds": 1}
        own["app"]["volumeMounts"] += app.get("volumeMounts", [])
        own["pod"]["volumes"] += example.get("pod", {}).get("volumes", [])
        own["keyring"] = example["keyring"]
        return merged(merged(example, own), over or {})

    def release(self, name: str, values: Mapping[str, Any]) -> Release:
        return Release(self.namespace, name, values)

    def client(self, name: str, environment: Mapping[str, str]) -> "Client":
        self.namespace.apply(self.program(name, "/app/client.py", environment))
        return Client(self.namespace, name)

    def program(self, name: str, path: str, environment: Mapping[str, str]) -> Document:
        """A pod that runs one of the tests' programs in the sidecar's image."""
        container = {
            "name": name,
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python", path],
            "env": [{"name": key, "value": value} for key, value in environment.items()],
            "securityContext": dict(RESTRICTED),
            "volumeMounts": [{"name": "app", "mountPath": "/app"}],
        }
        spec = {
            "containers": [container],
            "securityContext": dict(POD_SECURITY),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "volumes": [{"name": "app", "configMap": {"name": "app"}}],
        }
        metadata = {"name": name, "labels": {"app": name}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def signing_with(key_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The signer's values, with the name of this key's file in them."""
    text = re.sub(r"(/opt/keys/)[^/\s]+(\.key)", rf"\g<1>{key_id}\2", yaml.safe_dump(dict(values)))
    changed: dict[str, Any] = yaml.safe_load(text)
    return changed


class Client:
    """The caller that never pauses, and one that asks what a test wants to know."""

    def __init__(self, namespace: Namespace, name: str) -> None:
        self._namespace = namespace
        self._name = name

    def wait_until_ready(self) -> None:
        wait_until(
            f"pod {self._name} runs", lambda: is_ready(self._namespace.get("pod", self._name))
        )

    def ask(self, *questions: str) -> list[Answer]:
        """The answers to ``METHOD URL [TOKEN]``, asked from inside the cluster."""
        text = self._namespace.execute(self._name, "python", "/app/ask.py", *questions)
        return [Answer(each["status"], each["text"]) for each in json.loads(text)]

    def ask_one(self, question: str) -> Answer:
        (answer,) = self.ask(question)
        return answer

    def watch(self, seconds: float, *questions: str) -> dict[int, int]:
        """How often each status was the answer, in so many seconds of asking without a pause."""
        command = ("env", f"WATCH_S={seconds}", "python", "/app/ask.py", *questions)
        counts = json.loads(self._namespace.execute(self._name, *command))
        return {int(status): count for status, count in counts.items()}

    def counts(self) -> Document:
        found: Document = json.loads(self._namespace.read(self._name, 8080, "/"))
        return found

    @contextmanager
    def without_a_failure(self, services: Sequence[str]) -> Iterator[None]:
        """Within, every request of the caller is answered as it should be, and there are many."""
        before = self.counts()
        yield
        after = self.counts()
        sys.stdout.write(f"took more than a second: {after['slow']}\n")  # shown with -rP
        failed = sum(after["failed"].values()) - sum(before["failed"].values())
        assert not failed, f"{failed} requests failed: {after['failures'][-failed:]}"
        for service in services:
            assert after["answered"][service] > before["answered"].get(service, 0) + 20
