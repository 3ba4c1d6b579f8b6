"""A real Prometheus in the cluster, with the scrape configuration and the rules that users get."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tests.cluster.kubernetes import CHART, CommandFailed, Document, Namespace, is_ready, wait_until
from tests.cluster.system import POD_SECURITY, RESTRICTED

_CONFIGURATION = Path(__file__).parents[2] / "deploy" / "examples" / "prometheus.yaml"
_NAME = "prometheus"
_PORT = 9090

#: Often, so that tests need not wait; the chart is told the same.
SCRAPE_INTERVAL_S = 2
#: Longer than any token of the examples lives.
_EVER_S = 100 * 3600


class Prometheus:
    """Watches one namespace, from within it."""

    def __init__(self, namespace: Namespace, image: str) -> None:
        self._namespace = namespace
        self._image = image

    def start(self) -> None:
        """Return once it looks out for sidecars."""
        files = {
            "prometheus.yml": yaml.safe_dump(self._configuration()),
            "rules.yaml": yaml.safe_dump({"groups": self._groups()}),
        }
        self._namespace.config_map(_NAME, files)
        self._namespace.apply(*self._rights(), self._pod())
        wait_until("Prometheus runs", lambda: is_ready(self._namespace.get("pod", _NAME)))

    @property
    def _url(self) -> str:
        address = self._namespace.get("pod", _NAME)["status"]["podIP"]
        return f"http://[{address}]:{_PORT}" if ":" in address else f"http://{address}:{_PORT}"

    def rotate(self, pod: str, *words: str) -> tuple[int, Document]:
        """The exit code and the answer of ``sidecar rotate``, in a pod of the sidecar's image."""
        # It was there before anybody could hand out a token.
        since = datetime.fromtimestamp(time.time() - _EVER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        options = (f"--prometheus={self._url}", f"--watched-since={since}", "--json")
        code, text = self._namespace.ask(pod, "sidecar", "rotate", *words, *options)
        try:
            return code, json.loads(text)
        except ValueError:
            raise CommandFailed(f"sidecar rotate {' '.join(words)}: {code} {text}") from None

    def _configuration(self) -> Document:
        configuration: Document = yaml.safe_load(_CONFIGURATION.read_text())
        (job,) = configuration["scrape_configs"]
        job["scrape_interval"] = f"{SCRAPE_INTERVAL_S}s"
        # A test may look into its own namespace only; users' rights reach further.
        (discovery,) = job["kubernetes_sd_configs"]
        discovery["namespaces"] = {"names": [self._namespace.name]}
        often = {"evaluation_interval": f"{SCRAPE_INTERVAL_S}s"}
        return configuration | {"global": often, "rule_files": ["rules.yaml"]}

    def _groups(self) -> list[Document]:
        """The rules, every group of them as often as the others."""
        groups = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())["groups"]
        return [{**group, "interval": f"{SCRAPE_INTERVAL_S}s"} for group in groups]

    def _rights(self) -> list[Document]:
        metadata = {"name": _NAME}
        api = "rbac.authorization.k8s.io"
        pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
        role = {"apiGroup": api, "kind": "Role", "name": _NAME}
        account = {"kind": "ServiceAccount", "name": _NAME, "namespace": self._namespace.name}
        return [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
            {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": [pods]},
            {
                "apiVersion": f"{api}/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": role,
                "subjects": [account],
            },
        ]

    def _pod(self) -> Document:
        container = {
            "name": _NAME,
            "image": self._image,
            "imagePullPolicy": "IfNotPresent",
            "args": [
                "--config.file=/etc/sidecar-prometheus/prometheus.yml",
                "--storage.tsdb.path=/data",
                f"--web.listen-address=:{_PORT}",
            ],
            "readinessProbe": {"httpGet": {"path": "/-/ready", "port": _PORT}, "periodSeconds": 1},
            "securityContext": dict(RESTRICTED),
            "volumeMounts": [
                {"name": "configuration", "mountPath": "/etc/sidecar-prometheus"},
                {"name": "data", "mountPath": "/data"},
            ],
        }
        spec = {
            "serviceAccountName": _NAME,
            "containers": [container],
            "securityContext": dict(POD_SECURITY),
            "volumes": [
                {"name": "configuration", "configMap": {"name": _NAME}},
                {"name": "data", "emptyDir": {}},
            ],
        }
        metadata = {"name": _NAME, "labels": {"app": _NAME}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def query(self, expression: str) -> list[Document]:
        """The samples of an instant query: each with its ``metric`` and ``value``."""
        found: list[Document] = self._ask(f"/api/v1/query?query={quote(expression)}")["result"]
        return found

    def pods(self, expression: str) -> set[str]:
        """The pods of what the expression finds."""
        return {sample["metric"]["pod"] for sample in self.query(expression)}

    def rules(self) -> list[Document]:
        """Every rule, with its ``health``."""
        groups = self._ask("/api/v1/rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _ask(self, path: str) -> Any:
        return json.loads(self._namespace.read(_NAME, _PORT, path))["data"]
