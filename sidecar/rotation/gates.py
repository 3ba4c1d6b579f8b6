"""The three gates of a rotation: may a pipeline take its next step? Decisions with reasons. Pure.

- ``distribute``: every replica of every service holds the key, so tokens may be signed with it.
- ``switch``: tokens of the key are seen, and nobody signs with an older one any more, as far as the
  evidence goes.
- ``retire``: the verdict on an old key, and only on a basis.

A gate never guesses: where somebody did not answer, or nothing could tell, it is unknown. Called by
the command line through the fleet room.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sidecar.rotation.assumption import Assumption
from sidecar.rotation.evidence import NOTHING_ISSUED
from sidecar.rotation.moment import format_moment
from sidecar.rotation.replica import Fleet, Replica, combined_evidence
from sidecar.rotation.signers import Missing, has_gone_back, is_closed, is_done, unwatched_now
from sidecar.rotation.succession import Statement
from sidecar.rotation.verdict import Basis, State, Verdict, judge_fleet


class Answer(StrEnum):
    """Whether the next step may be taken."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """An answer, the reason in one sentence, and what is missing where.

    ``basis``, ``assumptions``: of a yes to ``retire``, what it rests on.
    """

    answer: Answer
    why: str
    missing: tuple[Missing, ...] = ()
    basis: Basis = Basis.NONE
    assumptions: tuple[Assumption, ...] = ()


def distribute(fleet: Fleet, key_id: str) -> Decision:
    """Whether every replica that is there holds the key."""
    return held_by_all(fleet, key_id, fleet.present)


def held_by_all(fleet: Fleet, key_id: str, replicas: Iterable[Replica]) -> Decision:
    """Whether these replicas hold the key. A replica that is silent may not hold it."""
    asked = tuple(replicas)
    lacking = tuple(
        Missing(replica.place, f"does not hold {key_id}")
        for replica in asked
        if not replica.holds(key_id)
    )
    if lacking:
        count = len(asked) - len(lacking)
        return Decision(Answer.NO, f"{count} of {len(asked)} replicas hold {key_id}.", lacking)
    silent = silence(fleet)
    if silent or not asked:
        return Decision(Answer.UNKNOWN, "Not every replica has answered.", silent)
    return Decision(Answer.YES, f"{_all(len(asked))} {key_id}.")


def _all(count: int) -> str:
    return "The one replica holds" if count == 1 else f"All {count} replicas hold"


def silence(fleet: Fleet) -> tuple[Missing, ...]:
    """Who is there and did not answer."""
    return tuple(Missing(who.place, "has not answered yet") for who in fleet.waited_for)


def switch(fleet: Fleet, key_id: str) -> Decision:
    """Whether tokens of the key are seen, and none of an older one issued after the switch."""
    if key_id not in fleet.ring.key_ids:
        return Decision(Answer.NO, f"No replica holds {key_id}.")
    statement = fleet.ring.statement_of(key_id)
    if statement is not None and statement.since > fleet.now:
        at = format_moment(statement.since)
        return Decision(Answer.NO, f"The switch to {key_id} is planned for {at}.")
    late = tuple(_late(fleet, key_id, statement))
    if late:
        return Decision(
            Answer.NO, f"Tokens of an older key are issued after the switch to {key_id}.", late
        )
    if not _is_in_use(fleet, key_id):
        return Decision(Answer.NO, f"No token of {key_id} was seen yet.")
    open_ = silence(fleet) + tuple(_undecided(fleet, key_id))
    if open_:
        return Decision(Answer.UNKNOWN, "Not every signer is known to have switched.", open_)
    if statement is None and not fleet.issuers:
        return Decision(
            Answer.UNKNOWN,
            f"Tokens of {key_id} are seen, but neither is it stated since when all signers use it "
            "(auth.signing_since), nor is it watched what is handed out (auth.issues).",
        )
    return Decision(
        Answer.YES,
        f"Tokens of {key_id} are seen, and none of an older key issued after the switch.",
    )


def retire(fleet: Fleet, key_id: str, *, accepts_unproven: bool = False) -> Decision:
    """Whether the key may go: the verdict. ``accepts_unproven``: without a basis too, if no live
    token is known and everybody answered."""
    if key_id not in fleet.ring.key_ids:
        silent = silence(fleet)
        if silent or not fleet.present:
            return Decision(Answer.UNKNOWN, "Not every replica has answered.", silent)
        return Decision(Answer.YES, f"No replica holds {key_id} any more.")
    verdict = judge_fleet(fleet)[key_id]
    if verdict.state is State.RETIRABLE:
        rests_on = (verdict.basis, verdict.assumptions)
        return Decision(Answer.YES, verdict.why, verdict.missing, *rests_on)
    if verdict.state is State.UNPROVEN:
        return _on_unproven(fleet, verdict, accepts=accepts_unproven)
    return Decision(Answer.NO, verdict.why, verdict.missing)


def _on_unproven(fleet: Fleet, verdict: Verdict, *, accepts: bool) -> Decision:
    if fleet.waited_for:
        return Decision(Answer.UNKNOWN, verdict.why, verdict.missing)
    if not accepts:
        return Decision(Answer.NO, verdict.why, verdict.missing)
    risk = "Accepted without proof: whoever still has a token of this key will be refused. "
    return Decision(Answer.YES, risk + verdict.why, verdict.missing)


def _is_in_use(fleet: Fleet, key_id: str) -> bool:
    if combined_evidence(fleet, key_id).newest_issued_at is not None:
        return True
    return any(_handed_out(replica, key_id) for replica in fleet.issuers)


def _handed_out(replica: Replica, key_id: str) -> int:
    issued = NOTHING_ISSUED if replica.watch is None else replica.watch.of(key_id)
    return issued.total


def _late(fleet: Fleet, key_id: str, statement: Statement | None) -> Iterator[Missing]:
    """Who showed or handed out an older key's token from after the switch."""
    for older in fleet.older(key_id):
        for replica in fleet.replicas:
            leeway_s = replica.policy.leeway_s
            limit = None if statement is None else statement.since + leeway_s
            issued = NOTHING_ISSUED if replica.watch is None else replica.watch.of(older)
            if _is_after(issued.newest_issued_at, limit):
                yield Missing(replica.place, f"handed out a token of {older} issued after it")
            elif has_gone_back(fleet, replica, older) and _may_sign(replica, older, leeway_s):
                yield Missing(replica.place, f"goes back to {older}: it has several signers")
            if _is_after(replica.seen(older).newest_issued_at, limit):
                yield Missing(replica.place, f"was shown a token of {older} issued after it")


def _may_sign(replica: Replica, key_id: str, leeway_s: float) -> bool:
    is_there = replica.gone_at is None and not replica.has_ended
    return is_there and not is_closed(replica, key_id, leeway_s)


def _is_after(moment: float | None, limit: float | None) -> bool:
    return moment is not None and limit is not None and moment > limit


def _undecided(fleet: Fleet, key_id: str) -> Iterator[Missing]:
    """Signers of which nothing tells yet that they switched."""
    if fleet.older(key_id):
        yield from unwatched_now(fleet)
    for older in fleet.older(key_id):
        for replica in fleet.present:
            if replica.watch is None or is_done(fleet, replica, older):
                continue
            if not is_closed(replica, older, replica.policy.leeway_s):
                yield Missing(
                    replica.place,
                    f"has handed out no token of {key_id} yet (one login, or an enforced switch, "
                    "settles it)",
                )
