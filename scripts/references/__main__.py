"""Writes the reference pages anew from the code: ``make references``."""

from pathlib import Path

from scripts.references import metrics

ROOT = Path(__file__).parents[2]
PAGES = {metrics.PAGE: metrics.build_page}

for page, build in PAGES.items():
    (ROOT / page).write_text(build())
