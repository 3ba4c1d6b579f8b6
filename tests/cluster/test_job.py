"""A Job whose pod carries a sidecar."""

import json

from tests.cluster.reference import Reference


def test_a_job_completes_beside_its_sidecar(reference: Reference) -> None:
    work = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:15006/version').status)"
    system = reference.system
    job = {
        "workload": {"kind": "Job"},
        "app": {"command": ["python", "-c", work], "probes": {"readiness": None}},
    }
    release = system.release("nightly", system.values(job))
    release.install(wait=False)

    system.namespace.kubectl(
        "wait", "job", "nightly-1", "--for=condition=Complete", "--timeout=120s"
    )

    (pod,) = release.pods()
    states = {status["name"]: status["state"] for status in pod["status"]["containerStatuses"]}
    assert states["app"]["terminated"]["exitCode"] == 0, json.dumps(states)
    assert release.log(pod["metadata"]["name"], "app").strip() == "200"
    release.helm("uninstall", release.name)
