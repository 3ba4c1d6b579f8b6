"""What the console costs: how soon it is there, and what it takes from the sidecar while open.

The page is opened in a real Chromium, which runs on the load's cores. What it takes from throughput
is measured with a plain reader of its events: a browser that draws would take time from the load
generator, and the sidecar would seem slower than it is.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import SHUT_RDWR
from threading import Thread

from playwright.sync_api import Browser, Error, Page

from benchmarks.bench import Bench, turn
from benchmarks.errors import BenchError
from benchmarks.fleet import Proxy
from benchmarks.http import ITEM, ask, connect, request_head
from benchmarks.measures.throughput import load_samples
from benchmarks.programs import find_program
from benchmarks.proxies import sidecar
from benchmarks.samples import Sample
from benchmarks.wrk import press
from tests.functional.browser import open_browser

_WARM_UP_S = 1
#: Clock ticks of the CPU time are 10 ms: in this time one of them is 0.05 %.
_WATCH_S = 20
#: So that there is something new in every second: each makes the state another one.
_INTERVAL_S = 0.2
#: A difference that is smaller than from one round to the next shows in many short ones.
_TURNS = 8
_TURN_S = 2
# As a function, which the debugger runs: the page's policy lets no text become code.
_PAINTED = """() => new Promise((resolve) => {
  new PerformanceObserver((list, observer) => {
    const [painted] = list.getEntriesByName("first-contentful-paint");
    if (painted) { observer.disconnect(); resolve(painted.startTime); }
  }).observe({ type: "paint", buffered: true });
})"""
_READ_BYTES = 1 << 16


def measure_console(bench: Bench) -> Iterator[Sample]:
    """First paint and CPU of an open page; then warm requests with and without a reader."""
    tokens = bench.write_tokens("reused.txt", bench.tokens.reused)
    with bench.fleet([sidecar.KIND]) as (proxy,):
        press(proxy, tokens, _WARM_UP_S)
        try:
            yield from _measure_page(bench, proxy)
        except Error as error:
            raise BenchError(f"the page could not be opened: {error}") from None
        readings = {"sidecar": _nobody, "sidecar-console": _reader}
        for number in range(bench.amounts.rounds * _TURNS):
            for name in turn(list(readings), number):
                with readings[name](proxy):
                    load = press(proxy, tokens, _TURN_S)
                yield from load_samples("console", name, number, load)


def _measure_page(bench: Bench, proxy: Proxy) -> Iterator[Sample]:
    watch_s = 1 if bench.amounts.is_quick else _WATCH_S
    token = bench.tokens.reused[0]
    program = find_program("chromium")
    if program is None:
        raise BenchError("the console is not measured without chromium")
    with open_browser(program) as browser:
        for number in range(bench.amounts.rounds):
            with _page(browser, proxy) as page:
                yield Sample("console.first_paint_ms", "sidecar", number, page.evaluate(_PAINTED))
                page.wait_for_selector("article")
                yield Sample("console.cpu_percent", "sidecar", number, _cpu(proxy, token, watch_s))


def _cpu(proxy: Proxy, token: str, watch_s: float) -> float:
    """All of the sidecar's CPU time in percent of one core, a few requests a second included."""
    began_at, before_s = time.monotonic(), proxy.process.cpu_s()
    while (passed_s := time.monotonic() - began_at) < watch_s:
        ask(proxy.port, ITEM, token)
        time.sleep(_INTERVAL_S)
    return (proxy.process.cpu_s() - before_s) / passed_s * 100


@contextmanager
def _page(browser: Browser, proxy: Proxy) -> Iterator[Page]:
    """Opened by somebody who was never here: nothing of it is in a cache."""
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{proxy.ready_port}/")
        yield page
    finally:
        context.close()


@contextmanager
def _nobody(_: Proxy) -> Iterator[None]:
    yield


@contextmanager
def _reader(proxy: Proxy) -> Iterator[None]:
    """Somebody who takes every event, as a page does. BenchError where none came."""
    taken = bytearray()
    with connect(proxy.ready_port) as sock:

        def read() -> None:
            while piece := sock.recv(_READ_BYTES):
                taken.extend(piece)

        sock.sendall(request_head("/events", None))
        thread = Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            sock.shutdown(SHUT_RDWR)
            thread.join()
    if taken.count(b"event: state") < 2:
        raise BenchError("the console told nobody anything while its cost was measured")
