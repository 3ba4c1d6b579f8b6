"""Every optional block of the values alone, in place over the least that a release needs."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Values = dict[str, Any]

LEAST: Values = {
    "app": {"image": {"repository": "registry.example/thoughts-backend", "tag": "v2.3"}},
    "keyring": {"existingSecret": "verification-keys"},
}
_CONTAINER: Values = {
    "name": "more",
    "image": "registry.example/more:v1",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}
_DEPENDENCY: Values = {"users-backend": {"url": "http://users-backend/version", "min": "v2.3"}}

BLOCKS: Mapping[str, Values] = {
    "nothing": {},
    "names": {"fullnameOverride": "thoughts", "nameOverride": "api", "app": {"name": "thoughts"}},
    "own selector": {"selectorLabels": {"app": "thoughts"}},
    "labels and annotations": {
        "commonLabels": {"team": "thoughts"},
        "commonAnnotations": {"example.com/owner": "thoughts"},
        "pod": {"labels": {"tier": "backend"}, "annotations": {"example.com/a": "b"}},
        "workload": {"annotations": {"example.com/a": "b"}},
    },
    "pull secrets": {"imagePullSecrets": [{"name": "registry"}]},
    "digests": {
        "app": {"image": {"digest": f"sha256:{'a' * 64}"}},
        "sidecar": {"image": {"digest": f"sha256:{'b' * 64}"}},
    },
    "recreate": {"workload": {"strategy": {"type": "Recreate"}}},
    "command": {"app": {"command": ["python"], "args": ["-m", "app"], "workingDir": "/app"}},
    "environment": {
        "app": {
            "env": [{"name": "COLOUR", "value": "blue"}],
            "envFrom": [{"secretRef": {"name": "settings"}}],
        },
        "sidecar": {"env": [{"name": "SIDECAR_LOG_LEVEL", "value": "debug"}]},
    },
    "probes through the sidecar": {
        "app": {
            "probes": {
                "startup": {"httpGet": {"path": "/healthz"}, "failureThreshold": 30},
                "liveness": {"httpGet": {"path": "/healthz"}},
                "readiness": {"httpGet": {"path": "/readyz?full=1"}},
            }
        }
    },
    "probes past the sidecar": {
        "app": {
            "probes": {
                "startup": {"exec": {"command": ["true"]}},
                "liveness": {"tcpSocket": {"port": 8000}},
                "readiness": {"grpc": {"port": 9000}},
            }
        }
    },
    "no delay": {"app": {"stopDelaySeconds": 0}},
    "own lifecycle": {"app": {"lifecycle": {"preStop": {"exec": {"command": ["/bye"]}}}}},
    "resources": {
        "app": {"resources": {"limits": {"memory": "1Gi"}}},
        "sidecar": {"resources": {"requests": {"cpu": "1"}}},
    },
    "volumes": {
        "pod": {"volumes": [{"name": "cache", "emptyDir": {}}]},
        "app": {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}], "tmpDir": False},
        "sidecar": {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]},
    },
    "more containers": {
        "pod": {"containers": [_CONTAINER], "initContainers": [{**_CONTAINER, "name": "first"}]}
    },
    "never native": {"sidecar": {"native": False}},
    "no state": {"sidecar": {"stateDir": {"enabled": False}}},
    "both families": {"sidecar": {"address": "[::]"}},
    "other ports": {
        "sidecar": {"ports": {"inbound": 16006, "admin": 16020}},
        "app": {"port": 9000, "extraPorts": [{"name": "grpc", "containerPort": 9001}]},
        "service": {"extraPorts": [{"name": "grpc", "port": 9001, "targetPort": "grpc"}]},
    },
    "sidecar's probes": {"sidecar": {"probes": {"startup": {"path": "/ready"}}}},
    "resigning": {
        "sidecar": {
            "config": {
                "auth": {"forward": {"token": "resign", "resign": {"public_key": "/shared/a.pub"}}}
            },
            "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
        },
        "pod": {"volumes": [{"name": "shared", "emptyDir": {}}]},
    },
    "issuing": {
        "sidecar": {"config": {"auth": {"issues": {"paths": "/login", "json": "token"}}}},
        "monitoring": {"scrapeInterval": "1m30s"},
    },
    "interception": {"interception": {"enabled": True}},
    "interception of several ports": {
        "interception": {"enabled": True, "ports": [8000, "9000-9010"], "opaquePorts": [5432]}
    },
    "interception of calls": {
        "interception": {"enabled": True, "outbound": {"enabled": True, "exceptPorts": [5432]}}
    },
    "keys in a ConfigMap": {"keyring": {"existingSecret": "", "existingConfigMap": "keys"}},
    "keys over HTTPS": {
        "keyring": {"existingSecret": "", "urls": [{"url": "https://issuer.example/jwks.json"}]}
    },
    "keys of issuers": {
        "keyring": {"existingSecret": "", "issuers": [{"issuer": "https://login.example/a"}]}
    },
    "observe": {"sidecar": {"config": {"auth": {"mode": "observe"}}}},
    "off": {
        "keyring": {"existingSecret": ""},
        "sidecar": {"config": {"auth": {"mode": "off"}}},
    },
    "a large limit": {"sidecar": {"config": {"limits": {"body_bytes": 1000000}}}},
    "one rule": {"sidecar": {"config": {"auth": {"rules": {"paths": "/a", "access": "public"}}}}},
    "dependencies": {"dependencies": _DEPENDENCY},
    "waiting": {"dependencies": _DEPENDENCY, "dependencyWait": {"enabled": True}},
    "preflight of the configuration": {"preflight": {"config": True}},
    "preflight of dependencies": {
        "dependencies": _DEPENDENCY,
        "preflight": {"dependencies": True},
    },
    "a node's port": {"service": {"type": "NodePort", "nodePort": 30080, "clusterIP": "10.1.2.3"}},
    "a balancer": {"service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}},
    "no address": {"service": {"clusterIP": "None"}},
    "a port's name like a number": {"service": {"portName": "123"}},
    "a registry's port": {"app": {"image": {"repository": "localhost:5000/a_b/c--d.e/thoughts"}}},
    "no Services": {"service": {"enabled": False}, "adminService": {"enabled": False}},
    "somebody's account": {
        "serviceAccount": {"create": False, "name": "runner", "automountToken": True}
    },
    "placement": {
        "pod": {
            "nodeSelector": {"disk": "fast"},
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}
                        ]
                    }
                }
            },
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "topologySpread": {"topologyKeys": ["rack"], "whenUnsatisfiable": "DoNotSchedule"},
            "priorityClassName": "high",
            "runtimeClassName": "gvisor",
            "schedulerName": "other",
        }
    },
    "no spread": {"pod": {"topologySpread": {"topologyKeys": []}}},
    "names elsewhere": {
        "pod": {
            "dnsPolicy": "None",
            "dnsConfig": {"nameservers": ["10.0.0.10"]},
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["old.example"]}],
            "enableServiceLinks": True,
        }
    },
    "grace": {"pod": {"terminationGracePeriodSeconds": 300}},
    "autoscaling": {
        "autoscaling": {
            "enabled": True,
            "targetMemoryUtilizationPercentage": 80,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "sidecar_requests_in_flight"},
                        "target": {"type": "AverageValue", "averageValue": "50"},
                    },
                }
            ],
        }
    },
    "no budget": {"podDisruptionBudget": {"enabled": False}},
    "a budget in percent": {"podDisruptionBudget": {"minAvailable": "50%"}},
    "network policy": {"networkPolicy": {"enabled": True}},
    "network policy with callers": {
        "networkPolicy": {
            "enabled": True,
            "callers": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
            "nodeCIDRs": ["10.250.0.0/24"],
            "monitoring": {"podSelector": {"matchLabels": {"app": "prometheus"}}},
            "extraIngress": [{"ports": [{"protocol": "TCP", "port": 9229}]}],
        }
    },
    "no scrape": {"monitoring": {"annotations": {"enabled": False}}},
    "the operator": {
        "monitoring": {
            "fleet": "production",
            "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "runbookBaseUrl": "https://wiki.example"},
            "dashboard": {"enabled": True},
        }
    },
    "no tests": {"tests": {"enabled": False}},
    "a Job": {"workload": {"kind": "Job"}},
    "a CronJob": {"workload": {"kind": "CronJob", "cronJob": {"schedule": "0 3 * * *"}}},
    "no pods": {"workload": {"kind": "None"}, "selectorLabels": {"app": "thoughts"}},
}
#: What needs a native sidecar, and so is refused before there were any.
NEEDS_NATIVE = frozenset({"a Job", "a CronJob", "job", "cronjob"})


def with_block(name: str, **more: Any) -> Values:
    """The least with that block, and with more."""
    return merged(merged(LEAST, BLOCKS[name]), more)


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """As Helm merges: maps into maps, anything else in place of what was there."""
    result = deepcopy(dict(values))
    for name, value in over.items():
        below = result.get(name)
        is_map = isinstance(below, dict) and isinstance(value, Mapping)
        result[name] = merged(below, value) if is_map and below else deepcopy(value)
    return result
