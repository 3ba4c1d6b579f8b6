"""``sidecar token``: sign a token for a test, and say why one is accepted or refused.

A minted token is printed, since that is what it is made for. No other line of these commands, good
or bad, holds a token or a signature.
"""

import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sidecar.cli.help import Example, Group
from sidecar.cli.keyring import keyring_options, read_keyring
from sidecar.cli.main import COULD_NOT_FIND_OUT, DOES_NOT_HOLD
from sidecar.config.quantities import format_time, parse_duration, parse_time
from sidecar.errors import ConfigError, KeyFileError, KeysUnavailable, TokenError

if TYPE_CHECKING:
    from sidecar.tokens.keyring import Keyring
    from sidecar.tokens.settings import AuthSettings
    from sidecar.tokens.verify import VerifiedToken

_MAX_KEY_FILE_BYTES = 1 << 20
_MAX_INPUT_BYTES = 1 << 20


@click.group(
    "token",
    cls=Group,
    examples=(
        Example(
            "A token for a test:",
            "sidecar token mint --key signer/2026-11.key \\\n  --claim username=ana --ttl 1h",
        ),
        Example(
            "Why is this one refused?", "sidecar token inspect --keyring keyring - < token.txt"
        ),
    ),
)
def command() -> None:
    """Mint and inspect tokens."""


class _Duration(click.ParamType[int]):
    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Whole seconds, at least one: ``exp`` and ``iat`` are whole."""
        try:
            seconds = parse_duration(value)
        except ConfigError as error:
            self.fail(error.detail, param, ctx)
        if seconds < 1 or not seconds.is_integer():
            self.fail(f"{value!r} is not a number of whole seconds, such as 90s or 2d", param, ctx)
        return int(seconds)


class _Time(click.ParamType[float]):
    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Unix seconds of an RFC 3339 time."""
        try:
            return parse_time(value)
        except ConfigError as error:
            self.fail(error.detail, param, ctx)


# --- mint --------------------------------------------------------------------------------------


@command.command(
    "mint",
    examples=(
        Example(
            "For a request by hand:",
            "TOKEN=$(sidecar token mint --key signer/2026-11.key \\\n"
            "  --claim username=ana --ttl 1h)",
        ),
        Example(
            "With an issuer, an audience, and a list:",
            "sidecar token mint --key signer/2026-11.key --ttl 15m \\\n"
            "  --claim iss=users-backend --claim aud=thoughts \\\n"
            "  --claim 'roles=[\"admin\"]'",
        ),
        Example(
            "One that has expired:",
            "sidecar token mint --key signer/2026-11.key --ttl 1h --claim exp=1",
        ),
    ),
)
@click.option(
    "--key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="A private key in PEM, such as `sidecar keys generate` writes.",
)
@click.option("--kid", "key_id", metavar="ID", help="The key id in the token; default: none.")
@click.option(
    "--claim",
    "claim_texts",
    multiple=True,
    metavar="NAME=VALUE",
    help="A claim; VALUE is JSON, or else text. Repeatable. Wins over iat and exp.",
)
@click.option("--ttl", type=_Duration(), required=True, help="How long it is valid: 15m, 2d.")
def mint(key_file: Path, key_id: str | None, claim_texts: tuple[str, ...], ttl: int) -> None:
    """Print one token, valid from now on for as long as --ttl says."""
    claims = parse_claims(claim_texts)
    from sidecar.tokens.signer import parse_signer

    try:
        with key_file.open("rb") as file:
            signer = parse_signer(file.read(_MAX_KEY_FILE_BYTES))
    except KeyFileError as error:
        raise KeyFileError(f"{key_file} {error.detail}") from None
    now = int(time.time())
    click.echo(signer.sign({"iat": now, "exp": now + ttl} | claims, key_id))


def parse_claims(texts: Iterable[str]) -> dict[str, Any]:
    """The claims of ``NAME=VALUE`` texts. Raises click.UsageError."""
    claims: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not name or not separator:
            raise click.UsageError(f"--claim {text!r} is not NAME=VALUE")
        if name in claims:
            raise click.UsageError(f"--claim {name} is given twice")
        claims[name] = _parse_value(value)
    return claims


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


# --- inspect -----------------------------------------------------------------------------------


@command.command(
    "inspect",
    examples=(
        Example(
            "From standard input, where no list of processes shows it:",
            "sidecar token inspect --keyring keyring - < token.txt",
        ),
        Example(
            "As it will be judged in a month:",
            "sidecar token inspect --config sidecar.yaml \\\n"
            "  --at 2026-12-24T12:00:00Z - < token.txt",
        ),
    ),
)
@click.argument("token")
@keyring_options
@click.option("--at", "moment", type=_Time(), help="Judge it as at this time; default: now.")
@click.option("--json", "as_json", is_flag=True, help="JSON.")
def inspect(
    token: str,
    config: Path | None,
    places: tuple[str, ...],
    moment: float | None,
    as_json: bool,
) -> int:
    """Say which key verified TOKEN, or the reason why it is refused.

    With - the token is read from standard input, where no list of processes shows it. It is judged
    as a sidecar with this keyring and configuration would. Exit code 1: it is refused; 3: there is
    no usable key to judge it with.
    """
    settings, keyring = read_keyring(config, places)
    text = _bare(sys.stdin.buffer.read(_MAX_INPUT_BYTES) if token == "-" else os.fsencode(token))
    report = inspect_token(text, settings.auth, keyring, time.time() if moment is None else moment)
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        click.echo(_format(report))
    if report["verified"]:
        return 0
    return COULD_NOT_FIND_OUT if report["reason"] == KeysUnavailable.reason else DOES_NOT_HOLD


def _bare(text: bytes) -> bytes:
    """The token alone, of a line that may have been copied from a header field."""
    words = text.split()
    is_after_scheme = len(words) == 2 and words[0].lower() == b"bearer"
    return words[1] if is_after_scheme else text.strip()


def inspect_token(
    token: bytes, auth: "AuthSettings", keyring: "Keyring", now: float
) -> dict[str, Any]:
    """What there is to say about the token, without its signature. ``now`` in unix seconds."""
    from sidecar.tokens.verify import Verifier

    try:
        verified = Verifier(auth).verify(token, keyring, now)
    except TokenError as error:
        return {
            "verified": False,
            "reason": error.reason,
            "detail": error.detail,
            "key": error.key_id,  # whose signature held all the same
            "generation": error.generation,
            **_unverified(token),
        }
    return {
        "verified": True,
        "key": verified.key_id,
        "generation": keyring.generation(verified.key_id),
        "algorithm": verified.algorithm,
        "source": verified.key.source,
        **_times(verified),
        "claims": dict(verified.claims),
    }


def _times(verified: "VerifiedToken") -> dict[str, str | None]:
    moments = {
        "issued_at": verified.issued_at,
        "not_before": verified.not_before,
        "expires_at": verified.expires_at,
    }
    return {name: at if at is None else format_time(at) for name, at in moments.items()}


def _unverified(token: bytes) -> dict[str, Any]:
    """What a refused token says of itself, as far as it can be read."""
    from sidecar.tokens.compact import parse_compact, parse_header
    from sidecar.tokens.strictjson import parse_object

    try:
        parts = parse_compact(token)
        algorithm, claimed_kid = parse_header(parts.header_part)
        unverified_claims = parse_object(parts.unverified_payload)
    except (TokenError, ValueError):
        return {}
    return {
        "claimed_kid": claimed_kid,
        "claimed_algorithm": algorithm,
        "unverified_claims": unverified_claims,
    }


def _format(report: dict[str, Any]) -> str:
    """A line for each thing; what others wrote is JSON, so that no terminal obeys it."""
    if report["verified"]:
        first = f"verified by key {report['key']} ({report['generation']}, {report['algorithm']})"
        ours = ["source", "issued_at", "not_before", "expires_at"]
        theirs = ["claims"]
    else:
        first = f"refused: {report['reason']}. {report['detail']}"
        ours = ["key"]
        theirs = ["claimed_kid", "claimed_algorithm", "unverified_claims"]
    known = {name: report[name] for name in ours if report[name] is not None}
    known |= {name: json.dumps(report[name]) for name in theirs if name in report}
    lines = (f"  {name.replace('_', ' '):<17}  {text}" for name, text in known.items())
    return "\n".join([first, *lines])
