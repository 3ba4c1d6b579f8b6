"""Tokens of every kind, each shown once to the Thoughts Backend, and what it must answer."""

from dataclasses import dataclass

from sidecar.demo.caller import Answer, Caller
from sidecar.demo.mint import Mint
from sidecar.demo.pods import PRIVATE_PATH, PUBLIC_PATH, Pod
from sidecar.demo.screen import Row, Screen


@dataclass(frozen=True, slots=True)
class Trial:
    """One request, and the answer that it must get."""

    sent: str
    token: str | None
    expected: str
    path: str = PRIVATE_PATH


def of_every_kind(mint: Mint, valid: str, old: str, new: str) -> list[Trial]:
    """``valid``: a token that the Users Backend handed out, under the key ``old``. Nobody holds
    ``new`` yet."""
    return [
        Trial(f"handed out, key {old}", valid, "200"),
        Trial(f"of the next key, {new}", mint.valid(new, "alice"), "401 unknown_key"),
        Trial("expired an hour ago", mint.expired(old, "alice"), "401 expired"),
        Trial(f"forged, says {old}", mint.forged(old, "mallory"), "401 bad_signature"),
        Trial("unsigned, alg none", mint.unsigned(old, "mallory"), "401 algorithm_not_allowed"),
        Trial("no token", None, "401 missing"),
        Trial("no token, public path", None, "200", PUBLIC_PATH),
    ]


async def make(trials: list[Trial], pod: Pod, caller: Caller, screen: Screen) -> list[str]:
    """Show each answer; what was wrong, in words."""
    rows, wrong = [], []
    for trial in trials:
        answer = await caller.ask(pod.url + trial.path, trial.token)
        is_right = str(answer) == trial.expected
        rows.append(Row((trial.sent, str(answer), _who_answered(answer)), is_right))
        if not is_right:
            wrong.append(f"{trial.sent}: {answer}")
    screen.table(("TOKEN", "ANSWER", "FROM"), rows)
    return wrong


def _who_answered(answer: Answer) -> str:
    if not answer.status:
        return "-"
    return "sidecar" if answer.is_from_sidecar else "application"
