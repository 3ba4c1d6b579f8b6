import stat
import time
from pathlib import Path

import pytest

from sidecar.demo.mint import Mint
from sidecar.errors import TokenError
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.parse import read_keys
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.verify import Verifier

KEY = "2026-05"
LIFETIME_S = 30


@pytest.fixture(scope="module")
def mint(tmp_path_factory: pytest.TempPathFactory) -> Mint:
    made = Mint(tmp_path_factory.mktemp("keys"), LIFETIME_S)
    made.make_key(KEY)
    return made


def verify(mint: Mint, token: str) -> object:
    reading = read_keys(mint.public_file(KEY).read_bytes(), stem=KEY, source="here")
    keyring = Keyring(reading.keys)
    settings = AuthSettings(max_lifetime_s=LIFETIME_S)
    return Verifier(settings).verify(token.encode(), keyring, time.time()).claims["username"]


def test_a_valid_token_is_accepted_and_names_its_user(mint: Mint) -> None:
    assert verify(mint, mint.valid(KEY, "alice")) == "alice"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("expired", "expired"),
        ("forged", "bad_signature"),
        ("unsigned", "algorithm_not_allowed"),
    ],
)
def test_every_other_kind_is_refused_for_what_is_wrong_with_it(
    mint: Mint, kind: str, reason: str
) -> None:
    token: str = getattr(mint, kind)(KEY, "mallory")

    with pytest.raises(TokenError) as refusal:
        verify(mint, token)
    assert refusal.value.reason == reason


def test_only_the_owner_may_read_a_private_key(tmp_path: Path) -> None:
    Mint(tmp_path, LIFETIME_S).make_key(KEY)

    assert stat.S_IMODE((tmp_path / f"{KEY}.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{KEY}.key", f"{KEY}.pub"]
