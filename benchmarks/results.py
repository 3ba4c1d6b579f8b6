"""One run's outcome as a value: what was measured, on what, with what; and as a JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.bounds import judge
from benchmarks.samples import Sample, Samples


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that a report needs. ``failed`` says by measure why it has no figures.

    ``is_whole``: everything was measured, and not only to see that it works.
    """

    measured_at: str
    machine: Mapping[str, str]
    programs: Mapping[str, str]
    amounts: Mapping[str, int]
    missing: Sequence[str]
    failed: Mapping[str, str]
    is_whole: bool
    samples: Samples


def to_document(results: Results) -> dict[str, Any]:
    """The machine-readable form: every sample, and what follows from them."""
    samples = results.samples
    medians: dict[str, dict[str, float | None]] = {}
    for sample in samples.all:
        by_program = medians.setdefault(sample.figure, {})
        by_program[sample.program] = samples.median(sample.figure, sample.program)
    return {
        "measured_at": results.measured_at,
        "machine": dict(results.machine),
        "programs": dict(results.programs),
        "amounts": dict(results.amounts),
        "missing": list(results.missing),
        "failed": dict(results.failed),
        "is_whole": results.is_whole,
        "medians": medians,
        "must_reach": [
            {
                "what": judged.bound.what,
                "must_be": judged.bound.phrase,
                "value": judged.value,
                "is_met": judged.is_met,
            }
            for judged in judge(samples)
        ],
        "samples": [asdict(sample) for sample in samples.all],
    }


def from_document(document: Mapping[str, Any]) -> Results:
    """What was written; medians and verdicts follow from the samples again."""
    return Results(
        measured_at=document["measured_at"],
        machine=document["machine"],
        programs=document["programs"],
        amounts=document["amounts"],
        missing=document["missing"],
        failed=document["failed"],
        is_whole=document["is_whole"],
        samples=Samples(Sample(**sample) for sample in document["samples"]),
    )
