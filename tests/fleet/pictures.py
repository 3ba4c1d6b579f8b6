"""Pictures of fleets: their versions as ``deployed`` says, and what the test says of the keys."""

from collections.abc import Mapping, Sequence

from sidecar.fleet.evidence import Evidence
from sidecar.fleet.picture import Picture, Refusal
from sidecar.fleet.report import Report
from sidecar.fleet.services import build_fleet
from sidecar.fleet.source import SilentTarget
from sidecar.fleet.status import build_status
from sidecar.rotation.replica import Fleet
from sidecar.rotation.steps import Step
from sidecar.rotation.succession import Succession
from sidecar.rotation.verdict import Basis, State, Verdict
from tests.fleet.deployed import NOW, Deployed, current


def verdict(state: State) -> Verdict:
    return Verdict(state, Basis.NONE, None, "Because.")


def picture(
    *deployed: Deployed,
    silent: Sequence[SilentTarget] = (),
    verdicts: Mapping[str, Verdict] | None = None,
    steps: tuple[Step, ...] = (),
    refusals: Mapping[Refusal, int] | None = None,
) -> Picture:
    report = Report(EVIDENCE, None, dict(verdicts or {}), steps, (), ())
    status = build_status(build_fleet(current(*deployed, silent=silent)))
    return Picture(report, status, refusals or {})


EVIDENCE = Evidence(
    fleet=Fleet(ring=Succession((), None, {}), replicas=(), now=NOW, watched_since=NOW - 3600),
    source="a test",
    key_ids=(),
    clocks_s={},
    interval_s=15.0,
    limits=("Nothing is proved.",),
)
