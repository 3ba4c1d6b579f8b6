"""The public key is published whole or not at all."""

import stat
from pathlib import Path

import pytest

from sidecar.errors import ConfigError
from sidecar.proxy.resign import build_reissuer, publish
from sidecar.tokens.settings import ForwardSettings, ResignSettings


def test_the_file_is_replaced_and_readable_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "public_key.pub"
    path.write_text("old")
    path.chmod(0o600)
    publish(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    target, path = tmp_path / "other", tmp_path / "public_key.pub"
    target.write_text("somebody else's")
    path.symlink_to(target)
    publish(path, b"new")
    assert target.read_text() == "somebody else's"
    assert not path.is_symlink()


@pytest.mark.parametrize("place", ["nowhere/key.pub", "directory"])
def test_what_cannot_be_written_is_named_and_nothing_is_left_behind(
    place: str, tmp_path: Path
) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(ConfigError) as caught:
        publish(tmp_path / place, b"new")
    (problem,) = caught.value.problems
    assert problem.startswith(
        f"auth.forward.resign.public_key: {tmp_path / place} cannot be written"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["directory"]


def test_a_key_is_made_only_where_tokens_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "public_key.pub"
    resign = ResignSettings(algorithm="ES256", public_key=str(path))
    for token in ("keep", "strip"):
        assert build_reissuer(ForwardSettings(token=token, resign=resign)) is None
        assert not path.exists()
    assert build_reissuer(ForwardSettings(token="resign", resign=resign)) is not None
    assert path.read_text().startswith("-----BEGIN PUBLIC KEY-----")
