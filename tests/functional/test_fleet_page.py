"""The page of a fleet in a real browser says what the reports say, to everybody."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import find_tool
from tests.functional.application import Application
from tests.functional.browser import (
    WIDTHS,
    accessibility_faults,
    is_wider_than_its_window,
    open_browser,
    open_page,
)
from tests.functional.client import PATIENCE_S, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.fleet_page import FleetPage
from tests.functional.prometheus import Prometheus
from tests.functional.sidecar_process import SidecarProcess, free_port, run_command

pytestmark = pytest.mark.timeout(240)
in_a_browser = pytest.mark.needs_tool("chromium")

# How long the page may take to say what is so, on a machine that is busy with other things.
expect.set_options(timeout=30_000)

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"
HOSTILE = "<img src=x onerror=alert(1)>"

Serve = Callable[..., FleetPage]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = find_tool("chromium")
    assert chromium is not None
    with open_browser(chromium) as opened:
        yield opened


@pytest.fixture
def start(launch: Launch, application: Application, keyring: Path) -> Callable[..., SidecarProcess]:
    """Start the sidecar of a service, with the keys."""

    def started(
        service: str, version: str, needs: Mapping[str, Any] | None = None
    ) -> SidecarProcess:
        entry = {"interval": "200ms", "gate": "never"}
        dependencies = {name: {**entry, **each} for name, each in (needs or {}).items()}
        since = {"2026-11": "2026-11-01T00:00:00Z"}
        return launch(
            {
                "service": service,
                "auth": {"max_lifetime": "2h", "signing_since": since},
                "dependencies": dependencies,
            },
            application=application,
            keyring=keyring,
            environment={"VERSION_NAME": version, "VERSION_SHA": COMMIT},
        )

    return started


def version_url(sidecar: SidecarProcess) -> str:
    return "http://{}:{}/version".format(*sidecar.inbound_address)


@pytest.fixture
def fleet(
    start: Callable[..., SidecarProcess], keyring: Path, signer: Signer, older_signer: Signer
) -> list[SidecarProcess]:
    """In the middle of a rotation; thoughts needs a newer users-backend than there is."""
    signer.publish(keyring)
    older_signer.publish(keyring)
    users = start("users-backend", "v2.3")
    login = {"url": version_url(users)}
    thoughts = start("thoughts-backend", "v1.6", {"login": {**login, "min": "v2.4"}})
    needs = {
        "login": {**login, "min": "v2.0"},
        "thoughts": {"url": version_url(thoughts), "min": "v1.6"},
    }
    frontend = start("frontend", "v4.1", needs)
    for sidecar in (users, thoughts):
        for _ in range(3):
            assert sidecar.ask(request(token=signer.token())).status == 200
        assert sidecar.ask(request(token=older_signer.token())).status == 200
    for _ in range(2):
        assert thoughts.ask(request(token="not.a.token")).status == 401
    return [users, thoughts, frontend]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve the page of what ``place`` says."""
    pages = ExitStack()

    def started(*place: str, listens_on: str = "127.0.0.1") -> FleetPage:
        page = FleetPage(tmp_path, place, listens_on)
        pages.callback(page.stop)
        page.wait_until_there()
        return page

    with pages:
        yield started


def targets(fleet: list[SidecarProcess]) -> list[str]:
    return [word for sidecar in fleet for word in ("--target", sidecar.admin_url)]


def report(*words: str) -> Any:
    return json.loads(run_command(*words, "--json").stdout)


def edge(page: Page, user: str, needed: str) -> Any:
    # A title in a drawing is what a pointer or a screen reader is told.
    return page.locator("#graph g.line", has_text=f"{user} needs {needed}")


@in_a_browser
def test_every_panel_says_what_the_reports_say(
    browser: Browser, fleet: list[SidecarProcess], serve: Serve
) -> None:
    place = targets(fleet)
    with open_page(browser, serve(*place).url) as page:
        rotation = report("rotate", "status", *place)
        for key in rotation["keys"]:
            card = page.locator(f"article[data-key='{key['id']}']")
            expect(card).to_contain_text(f"{key['generation']} key")
            expect(card.locator("dd").first).to_have_text(f"{key['accepted_total']:,}")
            expect(card.locator("dd").nth(2)).to_have_text(f"{key['live_tokens']:,}")
        assert page.locator("article").count() == 2
        steps = page.locator("#steps li")
        expect(steps).to_have_count(6)
        for number, step in enumerate(rotation["steps"]):
            expect(steps.nth(number)).to_contain_text(step["title"])
            expect(steps.nth(number).locator(".badge")).to_have_text(step["progress"])
        versions = report("fleet", "status", *place)
        for service in versions["services"]:
            row = page.locator("#services table").first.locator("tr", has_text=service["name"])
            expect(row).to_contain_text(service["versions"][0]["version"])
        expect(page.locator("#services")).to_contain_text("users-backend (called login)")
        expect(page.locator("#services")).to_contain_text("v2.3 is older than v2.4")
        expect(edge(page, "thoughts-backend", "users-backend")).to_contain_text("✗")
        expect(edge(page, "frontend", "users-backend")).to_contain_text("✓")
        expect(edge(page, "frontend", "thoughts-backend")).to_contain_text("✓")
        expect(page.locator("#status")).to_have_text("✗ 1 need not met")
        refused = page.locator("#refusals tr", has_text="malformed")
        expect(refused.locator("td").last).to_have_text("2")


@in_a_browser
def test_the_page_follows_what_changes_without_being_loaded_again(
    browser: Browser,
    fleet: list[SidecarProcess],
    serve: Serve,
    keyring: Path,
    signer: Signer,
) -> None:
    with open_page(browser, serve(*targets(fleet)).url) as page:
        expect(page.locator("article")).to_have_count(2)
        expect(page.locator("#tokens svg")).to_be_visible()
        for _ in range(4):
            fleet[0].ask(request(token=signer.token()))
        newest = page.locator("article[data-key='2026-11'] dd").first
        expect(newest).to_have_text("10")
        fleet[2].kill()
        expect(page.locator("#subtitle, #version")).to_contain_text("1 silent")
        expect(page.locator("#changes")).to_contain_text("is silent since")
        expect(page.locator("#services-note")).to_contain_text("is silent since")


@in_a_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", WIDTHS)
def test_everybody_can_read_it(
    browser: Browser,
    fleet: list[SidecarProcess],
    serve: Serve,
    tmp_path: Path,
    theme: str,
    size: str,
) -> None:
    url = serve(*targets(fleet)).url
    with open_page(browser, url, width=WIDTHS[size], theme=theme) as page:
        expect(page.locator("#tokens svg")).to_be_visible()
        expect(page.locator("#graph > svg")).to_be_visible()
        assert not is_wider_than_its_window(page)
        page.screenshot(path=tmp_path / f"fleet-{theme}-{size}.png", full_page=True)
        assert accessibility_faults(page) == []


@in_a_browser
@pytest.mark.needs_tool("prometheus")
def test_a_page_whose_prometheus_is_gone_says_since_when_and_keeps_the_last_state_greyed(
    browser: Browser, fleet: list[SidecarProcess], serve: Serve, tmp_path: Path
) -> None:
    program = find_tool("prometheus")
    assert program is not None
    prometheus = Prometheus(program, tmp_path)
    try:
        prometheus.wait_until_ready()
        prometheus.watch(fleet)
        prometheus.wait_for("count(sidecar_service_info) == 3", patience_s=60)
        served = serve("--prometheus", prometheus.url)
        with open_page(browser, served.url, loses_its_server=True) as page:
            expect(page.locator("article")).to_have_count(2)
            expect(page.locator("#stale")).to_be_hidden()
            expect(page.locator("#tokens svg")).to_be_visible(timeout=60_000)
            prometheus.stop()
            expect(page.locator("#stale")).to_contain_text("No answer since 20")
            expect(page.locator("#stale")).to_contain_text(f"Prometheus at {prometheus.url}")
            expect(page.locator("#stale")).to_contain_text("the last known state")
            expect(page.locator("#status")).to_have_text("? no answer")
            assert accessibility_faults(page) == []
            expect(page.locator("article")).to_have_count(2)
            assert "is-stale" in str(page.evaluate("document.body.className"))
            assert served.stop() == 0  # an open page does not hold up the end
    finally:
        prometheus.stop()


@in_a_browser
def test_what_comes_from_outside_is_shown_as_text(
    browser: Browser,
    start: Callable[..., SidecarProcess],
    serve: Serve,
    keyring: Path,
    signer: Signer,
) -> None:
    signer.publish(keyring)
    sidecar = start(HOSTILE, HOSTILE, {f"{HOSTILE}!": {"url": "http://127.0.0.1:9/version"}})
    with open_page(browser, serve("--target", sidecar.admin_url).url) as page:
        expect(page.locator("#services table").first).to_contain_text(HOSTILE)
        expect(page.locator("#graph")).to_contain_text("<img")
        assert page.locator("img").count() == 0


def test_on_loopback_no_page_of_another_name_can_read_it(
    start: Callable[..., SidecarProcess], serve: Serve, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    url = serve("--target", start("users-backend", "v2.3").admin_url).url
    port = url.rstrip("/").rpartition(":")[2]
    for path in ("", "state", "events", "console.js", "nothing"):
        status, document = ask(url + path, host=f"evil.example:{port}")
        assert (status, document["status"]) == (421, 421)
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"):
        assert ask(f"{url}state", host=host)[0] == 200


def test_on_other_addresses_it_is_called_as_its_people_like(
    start: Callable[..., SidecarProcess], serve: Serve, keyring: Path, signer: Signer
) -> None:
    signer.publish(keyring)
    target = start("users-backend", "v2.3").admin_url
    page = serve("--target", target, listens_on="0.0.0.0")
    assert ask(f"{page.url}state", host="fleet.example")[0] == 200


def ask(url: str, host: str) -> tuple[int, Any]:
    """The status and the document that is answered to this ``Host``."""
    asked = urllib.request.Request(url, headers={"Host": host})
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)


def test_a_port_that_is_taken_is_named_and_another_is_offered() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run_command("fleet", "serve", "--listen", address, "--target", "http://127.0.0.1:9")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"sidecar: {address} is taken; 127.0.0.1:")
    assert " is free: --listen 127.0.0.1:" in line


def test_nobody_who_answers_at_the_start_is_3() -> None:
    place = ("--target", f"http://127.0.0.1:{free_port()}")
    done = run_command("fleet", "serve", "--listen", f"127.0.0.1:{free_port()}", *place)
    assert done.returncode == 3
    assert done.stderr.startswith("sidecar: No sidecar answered")
