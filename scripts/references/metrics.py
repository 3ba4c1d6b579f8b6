"""The page of all metrics, made from what the collectors themselves say.

Names, types, labels and help are theirs, and so are the words that a closed label can have.
Called by ``scripts.references``; tests hold the page against it, and it against a real sidecar.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.metrics_core import Metric

from scripts.references.collectors import subjects

PAGE: Final = Path("docs/metrics.md")

_SUFFIXES: Final = {"counter": "_total", "info": "_info"}
#: Labels whose words stand below the table; others are explained above it, or hold names.
_CLOSED: Final = frozenset(("basis", "direction", "protocol", "reason", "result"))
#: What the end of a name says of the unit; the first that fits.
_UNITS: Final = {
    "_timestamp_seconds": "unix seconds",
    "_start_time_seconds": "unix seconds",
    "_seconds": "seconds",
    "_bytes": "bytes",
}

_HEAD: Final = """\
# Metrics

What `/metrics` on the admin port says, as Prometheus' text or as OpenMetrics, whichever is asked
for. What to do with it stands in [monitoring](monitoring.md).

- Times are of the replica's own clock. 0 is never, none, or not stated: a zero that was scraped is
  evidence, a missing sample is not.
- `key` is the id of a key that is in the keyring, or once was. `generation` is `new` for the newest
  key of the keyring, `old` for every other, `none` where no key's signature held. `enforced` is
  `false` in observe mode, where what would be refused is counted and passed on.
- No label holds what a client wrote: an unknown key id, method or path does not become one.
- Where `state_dir` is set, what was seen of keys goes on after a restart of the container; else it
  begins anew with `sidecar_observing_since_timestamp_seconds`.

<!-- Made from the code by `make references`. -->
"""
_TABLE: Final = """\
| name | type | labels | unit | |
| --- | --- | --- | --- | --- |"""


def build_page() -> str:
    """The text of the page."""
    lines = [_HEAD]
    for subject in subjects():
        families = [family for each in subject.collectors for family in each.collect()]
        words = [word for family in families for word in _words(family)]
        lines += [f"## {subject.title}\n"]
        lines += [f"{subject.text}\n"] if subject.text else []
        lines += [_TABLE, *map(_row, families), ""]
        lines += [*words, ""] if words else []
    return "\n".join(lines).rstrip() + "\n"


def name_of(family: Metric) -> str:
    """The name that is scraped and queried."""
    return f"{family.name}{_SUFFIXES.get(family.type, '')}"


def labels_of(family: Metric) -> tuple[str, ...]:
    """Its labels, but for the bounds of a histogram's buckets."""
    labels = (label for sample in family.samples for label in sample.labels if label != "le")
    return tuple(dict.fromkeys(labels))


def _row(family: Metric) -> str:
    labels = " ".join(f"`{label}`" for label in labels_of(family))
    unit = next((unit for end, unit in _UNITS.items() if family.name.endswith(end)), "")
    cells = (f"`{name_of(family)}`", family.type, labels, unit, family.documentation)
    return f"| {' | '.join(cells)} |"


def _words(family: Metric) -> Iterator[str]:
    """For each closed label: which values it has."""
    for label in labels_of(family):
        if label in _CLOSED:
            values = dict.fromkeys(sample.labels[label] for sample in family.samples)
            words = " ".join(f"`{value}`" for value in values)
            yield f"- `{label}` of `{name_of(family)}`: {words}"
