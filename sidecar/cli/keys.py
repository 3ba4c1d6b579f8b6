"""``sidecar keys``: make a pair of keys, list a keyring, publish it as a JWKS."""

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sidecar.cli.help import Example, Group
from sidecar.cli.keyring import keyring_options, read_keyring
from sidecar.cli.main import DOES_NOT_HOLD
from sidecar.cli.table import format_table, terminal_width

if TYPE_CHECKING:
    from sidecar.tokens.keyring import Key, Keyring

_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHOWN = ("id", "generation", "algorithm", "thumbprint", "source")


@click.group(
    "keys",
    cls=Group,
    examples=(
        Example("A new pair of keys:", "sidecar keys generate --id 2026-11 --out signer"),
        Example("What a keyring holds:", "sidecar keys list --keyring keyring"),
    ),
)
def command() -> None:
    """Generate and list keys."""


class _KeyId(click.ParamType[str]):
    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """An id becomes the name of two files, so it may hold nothing that a path could."""
        if not _KEY_ID.fullmatch(value):
            wanted = "an id of letters, digits, '.', '_' and '-', such as 2026-11"
            self.fail(f"{value!r} is not {wanted}", param, ctx)
        return value


@command.command(
    "generate",
    examples=(
        Example(
            "signer/2026-11.key to sign with, signer/2026-11.pub for every keyring:",
            "sidecar keys generate --id 2026-11 --out signer",
        ),
        Example(
            "Shorter tokens, by a curve:",
            "sidecar keys generate --id 2027-02 --algorithm ES256 --out signer",
        ),
    ),
)
@click.option("--id", "key_id", type=_KeyId(), required=True, help="The key's id: 2026-11.")
@click.option(
    "--algorithm",
    type=click.Choice(["RS256", "PS256", "ES256", "EdDSA"]),
    default="RS256",
    show_default=True,
    help="What the key signs with. The files say it: PS256 makes an RSASSA-PSS key.",
)
@click.option(
    "--out",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="The directory for the two files; made if it is missing.",
)
def generate(key_id: str, algorithm: str, directory: Path) -> None:
    """Write a new private key ID.key (mode 0600) and its public key ID.pub.

    Nothing is overwritten. Only ID.pub belongs into a keyring; ID.key belongs to the signer.
    """
    from sidecar.tokens.generate import generate_pair

    private_path, public_path = directory / f"{key_id}.key", directory / f"{key_id}.pub"
    for path in (private_path, public_path):
        if path.is_symlink() or path.exists():
            raise click.ClickException(f"{path} exists, and is not overwritten")
    directory.mkdir(parents=True, exist_ok=True)
    pair = generate_pair(algorithm)
    _write_new(private_path, pair.private_pem, mode=0o600)
    try:
        _write_new(public_path, pair.public_pem, mode=0o644)
    except OSError:
        private_path.unlink()
        raise
    click.echo(f"{private_path}\n{public_path}")


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    # O_EXCL: whatever came into being since the check is not overwritten or followed either.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


@command.command(
    "list",
    examples=(
        Example("A directory of public keys:", "sidecar keys list --keyring keyring"),
        Example(
            "A JWKS that somebody serves, and two places together:",
            "sidecar keys list --keyring https://issuer.example/jwks.json \\\n  --keyring keyring",
        ),
        Example(
            "The digest, which is the same on every replica with the same keys:",
            "sidecar keys list --keyring keyring --json | jq -r .digest",
        ),
    ),
)
@keyring_options
@click.option("--json", "as_json", is_flag=True, help="JSON, with the digest of the keyring.")
def list_keys(config: Path | None, places: tuple[str, ...], as_json: bool) -> int:
    """List the keys of a keyring, oldest first.

    Exit code 1: it has no usable key.
    """
    _, keyring = read_keyring(config, places)
    keys = [_describe(keyring.by_id[key_id], keyring) for key_id in keyring.order]
    if as_json:
        found = {"digest": keyring.digest, "newest": keyring.newest, "keys": keys}
        click.echo(json.dumps(found, indent=2))
    elif keys:
        rows = [[key[name] for name in _SHOWN] for key in keys]
        click.echo(format_table(_SHOWN, rows, terminal_width()))
    return _verdict_of(keyring)


@command.command(
    "jwks",
    examples=(Example("Publish a keyring:", "sidecar keys jwks --keyring keyring > jwks.json"),),
)
@keyring_options
def jwks(config: Path | None, places: tuple[str, ...]) -> int:
    """Print the public keys of a keyring as a JWKS (RFC 7517), newest first.

    Exit code 1: it has no usable key.
    """
    _, keyring = read_keyring(config, places)
    keys = [_as_jwk(keyring.by_id[key_id]) for key_id in reversed(keyring.order)]
    click.echo(json.dumps({"keys": keys}, indent=2))
    return _verdict_of(keyring)


def _describe(key: "Key", keyring: "Keyring") -> dict[str, str]:
    return {
        "id": key.id,
        "generation": keyring.generation(key.id),
        "algorithm": key.algorithm,
        "thumbprint": key.thumbprint,
        "source": key.source,
    }


def _as_jwk(key: "Key") -> dict[str, Any]:
    from jwt.algorithms import get_default_algorithms

    members = dict(get_default_algorithms()[key.algorithm].to_jwk(key.public_key, as_dict=True))
    members.pop("key_ops", None)  # says the same as "use", and one of both is enough (section 4.3)
    return {"kid": key.id, "use": "sig", "alg": key.algorithm, **members}


def _verdict_of(keyring: "Keyring") -> int:
    if keyring.by_id:
        return 0
    click.echo("sidecar: there is no usable key", err=True)
    return DOES_NOT_HOLD
