"""One run, from nothing to results: prepare, measure one thing after the other, clean up."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.application import running_application
from benchmarks.bench import Amounts, Bench
from benchmarks.errors import BenchError
from benchmarks.machine import describe_machine, divide_cores, settle
from benchmarks.measures import MEASURES
from benchmarks.programs import NEEDED, find_program, find_version
from benchmarks.proxies import envoy, haproxy, nginx, sidecar
from benchmarks.proxies.kind import Kind
from benchmarks.results import Results
from benchmarks.samples import Sample, Samples
from benchmarks.tokens import prepare_tokens

_KINDS = (nginx.KIND, haproxy.KIND, envoy.KIND, sidecar.KIND)
_QUIET_LOAD = 0.5


def run(measures: Sequence[str], amounts: Amounts, say: Callable[[str], None]) -> Results:
    """Measure these, in this order; ``say`` is told what happens.

    A measure that fails has no figures, and why is in the results. Raises BenchError when nothing
    can be measured at all.
    """
    absent = [name for name in NEEDED if find_program(name) is None]
    if absent:
        raise BenchError(f"nothing can be measured without {' and '.join(absent)}")
    missing = [kind.name for kind in _KINDS if find_program(kind.program) is None]
    kinds = [kind for kind in _KINDS if kind.name not in missing]
    for name in missing:
        say(f"{name} is not installed: its figures are left out")
    cores, machine = divide_cores(), describe_machine()
    if float(machine["load_before"]) > _QUIET_LOAD:
        say(f"the machine is busy (load {machine['load_before']}): the figures will be noisy")
    failed: dict[str, str] = {}
    samples: list[Sample] = []
    with TemporaryDirectory(prefix="sidecar-bench-") as name:
        directory = Path(name)
        fresh = _count_fresh(measures, amounts)
        say(f"signing {amounts.reused_tokens + fresh:,} tokens")
        tokens = prepare_tokens(
            directory,
            reused=amounts.reused_tokens,
            fresh=fresh,
            keys=sidecar.KEYS,
            cores=cores.every,
        )
        settle(cores)
        own = directory / "application"
        own.mkdir()
        with running_application(own, cores, amounts.stream_bytes) as application:
            bench = Bench(amounts, kinds, cores, tokens, application, directory)
            for measure in measures:
                say(f"measuring {measure}")
                samples += _measure(measure, bench, failed)
    return Results(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine,
        programs={program: find_version(program) for program in _programs(kinds)},
        amounts=asdict(amounts),
        missing=missing,
        failed=failed,
        is_whole=set(measures) == set(MEASURES) and not amounts.is_quick,
        samples=Samples(samples),
    )


def _measure(name: str, bench: Bench, failed: dict[str, str]) -> list[Sample]:
    try:
        return list(MEASURES[name](bench))
    except (BenchError, OSError) as error:
        failed[name] = str(error)
        return []


def _count_fresh(measures: Sequence[str], amounts: Amounts) -> int:
    """How many tokens are shown once, by the measure that needs most of them."""
    needed = {
        "cold": amounts.fresh_tokens,
        "memory": amounts.live_tokens,
        "issuing": amounts.ledger_tokens,
    }
    return max((needed.get(measure, 0) for measure in measures), default=0)


def _programs(kinds: Sequence[Kind]) -> list[str]:
    return [*(kind.program for kind in kinds), "wrk"]
