"""``sidecar rules``: which access rule a request falls under, and what it would be answered.

The request is judged by the very code that judges real ones, with the configuration and the keys of
now; nothing is sent. No line holds the token that was asked about.
"""

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.help import Example, Group
from sidecar.cli.keyring import keyring_options, read_keyring
from sidecar.cli.main import COULD_NOT_FIND_OUT, DOES_NOT_HOLD
from sidecar.cli.table import format_table, terminal_width
from sidecar.errors import AmbiguousPath, KeysUnavailable, RequestError, SidecarError

if TYPE_CHECKING:
    from sidecar.config.settings import Settings
    from sidecar.tokens.keyring import Keyring
    from sidecar.tokens.permit import Permit
    from sidecar.tokens.rules import Explanation, Rule
    from sidecar.tokens.settings import AuthSettings
    from sidecar.wire.head import RequestHead

_MAX_INPUT_BYTES = 1 << 20
_LET_IN = "let in"


@click.group(
    "rules",
    cls=Group,
    examples=(
        Example(
            "May anybody delete a user?",
            "sidecar rules explain DELETE /admin/users/7 --config sidecar.yaml",
        ),
    ),
)
def command() -> None:
    """Explain the access rules."""


@command.command(
    "explain",
    examples=(
        Example(
            "Without a token:", "sidecar rules explain GET /api/thoughts/ --config sidecar.yaml"
        ),
        Example(
            "With one, from standard input:",
            "sidecar rules explain POST /api/me/thoughts/ \\\n"
            "  --config sidecar.yaml --token - < token.txt",
        ),
    ),
)
@click.argument("method")
@click.argument("path")
@click.option("--token", metavar="TOKEN|-", help="The caller's token; - reads standard input.")
@keyring_options
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def explain(
    method: str,
    path: str,
    token: str | None,
    config: Path | None,
    places: tuple[str, ...],
    as_json: bool,
) -> int:
    """Say which rule a request for PATH falls under and why, and what it would be answered.

    PATH is as a client sends it: escapes stay escapes, and a query may follow. The token is put
    where the configuration looks first. Exit code 1: the request is refused; 3: there is no usable
    key to judge it with.
    """
    settings, keyring = read_keyring(config, places)
    text: bytes | None = None
    if token is not None:
        text = sys.stdin.buffer.read(_MAX_INPUT_BYTES) if token == "-" else os.fsencode(token)
        text = b"".join(text.split()[-1:])  # perhaps copied with its scheme
    report = explain_request(method, os.fsencode(path), text, settings, keyring, time.time())
    click.echo(json.dumps(report, indent=2) if as_json else _format(report))
    if report["answer"] == _LET_IN:
        return 0
    return COULD_NOT_FIND_OUT if report["reason"] == KeysUnavailable.reason else DOES_NOT_HOLD


def explain_request(
    method: str,
    path: bytes,
    token: bytes | None,
    settings: "Settings",
    keyring: "Keyring",
    now: float,
) -> dict[str, Any]:
    """All that decides about such a request, as JSON-able values. ``now`` in unix seconds."""
    from sidecar.tokens.permit import Authorizer
    from sidecar.wire.framing import read_target

    auth = settings.auth
    shown = path.partition(b"?")[0].decode("latin-1")  # a query may hold a token
    asked: dict[str, Any] = {"method": method, "path": shown, "mode": auth.mode}
    try:
        head = _build_head(method, path, token, auth)
        target = read_target(head)
    except RequestError as error:
        return asked | {"why": "No server should take it."} | _refused(error)
    if method in ("GET", "HEAD") and target.path.decode("latin-1") in settings.version.paths:
        return asked | {"why": "The sidecar answers version paths itself."} | _let_in()
    if auth.mode == "off":
        return asked | {"why": "auth.mode is off: nothing is looked at."} | _let_in()
    # Observing never raises: a refusal comes with all that was found out before it.
    authorizer = Authorizer(replace(auth, mode="observe"))
    explanation = authorizer.rules.explain(method, target.path)
    permit = authorizer.permit(method, target.path, head.values, keyring, now, target.query)
    asked |= _tell_rule(explanation, auth) | _tell_token(permit, keyring)
    refusal = AmbiguousPath() if explanation.rule is None else permit.refusal
    if refusal is not None and auth.mode == "enforce":
        return asked | _refused(refusal)
    return asked | _let_in(refusal)


def _build_head(
    method: str, target: bytes, token: bytes | None, auth: "AuthSettings"
) -> "RequestHead":
    """The head of the request; raises :class:`RequestError` where none can be."""
    from sidecar.wire.head import parse_request_head

    field = b""
    place = auth.places[0]
    if token is not None:
        if place.header is not None:
            word = f"{place.scheme} " if place.scheme else ""
            field = b"%b: %b%b\r\n" % (place.header.encode(), word.encode(), token)
        elif place.cookie is not None:
            field = b"Cookie: %b=%b\r\n" % (place.cookie.encode(), token)
        else:
            assert place.query is not None
            mark = b"&" if b"?" in target else b"?"
            target += b"%b%b=%b" % (mark, place.query.encode(), token)
    line = b"%b %b HTTP/1.1\r\n" % (method.encode("utf-8", "surrogateescape"), target)
    return parse_request_head(line + b"Host: localhost\r\n" + field + b"\r\n", max_fields=4)


# --- what is said ------------------------------------------------------------------------------


def _tell_rule(explanation: "Explanation", auth: "AuthSettings") -> dict[str, Any]:
    from sidecar.tokens.paths import show

    readings = [
        {
            "path": show(each.segments),
            "method": each.method,
            "ignores_case": each.ignores_case,
            "rule": each.rule.name,
        }
        for each in explanation.decisions
    ]
    rule = explanation.rule
    told = {"why": explanation.why, "readings": readings}
    if rule is None:
        return told | {"rule": None}
    settings = auth.rules[rule.index] if rule.index is not None else None
    return told | {
        "rule": rule.name,
        "access": rule.access.value,
        "paths": list(settings.paths) if settings else [],
        "methods": list(settings.methods) if settings else [],
    }


def _tell_token(permit: "Permit", keyring: "Keyring") -> dict[str, Any]:
    token = permit.token
    if token is None:
        return {"key": None, "conditions": _conditions(permit.rule, None)}
    return {
        "key": token.key_id,
        "generation": keyring.generation(token.key_id),
        "conditions": _conditions(permit.rule, token.claims),
    }


def _conditions(rule: "Rule", claims: Any) -> list[dict[str, Any]]:
    """What the rule demands of each claim, and whether the token's is so; ``None``: not known."""
    return [
        {
            "claim": condition.claim,
            "wanted": condition.wanted,
            "held": None if claims is None else claims.get(condition.claim),
            "holds": None if claims is None else condition.holds(claims),
        }
        for condition in rule.conditions
    ]


def _let_in(would_be: SidecarError | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = {"answer": _LET_IN}
    return answer if would_be is None else answer | {"enforce": _refused(would_be)}


def _refused(error: SidecarError) -> dict[str, Any]:
    return {
        "answer": "refused",
        "status": error.status,
        "reason": error.reason,
        "detail": error.detail,
    }


# --- for people --------------------------------------------------------------------------------


def _format(report: dict[str, Any]) -> str:
    """What others wrote is shown as JSON, so that no terminal obeys it."""
    lines = [_format_answer(report)]
    enforce = report.get("enforce")
    if enforce is not None:
        lines.append(f"  mode enforce would have {_format_answer(enforce)}")
    lines.append(f"  why   {report['why']}")
    if "rule" in report:
        lines.append(f"  rule  {_format_rule(report)}")
    if report.get("key") is not None:
        lines.append(f"  key   {report['key']} ({report['generation']})")
    lines += [f"  claim {_format_condition(each)}" for each in report.get("conditions", ())]
    if report.get("readings"):
        rows = [
            (
                json.dumps(each["path"]) + (" (any case)" if each["ignores_case"] else ""),
                json.dumps(each["method"]),
                each["rule"],
            )
            for each in report["readings"]
        ]
        lines += ["", format_table(("reading", "method", "rule"), rows, terminal_width())]
    return "\n".join(lines)


def _format_answer(answer: dict[str, Any]) -> str:
    if answer["answer"] == _LET_IN:
        return _LET_IN
    return f"refused: {answer['status']} {answer['reason']}. {answer['detail']}"


def _format_rule(report: dict[str, Any]) -> str:
    if report["rule"] is None:
        return "none: the request is ambiguous"
    if report["rule"] == "default":
        return "default, where none matches (access token)"
    methods = f", methods {' '.join(report['methods'])}" if report["methods"] else ""
    place = f"auth.rules[{report['rule']}]"
    return f"{place} (access {report['access']}, paths {' '.join(report['paths'])}{methods})"


def _format_condition(condition: dict[str, Any]) -> str:
    demand = f"{condition['claim']} must be {json.dumps(condition['wanted'])}"
    if condition["holds"] is None:
        return f"{demand}: not known without a good token"
    if condition["holds"]:
        return f"{demand}: it is"
    return f"{demand}: it is {json.dumps(condition['held'])}"
