"""What runs: who starts and stops when, with which rights, and what is mounted where."""

from typing import Any

import pytest

from scripts.chart.render import Document, cases, documents, examples, render
from tests.chart.blocks import BLOCKS, LEAST, NEEDS_NATIVE, Values, merged, with_block

NATIVE, PLAIN = "v1.34.0", "v1.28.0"
ALL = {**cases(), **examples(), **{name: with_block(name) for name in BLOCKS}}

Pod = dict[str, Any]


def pods(values: Values, version: str = NATIVE) -> list[Pod]:
    """The specification of every pod that a release has."""
    found = []
    for document in documents(render({**values, "kubeVersion": version})):
        match document["kind"]:
            case "Pod":
                found.append(document["spec"])
            case "Deployment" | "Job":
                found.append(document["spec"]["template"]["spec"])
            case "CronJob":
                found.append(document["spec"]["jobTemplate"]["spec"]["template"]["spec"])
    return found


def pod(values: Values, version: str = NATIVE) -> Pod:
    """The application's pod."""
    (found,) = (each for each in pods(values, version) if "app" in names(each["containers"]))
    return found


def names(containers: list[Pod]) -> list[str]:
    return [each["name"] for each in containers]


def container(spec: Pod, name: str) -> Pod:
    every: list[Pod] = [*spec.get("initContainers", []), *spec["containers"]]
    (found,) = (each for each in every if each["name"] == name)
    return found


def is_intercepting(values: Values) -> bool:
    return bool(values.get("interception", {}).get("enabled"))


# --- start and end -----------------------------------------------------------------------------


def test_the_sidecar_starts_before_the_application_and_ends_after_it() -> None:
    spec = pod(LEAST)
    assert names(spec["initContainers"]) == ["sidecar"]
    assert names(spec["containers"]) == ["app"]
    sidecar = container(spec, "sidecar")
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["httpGet"] == {"path": "/live", "port": "sidecar-admin"}
    drain = sidecar["lifecycle"]["preStop"]["exec"]["command"]
    assert drain == ["sidecar", "drain", "--admin", "127.0.0.1:15020"]


def test_before_native_sidecars_the_application_waits_for_it_all_the_same() -> None:
    spec = pod(LEAST, PLAIN)
    assert "initContainers" not in spec
    assert names(spec["containers"]) == ["sidecar", "app"]
    sidecar = container(spec, "sidecar")
    wait = sidecar["lifecycle"]["postStart"]["exec"]["command"]
    assert wait[:2] == ["sidecar", "healthcheck"]
    assert "--wait" in wait
    assert "preStop" not in sidecar["lifecycle"]  # its SIGTERM comes at once, and says the same


@pytest.mark.parametrize(
    ("version", "hook", "grace_s"),
    [
        ("v1.34.0", {"sleep": {"seconds": 5}}, 40),
        ("v1.29.0", {"exec": {"command": ["sleep", "5"]}}, 40),
        # A plain sidecar needs the application until its own last request is answered.
        ("v1.28.0", {"exec": {"command": ["sleep", "30"]}}, 40),
    ],
)
def test_the_application_goes_on_while_requests_still_come(
    version: str, hook: Pod, grace_s: int
) -> None:
    spec = pod(LEAST, version)
    assert container(spec, "app")["lifecycle"]["preStop"] == hook
    assert spec["terminationGracePeriodSeconds"] == grace_s


@pytest.mark.parametrize(
    ("version", "grace_s"), [(NATIVE, 5 + 25 + 95 + 10), (PLAIN, 5 + 25 + 95 + 10)]
)
def test_a_service_that_hands_out_tokens_has_time_for_its_last_word(
    version: str, grace_s: int
) -> None:
    assert pod(with_block("issuing"), version)["terminationGracePeriodSeconds"] == grace_s


def test_a_longer_drain_and_grace_take_longer() -> None:
    shutdown = {"sidecar": {"config": {"shutdown": {"drain": "10s", "grace": "1m30s"}}}}
    spec = pod(merged(LEAST, shutdown))
    assert container(spec, "app")["lifecycle"]["preStop"] == {"sleep": {"seconds": 10}}
    assert spec["terminationGracePeriodSeconds"] == 10 + 90 + 10


def test_no_delay_is_no_hook_and_an_own_hook_is_used() -> None:
    assert "lifecycle" not in container(pod(with_block("no delay")), "app")
    own = container(pod(with_block("own lifecycle")), "app")["lifecycle"]
    assert own == {"preStop": {"exec": {"command": ["/bye"]}}}


def test_what_needs_others_waits_for_them_and_interception_comes_last() -> None:
    values = merged(
        with_block("waiting"), merged(BLOCKS["more containers"], BLOCKS["interception"])
    )
    order = ["first", "dependencies", "intercept", "sidecar"]
    assert names(pod(values)["initContainers"]) == order
    assert container(pod(values), "dependencies")["args"] == ["deps", "check", "--wait", "2m"]


# --- rights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [NATIVE, PLAIN])
@pytest.mark.parametrize("name", [name for name in ALL if not is_intercepting(ALL[name])])
def test_without_interception_every_pod_meets_the_restricted_standard(
    name: str, version: str
) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/"""
    if name in NEEDS_NATIVE:
        version = NATIVE
    for spec in pods(ALL[name], version):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any(spec.get(each) for each in ("hostNetwork", "hostPID", "hostIPC"))
        allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "projected", "secret"}
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= allowed
        for each in [*spec.get("initContainers", []), *spec["containers"]]:
            if each["name"] in ("more", "first"):
                continue  # the user's own
            rights = each["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert rights["runAsNonRoot"] is True
            assert rights.get("runAsUser") != 0
            assert rights["readOnlyRootFilesystem"] is True  # more than is asked for
            assert not any("hostPort" in port for port in each.get("ports", []))


def test_only_the_container_that_intercepts_has_a_right_and_that_is_one() -> None:
    spec = pod(merged(with_block("interception of calls"), BLOCKS["more containers"]))
    for each in (container(spec, name) for name in ("sidecar", "app")):
        assert "add" not in each["securityContext"]["capabilities"]
    intercept = container(spec, "intercept")["securityContext"]
    assert intercept["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert intercept["readOnlyRootFilesystem"] is True
    assert "volumeMounts" not in container(spec, "intercept")


@pytest.mark.parametrize("name", ALL)
def test_no_pod_gets_a_token_of_the_cluster_unasked(name: str) -> None:
    for spec in pods(ALL[name]):
        is_asked = name == "somebody's account" and "app" in names(spec["containers"])
        assert spec["automountServiceAccountToken"] is is_asked


# --- interception ------------------------------------------------------------------------------


def test_interception_is_told_what_the_values_say() -> None:
    spec = pod(cases()["interception-all"])
    assert container(spec, "intercept")["args"] == [
        *("intercept", "apply", "--ports", "8000,9000-9010,5432"),
        *("--to", "15006", "--admin", "15020", "--uid", "1337"),
        *("--except-sources", "10.0.0.0/8", "--except-sources", "fd00::/8"),
        *("--outbound-to", "15001", "--outbound-except-ports", "5432"),
        *("--outbound-except-networks", "169.254.0.0/16"),
    ]


def test_the_applications_user_is_told_where_it_is_known() -> None:
    arguments = container(pod(cases()["interception"]), "intercept")["args"]
    assert arguments[-2:] == ["--app-uid", "1000"]


@pytest.mark.parametrize("name", [name for name in ALL if is_intercepting(ALL[name])])
def test_the_command_line_is_one_that_the_program_takes(name: str) -> None:
    from sidecar.cli.intercept import apply

    arguments = container(pod(ALL[name]), "intercept")["args"]
    assert arguments[:2] == ["intercept", "apply"]
    context = apply.make_context("apply", list(arguments[2:]))
    assert context.params["uid"] == 1337


def test_callers_reach_the_port_that_they_know() -> None:
    def service(values: Values) -> Any:
        (found,) = (
            each["spec"]["ports"][0]
            for each in documents(render(values))
            if each["kind"] == "Service" and each["metadata"]["name"] == "thoughts-backend"
        )
        return found["port"], found["targetPort"]

    # Always the sidecar's own port: a rollout that switches interception has pods of both kinds.
    assert service(LEAST) == (80, 15006)
    assert service(with_block("interception")) == (80, 15006)


# --- keys, configuration, state ----------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_the_sidecar_mounts_directories_so_that_it_sees_what_changes(name: str) -> None:
    for spec in pods(ALL[name]):
        for each in [*spec.get("initContainers", []), *spec["containers"]]:
            for mount in each.get("volumeMounts", []):
                assert "subPath" not in mount
                assert "subPathExpr" not in mount


@pytest.mark.parametrize("name", ALL)
def test_what_is_mounted_is_there(name: str) -> None:
    for spec in pods(ALL[name]):
        volumes = {volume["name"] for volume in spec.get("volumes", [])}
        for each in [*spec.get("initContainers", []), *spec["containers"]]:
            assert {mount["name"] for mount in each.get("volumeMounts", [])} <= volumes


def test_all_files_of_keys_are_one_directory() -> None:
    spec = pod(cases()["everything"])
    (keys,) = (each for each in spec["volumes"] if each["name"] == "sidecar-keys")
    assert keys["projected"]["sources"] == [
        {"secret": {"name": "verification-keys"}},
        {"configMap": {"name": "more-keys"}},
        {"configMap": {"name": "thoughts-sidecar-keys"}},
    ]
    mounts = container(spec, "sidecar")["volumeMounts"]
    assert {"name": "sidecar-keys", "mountPath": "/etc/sidecar/keys", "readOnly": True} in mounts


def test_keys_in_the_values_are_files_that_the_sidecar_reads() -> None:
    (keys,) = (
        each["data"]
        for each in documents(render(cases()["inline-keys"]))
        if each["metadata"]["name"] == "thoughts-backend-sidecar-keys"
    )
    assert set(keys) == {"2026-11.pub", "2026-11.since"}
    assert keys["2026-11.pub"].startswith("-----BEGIN PUBLIC KEY-----\n")


def checksum(values: Values) -> Any:
    for document in documents(render(values)):
        if document["kind"] == "Deployment":
            return document["spec"]["template"]["metadata"]["annotations"][
                "checksum/sidecar-config"
            ]
    raise AssertionError


def test_a_new_configuration_rolls_the_pods_and_new_keys_do_not() -> None:
    leeway = {"sidecar": {"config": {"auth": {"leeway": "10s"}}}}
    assert checksum(merged(LEAST, leeway)) != checksum(LEAST)
    one = {"keyring": {"inline": {"a": "-----BEGIN PUBLIC KEY-----\n…"}}}
    two = merged(one, {"keyring": {"inline": {"b": "-----BEGIN PUBLIC KEY-----\n…"}}})
    assert checksum(merged(LEAST, one)) == checksum(merged(LEAST, two))


def test_what_was_seen_of_keys_outlives_the_container() -> None:
    (state,) = (each for each in pod(LEAST)["volumes"] if each["name"] == "sidecar-state")
    assert state["emptyDir"] == {"sizeLimit": "64Mi"}


# --- versions ----------------------------------------------------------------------------------


def environment(values: Values) -> dict[str, str]:
    return {
        each["name"]: each.get("value", "") for each in container(pod(values), "sidecar")["env"]
    }


def test_the_version_is_the_images_tag_unless_it_is_said() -> None:
    assert environment(LEAST)["VERSION_NAME"] == "v2.3"
    said = environment(cases()["remote-keys"])
    assert said["VERSION_NAME"] == "v2.3-17-g2257f9c"
    assert said["VERSION_SHA"] == "2257f9c0123456789abcdef0123456789abcdef0"


def test_what_only_a_digest_knows_has_no_version() -> None:
    digest = {"app": {"image": {"tag": "", "digest": f"sha256:{'0' * 64}"}}}
    assert "VERSION_NAME" not in environment(merged(LEAST, digest))


def test_a_version_that_no_label_can_hold_is_written_as_one_that_it_can() -> None:
    version = {"app": {"version": {"name": "v2.3+build/7 " + "x" * 80}}}
    (labels,) = (
        each["spec"]["template"]["metadata"]["labels"]
        for each in documents(render(merged(LEAST, version)))
        if each["kind"] == "Deployment"
    )
    assert labels["version"] == labels["app.kubernetes.io/version"]
    assert labels["version"].startswith("v2.3_build_7_xxx")
    assert len(labels["version"]) <= 63


def of_kind(kind: str, values: Values) -> Document:
    (found,) = (each for each in documents(render(values)) if each["kind"] == kind)
    return found


def test_a_deployment_that_is_recreated_has_nothing_of_the_rolling_default() -> None:
    strategy = of_kind("Deployment", with_block("recreate"))["spec"]["strategy"]
    assert strategy == {"type": "Recreate"}


# --- helm test ---------------------------------------------------------------------------------


def test_the_path_that_needs_a_token_is_not_that_of_a_probe_at_the_root() -> None:
    values = merged(LEAST, {"app": {"probes": {"readiness": {"httpGet": {"path": "/"}}}}})
    (container,) = of_kind("Pod", values)["spec"]["containers"]
    assert {"name": "PROTECTED_PATH", "value": "/helm-test"} in container["env"]


def test_where_a_service_has_no_address_its_callers_use_the_pods_port() -> None:
    def called(values: Values) -> Any:
        (container,) = of_kind("Pod", values)["spec"]["containers"]
        return next(each["value"] for each in container["env"] if each["name"] == "CALLERS_URL")

    assert called(LEAST) == "http://thoughts-backend:80"
    assert called(with_block("no address")) == "http://thoughts-backend:15006"


# --- pods of Helm's hooks ----------------------------------------------------------------------


def hooks(values: Values) -> list[Document]:
    """The pods of the preflight and of the test, which are no replicas."""
    found = documents(render(merged(values, {"preflight": {"config": True}})))
    pods = [each for each in found if each["kind"] == "Pod"]
    return pods + [each["spec"]["template"] for each in found if each["kind"] == "Job"]


@pytest.mark.parametrize(
    "selector",
    [{"app": "thoughts"}, {"app.kubernetes.io/instance": "thoughts-backend"},
     {"app": "thoughts", "tier": "backend"}],
)  # fmt: skip
def test_no_service_leads_to_the_pod_of_a_hook(selector: dict[str, str]) -> None:
    values = {"selectorLabels": selector, "commonLabels": {"app": "thoughts", "tier": "backend"}}
    for pod in hooks(merged(LEAST, values)):
        assert not selector.items() <= pod["metadata"]["labels"].items()


def test_the_pods_of_hooks_run_where_the_replicas_may() -> None:
    both = merged(with_block("placement"), BLOCKS["names elsewhere"])
    replica = of_kind("Deployment", both)["spec"]["template"]["spec"]
    for pod in hooks(both):
        for name in ("nodeSelector", "tolerations", "affinity", "dnsConfig", "hostAliases"):
            assert pod["spec"][name] == replica[name]


# --- who may connect ---------------------------------------------------------------------------


def ports_for_callers(values: Values) -> list[Any]:
    """Those that the NetworkPolicy opens to callers."""
    policy = of_kind("NetworkPolicy", values)
    return [
        (port["port"], port["endPort"]) if "endPort" in port else port["port"]
        for port in policy["spec"]["ingress"][0]["ports"]
    ]


def test_a_policy_opens_the_sidecars_port_and_no_application_that_is_not_intercepted_yet() -> None:
    policy = with_block("network policy")
    assert ports_for_callers(policy) == [15006]
    assert ports_for_callers(merged(policy, {"interception": {"enabled": True}})) == [15006]


def test_a_policy_opens_the_ports_that_interception_names() -> None:
    named = merged(with_block("network policy"), BLOCKS["interception of several ports"])
    assert ports_for_callers(named) == [15006, 8000, (9000, 9010), 5432]
