"""What cannot work is refused before anything is deployed, with what to set."""

from typing import Any

import helm_python
import pytest

from scripts.chart.render import Document, documents, render
from scripts.chart.schema import build_schema
from scripts.chart.values import Value, leaves, read_values
from tests.chart.blocks import LEAST, Values, merged
from tests.chart.strict import problems_of

VALUES = list(leaves(read_values()))
#: Numbers that mean "none" where nobody says one.
MAY_BE_NONE = (
    "workload.job.ttlSecondsAfterFinished",
    "autoscaling.targetCPUUtilizationPercentage",
)
PUBLIC = "-----BEGIN PUBLIC KEY-----\n…"
PRIVATE = "-----BEGIN PRIVATE KEY-----\nMC4CAQ…\n-----END PRIVATE KEY-----\n"


def refusal(values: Values) -> str:
    with pytest.raises(helm_python.HelmError) as caught:
        render(values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"app": {"image": {"repository": ""}}},
         "app.image.repository is not set: name your application's image, such as "
         "registry.example/thoughts, and its tag in app.image.tag."),
        ({"app": {"image": {"tag": ""}}},
         "app.image.tag is not set: name the tag of your application's image, or its digest in "
         "app.image.digest."),
        ({"keyring": {"existingSecret": ""}},
         "keyring has no source of keys while sidecar.config.auth.mode is enforce: set "
         "keyring.existingSecret, existingConfigMap, inline, urls or issuers, or the mode to off."),
        ({"keyring": {"inline": {"2026-11": PRIVATE}}},
         "keyring.inline.2026-11 is a private key: put the public one here (2026-11.pub of "
         "`sidecar keys generate`), and take the private key for known to others."),
        ({"keyring": {"inline": {"a": '{"kty":"OKP","d":"x","x":"y"}'}}},
         "keyring.inline.a is a private key"),
        ({"keyring": {"inline": {"a": "ssh-ed25519 AAAA"}}},
         "keyring.inline.a is no public key: put PEM text (-----BEGIN PUBLIC KEY-----) or a JWK"),
        ({"app": {"port": 15006}},
         "sidecar.ports.inbound and app.port are both 15006: give each a port of its own."),
        ({"app": {"extraPorts": [{"containerPort": 8000}]}},
         "app.port and app.extraPorts[0].containerPort are both 8000"),
        ({"interception": {"enabled": True, "ports": [9000]}},
         "interception.ports leaves out app.port 8000, which would be open to everybody: add it."),
        ({"interception": {"enabled": True, "opaquePorts": [8000]}},
         "interception.opaquePorts has app.port 8000: its bytes would pass without a token"),
        ({"interception": {"enabled": True}, "app": {"securityContext": {"runAsUser": 1337}}},
         "app.securityContext.runAsUser is 1337, the sidecar's own user, whose traffic is not "
         "intercepted: run the application as another."),
        ({"interception": {"enabled": True}, "sidecar": {"securityContext": {"runAsUser": 0}}},
         "sidecar.securityContext.runAsUser is 0: with interception every process of root would go "
         "around the sidecar"),
        ({"workload": {"kind": "None"}}, "selectorLabels is not set"),
        ({"workload": {"kind": "CronJob"}}, "workload.cronJob.schedule is not set"),
        ({"sidecar": {"native": True}, "kubeVersion": "v1.27.0"},
         "sidecar.native: needs Kubernetes 1.28 with the feature SidecarContainers"),
        ({"dependencyWait": {"enabled": True}}, "dependencyWait has nothing to wait for"),
        ({"preflight": {"dependencies": True}}, "preflight.dependencies has nothing to wait for"),
        ({"autoscaling": {"enabled": True, "minReplicas": 11}},
         "autoscaling.minReplicas is more than autoscaling.maxReplicas: swap them."),
        ({"autoscaling": {"enabled": True, "targetCPUUtilizationPercentage": None}},
         "autoscaling has nothing to decide by"),
        ({"workload": {"minReadySeconds": 600}},
         "workload.progressDeadlineSeconds has to be more than workload.minReadySeconds, 600"),
        ({"pod": {"terminationGracePeriodSeconds": 5}},
         "pod.terminationGracePeriodSeconds is 5, and the application is told to end after 5"),
        ({"app": {"probes": {"readiness": {"periodSeconds": 3}}}},
         "app.probes.readiness says nothing to do"),
        ({"app": {"volumeMounts": [{"name": "a", "mountPath": "/tmp/"}]}},
         "app.volumeMounts has a /tmp of its own: set app.tmpDir to false."),
        ({"pod": {"containers": [{"name": "sidecar"}]}},
         "pod: the chart has a container sidecar of its own: give yours another name."),
        ({"pod": {"volumes": [{"name": "app-tmp"}]}},
         "pod.volumes: the chart has a volume app-tmp of its own: give yours another name."),
        ({"service": {"nodePort": 30080}}, "service.nodePort means nothing for service.type"),
        ({"service": {"externalTrafficPolicy": "Local"}},
         "service.externalTrafficPolicy means nothing for service.type ClusterIP"),
        ({"service": {"type": "NodePort", "clusterIP": "None"}},
         "service.clusterIP None is for service.type ClusterIP only"),
        ({"keyring": {"inline": {"a": PUBLIC, "a.pub": PUBLIC}}},
         "keyring.inline has a.pub twice, as a and with its ending: leave one out."),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_what_to_set(values: Values, sentence: str) -> None:
    assert sentence in refusal(merged(LEAST, values))


@pytest.mark.parametrize("name", ["my.app", "1app", f"{'a' * 49}.b"])
def test_a_release_of_which_no_service_can_be_named_is_refused(name: str) -> None:
    with pytest.raises(helm_python.HelmError, match="set fullnameOverride"):
        render(LEAST, name=name)
    assert render(merged(LEAST, {"fullnameOverride": "thoughts"}), name=name)


def test_one_number_may_be_a_port_of_tcp_and_of_udp() -> None:
    http3 = {"name": "http3", "containerPort": 8000, "protocol": "UDP"}
    assert render(merged(LEAST, {"app": {"extraPorts": [http3]}}))


def test_all_that_is_wrong_is_said_at_once() -> None:
    words = refusal({})
    assert "app.image.repository is not set" in words
    assert "keyring has no source of keys" in words


def test_a_private_key_is_not_repeated() -> None:
    assert "MC4CAQ" not in refusal(merged(LEAST, {"keyring": {"inline": {"a": PRIVATE}}}))


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"replicas": 3}, "additional properties 'replicas' not allowed"),
        ({"app": {"prot": 8000}}, "'/app': additional properties 'prot' not allowed"),
        ({"app": {"port": "8000"}}, "'/app/port'"),
        ({"app": {"image": {"tag": 1.5}}}, "'/app/image/tag'"),
        ({"app": {"image": {"digest": "latest"}}}, "'/app/image/digest'"),
        ({"app": {"securityContext": {"runAsUsr": 1}}}, "'/app/securityContext'"),
        ({"app": {"env": [{"key": "A", "value": "b"}]}}, "'/app/env/0'"),
        ({"app": {"probes": {"liveness": {"httpGet": {"path": "healthz"}}}}},
         "'/app/probes/liveness/httpGet/path'"),
        ({"workload": {"kind": "DaemonSet"}}, "'/workload/kind'"),
        ({"workload": {"strategy": {"rollingUpdate": {"maxSurplus": 1}}}},
         "'/workload/strategy/rollingUpdate'"),
        ({"sidecar": {"config": {"auth": {"mode": "on"}}}}, "'/sidecar/config/auth/mode'"),
        ({"sidecar": {"config": {"auth": {"keyring": "/keys"}}}}, "'/sidecar/config/auth'"),
        ({"sidecar": {"config": {"listen": "0.0.0.0:1"}}}, "'/sidecar/config'"),
        ({"sidecar": {"config": {"shutdown": {"grace": "soon"}}}},
         "'/sidecar/config/shutdown/grace'"),
        ({"sidecar": {"volumeMounts": [{"name": "a", "mountPath": "/a", "subPath": "b"}]}},
         "'/sidecar/volumeMounts/0'"),
        ({"keyring": {"urls": [{"issuer": "https://a.example"}]}}, "'/keyring/urls/0'"),
        ({"keyring": {"inline": {"../a": "x"}}}, "'/keyring/inline'"),
        ({"dependencies": {"users": {"url": "users"}}}, "'/dependencies/users"),
        ({"service": {"port": 0}}, "'/service/port'"),
        ({"pod": {"tolerations": [{"kye": "a"}]}}, "'/pod/tolerations/0'"),
        ({"pod": {"affinity": {"podAffinities": {}}}}, "'/pod/affinity'"),
        ({"networkPolicy": {"callers": [{"podSelektor": {}}]}}, "'/networkPolicy/callers/0'"),
        ({"monitoring": {"scrapeInterval": "0.5s"}}, "'/monitoring/scrapeInterval'"),
        ({"interception": {"ports": ["http"]}}, "'/interception/ports/0'"),
        ({"interception": {"ports": ["0100-0200"]}}, "'/interception/ports/0'"),
        ({"interception": {"ports": ["60000-70000"]}}, "'/interception/ports/0'"),
        ({"interception": {"exceptSources": ["10.0.0.0/33"]}}, "'/interception/exceptSources/0'"),
        ({"networkPolicy": {"nodeCIDRs": ["10.0.0.1"]}}, "'/networkPolicy/nodeCIDRs/0'"),
        ({"app": {"image": {"repository": "thoughts:v2.3"}}}, "'/app/image/repository'"),
        ({"app": {"image": {"tag": "feature/x"}}}, "'/app/image/tag'"),
        ({"app": {"probes": {"startup": {"httpGet": {"path": "/a%00"}}}}},
         "'/app/probes/startup/httpGet/path'"),
        ({"commonLabels": {"team": "a b"}}, "'/commonLabels/team'"),
        ({"pod": {"labels": {"te am": "a"}}}, "'/pod/labels'"),
        ({"nameOverride": "a" * 64}, "'/nameOverride'"),
        ({"fullnameOverride": "a" * 51}, "'/fullnameOverride'"),
        ({"keyring": {"existingSecret": "My_Keys"}}, "'/keyring/existingSecret'"),
        ({"sidecar": {"probes": {"liveness": {"periodSeconds": 0}}}},
         "'/sidecar/probes/liveness/periodSeconds'"),
        ({"podDisruptionBudget": {"minAvailable": "500%"}}, "'/podDisruptionBudget/minAvailable'"),
        ({"monitoring": {"prometheusRule": {"runbookBaseUrl": "wiki: x"}}},
         "'/monitoring/prometheusRule/runbookBaseUrl'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_path(values: Values, path: str) -> None:
    assert path in refusal(merged(LEAST, values))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value.path))
@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_a_value_that_is_left_empty_is_none_where_there_may_be_none_or_refused_with_its_path(
    value: Value, kind: str
) -> None:
    values: Values = {
        "workload": {"kind": kind},
        "interception": {"enabled": True, "outbound": {"enabled": True}},
        "autoscaling": {"enabled": True, "targetMemoryUtilizationPercentage": 80},
        "networkPolicy": {"enabled": True},
        "preflight": {"config": True},
        "monitoring": {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}},
    }
    *above, name = value.path.split(".")
    empty: Values = {name: None}
    for part in reversed(above):
        empty = {part: empty}

    words, found = outcome(merged(merged(LEAST, values), empty))

    missed = f"at '{'/'.join(['', *above])}': missing property '{name}'"
    assert not words or missed in words or f"  {value.path.partition('.')[0]}" in words
    assert [problem for each in found for problem in problems_of(each, 34)] == []
    is_needed = isinstance(value.default, bool | int) and value.path not in MAY_BE_NONE
    assert words or not is_needed


def outcome(values: Values) -> tuple[str, list[Document]]:
    """Helm's words where it refuses the values, or what it makes of them."""
    try:
        return "", documents(render(values))
    except helm_python.HelmError as error:
        return str(error), []


def test_a_part_that_is_left_empty_is_refused_with_its_path() -> None:
    assert "missing property 'probes'" in refusal(merged(LEAST, {"app": {"probes": None}}))
    assert "missing property 'interception'" in refusal({**LEAST, "interception": None})


def test_no_part_of_the_values_takes_what_it_does_not_know() -> None:
    def open_parts(node: Any, path: str) -> list[str]:
        if isinstance(node, list):
            return [part for each in node for part in open_parts(each, path)]
        if not isinstance(node, dict):
            return []
        is_open = "properties" in node and node.get("additionalProperties") is not False
        found = [path] if is_open or node == {"type": "object"} else []
        for name, each in node.items():
            below = each.items() if name in ("properties", "definitions") else [(name, each)]
            for key, form in below:
                found += open_parts(form, f"{path}.{key}")
        return found

    schema = build_schema()
    schema["properties"].pop("global")  # whatever a parent's values say in it
    schema["definitions"].pop("apimachinery.pkg.apis.meta.v1.FieldsV1")  # Kubernetes' own notes
    assert open_parts(schema, "") == []


def test_every_value_is_described() -> None:
    assert [value.path for value in leaves(read_values()) if not value.text] == []
