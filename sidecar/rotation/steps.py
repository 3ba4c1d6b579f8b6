"""A fleet's evidence to the six steps of a rotation: how far along is it? Pure.

First every service can hold several keys; then the backends hold the new key, the frontends hold
it, the signers use it, the last token of the old key is dead, and the old key is gone.

Each step is done, not yet (with what is missing and where), or unknown (with which evidence is
missing). Which services are frontends nobody can see: whoever asks says so. Called by the command
line through the fleet room.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from sidecar.rotation.gates import Answer, Decision, held_by_all, silence, switch
from sidecar.rotation.replica import Fleet
from sidecar.rotation.signers import Missing
from sidecar.rotation.verdict import State, judge_fleet


class Progress(StrEnum):
    """How far a step is."""

    DONE = "done"
    NOT_YET = "not yet"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, how far it is, why, and what is missing where."""

    number: int
    title: str
    progress: Progress
    why: str
    missing: tuple[Missing, ...] = ()


TITLES = (
    "Every service can hold several keys",
    "The backends hold the new key",
    "The frontends hold the new key",
    "The signers use the new key",
    "The last token of the old key is dead",
    "The old key is gone from everyone",
)

_PROGRESS = {
    Answer.YES: Progress.DONE,
    Answer.NO: Progress.NOT_YET,
    Answer.UNKNOWN: Progress.UNKNOWN,
}


def take_stock(fleet: Fleet, new_key: str, *, frontends: Collection[str] = ()) -> tuple[Step, ...]:
    """The six steps of the rotation to ``new_key``; ``frontends``: names of services."""
    switched = switch(fleet, new_key)
    decisions = (
        _can_hold_several(fleet),
        _backends(fleet, new_key, frontends),
        _frontends(fleet, new_key, frontends),
        switched,
        _old_tokens_dead(fleet, new_key, switched),
        _old_keys_gone(fleet, new_key),
    )
    return tuple(
        Step(number, title, _PROGRESS[decision.answer], decision.why, decision.missing)
        for number, (title, decision) in enumerate(zip(TITLES, decisions, strict=True), start=1)
    )


def _can_hold_several(fleet: Fleet) -> Decision:
    """A sidecar holds any number of keys: each one that answers settles its service."""
    silent = silence(fleet)
    if silent or not fleet.present:
        return Decision(Answer.UNKNOWN, "Not every replica has answered.", silent)
    services = {replica.service for replica in fleet.present}
    return Decision(Answer.YES, f"Every replica of {_count(services)} has a sidecar that answers.")


def _count(services: Collection[str]) -> str:
    return "the one service" if len(services) == 1 else f"{len(services)} services"


def _backends(fleet: Fleet, new_key: str, frontends: Collection[str]) -> Decision:
    backends = [replica for replica in fleet.present if replica.service not in frontends]
    decision = held_by_all(fleet, new_key, backends)
    ahead = tuple(
        Missing(replica.place, "hands out tokens that are signed with a key that it does not hold")
        for replica in backends
        if replica.watch is not None and replica.watch.unknown.total and not replica.holds(new_key)
    )
    return Decision(decision.answer, decision.why, ahead + decision.missing)


def _frontends(fleet: Fleet, new_key: str, frontends: Collection[str]) -> Decision:
    if not frontends:
        return Decision(Answer.YES, "No service is named as a frontend; step 2 counts them all.")
    asked = [replica for replica in fleet.present if replica.service in frontends]
    return held_by_all(fleet, new_key, asked)


def _old_tokens_dead(fleet: Fleet, new_key: str, switched: Decision) -> Decision:
    older = _older(fleet, new_key)
    if not older:
        return _nobody_holds_older(fleet, new_key)
    verdicts = judge_fleet(fleet)
    undecided = [
        (key_id, verdicts[key_id])
        for key_id in older
        if verdicts[key_id].state is not State.RETIRABLE
    ]
    if not undecided:
        last = verdicts[older[-1]]
        return Decision(Answer.YES, last.why, last.missing)
    key_id, verdict = undecided[-1]
    is_open = verdict.state is State.UNPROVEN or bool(fleet.waited_for)
    is_unknown = is_open and switched.answer is not Answer.NO
    answer = Answer.UNKNOWN if is_unknown else Answer.NO
    return Decision(answer, f"{key_id}: {verdict.why}", verdict.missing)


def _old_keys_gone(fleet: Fleet, new_key: str) -> Decision:
    older = _older(fleet, new_key)
    holders = tuple(
        Missing(replica.place, f"still holds {key_id}")
        for key_id in older
        for replica in fleet.holders(key_id)
    )
    if holders:
        return Decision(Answer.NO, f"{', '.join(older)} can still be used.", holders)
    return _nobody_holds_older(fleet, new_key)


def _nobody_holds_older(fleet: Fleet, new_key: str) -> Decision:
    silent = silence(fleet)
    if silent or not fleet.present:
        return Decision(Answer.UNKNOWN, "Not every replica has answered.", silent)
    if new_key not in fleet.ring.key_ids:
        return Decision(Answer.NO, f"No replica holds {new_key} yet.")
    return Decision(Answer.YES, f"No replica holds a key older than {new_key} any more.")


def _older(fleet: Fleet, new_key: str) -> tuple[str, ...]:
    """The keys that the new one follows; before anybody holds it, all of them."""
    ids = fleet.ring.key_ids
    return ids[: ids.index(new_key)] if new_key in ids else ids
