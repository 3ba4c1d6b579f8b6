"""A real Chromium, driven by Playwright, and axe to judge what it shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

#: Chromium's own sandbox needs what root in a container does not have; the pages are our own.
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")

#: Phone and wide screen.
WIDTHS = {"phone": 360, "wide": 1440}


@contextmanager
def open_browser(chromium: Path) -> Iterator[Browser]:
    """A browser that ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=list(_ARGUMENTS), timeout=60_000
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(
    browser: Browser,
    url: str,
    *,
    width: int = 1440,
    theme: Any = "light",
    loses_its_server: bool = False,
    is_refused: bool = False,
) -> Iterator[Page]:
    """A page at ``url``. Whatever it logs as an error, its policy's complaints included, fails;
    ``loses_its_server``: but for what the network says; ``is_refused``: but for a 503."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = context.new_page()
    page.set_default_timeout(30_000)
    errors: list[str] = []

    def note(text: str) -> None:
        is_expected = (loses_its_server and "net::ERR_" in text) or (is_refused and "503" in text)
        if not is_expected:
            errors.append(text)

    page.on("console", lambda told: note(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: note(str(error)))
    try:
        page.goto(url)
        yield page
        assert not errors, errors
    finally:
        context.close()


def accessibility_faults(page: Page) -> list[str]:
    """What axe finds serious or critical, in words."""
    # axe is put in by the debugger, past the page's policy, as a browser's extension would.
    results = Axe().run(page)
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'] for node in fault['nodes']]}"
        for fault in results.response["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


def is_wider_than_its_window(page: Page) -> bool:
    """Whether one has to scroll sideways to read."""
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1"))
