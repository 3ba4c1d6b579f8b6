"""Writes the reference pages anew from the code: ``make references``."""

from pathlib import Path

from scripts.references import commands, configuration, metrics

ROOT = Path(__file__).parents[2]
PAGES = {
    configuration.PAGE: configuration.build_page,
    commands.PAGE: commands.build_page,
    metrics.PAGE: metrics.build_page,
}

if __name__ == "__main__":
    for page, build in PAGES.items():
        (ROOT / page).write_text(build(), "utf-8")
