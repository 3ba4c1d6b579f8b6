"""Keys and tokens that are taken out by name, beside the keys and in a list."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import KeyFileError
from sidecar.keys.revoked import MAX_TOKEN_ID_LENGTH, TokenList, parse_token_ids
from sidecar.keys.source import KeySource, PathSource
from sidecar.keys.store import KeyStore
from tests.tokens.minting import pem


def build_store(*sources: KeySource, revoked: Sequence[str] = ()) -> KeyStore:
    return KeyStore(sources, newest=None, signing_since={}, clock=lambda: 1000.0, revoked=revoked)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    directory.mkdir()
    (directory / "a.pub").write_bytes(pem(number=0))
    (directory / "b.pub").write_bytes(pem(number=1))
    return directory


# --- keys --------------------------------------------------------------------------------------


def test_a_file_takes_a_key_out_and_its_removal_brings_the_key_back(keys: Path) -> None:
    store = build_store(PathSource(keys))
    store.load()
    (keys / "b.revoked").write_text("stolen laptop\n")
    assert store.load()
    assert list(store.current.by_id) == ["a"]
    assert dict(store.current.revoked) == {"b": str(keys / "b.revoked")}
    (keys / "b.revoked").unlink()
    assert store.load()
    assert list(store.current.by_id) == ["a", "b"]


def test_a_file_beside_a_single_key_file_counts_too(keys: Path) -> None:
    (keys / "b.revoked").touch()
    store = build_store(PathSource(keys / "b.pub"))
    store.load()
    assert list(store.current.by_id) == []
    assert list(store.current.revoked) == ["b"]


@pytest.mark.parametrize("place", ["", "b.pub"])
def test_a_directory_of_that_name_takes_the_key_out_too(keys: Path, place: str) -> None:
    (keys / "b.revoked").mkdir()
    store = build_store(PathSource(keys / place))
    store.load()
    assert "b" not in store.current.by_id
    assert list(store.current.revoked) == ["b"]


def test_a_directory_that_is_called_as_a_statement_is_named(keys: Path) -> None:
    (keys / "b.since").mkdir()
    store = build_store(PathSource(keys))
    store.load()
    assert list(store.current.by_id) == ["a", "b"]
    (problem,) = PathSource(keys).load().problems
    assert problem.where == str(keys / "b.since")
    assert problem.text == "is not a regular file; it is ignored"


def test_the_configuration_takes_a_key_out_whatever_the_sources_say(keys: Path) -> None:
    store = build_store(PathSource(keys), PathSource(keys / "b.pub"), revoked=["b"])
    store.load()
    assert list(store.current.by_id) == ["a"]
    assert dict(store.current.revoked) == {"b": "auth.revoked"}


def test_what_one_source_takes_out_is_out_though_another_has_it(keys: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.revoked").touch()
    (other / "c.pub").write_bytes(pem(number=2))
    store = build_store(PathSource(keys), PathSource(other))
    store.load()
    assert list(store.current.by_id) == ["b", "c"]


def test_a_revocation_is_logged_by_name_and_stays_when_its_directory_vanishes(
    keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = build_store(PathSource(keys))
    store.load()
    (keys / "b.revoked").touch()
    with caplog.at_level("INFO", "sidecar.keys"):
        store.load()
    assert "removed b; revoked b" in caplog.text
    keys.rename(keys.with_name("elsewhere"))
    store.load()
    assert list(store.current.by_id) == ["a"]
    assert list(store.current.revoked) == ["b"]


def test_who_revokes_a_key_that_nobody_has_is_told_so(
    keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = build_store(PathSource(keys), revoked=["2026-13"])
    store.load()
    assert "auth.revoked revokes the key 2026-13, which no source has." in caplog.text
    assert store.last_success_at is not None


# --- the list of tokens ------------------------------------------------------------------------


def test_one_id_a_line_with_comments() -> None:
    text = "# why\n\nt-1\n  t-2  \r\nt-3 # lost\n#t-4\n\tdGVzdA==\n"
    assert parse_token_ids(text.encode()) == {"t-1", "t-2", "t-3", "dGVzdA=="}
    assert parse_token_ids(b"\xef\xbb\xbft-1") == {"t-1"}
    assert parse_token_ids(b"a#b") == {"a#b"}
    assert parse_token_ids(b"") == frozenset()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"t-1\nt-2 t-3\n", "line 2"),
        (b"t-1, t-2", "line 1"),
        (b"\xff\xfe", "UTF-8"),
        (b"ok\n" + b"x" * (MAX_TOKEN_ID_LENGTH + 1), "line 2"),
        (b"t\x001", "line 1"),
    ],
)
def test_what_is_no_list_is_refused_as_a_whole_and_not_quoted(content: bytes, said: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        parse_token_ids(content)
    assert said in caught.value.detail
    assert "t-" not in caught.value.detail


@given(st.binary(max_size=80))
def test_any_bytes_are_a_list_or_a_refusal(content: bytes) -> None:
    try:
        token_ids = parse_token_ids(content)
    except KeyFileError:
        return
    assert all(token_id.isprintable() and token_id.split() == [token_id] for token_id in token_ids)


@given(st.sets(st.uuids().map(str), max_size=8))
def test_whatever_is_written_is_read(token_ids: set[str]) -> None:
    assert parse_token_ids("\n".join(token_ids).encode()) == token_ids


def test_the_list_is_read_again_when_it_changes(keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "revoked-tokens"
    file.write_text("t-1\n")
    store = build_store(PathSource(keys), TokenList(file))
    store.load()
    before = store.current
    assert before.revoked_tokens == {"t-1"}
    store.load()
    store.load()
    assert store.current is before
    file.write_text("t-1\nt-2\n")
    assert store.load()
    assert store.current.revoked_tokens == {"t-1", "t-2"}
    assert list(store.current.by_id) == ["a", "b"]


@pytest.mark.parametrize("harm", ["broken", "gone", "huge", "directory"])
def test_a_list_that_breaks_or_vanishes_keeps_its_last_good_content_and_says_so(
    harm: str, keys: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "revoked-tokens"
    file.write_text("t-1\n")
    store = build_store(PathSource(keys), TokenList(file))
    store.load()
    store.load()
    if harm == "broken":
        file.write_bytes(b"\xff")
    elif harm == "huge":
        file.write_bytes(b"t-2\n" * 400_000)
    else:
        file.unlink()
        if harm == "directory":
            file.mkdir()
    for _ in range(3):
        store.load()
    assert store.current.revoked_tokens == {"t-1"}
    assert caplog.text.count(f"{file} ") == 1
    assert store.reloads["partial"] == 1
    (status,) = [status for status in store.observed if status.name == str(file)]
    assert status.last_error is not None
    if harm == "directory":
        file.rmdir()
    file.write_text("t-2\n")
    store.load()
    assert store.current.revoked_tokens == {"t-2"}
    assert f"No longer so: {file}" in caplog.text or "INFO" not in caplog.text


def test_a_list_that_could_not_be_read_for_a_while_is_read_as_soon_as_it_can_be(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "revoked-tokens"
    file.write_text("t-1\n")
    store = build_store(PathSource(keys), TokenList(file))
    store.load()
    file.write_text("t-1\nt-2\n")
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", out_of_descriptors)
        for _ in range(4):
            store.load()
    assert store.current.revoked_tokens == {"t-1"}
    assert store.load()
    assert store.current.revoked_tokens == {"t-1", "t-2"}


def out_of_descriptors(*_: object) -> int:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
