"""Three small bar charts in one SVG: requests/s warm and cold, and p99.

Drawn by hand, since a plotting library would be the largest thing that the project depends on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.results import Results
from benchmarks.samples import Samples
from benchmarks.tables import NAMES

_WIDTH, _LABEL, _VALUE = 720, 170, 80
_BAR, _GAP, _TITLE, _EDGE = 20, 6, 34, 12

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .bar { fill: #9aa4b2; }
  .sidecar { fill: #2f6fdd; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .bar { fill: #6e7681; }
    .sidecar { fill: #6ea0ff; }
  }
"""


@dataclass(frozen=True, slots=True)
class _Chart:
    title: str
    figure: str
    form: str


def draw(results: Results) -> str:
    """The whole picture; charts without values are left out."""
    amounts = results.amounts
    charts = [
        _Chart(
            f"requests/s, {amounts['reused_tokens']:,} tokens reused (more is better)",
            "warm.requests_per_s",
            ",.0f",
        ),
        _Chart("requests/s, every token new (more is better)", "cold.requests_per_s", ",.0f"),
        _Chart(
            f"p99 at {amounts['rate']:,} requests/s, in ms (less is better)",
            "latency.p99_ms",
            ".2f",
        ),
    ]
    lines: list[str] = []
    top = _EDGE
    for chart in charts:
        drawn = _draw_chart(chart, results.samples, top)
        lines += drawn
        top += _TITLE + len(drawn) // 3 * (_BAR + _GAP) + _EDGE if drawn else 0
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" role="img" '
        'aria-label="Requests per second and latency of the sidecar and other proxies">'
    )
    return "\n".join([opening, f"<style>{_STYLE}</style>", *lines, "</svg>\n"])


def _draw_chart(chart: _Chart, samples: Samples, top: int) -> Sequence[str]:
    values = {
        program: value
        for program in NAMES
        if (value := samples.median(chart.figure, program)) is not None
    }
    if not values:
        return []
    scale = (_WIDTH - _LABEL - _VALUE) / max(values.values())
    lines = [f'<text class="title" x="{_EDGE}" y="{top + 18}">{escape(chart.title)}</text>']
    for index, (program, value) in enumerate(values.items()):
        y = top + _TITLE + index * (_BAR + _GAP)
        style = "bar sidecar" if program == "sidecar" else "bar"
        length = max(1.0, value * scale)
        lines += [
            f'<text x="{_EDGE}" y="{y + 15}">{escape(NAMES[program])}</text>',
            f'<rect class="{style}" x="{_LABEL}" y="{y}" width="{length:.1f}" height="{_BAR}"/>',
            f'<text x="{_LABEL + length + 8:.1f}" y="{y + 15}">{value:{chart.form}}</text>',
        ]
    return lines
