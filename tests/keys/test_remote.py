"""A source that is asked over the network: what it gives, and when it is asked."""

import asyncio
import json

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sidecar.keys.build import build_sources
from sidecar.keys.remote import RemoteSource
from sidecar.keys.schedule import HASTE_GAP_S
from sidecar.keys.settings import KeySourceSettings
from sidecar.keys.store import KeyStore
from tests.keys.remote_source import URL, Answered, World, ids, jwk, jwks

ISSUER = "https://issuer.example"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"


def build_store(*sources: RemoteSource) -> KeyStore:
    store = KeyStore(sources, newest=None, signing_since={}, clock=lambda: 5.0)
    store.load()
    return store


def discovery(jwks_uri: str = URL) -> Answered:
    return Answered(json.dumps({"issuer": ISSUER, "jwks_uri": jwks_uri}).encode())


async def test_before_it_is_asked_it_has_no_keys_and_says_so() -> None:
    source = World().source()
    assert not source.was_asked
    assert source.load().error == "has not answered yet"
    assert source.load() is source.load()


async def test_a_good_answer_gives_keys_and_says_when() -> None:
    world = World({URL: Answered(jwks("a"))})
    source = world.source()
    await source.look()
    assert ids(source) == ["a"]
    assert source.load().error is None
    assert source.load().keys[0].source == URL
    assert source.succeeded_at == 1_001_000
    assert source.load() is source.load()


@pytest.mark.parametrize("bad", ["cannot be reached", b"<html>", b'{"keys": []}', b"\xff"])
async def test_a_bad_answer_leaves_the_last_good_keys(bad: str | bytes) -> None:
    world = World({URL: Answered(jwks("a"))})
    source = world.source()
    await source.look()
    world.now += 300
    world.answers[URL] = bad if isinstance(bad, str) else Answered(bad)
    await source.look()
    assert ids(source) == ["a"]
    assert source.load().error is not None
    assert source.succeeded_at == 1_001_000
    world.answers[URL] = Answered(jwks("a", "b"))
    await source.look()
    assert ids(source) == ["a", "b"]
    assert source.load().error is None
    assert {etag for _, etag in world.asked} == {None}


async def test_a_set_that_holds_private_keys_too_gives_the_others_and_is_reported() -> None:
    content = json.dumps({"keys": [jwk("a"), {**jwk("b", 1), "d": "AAAA"}]}).encode()
    source = World({URL: Answered(content)}).source()
    await source.look()
    assert ids(source) == ["a"]
    (problem,) = source.load().problems
    assert problem.is_grave
    assert str(problem).startswith(f"{URL} publishes a set whose key 2 of 2 is a private key")


async def test_the_etag_is_sent_back_and_an_unchanged_set_stands() -> None:
    weak = json.dumps({"keys": [jwk("a"), {"kty": "EC"}]}).encode()
    world = World({URL: Answered(weak, etag='"1"')})
    source = world.source(keep_removed_s=100.0)
    await source.look()
    before = source.load()
    world.now += 300
    world.answers[URL] = "is down"
    await source.look()
    assert source.load().error == "is down"
    world.answers[URL] = Answered(None, etag='"1"')
    await source.look()
    assert source.load() == before
    assert source.succeeded_at == 1_001_300
    assert [etag for _, etag in world.asked] == [None, '"1"', '"1"']
    world.answers[URL] = Answered(jwks("b"), etag='"2"')
    world.now += 90
    await source.look()
    assert ids(source) == ["b", "a"]  # seen until 90 s ago


async def test_the_etag_of_a_bad_answer_is_not_kept() -> None:
    world = World({URL: Answered(b"<html>", etag='"bad"')})
    source = world.source()
    await source.look()
    await source.look()
    assert [etag for _, etag in world.asked] == [None, None]


async def test_an_issuer_is_asked_where_its_keys_are_each_time() -> None:
    moved = "https://keys.example/set"
    world = World({DISCOVERY: discovery(), URL: Answered(jwks("a"), etag='"1"')})
    source = world.source(ISSUER, issuer=ISSUER)
    await source.look()
    assert ids(source) == ["a"]
    assert [key.issuer for key in source.load().keys] == [ISSUER]
    world.answers |= {DISCOVERY: discovery(moved), moved: Answered(jwks("b"))}
    await source.look()
    assert ids(source) == ["b"]
    assert world.asked == [(DISCOVERY, None), (URL, None), (DISCOVERY, None), (moved, None)]


async def test_what_is_wrong_with_an_issuer_names_the_document() -> None:
    impostor = Answered(json.dumps({"issuer": "x", "jwks_uri": URL}).encode())
    source = World({DISCOVERY: impostor}).source(ISSUER, issuer=ISSUER)
    await source.look()
    assert "has a discovery document that is the document of another" in str(source.load().error)


# --- in the store ------------------------------------------------------------------------------


async def test_the_store_waits_for_keys_and_says_from_where() -> None:
    world = World()
    source = world.source()
    store = build_store(source)
    assert store.explain_waiting() == (f"There is no usable key: {URL} has not answered yet.")
    assert store.reloads == {}
    await source.look()
    store.take_news()
    assert store.explain_waiting() == f"There is no usable key: {URL} cannot be reached."
    assert store.reloads == {"failed": 1}
    world.answers[URL] = Answered(jwks("a"))
    await source.look()
    assert store.take_news()
    assert store.explain_waiting() == ""
    assert store.reloads == {"failed": 1, "ok": 1}


async def test_a_source_that_was_never_asked_is_waited_for_beside_one_with_keys() -> None:
    world = World({URL: Answered(jwks("a"))})
    quick, slow = world.source(), world.source("https://slow.example", url="https://slow.example")
    store = build_store(quick, slow)
    await quick.look()
    store.take_news()
    assert store.explain_waiting() == "Keys are awaited from https://slow.example."
    await slow.look()
    store.take_news()
    assert store.explain_waiting() == ""


async def test_the_status_tells_the_age_of_what_is_used_and_the_log_tells_it_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World({URL: Answered(jwks("a"))})
    source = world.source()
    store = build_store(source)
    await source.look()
    store.take_news()
    world.answers[URL] = "answered with status 500"
    for _ in range(3):
        world.now += 300
        await source.look()
        store.take_news()
        store.load()
    (status,) = store.observed
    assert not status.is_up
    assert status.last_success_at == store.last_success_at == 1_001_000
    assert status.last_error == f"{URL} answered with status 500"
    assert caplog.messages == [
        f"{URL} answered with status 500; its keys of 1970-01-12T14:03:20Z stay in use."
    ]


async def test_a_key_that_is_kept_goes_without_another_look() -> None:
    world = World({URL: Answered(jwks("a"))})
    source = world.source(keep_removed_s=60.0)
    store = build_store(source)
    await source.look()
    world.answers[URL] = Answered(jwks("b"))
    await source.look()
    store.load()
    assert list(store.current.by_id) == ["a", "b"]
    world.now += 60
    assert store.load()
    assert list(store.current.by_id) == ["b"]


async def test_of_two_sources_the_first_holding_an_id_wins() -> None:
    other = "https://other.example/jwks"
    clash = json.dumps({"keys": [jwk("a", 9), jwk("z", 8)]}).encode()
    world = World({URL: Answered(jwks("a")), other: Answered(clash)})
    first, second = world.source(), world.source(other, url=other)
    store = build_store(first, second)
    await second.look()
    store.take_news()
    assert store.current.by_id["a"].source == other
    await first.look()
    store.take_news()
    assert store.current.by_id["a"].source == URL
    assert list(store.current.by_id) == ["a", "z"]


# --- when --------------------------------------------------------------------------------------


async def test_haste_wakes_a_source_that_sleeps() -> None:
    world = World({URL: Answered(jwks("a"))})
    source = world.source()
    await source.look()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(source.wait_until_due())
        await asyncio.sleep(0)
        assert source.hurry() is None
        world.now += HASTE_GAP_S
        assert source.hurry() == world.now
        async with asyncio.timeout(20):
            await waiting


def test_a_source_is_named_as_configured_without_its_query() -> None:
    sources = build_sources(
        [
            KeySourceSettings(path="/keys"),
            KeySourceSettings(url=f"{URL}?app=1"),
            KeySourceSettings(url=f"{URL}?app=2"),
            KeySourceSettings(issuer=ISSUER),
        ]
    )
    assert [source.name for source in sources] == ["/keys", URL, f"{URL} (2)", ISSUER]


async def test_where_nothing_fetches_a_remote_source_says_so() -> None:
    (source,) = build_sources([KeySourceSettings(url=URL)])
    assert isinstance(source, RemoteSource)
    await source.look()
    assert "only files are read here" in str(source.load().error)


class AnyCourse(RuleBasedStateMachine):
    """Answers of every kind at any time: what is in use follows from the good ones alone."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.source = self.world.source(refresh_s=100.0, keep_removed_s=150.0)
        self.store = build_store(self.source)
        self.last_seen: dict[str, float] = {}
        self.current: set[str] = set()

    def _look(self) -> None:
        if self.source._schedule.due_at <= self.world.now:
            asyncio.run(self.source.look())
        self.store.take_news()

    @rule(seconds=st.integers(0, 120))
    def pass_time(self, seconds: int) -> None:
        self.world.now += seconds
        self.store.load()

    @rule(held=st.sets(st.sampled_from("abc"), min_size=1))
    def answer_well(self, held: set[str]) -> None:
        asked = len(self.world.asked)
        self.world.answers[URL] = Answered(jwks(*sorted(held)))
        self._look()
        if len(self.world.asked) > asked:
            self.current = held
            self.last_seen |= dict.fromkeys(held, self.world.now)

    @rule(bad=st.sampled_from(["cannot be reached", b"<html>", b'{"keys": []}', b"", b"{"]))
    def answer_badly(self, bad: str | bytes) -> None:
        self.world.answers[URL] = bad if isinstance(bad, str) else Answered(bad)
        self._look()

    @rule()
    def hurry(self) -> None:
        self.source.hurry()

    @invariant()
    def no_good_key_is_lost_and_none_outstays(self) -> None:
        now = self.world.now
        lately = {each for each, at in self.last_seen.items() if now < at + 150}
        assert set(self.store.current.by_id) == self.current | lately


TestAnyCourse = AnyCourse.TestCase
