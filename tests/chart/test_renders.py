"""Whatever the values say, what comes out is what Kubernetes accepts, and comes out the same."""

from functools import cache
from itertools import pairwise

import helm_python
import pytest
import yaml

from scripts.chart.derived import GOLDEN, NEW, OLD, build_goldens, derived
from scripts.chart.render import CHART, Document, cases, documents, examples, render
from tests.chart.blocks import BLOCKS, NEEDS_NATIVE, with_block
from tests.chart.strict import MINORS, problems_of

CASES = cases()
#: Everything that is rendered here, by name.
ALL = {**CASES, **examples(), **{name: with_block(name) for name in BLOCKS}}
#: The versions of Kubernetes from which on something else is rendered, 1.25 included.
STEPS = (25, 27, 29, 30)


@cache
def rendered(name: str, minor: int) -> list[Document]:
    return documents(render({**ALL[name], "kubeVersion": f"v1.{minor}.0"}))


def step_of(minor: int) -> int:
    return max(step for step in STEPS if step <= minor)


def fits(name: str, minor: int) -> bool:
    return name not in NEEDS_NATIVE or minor >= 29


def test_between_two_steps_all_versions_get_the_same() -> None:
    everything = CASES["everything"]
    texts = [render({**everything, "kubeVersion": f"v1.{minor}.0"}) for minor in MINORS]
    pairs = zip(MINORS[1:], pairwise(texts), strict=True)
    assert [minor for minor, (before, after) in pairs if before != after] == [*STEPS[1:]]


@pytest.mark.parametrize("minor", MINORS)
def test_every_case_and_every_block_is_valid_for_every_version(minor: int) -> None:
    problems = [
        f"{name}: {problem}"
        for name in ALL
        if fits(name, minor)
        for document in rendered(name, step_of(minor))
        for problem in problems_of(document, minor)
    ]
    assert problems == []


@pytest.mark.parametrize("name", ALL)
def test_helm_has_nothing_to_complain_of(name: str) -> None:
    report = helm_python.lint(CHART, {**ALL[name], "kubeVersion": NEW}, strict=True)
    assert report["errors"] == []
    assert [each for each in report["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize("name", sorted(NEEDS_NATIVE))
def test_a_job_that_would_never_complete_is_refused(name: str) -> None:
    with pytest.raises(helm_python.HelmError, match="completes only beside a native sidecar"):
        render({**ALL[name], "kubeVersion": OLD})


def test_the_same_values_render_the_same_text() -> None:
    values = {**CASES["everything"], "kubeVersion": NEW}
    first = render(values)
    assert all(render(dict(reversed(values.items()))) == first for _ in range(3))


def test_what_is_derived_from_the_chart_is_up_to_date() -> None:
    """``make chart`` writes it; read the difference before you commit it."""
    stale = [path for path, text in derived().items() if path.read_text() != text]
    assert stale == [], "run `make chart`"


def test_no_render_is_kept_that_is_not_made() -> None:
    assert {path.name for path in GOLDEN.glob("*")} == set(build_goldens())


@pytest.mark.parametrize("name", ALL)
def test_every_object_has_the_labels_by_which_it_is_found(name: str) -> None:
    for document in rendered(name, STEPS[-1]):
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "thoughts-backend"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["helm.sh/chart"].startswith("sidecar-")
        assert document["metadata"]["namespace"] == "thoughts"


@pytest.mark.parametrize("name", ALL)
def test_no_object_is_made_twice(name: str) -> None:
    found = rendered(name, STEPS[-1])
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ALL)
def test_what_selects_pods_selects_these(name: str) -> None:
    found = rendered(name, STEPS[-1])
    pods = [each["spec"]["template"] for each in found if each["kind"] == "Deployment"]
    for pod in pods:
        for selector in filter(None, map(_selector, found)):
            assert selector.items() <= pod["metadata"]["labels"].items()


def _selector(document: Document) -> dict[str, str] | None:
    spec = document.get("spec", {})
    match document["kind"]:
        case "Service":
            found = spec["selector"]
        case "Deployment" | "PodDisruptionBudget" | "PodMonitor":
            found = spec["selector"]["matchLabels"]
        case "NetworkPolicy":
            found = spec["podSelector"]["matchLabels"]
        case _:
            return None
    assert isinstance(found, dict)
    return found


def test_the_chart_is_found_and_described() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["icon"].startswith("data:image/svg+xml,")
    assert chart["kubeVersion"] == ">=1.25.0-0"
    assert chart["annotations"]["artifacthub.io/license"] == "Apache-2.0"
