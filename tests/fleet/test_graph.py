"""The graph in three languages, whatever the services are called."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sidecar.fleet.graph import draw_dot, draw_mermaid, draw_text
from sidecar.fleet.status import Status, build_status
from tests.fleet.deployed import FRONTEND, SYSTEM, USERS, Asked, Deployed, at, fleet, gone

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def system() -> Status:
    return build_status(fleet(*SYSTEM, at(USERS, "v2.2"), silent=[gone("frontend")]))


def test_as_text() -> None:
    assert draw_text(system()).splitlines() == [
        "frontend v4.1 (1), not known (1)",
        "  -> thoughts-backend (called thoughts) >=v1.6  ✓ satisfied",
        "  -> users-backend (called users) >=v2.0  ✓ satisfied",
        "thoughts-backend v1.6 (2)",
        "  -> users-backend (called users) >=v2.3  "
        "✗ not satisfied: v2.2 is older than v2.3 (1 of 4)",
        "users-backend v2.3 (3), v2.2 (1)",
    ]


def test_for_graphviz() -> None:
    lines = draw_dot(system()).splitlines()
    assert lines[0] == "digraph fleet {"
    assert '  s0 [label="frontend\\nv4.1 (1), not known (1)"];' in lines
    (edge,) = [line for line in lines if "s1 -> s2" in line]
    assert '[label=">=v2.3: not satisfied", style="dashed,bold"' in edge


def test_for_mermaid() -> None:
    lines = draw_mermaid(system()).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  s0["frontend v4.1 (1), not known (1)"]' in lines
    assert '  s1 --x|"#62;=v2.3: not satisfied"| s2' in lines


def test_a_version_that_needs_something_is_named_in_a_rollout() -> None:
    drawn = draw_text(build_status(fleet(FRONTEND, Deployed("frontend", "v4.0"))))
    assert "  v4.1 -> users-backend (called users) >=v2.0  ✓ satisfied" in drawn


def test_a_service_outside_of_the_fleet_is_shown_as_such() -> None:
    drawn = draw_text(build_status(fleet(Deployed("a", "v1", {"payments": Asked("any", "v5")}))))
    assert "payments v5 (not in this fleet)" in drawn


_hostile = st.text(st.sampled_from('"\\|[]{}()<>;#\n\t`-= ab'), min_size=1, max_size=12)


@given(_hostile, _hostile)
def test_no_name_is_ever_more_than_text(service: str, version: str) -> None:
    status = build_status(fleet(Deployed(service, version, {"x": Asked("any", version)})))
    for line in draw_dot(status).splitlines()[3:-1]:
        assert re.fullmatch(r"[a-z0-9 \[\]=>;,-]*", _QUOTED.sub("", line)), line
    for line in draw_mermaid(status).splitlines()[1:]:
        (quoted,) = _QUOTED.findall(line)
        assert re.fullmatch(r'"[\w .,#;()/:=+@-]*"', quoted), line
