"""What a real Prometheus remembers of replicas that are gone, restarted, silent or never heard."""

import asyncio

import pytest

from sidecar.errors import FleetError
from sidecar.fleet.evidence import Evidence
from sidecar.fleet.past import load_evidence
from sidecar.fleet.prometheus import Prometheus
from sidecar.fleet.report import build_report, decide
from sidecar.rotation.gates import Answer
from sidecar.rotation.verdict import Basis, State
from tests.fleet.conftest import Remember
from tests.fleet.store import HOUR, INTERVAL_S, LEEWAY_S, LIFETIME_S, Issues, Past, Pod

OLD, NEW = "2026-08", "2026-11"
M = 2 * HOUR
pytestmark = [pytest.mark.needs_tool("prometheus", "promtool"), pytest.mark.timeout(120)]


def ask(
    past: Past, *, window_s: float = 72 * HOUR, stated_watch: float | None = None, match: str = ""
) -> Evidence:
    async def question() -> Evidence:
        source = Prometheus(past.server.url, match=match)
        try:
            return await load_evidence(source, window_s, stated_watch=stated_watch)
        finally:
            await source.close()

    return asyncio.run(question())


def switched(name: str, **changes: object) -> Pod:
    """A signer that has been there for six hours, and switched three hours ago."""
    values = {
        "since": 6 * HOUR,
        "issues": (Issues(OLD, 5 * HOUR, 3 * HOUR), Issues(NEW, 3 * HOUR - 60, 0)),
    }
    return Pod(name, **{**values, **changes})  # type: ignore[arg-type]


def retirable_at(past: Past, evidence: Evidence) -> tuple[Basis, float | None]:
    """On which basis the old key may go, and how many seconds before now."""
    verdict = build_report(evidence).verdicts[OLD]
    at = verdict.retirable_at
    return verdict.basis, None if at is None else past.now - at


def test_a_signer_that_ended_with_a_last_word_does_not_put_the_date_off(
    remember: Remember,
) -> None:
    """It signed with the old key to its end, two hours ago, and all that it signed is known."""
    lagging = Pod(
        "users-1",
        6 * HOUR,
        2 * HOUR,
        issues=(Issues(OLD, 5 * HOUR, 2 * HOUR),),
        says_last_word=True,
    )
    past = remember(switched("users-0"), lagging)
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    basis, ago = retirable_at(past, evidence)
    assert basis is Basis.OBSERVED
    assert ago == pytest.approx(2 * HOUR - LIFETIME_S - 2 * LEEWAY_S, abs=2 * INTERVAL_S)
    assert [r.has_ended for r in evidence.fleet.replicas if r.name == "users-1"] == [True]
    assert decide(evidence, "retire", OLD).answer is Answer.YES


def test_a_signer_that_ended_without_one_may_have_signed_until_its_end(
    remember: Remember,
) -> None:
    lagging = Pod("users-1", 6 * HOUR, 2 * HOUR, issues=(Issues(OLD, 5 * HOUR, 2 * HOUR),))
    past = remember(switched("users-0"), lagging)
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    basis, ago = retirable_at(past, evidence)
    assert basis is Basis.OBSERVED
    assert ago == pytest.approx(2 * HOUR - M - 3 * LEEWAY_S, abs=2 * INTERVAL_S)
    assert decide(evidence, "retire", OLD).answer is Answer.NO


def test_silence_after_a_last_word_is_only_the_end_unless_it_lasts(remember: Remember) -> None:
    def pod(name: str, silent_s: float) -> Pod:
        return Pod(
            name,
            6 * HOUR,
            2 * HOUR,
            issues=(Issues(OLD, 5 * HOUR, 2 * HOUR),),
            says_last_word=True,
            listed_until=2 * HOUR - silent_s,
        )

    past = remember(switched("users-0"), pod("users-1", INTERVAL_S), pod("users-2", 600))
    fleet = ask(past).fleet

    assert [target.name for target in fleet.unscraped] == ["users-2"]
    assert fleet.unscraped[0].gone_at == pytest.approx(
        past.before(2 * HOUR - 600), abs=2 * INTERVAL_S
    )


def test_each_run_of_a_sidecar_that_lost_its_memory_is_a_replica(remember: Remember) -> None:
    restarted = switched("users-0", runs=(4 * HOUR, HOUR))
    past = remember(restarted, Pod("thoughts-0", 6 * HOUR, service="thoughts", issues=None))
    runs = [r for r in ask(past).fleet.replicas if r.name == "users-0"]

    assert [run.observing_since for run in runs] == [
        pytest.approx(past.before(ago)) for ago in (6 * HOUR, 4 * HOUR, HOUR)
    ]
    assert [run.gone_at for run in runs] == [
        pytest.approx(past.before(4 * HOUR)),
        pytest.approx(past.before(HOUR)),
        None,
    ]
    # Of each, what its last scrape showed.
    assert runs[0].watch is not None
    assert runs[0].watch.of(NEW).newest_issued_at is None
    assert runs[1].watch is not None
    assert runs[1].watch.of(NEW).newest_issued_at == pytest.approx(
        past.before(HOUR), abs=2 * INTERVAL_S
    )


def test_a_pod_may_have_come_and_gone_while_nothing_was_scraped(remember: Remember) -> None:
    past = remember(switched("users-0"), outages=[(2 * HOUR, HOUR)])
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    (gap,) = evidence.fleet.gaps
    assert gap.start == pytest.approx(past.before(2 * HOUR), abs=2 * INTERVAL_S)
    assert gap.end == pytest.approx(past.before(HOUR), abs=2 * INTERVAL_S)
    _, ago = retirable_at(past, evidence)
    assert ago == pytest.approx(HOUR - M - 3 * LEEWAY_S, abs=2 * INTERVAL_S)


def test_a_replica_that_does_not_answer_is_waited_for_by_name(remember: Remember) -> None:
    silent = switched("users-1", silent=[(600, 0)])
    new = Pod("users-2", 120, 120, listed_until=0, silent=[(120, 0)])
    evidence = ask(remember(switched("users-0"), silent, new))

    assert {who.name for who in evidence.fleet.waited_for} == {"users-1", "users-2"}
    decision = decide(evidence, "retire", OLD)
    assert decision.answer is Answer.UNKNOWN
    assert "users-1" in decision.why


def test_a_gap_in_the_scraping_of_one_replica_is_shown_and_bounds_nothing(
    remember: Remember,
) -> None:
    past = remember(switched("users-0", silent=[(2 * HOUR, HOUR)]), switched("users-1"))
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    (gap,) = next(r for r in evidence.fleet.replicas if r.name == "users-0").gaps
    assert gap.end - gap.start == pytest.approx(HOUR, abs=2 * INTERVAL_S)
    _, ago = retirable_at(past, evidence)
    assert ago == pytest.approx(3 * HOUR - LIFETIME_S - 2 * LEEWAY_S, abs=2 * INTERVAL_S)


def test_the_watching_begins_an_hour_after_the_first_scrape_unless_it_is_older_than_the_window(
    remember: Remember,
) -> None:
    past = remember(switched("users-0"))

    tolerance = pytest.approx(past.before(5 * HOUR), abs=2 * INTERVAL_S)
    assert ask(past).fleet.watched_since == tolerance
    younger = ask(past, window_s=2 * HOUR).fleet.watched_since
    assert younger == pytest.approx(past.before(2 * HOUR), abs=2 * INTERVAL_S)
    stated = past.before(5.5 * HOUR)
    assert ask(past, stated_watch=stated).fleet.watched_since == pytest.approx(stated)


def test_a_key_that_came_later_has_no_tokens_from_before_the_watching(remember: Remember) -> None:
    before = Pod(
        "users-0", 6 * HOUR, 4 * HOUR, keys=(OLD,), issues=(Issues(OLD, 5 * HOUR, 4 * HOUR),)
    )
    after = Pod("users-1", 4 * HOUR, keys=(OLD, NEW), issues=(Issues(NEW, 3 * HOUR, 0),))
    past = remember(before, after)

    held = ask(past).fleet.held_since
    assert set(held) == {NEW}
    assert held[NEW] == pytest.approx(past.before(4 * HOUR), abs=2 * INTERVAL_S)


def test_a_clock_that_is_off_by_more_than_the_leeway_is_named_and_closes_the_gate(
    remember: Remember,
) -> None:
    past = remember(switched("users-0"), switched("users-1", clock_ahead_s=90))
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    assert build_report(evidence).verdicts[OLD].state is State.RETIRABLE
    decision = decide(evidence, "retire", OLD)
    assert decision.answer is Answer.UNKNOWN
    assert [each.where for each in decision.missing] == ["users-backend/users-1"]
    assert "90 s ahead" in decision.missing[0].what


def test_only_what_matches_is_looked_at(remember: Remember) -> None:
    past = remember(
        switched("users-0", labels={"fleet": "production"}),
        switched("users-1", labels={"fleet": "staging"}),
    )

    replicas = ask(past, match='fleet="production"').fleet.replicas
    assert [replica.name for replica in replicas] == ["users-0"]
    with pytest.raises(FleetError, match="several fleets.*production, staging"):
        ask(past)
    with pytest.raises(FleetError, match="knows no targets that match"):
        ask(past, match='fleet="nowhere"')
    with pytest.raises(FleetError, match="--match"):
        ask(past, match="fleet=production")


def test_pods_of_one_name_in_two_namespaces_are_told_apart(remember: Remember) -> None:
    past = remember(
        *(switched("users-0", labels={"namespace": name}) for name in ("blue", "green"))
    )

    names = {replica.name for replica in ask(past).fleet.replicas}
    assert names == {"blue/users-0", "green/users-0"}


def test_what_is_older_than_the_window_is_no_evidence(remember: Remember) -> None:
    past = remember(Pod("users-0", 6 * HOUR, 3 * HOUR))
    with pytest.raises(FleetError, match="no sidecar in the last 60 min, the last one at 20"):
        ask(past, window_s=HOUR)


def test_an_empty_prometheus_says_that_it_is_empty(remember: Remember) -> None:
    with pytest.raises(FleetError, match="knows no targets"):
        ask(remember())


def test_a_prometheus_without_sidecars_says_what_it_has(remember: Remember) -> None:
    something_else = Pod("users-0", HOUR, 2 * HOUR, listed_until=0)
    with pytest.raises(FleetError, match="scrapes one target, but no metrics of a sidecar"):
        ask(remember(something_else))


def test_pods_that_came_back_under_their_names_follow_those_before(remember: Remember) -> None:
    """A StatefulSet's: and those that are there lag behind, whatever the ones before did."""
    numbers = range(8)
    before = [
        Pod(
            f"users-{number}",
            6 * HOUR,
            3 * HOUR,
            issues=(Issues(NEW, 5 * HOUR, 3 * HOUR),),
            instance=f"10.0.{number % 2}.{number}:15020",
        )
        for number in numbers
    ]
    after = [
        Pod(
            f"users-{number}",
            3 * HOUR - 60,
            issues=(Issues(OLD, HOUR, 0),),
            instance=f"10.0.{1 - number % 2}.{number}:15020",
        )
        for number in numbers
    ]
    past = remember(*before, *after)
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    for number in numbers:
        runs = [run for run in evidence.fleet.replicas if run.name == f"users-{number}"]
        assert [run.gone_at is None for run in runs] == [False, True]
    missing = {each.where for each in decide(evidence, "switch", NEW).missing}
    assert missing == {f"users-backend/users-{number}" for number in numbers}
    assert decide(evidence, "retire", OLD).answer is Answer.NO


def test_two_sidecars_of_one_pod_are_told_apart_by_their_address(remember: Remember) -> None:
    past = remember(*(switched("users-0", instance=f"10.0.0.1:{port}") for port in (1, 2)))

    names = {replica.name for replica in ask(past).fleet.present}
    assert names == {"users-0 (10.0.0.1:1)", "users-0 (10.0.0.1:2)"}


def test_a_restart_is_seen_although_the_labels_changed_with_it(remember: Remember) -> None:
    restarted = switched("users-0", runs=(2 * HOUR,), relabelled=(2 * HOUR, {"zone": "a"}))
    calm = switched("users-1", relabelled=(HOUR, {"zone": "a"}))
    past = remember(restarted, calm)

    fleet = ask(past).fleet
    runs = [run for run in fleet.replicas if run.name == "users-0"]
    assert [run.gone_at is None for run in runs] == [False, True]
    assert [run.name for run in fleet.replicas if run.name == "users-1"] == ["users-1"]
    assert not fleet.waited_for


# --- what must not be taken for a yes ---------------------------------------------------------


def test_an_outage_of_the_sidecars_job_is_seen_although_others_are_scraped(
    remember: Remember,
) -> None:
    node = Pod("node", 6 * HOUR, 7 * HOUR, listed_until=0, labels={"job": "node"}, is_spared=True)
    past = remember(switched("users-0"), node, outages=[(2 * HOUR, HOUR)])
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    assert len(evidence.fleet.gaps) == 1
    assert decide(evidence, "retire", OLD).answer is Answer.NO
    assert "node" in evidence.limits[1]


def test_where_nobody_is_left_nothing_is_known(remember: Remember) -> None:
    left = Pod("users-0", 6 * HOUR, 600, issues=(Issues(OLD, 5 * HOUR, 600),))
    evidence = ask(remember(left))
    assert decide(evidence, "retire", OLD).answer is Answer.UNKNOWN
    assert decide(evidence, "distribute", NEW).answer is Answer.UNKNOWN


@pytest.mark.parametrize("says_last_word", [False, True])
def test_somebody_may_have_been_there_in_a_long_silence_between_two_runs(
    says_last_word: bool, remember: Remember
) -> None:
    """An address of a machine, where a new sidecar follows the one before."""
    before = switched(
        "vm-0",
        until=3 * HOUR,
        says_last_word=says_last_word,
        listed_until=HOUR,
        instance="vm:1",
        issues=(Issues(OLD, 5 * HOUR, 4 * HOUR), Issues(NEW, 4 * HOUR - 60, 3 * HOUR)),
    )
    after = Pod("vm-0", HOUR - 60, issues=(Issues(NEW, HOUR - 120, 0),), instance="vm:1")
    past = remember(switched("users-0"), before, after)
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    assert [target.name for target in evidence.fleet.unscraped] == ["vm-0"]
    assert decide(evidence, "retire", OLD).answer is Answer.NO


def test_a_pod_that_nobody_ever_heard_is_not_forgotten_for_its_successor(
    remember: Remember,
) -> None:
    before = Pod("users-1", 6 * HOUR, 7 * HOUR, listed_until=HOUR, instance="a:1")
    after = Pod("users-1", HOUR - 60, issues=(Issues(NEW, HOUR - 120, 0),), instance="b:1")
    past = remember(switched("users-0"), before, after)
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    (target,) = evidence.fleet.unscraped
    assert target.gone_at == pytest.approx(past.before(HOUR), abs=2 * INTERVAL_S)
    assert decide(evidence, "retire", OLD).answer is Answer.NO


def test_a_pod_may_be_slow_to_start(remember: Remember) -> None:
    starting = Pod("users-1", 2 * HOUR, 3 * HOUR, listed_until=2 * HOUR - 240)
    slow = Pod("users-1", 2 * HOUR - 300, issues=(Issues(NEW, HOUR, 0),))
    past = remember(switched("users-0"), starting, slow)
    assert ask(past).fleet.unscraped == ()


@pytest.mark.parametrize(
    "metric",
    [
        "sidecar_service_info",
        "sidecar_token_leeway_seconds",
        "sidecar_token_max_lifetime_seconds",
        "sidecar_switch_enforced",
        "sidecar_key_signing_since_timestamp_seconds",
        "sidecar_key_last_issued_timestamp_seconds",
        "sidecar_issuing_ended_timestamp_seconds",
        "sidecar_issued_key_latest_expiry_timestamp_seconds",
    ],
)
def test_a_sample_that_is_missing_is_no_zero(metric: str, remember: Remember) -> None:
    lagging = Pod("users-1", 6 * HOUR, issues=(Issues(OLD, 5 * HOUR, 0),), lost=(metric,))
    past = remember(switched("users-0"), lagging)
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    assert [who.name for who in evidence.fleet.waited_for] == ["users-1"]
    assert decide(evidence, "retire", OLD).answer is Answer.UNKNOWN
    assert decide(evidence, "distribute", NEW).answer is Answer.UNKNOWN


def test_a_follower_that_remembers_more_than_its_life_does_not_date_the_end_before_it_back(
    remember: Remember,
) -> None:
    before = Pod("vm-0", 6 * HOUR, HOUR, issues=(Issues(OLD, 5 * HOUR, HOUR),), instance="vm:1")
    after = Pod("vm-0", HOUR - 60, issues=(Issues(NEW, HOUR, 0),), instance="vm:1")
    after.remembers_since = 9 * HOUR
    past = remember(switched("users-0"), before, after)
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    ended = next(run for run in evidence.fleet.replicas if run.gone_at is not None)
    assert ended.gone_at == pytest.approx(past.before(0), abs=2 * INTERVAL_S)


def test_targets_of_other_jobs_count_where_they_are_chosen(remember: Remember) -> None:
    silent = Pod("users-9", HOUR, 2 * HOUR, listed_until=0, labels={"job": "users", "fleet": "a"})
    past = remember(switched("users-0", labels={"fleet": "a"}), silent)

    unsure = ask(past)
    assert not unsure.fleet.waited_for
    assert "(users)" in unsure.limits[1]
    chosen = ask(past, match='fleet="a"')
    assert [who.name for who in chosen.fleet.waited_for] == ["users-9"]


def test_services_of_which_nobody_is_left_are_named(remember: Remember) -> None:
    left = Pod("users-1", 6 * HOUR, 600, service="thoughts-backend", issues=None)
    evidence = ask(remember(switched("users-0"), left))
    assert "thoughts-backend" in evidence.limits[1]


def test_a_run_that_nobody_could_read_may_have_signed_until_its_end(remember: Remember) -> None:
    """Its address has another sidecar since, which can be read."""
    broken = Pod(
        "vm-0",
        6 * HOUR,
        issues=(Issues(NEW, HOUR, 0),),
        instance="vm:1",
        runs=(2 * HOUR,),
        lost=("sidecar_token_leeway_seconds",),
        found_again=2 * HOUR,
    )
    past = remember(switched("users-0"), broken)
    evidence = ask(past, stated_watch=past.before(100 * HOUR))

    (target,) = evidence.fleet.unscraped
    assert target.gone_at == pytest.approx(past.before(2 * HOUR), abs=2 * INTERVAL_S)
    assert decide(evidence, "retire", OLD).answer is Answer.NO


def test_a_job_that_is_scraped_no_more_may_hide_signers_until_now(remember: Remember) -> None:
    """Whether the service is gone or its scrape configuration is, nobody can see."""
    lost = switched("users-0", since=9 * HOUR, until=3 * HOUR, labels={"job": "users"})
    lost.issues = (Issues(OLD, 8 * HOUR, 6 * HOUR), Issues(NEW, 6 * HOUR, 3 * HOUR))
    past = remember(lost, Pod("thoughts-0", 9 * HOUR, service="thoughts", issues=None))
    evidence = ask(past)

    (gap,) = evidence.fleet.gaps
    assert gap.start == pytest.approx(past.before(3 * HOUR), abs=2 * INTERVAL_S)
    assert gap.end == pytest.approx(past.before(0), abs=2 * INTERVAL_S)
    assert decide(evidence, "retire", OLD).answer is Answer.NO


def test_a_job_whose_signers_all_said_their_last_word_is_over(remember: Remember) -> None:
    ended = switched(
        "users-0", since=9 * HOUR, until=3 * HOUR, says_last_word=True, labels={"job": "users"}
    )
    ended.issues = (Issues(OLD, 8 * HOUR, 6 * HOUR),)
    past = remember(ended, Pod("thoughts-0", 9 * HOUR, service="thoughts", issues=None))
    evidence = ask(past)

    assert evidence.fleet.gaps == ()
    assert decide(evidence, "retire", OLD).answer is Answer.YES
