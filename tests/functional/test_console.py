"""The console in a real browser says what ``/keys`` and ``/metrics`` say, to everybody."""

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from sidecar.admin.console import MAX_PAGES
from tests.conftest import find_tool
from tests.functional.application import Application
from tests.functional.browser import (
    WIDTHS,
    accessibility_faults,
    is_wider_than_its_window,
    open_browser,
    open_page,
)
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import SidecarProcess

pytestmark = [pytest.mark.needs_tool("chromium"), pytest.mark.timeout(180)]

# How long the page may take to say what is so, on a machine that is busy with other things.
expect.set_options(timeout=20_000)

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_tool("chromium")
    assert chromium is not None
    with open_browser(chromium) as opened:
        yield opened


@pytest.fixture
def sidecar(
    launch: Launch,
    application: Application,
    keyring: Path,
    signer: Signer,
    older_signer: Signer,
) -> SidecarProcess:
    """In the middle of a rotation, with a dependency that nobody answers for."""
    signer.publish(keyring)
    older_signer.publish(keyring)
    nobody = {"url": "http://127.0.0.1:9/version", "min": "v2.3", "gate": "never"}
    sidecar = launch(
        {
            "auth": {"max_lifetime": "2h", "signing_since": {"2026-11": "2026-11-01T00:00:00Z"}},
            "dependencies": {"users-backend": nobody},
        },
        application=application,
        keyring=keyring,
        environment={"VERSION_NAME": "v1.6", "VERSION_SHA": COMMIT},
    )
    for _ in range(3):
        assert sidecar.ask(request(token=signer.token())).status == 200
    assert sidecar.ask(request(token=older_signer.token())).status == 200
    for _ in range(2):
        assert sidecar.ask(request(token="not.a.token")).status == 401
    return sidecar


def test_every_panel_says_what_the_reports_say(browser: Browser, sidecar: SidecarProcess) -> None:
    with open_page(browser, sidecar.admin_url) as page:
        for key_id, key in sidecar.keys().items():
            card = page.locator(f"article[data-key='{key_id}']")
            expect(card).to_contain_text(f"{key['generation']} key")
            expect(card).to_contain_text(key["why"])
            expect(card.locator("dd").first).to_have_text(f"{key['accepted_total']:,}")
        expect(page.locator("#title")).to_have_text("thoughts-backend")
        expect(page.locator("#status")).to_contain_text("ready")
        expect(page.locator("#services")).to_contain_text("users-backend")
        expect(page.locator("#services")).to_contain_text(">=v2.3")
        expect(page.locator("#services")).to_contain_text("? not known")
        refused = page.locator("#refusals tr", has_text="malformed")
        total = sidecar.metrics().value(
            "sidecar_tokens_rejected_total", reason="malformed", generation="none", enforced="true"
        )
        expect(refused.locator("td").last).to_have_text(f"{total:.0f}")
        expect(page.locator("#changes")).to_contain_text("The sidecar")
        expect(page.locator("#changes time").first).to_have_text(re.compile(r"^\d\d:\d\d:\d\dZ$"))
        expect(page.locator("#tokens svg")).to_have_attribute(
            "aria-label", re.compile("new key .*, old keys ")
        )


def test_the_page_follows_a_rotation_without_being_loaded_again(
    browser: Browser, sidecar: SidecarProcess, keyring: Path, signer: Signer
) -> None:
    with open_page(browser, sidecar.admin_url) as page:
        expect(page.locator("article")).to_have_count(2)
        for _ in range(4):
            sidecar.ask(request(token=signer.token()))
        newest = page.locator("article[data-key='2026-11'] dd").first
        expect(newest).to_have_text("7")
        (keyring / "2026-08.pub").unlink()
        expect(page.locator("article")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", WIDTHS)
def test_everybody_can_read_it(
    browser: Browser, sidecar: SidecarProcess, tmp_path: Path, theme: str, size: str
) -> None:
    with open_page(browser, sidecar.admin_url, width=WIDTHS[size], theme=theme) as page:
        expect(page.locator("#tokens svg")).to_be_visible()
        assert not is_wider_than_its_window(page)
        page.screenshot(path=tmp_path / f"console-{theme}-{size}.png", full_page=True)
        assert accessibility_faults(page) == []


def test_it_can_be_used_with_the_keyboard(browser: Browser, sidecar: SidecarProcess) -> None:
    with open_page(browser, sidecar.admin_url) as page:
        expect(page.locator("article").first).to_be_visible()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_what_is_selected_stays_so_while_a_clock_ticks_beside_it(
    browser: Browser, sidecar: SidecarProcess
) -> None:
    with open_page(browser, sidecar.admin_url) as page:
        card = page.locator("article[data-key='2026-08']")
        expect(card.locator("dd").nth(3)).to_contain_text(" ago")
        card.locator(".why").select_text()
        selected = page.evaluate("String(getSelection())")
        assert selected == sidecar.keys()["2026-08"]["why"]
        before = card.locator("dd").nth(3).inner_text()
        expect(card.locator("dd").nth(3)).not_to_have_text(before)
        assert page.evaluate("String(getSelection())") == selected


def test_a_page_too_many_shows_the_state_all_the_same(
    browser: Browser, sidecar: SidecarProcess, signer: Signer
) -> None:
    with ExitStack() as others:
        for _ in range(MAX_PAGES):
            open_events = others.enter_context(socket.create_connection(sidecar.admin_address))
            open_events.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"200 OK" in open_events.recv(64)
        # The browser logs that it was refused.
        with open_page(browser, sidecar.admin_url, is_refused=True) as page:
            newest = page.locator("article[data-key='2026-11'] dd").first
            expect(newest).to_have_text("3")
            expect(page.locator("#stale")).to_be_hidden()
            sidecar.ask(request(token=signer.token()))
            expect(newest).to_have_text("4")


def test_a_page_whose_sidecar_is_gone_shows_the_last_known_state_and_since_when(
    browser: Browser, sidecar: SidecarProcess
) -> None:
    with open_page(browser, sidecar.admin_url, loses_its_server=True) as page:
        expect(page.locator("article")).to_have_count(2)
        sidecar.stop()
        expect(page.locator("#stale")).to_contain_text(re.compile("has not answered since 20.*Z"))
        expect(page.locator("#status")).to_have_text("? no answer")
        expect(page.locator("article")).to_have_count(2)
        assert accessibility_faults(page) == []
        assert "is-stale" in str(page.evaluate("document.body.className"))


def test_a_page_whose_sidecar_is_frozen_says_so_until_it_goes_on(
    browser: Browser, sidecar: SidecarProcess
) -> None:
    with open_page(browser, sidecar.admin_url) as page:
        expect(page.locator("article")).to_have_count(2)
        sidecar.signal(signal.SIGSTOP)  # its connections stay open, as those of a lost machine do
        try:
            expect(page.locator("#stale")).to_contain_text("not answered since", timeout=60_000)
            expect(page.locator("#status")).to_have_text("? no answer")
        finally:
            sidecar.signal(signal.SIGCONT)
        expect(page.locator("#stale")).to_be_hidden()
        expect(page.locator("#status")).to_contain_text("ready")


def test_what_comes_from_outside_is_shown_as_text(
    browser: Browser, launch: Launch, application: Application, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    sidecar = launch({"service": HOSTILE}, application=application, keyring=keyring)
    with open_page(browser, sidecar.admin_url, loses_its_server=True) as page:
        expect(page.locator("#title")).to_have_text(HOSTILE)
        assert page.locator("img").count() == 0


def test_an_open_page_does_not_hold_up_the_end(browser: Browser, sidecar: SidecarProcess) -> None:
    with open_page(browser, sidecar.admin_url, loses_its_server=True) as page:
        expect(page.locator("article")).to_have_count(2)
        sidecar.signal(signal.SIGTERM)
        assert sidecar.wait() == 0
