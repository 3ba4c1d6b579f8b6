"""Stores that answer as no Prometheus does: other ways, damage, malice. What no sidecar says is not
believed, and nothing worse than one sentence comes of it."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sidecar.cli.rotation import format_decision, format_report
from sidecar.errors import FetchError, FleetError
from sidecar.fleet.evidence import Evidence
from sidecar.fleet.past import load_evidence
from sidecar.fleet.prometheus import Prometheus
from sidecar.fleet.report import build_report, decide
from sidecar.net.fetch import Fetched
from tests.fleet.store import HOUR, Issues, Past, Pod

pytestmark = [pytest.mark.needs_tool("prometheus", "promtool"), pytest.mark.timeout(120)]

OLD, NEW = "2026-08", "2026-11"
SILENT_TARGETS = "Which targets were not scraped yet, this server does not say."
#: What may stand in the place of anything.
ODD: tuple[object, ...] = (
    *("NaN", "+Inf", "-Inf", "1e308", "-1e308", "0", "-1", "1e18", "1e-300", "", "x", "9" * 400),
    *(None, 1, True, [], {}, -1e999, "\x1b[2J\n", "\ud800", "none", 253_402_300_800),
)

Answers = dict[str, bytes]
Change = Callable[[str, bytes], bytes]


@pytest.fixture
def recorded(tmp_path: Path, tool_path: Callable[[str], Path]) -> Answers:
    """What a real Prometheus answers, by question; "" is its own URL."""
    signed = (Issues(OLD, 5 * HOUR, 3 * HOUR), Issues(NEW, 3 * HOUR - 60, 0))
    pods = (
        Pod("users-0", 6 * HOUR, issues=signed),
        Pod("users-1", 6 * HOUR, 2 * HOUR, issues=signed, says_last_word=True),
        Pod("users-2", 6 * HOUR, issues=signed, runs=(4 * HOUR, HOUR)),
        Pod("thoughts-0", 6 * HOUR, service="thoughts", issues=None, silent=((9000.0, 8000.0),)),
    )
    past = Past(tmp_path, tool_path("prometheus"), tool_path("promtool"), pods)
    try:
        past.server.wait_until_ready()
        answers: Answers = {"": past.server.url.encode()}
        _load(past.server.url, answers.setdefault)
    finally:
        past.server.stop()
    return answers


def _load(url: str, change: Change, answers: Answers | None = None) -> Evidence:
    """The evidence of a store; each of its answers, or each of the recorded ones, is changed."""

    async def question() -> Evidence:
        source = Prometheus(url)
        ask = source._fetcher.fetch

        async def fetch(url: str, **how: Any) -> Fetched:
            nothing = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
            if answers is None:
                content = (await ask(url, **how)).content
                assert content is not None
            else:
                content = answers.get(url, nothing)
            return Fetched(change(url, content), None, None)

        source._fetcher.fetch = fetch  # type: ignore[method-assign]
        try:
            return await load_evidence(source, 72 * HOUR)
        finally:
            await source.close()

    return asyncio.run(question())


def replay(answers: Answers, change: Change) -> Evidence:
    return _load(answers[""].decode(), change, answers)


def of_targets(change: Callable[[Any], Any]) -> Change:
    """Changes what is said about targets, and nothing else."""

    def changed(url: str, content: bytes) -> bytes:
        return json.dumps(change(json.loads(content))).encode() if "/targets?" in url else content

    return changed


def test_what_a_store_does_not_know_of_targets_is_said(recorded: Answers) -> None:
    def refuse_with(status: int) -> Callable[[Any], Any]:
        def refuse(_: Any) -> Any:
            raise FetchError("answered so", answered=status)

        return refuse

    for status in (400, 404, 405, 501):
        assert SILENT_TARGETS in replay(recorded, of_targets(refuse_with(status))).limits
    nobody = {"status": "success", "data": {"activeTargets": []}}
    assert SILENT_TARGETS in replay(recorded, of_targets(lambda _: nobody)).limits


def test_whatever_a_store_answers_is_judged_or_refused_in_a_sentence(recorded: Answers) -> None:
    for seed in range(400):
        rng = Random(seed)
        victim = rng.choice([url for url in recorded if url])

        def damage(url: str, content: bytes, victim: str = victim, rng: Random = rng) -> bytes:
            return _damaged(content, rng) if url == victim else content

        try:
            evidence = replay(recorded, damage)
        except FleetError:
            continue
        report = build_report(evidence)
        json.dumps(report.as_object(), allow_nan=False).encode()
        texts = [format_report(report)]
        for gate in ("distribute", "switch", "retire"):
            for key_id in evidence.key_ids:
                decision = decide(evidence, gate, key_id)
                texts.append(format_decision(gate, key_id, decision, evidence.limits))
        assert "\x1b[2J" not in "".join(texts)
        "".join(texts).encode()


def _damaged(content: bytes, rng: Random) -> bytes:
    """An answer of which something is another thing, is missing, or is there twice."""
    document = json.loads(content)
    places = list(_places(document))
    for _ in range(rng.choice((1, 1, 2, 5))):
        holder, place = rng.choice(places)
        if not isinstance(holder, dict) and place >= len(holder):
            continue
        way = rng.random()
        if way < 0.7:
            holder[place] = rng.choice(ODD)
        elif way < 0.85 and isinstance(holder, list):
            holder.append(holder[place])
        elif place in holder or isinstance(holder, list):
            del holder[place]
    return json.dumps(document).encode()


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    items = document.items() if isinstance(document, dict) else enumerate(document[:40])
    for place, value in list(items):
        yield document, place
        if isinstance(value, dict | list):
            yield from _places(value)
