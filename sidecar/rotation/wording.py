"""A verdict's reason as one sentence that a tired person understands. Pure; used by ``verdict``.

Every sentence speaks of "this key" and is complete without the table that it stands in. None
holds more than key ids, numbers and times.
"""

from sidecar.rotation.case import Case
from sidecar.rotation.evidence import Evidence
from sidecar.rotation.moment import format_moment, format_span
from sidecar.rotation.succession import Statement

# --- the newest key --------------------------------------------------------------------------


def newest_in_use(seen: Evidence, last_used_at: float) -> str:
    """It is used."""
    return (
        f"The newest key, and in use: {_tokens(seen.accepted_total)} accepted here, "
        f"the last at {format_moment(last_used_at)}."
    )


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


def never_dies() -> str:
    """A token without ``exp`` was accepted."""
    return (
        "A token of this key without an expiry was accepted here and stays good for as long as "
        "the key is held, so no date makes its removal safe."
    )


def enforced(case: Case, statement: Statement, retirable_at: float) -> str:
    """The switch is held; before and after the last token's death."""
    can_go = case.now >= retirable_at
    return (
        f"{_switch(statement, case.now)} is enforced, so no token of this key issued later is "
        f"accepted, and the last one from before {_dead(can_go)} by {format_moment(retirable_at)}"
        f"{_refusals(case.seen)}{_conclusion(can_go)}."
    )


def declared(case: Case, statement: Statement, retirable_at: float) -> str:
    """The switch is only stated; before and after the last token's death."""
    can_go = case.now >= retirable_at
    return (
        f"{_switch(statement, case.now)} is stated, not enforced, and nothing seen here in "
        f"{_watched(case)} contradicts it; if it is true, the last token of this key "
        f"{_dead(can_go)} by {format_moment(retirable_at)}"
        f"{_refusals(case.seen)}{_conclusion(can_go)}."
    )


def contradicted(case: Case, statement: Statement) -> str:
    """A token was seen that, so the statement, nobody issued."""
    issued_at = case.seen.newest_issued_at
    refused = case.seen.refused_after_switch
    if issued_at is not None and case.contradicts(statement):
        seen = f"a token of this key issued at {format_moment(issued_at)} was accepted here"
    else:
        seen = f"{_tokens(refused)} of this key issued after it {_were(refused)} refused here"
    return (
        f"All signers are said to use {statement.key_id} since {format_moment(statement.since)}, "
        f"but {seen}: a signer lagged behind, so find it, then correct the statement."
    )


def alive(case: Case) -> str:
    """No basis, and live tokens are known."""
    count = case.seen.live_tokens
    latest = case.seen.latest_expiry_at
    until = "" if latest is None else f", the last until {format_moment(latest)}"
    return (
        f"{_tokens(count)} of this key seen here {'is' if count == 1 else 'are'} still alive"
        f"{until}{_refusals(case.seen)}; {_remedy(case)}."
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
        f"No token of this key{later} was seen here in {_watched(case)} "
        f"({of_newest:,} of {case.newest} {_were(of_newest)}){_refusals(seen)}, "
        f"which does not prove that none is alive; {_remedy(case)}."
    )


# --- parts of sentences ----------------------------------------------------------------------


def _remedy(case: Case) -> str:
    """What would give the verdict a basis."""
    bound = "have auth.max_lifetime set and enforced"
    state = f"state since when all signers use {case.newest} (auth.signing_since)"
    if case.policy.max_lifetime_s:
        return f"to get a date, {state}"
    if case.ending:
        return f"to get a date, {bound}"
    return f"to get a date, {state} and {bound}"


def _switch(statement: Statement, now: float) -> str:
    planned = "planned for" if statement.since > now else "at"
    return f"The switch to {statement.key_id} {planned} {format_moment(statement.since)}"


def _dead(is_past: bool) -> str:
    return "was dead" if is_past else "is dead"


def _conclusion(can_go: bool) -> str:
    return ": it can go, as far as this replica can tell" if can_go else ""


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
