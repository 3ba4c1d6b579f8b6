"""``python -m scripts.chart``: write everything that is derived from the chart (``make chart``)."""

from scripts.chart.derived import GOLDEN, derived, schema_file
from scripts.chart.render import forget


def main() -> None:
    """The schema first, since every render is judged by it; then all that differs."""
    path, schema = schema_file()
    path.write_text(schema)
    forget()
    wanted = derived()
    for path in GOLDEN.glob("*.yaml"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: {path}")  # noqa: T201


if __name__ == "__main__":
    main()
