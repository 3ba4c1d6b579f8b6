"""A hook of the site's generator: files of the repository that are no pages are named, not linked.

A page may link to such a file, since most people read it in the repository; the site does not have
it. A link to a file that is not there at all is left as it is, and fails the build. Named in
``mkdocs.yml``.
"""

import re
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[1]
_DOCS: Final = _ROOT / "docs"
_LINK: Final = re.compile(r"\[([^]]*)\]\(([^)#\s:]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page's text without links that leave docs/ (called by MkDocs for each page)."""
    return name_outside_files(markdown, (_DOCS / page.file.src_path).parent)


def name_outside_files(markdown: str, directory: Path) -> str:
    """The text with links to files outside of docs/ replaced by their words and the file's path."""

    def named(link: re.Match[str]) -> str:
        words, target = link.groups()
        file = (directory / target).resolve()
        if file.is_relative_to(_DOCS) or not file.is_relative_to(_ROOT) or not file.exists():
            return link[0]
        path = str(file.relative_to(_ROOT))
        return words if path in words else f"{words} (`{path}`)"

    return _LINK.sub(named, markdown)
