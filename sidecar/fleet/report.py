"""Where a fleet stands in the rotation of its keys: the verdicts, the six steps, and who is late.

Values for people and for programs (``as_object``, whose form ``docs/rotation.md`` documents); the
reasoning is the rotation room's. Called by the command line, the console and the demonstration.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from sidecar.fleet.evidence import Evidence
from sidecar.rotation import gates
from sidecar.rotation.gates import Answer, Decision
from sidecar.rotation.moment import format_moment
from sidecar.rotation.replica import Replica, combined_evidence, latest
from sidecar.rotation.signers import Missing
from sidecar.rotation.steps import Progress, Step, take_stock
from sidecar.rotation.verdict import Verdict, judge_fleet

#: How long a scrape may take between its start and the moment at which the clock is read.
_READING_S: Final = 2.0
#: The number of the step that a clock decides.
_LAST_TOKEN: Final = 5
_CLOCKS: Final = "Clocks differ by more than the leeway."


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One key's tokens at one service. Times are unix seconds."""

    key_id: str
    holders: int
    accepted_total: int
    live_tokens: int
    issued_total: int
    last_used_at: float | None
    newest_issued_at: float | None
    latest_expiry_at: float | None


@dataclass(frozen=True, slots=True)
class Service:
    """One service's replicas, and what each key is to it. ``silent``: of those that are there."""

    name: str
    replicas: int
    silent: int
    is_issuer: bool
    keys: tuple[KeyUse, ...]

    def share_of(self, use: KeyUse) -> float | None:
        """The key's part of all live tokens, 0 to 1; None where no token is alive."""
        total = sum(each.live_tokens for each in self.keys)
        return use.live_tokens / total if total else None


@dataclass(frozen=True, slots=True)
class Report:
    """``new_key``: the one that is being rotated to, None where nobody holds a key."""

    evidence: Evidence
    new_key: str | None
    verdicts: dict[str, Verdict]
    steps: tuple[Step, ...]
    services: tuple[Service, ...]
    fast_clocks: tuple[Missing, ...]

    def as_object(self) -> dict[str, Any]:
        """JSON-able; times in RFC 3339 UTC."""
        fleet = self.evidence.fleet
        return {
            "asked_at": format_moment(fleet.now),
            "source": self.evidence.source,
            "watched_since": format_moment(fleet.watched_since),
            "new_key": self.new_key,
            "steps": [_step(step) for step in self.steps],
            "keys": [self._key(key_id) for key_id in self.evidence.key_ids],
            "services": [_service(service) for service in self.services],
            "replicas": [_replica(self.evidence, replica) for replica in fleet.replicas],
            "never_scraped": [
                {
                    "service": target.service or None,
                    "name": target.name,
                    "gone_at": _at(target.gone_at),
                }
                for target in fleet.unscraped
            ],
            "outages": [
                {"since": format_moment(gap.start), "until": format_moment(gap.end)}
                for gap in fleet.gaps
            ],
            "clocks": [{"where": each.where, "what": each.what} for each in self.fast_clocks],
            "limits": list(self.evidence.limits),
        }

    def _key(self, key_id: str) -> dict[str, Any]:
        fleet = self.evidence.fleet
        seen = combined_evidence(fleet, key_id)
        verdict = self.verdicts.get(key_id)
        pages = [r.watch.of(key_id) for r in fleet.issuers if r.watch is not None]
        judged: dict[str, Any] = {"state": None, "basis": None, "retirable_at": None, "why": None}
        if verdict is not None:
            judged = {
                "state": verdict.state.value,
                "basis": verdict.basis.value,
                "retirable_at": _at(verdict.retirable_at),
                "why": verdict.why,
                "assumptions": [assumption.value for assumption in verdict.assumptions],
                "missing": [_missing(each) for each in verdict.missing],
            }
        statement = fleet.ring.statement_of(key_id) if verdict is not None else None
        return {
            "id": key_id,
            "generation": "new" if key_id == fleet.ring.newest else "old",
            "holders": len(fleet.holders(key_id)),
            "accepted_total": seen.accepted_total,
            "refused_total": seen.refused_total,
            "issued_total": sum(page.total for page in pages),
            "live_tokens": seen.live_tokens,
            "last_used_at": _at(seen.last_used_at),
            "last_issued_at": _at(
                latest((seen.newest_issued_at, *(page.newest_issued_at for page in pages)))
            ),
            "latest_expiry_at": _at(
                latest((seen.latest_expiry_at, *(page.latest_expiry_at for page in pages)))
            ),
            "signing_since": None if statement is None else format_moment(statement.since),
            **judged,
        }


def build_report(
    evidence: Evidence, *, new_key: str | None = None, frontends: Collection[str] = ()
) -> Report:
    """Judge the evidence. ``new_key``: if not the newest; ``frontends``: names of services."""
    fleet = evidence.fleet
    target = new_key or fleet.ring.newest
    names = sorted({replica.service for replica in fleet.replicas})
    return Report(
        evidence=evidence,
        new_key=target,
        verdicts=judge_fleet(fleet),
        steps=() if target is None else _steps(evidence, target, frontends),
        services=tuple(_sum_up(evidence, name) for name in names),
        fast_clocks=tuple(_fast_clocks(evidence)),
    )


def _steps(evidence: Evidence, new_key: str, frontends: Collection[str]) -> tuple[Step, ...]:
    """As the rotation room has them; with clocks that are off, nobody knows who is dead."""
    steps = take_stock(evidence.fleet, new_key, frontends=frontends)
    clocks = tuple(_fast_clocks(evidence))
    if not clocks:
        return steps
    return tuple(
        replace(step, progress=Progress.UNKNOWN, why=_CLOCKS, missing=clocks)
        if step.number == _LAST_TOKEN and step.progress is Progress.DONE
        else step
        for step in steps
    )


def decide(
    evidence: Evidence, gate: str, key_id: str, *, accepts_unproven: bool = False
) -> Decision:
    """The answer of a gate: ``distribute``, ``switch`` or ``retire``.

    Every bound of a verdict allows for clocks that are off by the leeway. Where one is off by more,
    nothing is sure about when a token dies.
    """
    if gate == "distribute":
        return gates.distribute(evidence.fleet, key_id)
    if gate == "switch":
        return gates.switch(evidence.fleet, key_id)
    decision = gates.retire(evidence.fleet, key_id, accepts_unproven=accepts_unproven)
    clocks = tuple(_fast_clocks(evidence))
    if decision.answer is Answer.YES and clocks:
        return Decision(Answer.UNKNOWN, _CLOCKS, clocks)
    return decision


def _sum_up(evidence: Evidence, name: str) -> Service:
    fleet = evidence.fleet
    runs = [replica for replica in fleet.replicas if replica.service == name]
    present = [replica for replica in fleet.present if replica.service == name]
    return Service(
        name=name,
        replicas=len(present),
        silent=sum(fleet.is_silent(replica) for replica in present),
        is_issuer=any(replica.watch is not None for replica in runs),
        keys=tuple(_use(key_id, runs, present) for key_id in evidence.key_ids),
    )


def _use(key_id: str, runs: list[Replica], present: list[Replica]) -> KeyUse:
    seen = [replica.seen(key_id) for replica in runs]
    issued = [replica.watch.of(key_id) for replica in runs if replica.watch is not None]
    return KeyUse(
        key_id=key_id,
        holders=sum(replica.holds(key_id) for replica in present),
        accepted_total=sum(page.accepted_total for page in seen),
        live_tokens=sum(replica.seen(key_id).live_tokens for replica in present),
        issued_total=sum(page.total for page in issued),
        last_used_at=latest(page.last_used_at for page in seen),
        newest_issued_at=latest(
            (*(p.newest_issued_at for p in seen), *(p.newest_issued_at for p in issued))
        ),
        latest_expiry_at=latest(
            (*(p.latest_expiry_at for p in seen), *(p.latest_expiry_at for p in issued))
        ),
    )


def _fast_clocks(evidence: Evidence) -> list[Missing]:
    """Whose clock differs from that of who asks, or from another's, by more than the leeway."""
    found = []
    for replica in evidence.fleet.present:
        ahead_s = evidence.clocks_s.get(replica.place)
        if ahead_s is None or abs(ahead_s) <= replica.policy.leeway_s + _READING_S:
            continue
        way = "ahead" if ahead_s > 0 else "behind"
        found.append(
            Missing(
                replica.place,
                f"its clock is {abs(ahead_s):.0f} s {way}, more than the leeway of "
                f"{replica.policy.leeway_s:g} s",
            )
        )
    return found


def state_of(evidence: Evidence, replica: Replica) -> str:
    """``answering``, ``silent``, ``ended`` (with a last word) or ``gone`` (without)."""
    if replica.has_ended:
        return "ended"
    if replica.gone_at is not None:
        return "gone"
    return "silent" if evidence.fleet.is_silent(replica) else "answering"


def _step(step: Step) -> dict[str, Any]:
    return {
        "number": step.number,
        "title": step.title,
        "progress": step.progress.value,
        "why": step.why,
        "missing": [_missing(each) for each in step.missing],
    }


def _service(service: Service) -> dict[str, Any]:
    return {
        "service": service.name,
        "replicas": service.replicas,
        "silent": service.silent,
        "hands_out_tokens": service.is_issuer,
        "keys": [
            {
                "id": use.key_id,
                "holders": use.holders,
                "accepted_total": use.accepted_total,
                "issued_total": use.issued_total,
                "live_tokens": use.live_tokens,
                "share": service.share_of(use),
                "last_used_at": _at(use.last_used_at),
                "last_issued_at": _at(use.newest_issued_at),
                "latest_expiry_at": _at(use.latest_expiry_at),
            }
            for use in service.keys
        ],
    }


def _replica(evidence: Evidence, replica: Replica) -> dict[str, Any]:
    watch = replica.watch
    return {
        "service": replica.service,
        "name": replica.name,
        "state": state_of(evidence, replica),
        "observing_since": format_moment(replica.observing_since),
        "last_scraped_at": format_moment(replica.scraped_at),
        "gone_at": _at(replica.gone_at),
        "keys": list(replica.ring.key_ids),
        "newest": replica.ring.newest,
        "digest": replica.digest,
        "switch_enforced": replica.policy.is_switch_enforced,
        "hands_out_tokens": watch is not None,
        "unwatched_until": None if watch is None else _at(watch.unwatched_until),
        "ended_at": None if watch is None else _at(watch.ended_at),
        "not_scraped": [
            {"since": format_moment(gap.start), "until": format_moment(gap.end)}
            for gap in replica.gaps
        ],
    }


def _missing(missing: Missing) -> dict[str, str]:
    return {"where": missing.where, "what": missing.what}


def _at(moment: float | None) -> str | None:
    return None if moment is None else format_moment(moment)
