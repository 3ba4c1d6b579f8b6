"""A verdict's reason as one sentence that a tired person understands. Pure; used by ``verdict``.

Every sentence speaks of "this key" and is complete without the table that it stands in. None
holds more than key ids, numbers and times.
"""

from sidecar.rotation.bases import Basis, Ground
from sidecar.rotation.case import Case
from sidecar.rotation.evidence import Evidence
from sidecar.rotation.moment import format_moment, format_span
from sidecar.rotation.replica import latest
from sidecar.rotation.signers import Hole
from sidecar.rotation.succession import Statement

# --- the newest key --------------------------------------------------------------------------


def newest_in_use(seen: Evidence, last_used_at: float, is_alone: bool) -> str:
    """It is used."""
    here = " here" if is_alone else ""
    return (
        f"The newest key, and in use: {_tokens(seen.accepted_total)} accepted{here}, "
        f"the last at {format_moment(last_used_at)}."
    )


def newest_issued(count: int) -> str:
    """Handed out, and not presented yet."""
    return f"The newest key, and in use: {_tokens(count)} of it {_were(count)} handed out."


def newest_stated(statement: Statement) -> str:
    """Not seen, but all signers are said to use it."""
    since = format_moment(statement.since)
    return f"All signers are said to use this key since {since}; no token of it was seen here yet."


def only_key() -> str:
    """Not seen, but there is no other."""
    return "The only key; no token of it was seen here yet."


def newest_planned(statement: Statement) -> str:
    """Not seen, and the switch to it lies in the future."""
    since = format_moment(statement.since)
    return f"Held ready: the switch to this key is planned for {since}."


def newest_held_ready() -> str:
    """Not seen, and nothing is stated."""
    return "Held ready: no token of this key was seen here yet, and no switch to it is stated."


# --- an old key ------------------------------------------------------------------------------


def never_dies(case: Case) -> str:
    """A token without ``exp`` is good."""
    what = "accepted" if case.seen.has_unbounded else "handed out"
    return (
        f"A token of this key without an expiry was {what}{_here(case)} and stays good for as "
        "long as the key is held, so no date makes its removal safe."
    )


def on(case: Case, ground: Ground) -> str:
    """A basis holds; before and after its date."""
    can_go = case.now >= ground.retirable_at
    date = format_moment(ground.retirable_at)
    if isinstance(ground.sets_date, Statement):
        words = _enforced if ground.basis is Basis.ENFORCED else _declared
        reason = words(case, ground.sets_date, can_go, date)
    else:
        reason = _observed(case, ground.sets_date, can_go, date)
    return f"{reason}{_refusals(case.seen)}{_conclusion(case, can_go)}."


def _enforced(case: Case, statement: Statement, can_go: bool, date: str) -> str:
    return (
        f"{_switch(statement, case.now)} is enforced, so no token of this key issued later is "
        f"accepted, and the last one from before {_dead(can_go)} by {date}"
    )


def _observed(case: Case, hole: Hole | None, can_go: bool, date: str) -> str:
    who = "This replica" if case.is_alone else "Every replica that hands out tokens"
    if hole is not None:
        unseen = f"{_why(case, hole)}, until {format_moment(hole.until)}"
        last = f"the last that may have been handed out unseen ({unseen}) {_dead(can_go)} by {date}"
    elif case.issues is None or case.issues.latest_expiry_at is None:
        last = "no token of it was ever handed out"
    else:
        last = f"the last one handed out {_dead(can_go)} by {date}"
    return f"{who} is watched and done with this key, and {last}"


def _declared(case: Case, statement: Statement, can_go: bool, date: str) -> str:
    return (
        f"{_switch(statement, case.now)} is stated, not enforced, and nothing seen{_here(case)} in "
        f"{_watched(case)} contradicts it; if it is true, the last token of this key "
        f"{_dead(can_go)} by {date}"
    )


def contradicted(case: Case) -> str:
    """A token was seen that, so the statement, nobody issued."""
    statement = case.ending[-1] if case.contradicts(case.ending[-1]) else case.ending[0]
    issued_at = case.newest_issued_at
    refused = case.seen.refused_after_switch
    if issued_at is not None and case.contradicts(statement):
        what = "accepted" if issued_at == case.seen.newest_issued_at and not refused else "seen"
        seen = f"a token of this key issued at {format_moment(issued_at)} was {what}{_here(case)}"
    else:
        seen = f"{_tokens(refused)} of this key issued after it {_were(refused)} refused"
        seen += _here(case)
    return (
        f"All signers are said to use {statement.key_id} since {format_moment(statement.since)}, "
        f"but {seen}: a signer lagged behind, so find it, then correct the statement."
    )


def alive(case: Case) -> str:
    """No basis, and live tokens are known."""
    count = max(case.seen.live_tokens, 1)
    handed_out = case.issues.latest_expiry_at if case.issues else None
    latest_at = latest((case.seen.latest_expiry_at, handed_out))
    until = "" if latest_at is None else f", the last until {format_moment(latest_at)}"
    seen = f"seen{_here(case)}" if case.seen.live_tokens else f"handed out{_here(case)}"
    return (
        f"{_tokens(count)} of this key {seen} {'is' if count == 1 else 'are'} still alive"
        f"{until}{_refusals(case.seen)}{_obstacle(case)}; {_remedy(case)}."
    )


def unproven(case: Case) -> str:
    """No basis, and no live token is known: what was seen, and what would prove it."""
    seen = case.seen
    later = ""
    if seen.newest_issued_at is not None:
        later = f" issued later than {format_moment(seen.newest_issued_at)}"
    elif seen.last_used_at is not None:
        later = f" after {format_moment(seen.last_used_at)}"
    of_newest = case.seen_of_newest.accepted_total
    return (
        f"No token of this key{later} was seen{_here(case)} in {_watched(case)}{_on(case)} "
        f"({of_newest:,} of {case.newest} {_were(of_newest)}){_refusals(seen)}, "
        f"which does not prove that none is alive{_obstacle(case)}; {_remedy(case)}."
    )


# --- parts of sentences ----------------------------------------------------------------------


def _remedy(case: Case) -> str:
    """What would give the verdict a basis."""
    if case.missing:
        return "wait for their answer, or take them out of the fleet"
    bound = "have auth.max_lifetime set and enforced"
    state = f"state since when all signers use {case.newest} (auth.signing_since)"
    if case.policy.max_lifetime_s:
        return f"to get a date, {state}"
    if case.ending:
        return f"to get a date, {bound}"
    return f"to get a date, {state} and {bound}"


def _obstacle(case: Case) -> str:
    """What stands in the way of a basis, in the words of who is in the way."""
    if case.missing:
        return f"; {_places([missing.where for missing in case.missing])} did not answer"
    issues = case.issues
    if issues is None:
        return ""
    if issues.stranger_at is not None:
        at = format_moment(issues.stranger_at)
        return (
            f"; a token issued at {at} was presented that no watched service handed out, so "
            "somebody signs who is not watched"
        )
    if issues.pending:
        first = issues.pending[0]
        who = "this replica" if case.is_alone else first.where
        more = len(issues.pending) - 1
        others = f" (and {more} more)" if more else ""
        return f"; {who}{others}: {first.what}"
    if issues.holes:
        hole = max(issues.holes, key=lambda hole: hole.until)
        until = format_moment(hole.until)
        return f"; what was handed out until {until} is not known ({_why(case, hole)})"
    return ""


def _why(case: Case, hole: Hole) -> str:
    return "this replica was not watched before" if case.is_alone else hole.why


def _places(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _here(case: Case) -> str:
    return " here" if case.is_alone else ""


def _on(case: Case) -> str:
    count = case.replicas
    return "" if case.is_alone else f" on {count} {'replica' if count == 1 else 'replicas'}"


def _switch(statement: Statement, now: float) -> str:
    planned = "planned for" if statement.since > now else "at"
    return f"The switch to {statement.key_id} {planned} {format_moment(statement.since)}"


def _dead(is_past: bool) -> str:
    return "was dead" if is_past else "is dead"


def _conclusion(case: Case, can_go: bool) -> str:
    if not can_go:
        return ""
    return ": it can go" + (", as far as this replica can tell" if case.is_alone else "")


def _refusals(seen: Evidence) -> str:
    """Tokens of the key that were refused, where there were any: somebody still brings them."""
    count, late, last = seen.refused_total, seen.refused_after_switch, seen.last_refused_at
    if not count:
        return ""
    issued_late = f", {late:,} of them issued after a switch" if late else ""
    last_at = "" if last is None else f", the last at {format_moment(last)}"
    return f" ({_tokens(count)} of it {_were(count)} refused{issued_late}{last_at})"


def _watched(case: Case) -> str:
    return format_span(case.now - case.observing_since)


def _tokens(count: int) -> str:
    return f"{count:,} {'token' if count == 1 else 'tokens'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
