"""The forms of the values: what the default of a value does not say about it."""

from collections.abc import Mapping
from copy import deepcopy

from scripts.chart.kubernetes import Schema, definitions, many, reference

COUNT: Schema = {"type": "integer", "minimum": 0}
COUNT_OR_NONE: Schema = {"type": ["integer", "null"], "minimum": 0}
_AT_LEAST_ONE: Schema = {"type": "integer", "minimum": 1}
_TEXT: Schema = {"type": "string"}
_NAME: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_ANNOTATIONS: Schema = {"type": "object", "additionalProperties": _TEXT}
_LABEL = "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_LABELS: Schema = {
    "type": "object",
    "patternProperties": {
        f"^([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_LABEL}$": {
            "type": "string",
            "pattern": f"^({_LABEL})?$",
        }
    },
    "additionalProperties": False,
}
_OBJECT: Schema = {"type": "string", "pattern": "^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$"}
# host:port/path, without a tag: that has a value of its own.
_REPOSITORY = (
    r"([A-Za-z0-9.-]+(:[0-9]{1,5})?/|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?/)?"
    "[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
_TAG: Schema = {"type": "string", "pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PORT_NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$"}
_PORT_NUMBER = (
    "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_PORTS: Schema = {
    "type": "array",
    "uniqueItems": True,
    "items": {"anyOf": [_PORT, {"type": "string", "pattern": f"^{_PORT_NUMBER}-{_PORT_NUMBER}$"}]},
}
_DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|[smhd]))+$"}
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4, _IPV4_PREFIX = rf"{_OCTET}(\.{_OCTET}){{3}}", "/(3[0-2]|[12]?[0-9])"
_IPV6, _IPV6_PREFIX = "[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*", "/(12[0-8]|1[01][0-9]|[1-9]?[0-9])"
_NETWORKS: Schema = {
    "type": "array",
    "items": {
        "type": "string",
        "pattern": f"^({_IPV4}({_IPV4_PREFIX})?|{_IPV6}({_IPV6_PREFIX})?)$",
    },
}
# Kubernetes takes no single address for a network.
_CIDRS: Schema = {
    "type": "array",
    "items": {"type": "string", "pattern": f"^({_IPV4}{_IPV4_PREFIX}|{_IPV6}{_IPV6_PREFIX})$"},
}
_PULL_POLICY: Schema = {"enum": ["IfNotPresent", "Always", "Never"]}
_DIGEST: Schema = {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"}
_COUNT_OR_PERCENT: Schema = {
    "anyOf": [COUNT, {"type": "string", "pattern": "^(100|[1-9]?[0-9])%$"}]
}
# No subPath: such a mount never sees a change.
_MOUNTS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "name": _NAME,
            "mountPath": _NAME,
            "readOnly": {"type": "boolean"},
            "recursiveReadOnly": _TEXT,
            "mountPropagation": _TEXT,
        },
        "required": ["name", "mountPath"],
        "additionalProperties": False,
    },
}
# A rule is made of a probe's path, so it has to be one that a rule can name.
_PATH_CHARACTER = (
    "([A-Za-z0-9._~!$&'()+,;=:@-]|%([2-6][0-9A-Fa-f]|7[0-9A-Ea-e]|[89A-Fa-f][0-9A-Fa-f]))"
)
_PROBE_PATH: Schema = {
    "type": "string",
    "pattern": rf"^/({_PATH_CHARACTER}+/)*{_PATH_CHARACTER}*(\?[^#]*)?$",
}


def _probe() -> Schema:
    """Kubernetes' probe, whose ``httpGet`` may leave its port to us."""
    known = definitions(["Probe"])
    probe, http_get = deepcopy(known["Probe"]), deepcopy(known["HTTPGetAction"])
    http_get.pop("required")
    http_get["properties"]["path"] = _PROBE_PATH
    probe["properties"]["httpGet"] = http_get
    return probe


_PROBE = _probe()

FORMS: Mapping[str, Schema] = {
    "fullnameOverride": {"type": "string", "pattern": "^([a-z]([a-z0-9-]{0,48}[a-z0-9])?)?$"},
    "nameOverride": {"type": "string", "pattern": f"^({_LABEL})?$"},
    "selectorLabels": _LABELS,
    "commonLabels": _LABELS,
    "commonAnnotations": _ANNOTATIONS,
    "imagePullSecrets": many("LocalObjectReference"),
    "kubeVersion": {"type": "string", "pattern": r"^(v?[0-9]+\.[0-9]+(\.[0-9]+)?([+-].*)?)?$"},
    "workload.kind": {"enum": ["Deployment", "Job", "CronJob", "None"]},
    "workload.strategy": reference("apps.v1.DeploymentStrategy"),
    "workload.annotations": _ANNOTATIONS,
    "workload.job.ttlSecondsAfterFinished": COUNT_OR_NONE,
    "workload.job.restartPolicy": {"enum": ["OnFailure", "Never"]},
    "workload.cronJob.concurrencyPolicy": {"enum": ["Allow", "Forbid", "Replace"]},
    "app.name": {"type": "string", "pattern": "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$"},
    "app.image.repository": {"type": "string", "pattern": f"^({_REPOSITORY})?$"},
    "app.image.tag": _TAG,
    "app.image.digest": _DIGEST,
    "app.image.pullPolicy": _PULL_POLICY,
    "app.version.sha": {"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})?$"},
    "app.port": _PORT,
    "app.extraPorts": many("ContainerPort"),
    "app.command": _TEXTS,
    "app.args": _TEXTS,
    "app.env": many("EnvVar"),
    "app.envFrom": many("EnvFromSource"),
    "app.probes.startup": _PROBE,
    "app.probes.liveness": _PROBE,
    "app.probes.readiness": _PROBE,
    "app.lifecycle": reference("Lifecycle"),
    "app.resources": reference("ResourceRequirements"),
    "app.securityContext": reference("SecurityContext"),
    "app.volumeMounts": many("VolumeMount"),
    "sidecar.image.repository": {"type": "string", "pattern": f"^{_REPOSITORY}$"},
    "sidecar.image.tag": _TAG,
    "sidecar.image.digest": _DIGEST,
    "sidecar.image.pullPolicy": _PULL_POLICY,
    "sidecar.native": {"enum": ["auto", True, False]},
    "sidecar.address": {"enum": ["0.0.0.0", "[::]"]},
    "sidecar.ports.inbound": _PORT,
    "sidecar.ports.admin": _PORT,
    "sidecar.stateDir.sizeLimit": {"type": "string", "pattern": "^[1-9][0-9]*(Ki|Mi|Gi)$"},
    "sidecar.env": many("EnvVar"),
    "sidecar.volumeMounts": _MOUNTS,
    "sidecar.probes.startup.periodSeconds": _AT_LEAST_ONE,
    "sidecar.probes.startup.failureThreshold": _AT_LEAST_ONE,
    "sidecar.probes.liveness.periodSeconds": _AT_LEAST_ONE,
    "sidecar.probes.liveness.timeoutSeconds": _AT_LEAST_ONE,
    "sidecar.probes.liveness.failureThreshold": _AT_LEAST_ONE,
    "sidecar.probes.readiness.periodSeconds": _AT_LEAST_ONE,
    "sidecar.probes.readiness.timeoutSeconds": _AT_LEAST_ONE,
    "sidecar.probes.readiness.failureThreshold": _AT_LEAST_ONE,
    "sidecar.probes.startup.path": {"enum": ["", "/live", "/ready"]},
    "sidecar.resources": reference("ResourceRequirements"),
    "sidecar.securityContext": reference("SecurityContext"),
    "interception.ports": _PORTS,
    "interception.opaquePorts": _PORTS,
    "interception.exceptSources": _NETWORKS,
    "interception.outbound.port": _PORT,
    "interception.outbound.exceptPorts": _PORTS,
    "interception.outbound.exceptNetworks": _NETWORKS,
    "interception.extraArgs": _TEXTS,
    "interception.resources": reference("ResourceRequirements"),
    "keyring.existingSecret": _OBJECT,
    "keyring.existingConfigMap": _OBJECT,
    "keyring.inline": {
        "type": "object",
        "patternProperties": {"^[A-Za-z0-9_][A-Za-z0-9._-]*$": _TEXT},
        "additionalProperties": False,
    },
    "dependencyWait.timeout": _DURATION,
    "preflight.timeout": _DURATION,
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.port": _PORT,
    "service.portName": _PORT_NAME,
    "service.nodePort": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
    "service.extraPorts": many("ServicePort"),
    "service.externalTrafficPolicy": {"enum": ["", "Cluster", "Local"]},
    "service.sessionAffinity": {"enum": ["None", "ClientIP"]},
    "service.annotations": _ANNOTATIONS,
    "service.labels": _LABELS,
    "serviceAccount.name": _OBJECT,
    "serviceAccount.annotations": _ANNOTATIONS,
    "pod.annotations": _ANNOTATIONS,
    "pod.labels": _LABELS,
    "pod.securityContext": reference("PodSecurityContext"),
    "pod.nodeSelector": _LABELS,
    "pod.affinity": reference("Affinity"),
    "pod.tolerations": many("Toleration"),
    "pod.topologySpread.topologyKeys": {"type": "array", "items": _NAME, "uniqueItems": True},
    "pod.topologySpread.maxSkew": _AT_LEAST_ONE,
    "pod.topologySpread.whenUnsatisfiable": {"enum": ["ScheduleAnyway", "DoNotSchedule"]},
    "pod.dnsPolicy": {"enum": ["", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]},
    "pod.dnsConfig": reference("PodDNSConfig"),
    "pod.hostAliases": many("HostAlias"),
    "pod.volumes": many("Volume"),
    "pod.initContainers": many("Container"),
    "pod.containers": many("Container"),
    "autoscaling.minReplicas": _AT_LEAST_ONE,
    "autoscaling.maxReplicas": _AT_LEAST_ONE,
    "autoscaling.targetCPUUtilizationPercentage": {"type": ["integer", "null"], "minimum": 1},
    "autoscaling.targetMemoryUtilizationPercentage": {"type": ["integer", "null"], "minimum": 1},
    "autoscaling.metrics": many("autoscaling.v2.MetricSpec"),
    "autoscaling.behavior": reference("autoscaling.v2.HorizontalPodAutoscalerBehavior"),
    "podDisruptionBudget.maxUnavailable": _COUNT_OR_PERCENT,
    "podDisruptionBudget.minAvailable": {"anyOf": [*_COUNT_OR_PERCENT["anyOf"], {"type": "null"}]},
    "networkPolicy.callers": many("networking.v1.NetworkPolicyPeer"),
    "networkPolicy.monitoring.namespaceSelector": reference(
        "apimachinery.pkg.apis.meta.v1.LabelSelector"
    ),
    "networkPolicy.monitoring.podSelector": reference(
        "apimachinery.pkg.apis.meta.v1.LabelSelector"
    ),
    "networkPolicy.nodeCIDRs": _CIDRS,
    "networkPolicy.extraIngress": many("networking.v1.NetworkPolicyIngressRule"),
    "monitoring.annotations.prefix": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"},  # noqa: E501
    "monitoring.scrapeInterval": {"type": "string", "pattern": "^([0-9]+(h|m|s))+$"},
    "monitoring.podMonitor.labels": _LABELS,
    "monitoring.podMonitor.annotations": _ANNOTATIONS,
    "monitoring.prometheusRule.labels": _LABELS,
    "monitoring.prometheusRule.annotations": _ANNOTATIONS,
    "monitoring.prometheusRule.runbookBaseUrl": {
        "type": "string",
        "pattern": r"^(https?://[^\s{}]*[^\s{}/])?$",
    },
    "monitoring.prometheusRule.keyMaxAgeSeconds": _AT_LEAST_ONE,
    "monitoring.dashboard.labels": _LABELS,
    "monitoring.dashboard.annotations": _ANNOTATIONS,
    "tests.protectedPath": {"type": "string", "pattern": r"^(/\S*)?$"},
}  # fmt: skip
