"""The oracle: it knows every token of a world that was played, and judges the verdicts."""

from math import inf

from sidecar.rotation.assumption import Assumption
from sidecar.rotation.replica import Fleet, Replica
from sidecar.rotation.snapshot import RECORD_AHEAD_S
from sidecar.rotation.verdict import Basis, State
from tests.rotation.actors import Judgement, Rotation, Token
from tests.rotation.world import NEW, OLD, START, Pod


def find_mistakes(rotation: Rotation) -> list[str]:
    """Every yes that would have refused a good token although the world kept what it rests on."""
    mistakes = []
    tokens = rotation.old_tokens
    last_death = max((token.death for token in tokens), default=-inf)
    for judgement in rotation.judgements:
        verdict = judgement.verdict
        if verdict.state is not State.RETIRABLE:
            continue
        if judgement.at < last_death and _keeps(rotation, judgement):
            victims = [t for t in tokens if t.death > judgement.at and _counts(t, judgement)]
            if victims:
                mistakes.append(_accuse(rotation, judgement, victims))
        if _was_contradicted(rotation, judgement):
            mistakes.append(_accuse(rotation, judgement, []))
    return mistakes


def _counts(token: Token, judgement: Judgement) -> bool:
    """Whether the token is one that the verdict answers for."""
    if token.handed_out_at >= token.death:
        return False
    if Assumption.NOT_SET_BACK in judgement.verdict.assumptions:
        return token.pod.starts <= judgement.at
    return True


def _keeps(rotation: Rotation, judgement: Judgement) -> bool:
    """Whether the world keeps the assumptions that are printed with the verdict."""
    world, assumptions = rotation.world, judgement.verdict.assumptions
    if Assumption.ALL_WATCHED in assumptions:
        since = judgement.fleet.watched_since - world.clock
        unwatched = (t for t in rotation.old_tokens if _is_out_of_sight(t.pod, judgement))
        unreadable = (t for t in rotation.old_tokens if not t.is_readable)
        if any(token.handed_out_at > since for token in unwatched):
            return False
        if any(token.handed_out_at > judgement.at for token in unreadable):
            return False
    later = [pod for pod in world.pods if judgement.at < pod.starts and pod.watched_from < inf]
    if Assumption.ENFORCEMENT_STAYS in assumptions and not all(pod.enforces for pod in later):
        return False
    if Assumption.LIFETIME_STAYS in assumptions:
        longest = max(replica.policy.max_lifetime_s for replica in judgement.fleet.holders(OLD))
        if not all(0 < pod.max_lifetime <= longest for pod in later):
            return False
    if Assumption.SWITCHES_ONCE in assumptions and any(len(p.workers) > 1 for p in world.pods):
        return False
    if Assumption.STATEMENT_IS_TRUE in assumptions:
        assert world.switch_at is not None
        limit = world.switch_at + world.leeway
        return all(token.issued_at <= limit for token in rotation.old_tokens)
    return True


def _is_out_of_sight(pod: Pod, judgement: Judgement) -> bool:
    """Whether no scrape could show that nobody watches what it hands out."""
    return pod.watched_from == inf or (not pod.is_watched and pod.starts > judgement.at)


def _was_contradicted(rotation: Rotation, judgement: Judgement) -> bool:
    """Whether something that a scrape had shown already denied what the verdict rests on."""
    world, basis, shown = rotation.world, judgement.verdict.basis, judgement.newest_shown
    if basis is Basis.DECLARED:
        assert world.switch_at is not None
        return shown > world.switch_at + world.leeway
    if basis is Basis.OBSERVED:
        is_stranger = shown > _last_watched_issue(rotation, judgement) + RECORD_AHEAD_S
        return is_stranger or any(_goes_back(rotation, judgement, pod) for pod in world.pods)
    return False


def _goes_back(rotation: Rotation, judgement: Judgement, pod: Pod) -> bool:
    """Whether a scrape showed that a pod that is there, and free to sign, has several signers."""
    never_forgets = all(with_memory for _, with_memory, _ in pod.restarts)
    is_seen_wholly = never_forgets and not pod.learns_newer_at and pod.watched_from == pod.starts
    if not is_seen_wholly or pod.enforces or rotation.world.unreadable_share:
        return False
    if not pod.starts <= judgement.at < pod.ends:
        return False
    by = max((r.scraped_at for r in judgement.fleet.replicas if r.name == pod.name), default=-inf)
    mine = [t for t in rotation.tokens if t.pod is pod]
    shown = [t for t in mine if t.handed_out_at <= by - rotation.world.clock]
    first_newer = min((t.issued_at for t in shown if t.key_id == NEW), default=inf)
    return any(t.key_id == OLD and t.issued_at > first_newer for t in shown)


def _last_watched_issue(rotation: Rotation, judgement: Judgement) -> float:
    """The latest ``iat`` that anybody might know of, or know to be unknown."""
    world, fleet = rotation.world, judgement.fleet
    known = [
        token.issued_at
        for token in rotation.old_tokens
        if token.handed_out_at <= judgement.at and token.pod.watched_from < inf
    ]
    unknown = [fleet.watched_since, *(gap.end for gap in fleet.gaps)]
    for replica in fleet.issuers:
        assert replica.watch is not None
        unknown += [replica.watch.unwatched_until or 0, replica.gone_at or 0]
        unknown.append(replica.watch.unknown.newest_issued_at or 0)
    unknown += [target.gone_at or 0 for target in fleet.unscraped]
    # What a signer that nobody watched handed out is not known, and that is known.
    unknown += [replica.gone_at or 0 for replica in _unwatched_signers(fleet)]
    return max([*known, *(moment + world.leeway for moment in unknown)])


def _unwatched_signers(fleet: Fleet) -> list[Replica]:
    services = {replica.service for replica in fleet.issuers}
    return [r for r in fleet.replicas if r.watch is None and r.service in services]


def find_delays(rotation: Rotation) -> list[str]:
    """In a world that was watched wholly: every no that was given too late."""
    world, delays = rotation.world, []
    patience = 2 * world.interval
    for judgement in rotation.judgements:
        now = judgement.fleet.now
        if judgement.verdict.state is State.RETIRABLE or judgement.fleet.waited_for:
            continue
        expiries = [
            token.expires_at
            for token in rotation.old_tokens
            if token.handed_out_at <= judgement.at and token.expires_at is not None
        ]
        dead_at = max(expiries, default=0) + 2 * world.leeway + 1
        is_settled = _is_closed_to_all(rotation, judgement) or _is_done_by_all(rotation, judgement)
        is_dead = is_settled and now >= dead_at + patience
        if is_dead or _is_bounded_by_statement(rotation, judgement):
            delays.append(_accuse(rotation, judgement, []))
    return delays


def _is_closed_to_all(rotation: Rotation, judgement: Judgement) -> bool:
    world = rotation.world
    if world.switch_at is None or not all(pod.enforces for pod in world.pods):
        return False
    closed_at = world.switch_at + 2 * world.leeway + 1
    return judgement.fleet.now >= closed_at + 2 * world.interval


def _is_bounded_by_statement(rotation: Rotation, judgement: Judgement) -> bool:
    """Whether a statement that is held, or true, has bounded every token for two scrapes."""
    world = rotation.world
    lifetimes = [pod.max_lifetime for pod in world.pods]
    if world.switch_at is None or not all(lifetimes):
        return False
    limit = world.switch_at + world.leeway
    is_true = all(token.issued_at <= limit for token in rotation.old_tokens)
    dead_at = world.switch_at + max(lifetimes) + 3 * world.leeway + 1
    is_dead = judgement.fleet.now >= dead_at + 2 * world.interval
    return is_dead and (is_true or all(pod.enforces for pod in world.pods))


def _is_done_by_all(rotation: Rotation, judgement: Judgement) -> bool:
    """Whether each signer that is there had issued with the newer key two scrapes ago."""
    by = judgement.at - 2 * rotation.world.interval
    for pod in rotation.world.pods:
        if not pod.is_issuer or not pod.starts <= judgement.at < pod.ends:
            continue
        mine = [token for token in rotation.tokens if token.pod is pod]
        newer = [t.issued_at for t in mine if t.key_id == NEW and t.handed_out_at <= by]
        older = [t.issued_at for t in mine if t.key_id == OLD]
        if not newer or max(older, default=-inf) >= max(newer):
            return False
    return True


def _accuse(rotation: Rotation, judgement: Judgement, victims: list[Token]) -> str:
    verdict = judgement.verdict
    text = (
        f"seed {rotation.world.seed}: at +{judgement.at - START:.1f} s "
        f"{verdict.state} on basis {verdict.basis}: {verdict.why}"
    )
    for token in victims[:3]:
        text += (
            f"\n    {token.pod.name} handed out a token at +{token.handed_out_at - START:.1f} s, "
            f"iat +{token.issued_at - START:.0f} s, good until +{token.death - START:.1f} s"
        )
    return text
