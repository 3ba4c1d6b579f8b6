"""``python -m benchmarks``: measure, print tables, and say whether what must be reached was.

Exit codes: 0 all is met, 1 something is not, or could not be measured, 2 wrong usage. A quick run
is for seeing that everything works: its figures are not judged.
"""

import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click

from benchmarks.bench import Amounts
from benchmarks.bounds import judge
from benchmarks.document import write_document
from benchmarks.errors import BenchError
from benchmarks.measures import MEASURES
from benchmarks.report import format_text
from benchmarks.results import Results, from_document, to_document
from benchmarks.run import run

_HERE = Path(__file__).parent
_DOCUMENT = _HERE.parent / "docs" / "performance.md"
_AT_LEAST_ONE = click.IntRange(min=1)
_FILE = click.Path(dir_okay=False, path_type=Path)
_DEFAULT = Amounts()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only",
    type=click.Choice(list(MEASURES)),
    multiple=True,
    help="Measure this alone; can be given more than once.",
)
@click.option("--rounds", type=_AT_LEAST_ONE, help=f"Rounds [default: {_DEFAULT.rounds}].")
@click.option(
    "--seconds", type=_AT_LEAST_ONE, help=f"Seconds of a load [default: {_DEFAULT.seconds}]."
)
@click.option(
    "--rate",
    type=_AT_LEAST_ONE,
    help=f"Requests/s where latency is measured [default: {_DEFAULT.rate}].",
)
@click.option("--quick", is_flag=True, help="Little of everything: does it work at all?")
@click.option(
    "--results",
    "results_path",
    type=_FILE,
    default=_HERE / "results.json",
    help="Where the results are written, or read with --read [default: benchmarks/results.json].",
)
@click.option("--read", "is_read", is_flag=True, help="Measure nothing: show an earlier run.")
@click.option("--write-docs", is_flag=True, help="Put the figures into docs/performance.md.")
def main(
    only: tuple[str, ...],
    quick: bool,
    results_path: Path,
    is_read: bool,
    write_docs: bool,
    **given: int | None,
) -> None:
    """Measure the sidecar beside nginx, HAProxy and Envoy on this machine."""
    if write_docs and (quick or only):
        raise click.UsageError("--write-docs is for a whole run, without --quick and --only.")
    if is_read and (quick or only):
        raise click.UsageError("--read measures nothing: --quick and --only mean nothing with it.")
    amounts = _DEFAULT.quick() if quick else _DEFAULT
    amounts = replace(
        amounts,
        rounds=given["rounds"] or amounts.rounds,
        seconds=given["seconds"] or amounts.seconds,
        rate=given["rate"] or amounts.rate,
    )
    try:
        if is_read:
            results = from_document(json.loads(results_path.read_text()))
        else:
            results = run(only or tuple(MEASURES), amounts, _say)
            results_path.write_text(json.dumps(to_document(results), indent=1) + "\n")
        if write_docs:
            write_document(_DOCUMENT, results)
    except (BenchError, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(format_text(results))
    sys.exit(0 if _is_good(results, is_judged=not quick) else 1)


def _is_good(results: Results, *, is_judged: bool) -> bool:
    if results.failed:
        return False
    return not is_judged or all(judged.is_met is not False for judged in judge(results.samples))


def _say(sentence: str) -> None:
    click.echo(f"bench: {sentence}", err=True)


def _end(number: int, _: FrameType | None) -> None:
    """A signal that ends the benchmark ends what it started, too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    main(prog_name="python -m benchmarks")
