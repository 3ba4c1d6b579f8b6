"""Puts a run's figures into the documentation, between two marks.

The words around the marks are written by people and are not touched.
"""

from pathlib import Path

from benchmarks.errors import BenchError
from benchmarks.plot import draw
from benchmarks.report import format_markdown
from benchmarks.results import Results

BEGIN = "<!-- measured: written by `make bench ARGS=--write-docs` -->"
END = "<!-- measured: end -->"
_PICTURE = "performance.svg"


def write_document(path: Path, results: Results) -> None:
    """Replace what stands between the marks of the file, and draw the picture beside it.

    Raises BenchError where the file has not each mark once, and for a run of less than everything.
    """
    if not results.is_whole:
        raise BenchError("only a whole run belongs into the documentation: no --quick, no --only")
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise BenchError(f"{path} has not one `{BEGIN}` and one `{END}`")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    picture = f"![Requests per second and latency beside other proxies]({_PICTURE})"
    path.write_text(f"{before}{BEGIN}\n\n{picture}\n\n{format_markdown(results)}\n\n{END}{after}")
    path.with_name(_PICTURE).write_text(draw(results))
