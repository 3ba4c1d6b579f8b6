"""A page of which the first part is written by hand and the rest is made from the code."""

from pathlib import Path
from typing import Final

MARK: Final = "<!-- What follows is made from the code by `make references`. -->\n"
_ROOT: Final = Path(__file__).parents[2]


def join_reference(page: Path, reference: str) -> str:
    """The page with ``reference`` after its mark. Raises ValueError where it has no mark."""
    by_hand, mark, _ = (_ROOT / page).read_text("utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{page} has no line {MARK!r}")
    return f"{by_hand}{MARK}\n{reference.rstrip()}\n"
