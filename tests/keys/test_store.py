"""The keyring in use, and what becomes of it when files come, go and break."""

import errno
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sidecar.keys.build import build_sources
from sidecar.keys.settings import KeySourceSettings
from sidecar.keys.store import KeyStore
from tests.tokens.minting import b64, pem, private_key


class Clock:
    """A clock that goes on by one second each time it is read."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def build_store(
    *paths: Path, newest: str | None = None, signing_since: Mapping[str, float] | None = None
) -> KeyStore:
    sources = build_sources([KeySourceSettings(str(path)) for path in paths])
    return KeyStore(sources, newest=newest, signing_since=signing_since or {}, clock=Clock())


def ids(store: KeyStore) -> list[str]:
    return list(store.current.by_id)


def settle(store: KeyStore) -> None:
    """Load until nothing changes any more, as the loop of ``refresh`` would."""
    for _ in range(3):
        store.load()


def jwk(kid: str, number: int = 0) -> dict[str, str]:
    modulus = private_key("RS256", number).public_key().public_numbers().n.to_bytes(256, "big")
    return {"kty": "RSA", "kid": kid, "n": b64(modulus).decode(), "e": "AQAB"}


def swap_data(directory: Path, version: str, files: Mapping[str, bytes]) -> None:
    """Write a volume as the kubelet does: a dated directory, then a rename of ``..data``."""
    target = directory / f"..2026_{version}"
    target.mkdir()
    for name, content in files.items():
        (target / name).write_bytes(content)
    (directory / "..data_tmp").symlink_to(target.name)
    (directory / "..data_tmp").rename(directory / "..data")
    for name in files:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"..data/{name}")
    for path in directory.iterdir():
        if not path.name.startswith("..") and path.name not in files:
            path.unlink()


class Recording(logging.Handler):
    """Keeps every record."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    log, recording = logging.getLogger("sidecar.keys"), Recording()
    level = log.level
    log.addHandler(recording)
    log.setLevel(logging.INFO)
    yield recording.records
    log.setLevel(level)
    log.removeHandler(recording)


def words(records: list[logging.LogRecord], level: int = logging.WARNING) -> list[str]:
    return [record.getMessage() for record in records if record.levelno >= level]


# --- loading -------------------------------------------------------------------------------


def test_a_directory_gives_the_keys_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "2026-9.pub").write_bytes(pem())
    (tmp_path / "2026-11.pem").write_bytes(pem("ES256"))
    (tmp_path / "one.jwk").write_text(json.dumps(jwk("jwk-id", 1)))
    (tmp_path / "set.json").write_text(json.dumps({"keys": [jwk("set-id", 2)]}))
    (tmp_path / "set.jwks").write_text(json.dumps({"keys": [jwk("other-id", 3)]}))
    (tmp_path / "notes.txt").write_text("not a key")
    (tmp_path / ".hidden.pub").write_bytes(pem("Ed25519"))
    (tmp_path / "directory.pub").mkdir()
    store = build_store(tmp_path)
    assert store.load()
    assert ids(store) == ["2026-9", "2026-11", "jwk-id", "other-id", "set-id"]
    assert store.current.by_id["2026-9"].source == str(tmp_path / "2026-9.pub")
    assert store.reloads == {"ok": 1}


def test_a_single_file_is_a_source_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "public_key").write_bytes(pem())
    (tmp_path / "other.pub").write_bytes(pem("ES256"))
    store = build_store(tmp_path / "public_key")
    store.load()
    assert ids(store) == ["public_key"]


def test_of_two_sources_the_first_holding_an_id_wins_and_the_clash_is_reported(
    tmp_path: Path, records: list[logging.LogRecord]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for number, directory in enumerate((first, second)):
        directory.mkdir()
        (directory / "k.pub").write_bytes(pem("RS256", number))
    store = build_store(first, second)
    store.load()
    assert store.current.by_id["k"].source == str(first / "k.pub")
    assert store.reloads == {"partial": 1}
    assert [word for word in words(records) if "with the id k" in word]


def test_one_key_under_two_ids_is_noticed(tmp_path: Path, records: list[logging.LogRecord]) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    (tmp_path / "b.pub").write_bytes(pem())
    store = build_store(tmp_path)
    store.load()
    assert ids(store) == ["a", "b"]
    assert [word for word in words(records) if "the same key as" in word]
    assert store.reloads == {"ok": 1}


def test_nothing_is_loaded_anew_while_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    store = build_store(tmp_path)
    store.load()
    ring = store.current
    for _ in range(5):
        assert not store.load()
    assert store.current is ring
    assert store.reloads == {"ok": 1}


# --- changes -------------------------------------------------------------------------------


def test_a_file_that_is_added_or_removed_takes_its_keys_with_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    store = build_store(tmp_path)
    settle(store)
    kept = store.current.by_id["a"]
    (tmp_path / "b.pub").write_bytes(pem("ES256"))
    assert store.load()
    assert ids(store) == ["a", "b"]
    assert store.current.by_id["a"] is kept
    (tmp_path / "a.pub").unlink()
    assert store.load()
    assert ids(store) == ["b"]


def test_a_plain_write_is_seen_even_with_the_same_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a.pub"
    path.write_bytes(pem("ES256", 0))
    os.utime(path, ns=(1, 1))
    store = build_store(tmp_path)
    settle(store)
    path.write_bytes(pem("ES256", 1))
    os.utime(path, ns=(1, 1))
    assert store.load()


def test_a_second_write_that_looks_like_the_first_is_seen_at_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.keys.files.examine", lambda path: (1, 2, 3))
    path = tmp_path / "a.pub"
    path.write_bytes(pem("ES256", 0))
    store = build_store(tmp_path)
    store.load()
    path.write_bytes(pem("ES256", 1))
    assert store.load()


def test_a_rename_over_the_file_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    store = build_store(tmp_path)
    settle(store)
    thumbprint = store.current.by_id["a"].thumbprint
    (tmp_path / "a.pub.tmp").write_bytes(pem("RS256", 1))
    (tmp_path / "a.pub.tmp").rename(tmp_path / "a.pub")
    assert store.load()
    assert store.current.by_id["a"].thumbprint != thumbprint


def test_the_swap_of_a_mounted_secret_is_seen(tmp_path: Path) -> None:
    swap_data(tmp_path, "1", {"a.pub": pem()})
    store = build_store(tmp_path)
    settle(store)
    assert ids(store) == ["a"]
    kept = store.current.by_id["a"]
    swap_data(tmp_path, "2", {"a.pub": pem(), "b.pub": pem("ES256")})
    assert store.load()
    assert ids(store) == ["a", "b"]
    assert store.current.by_id["a"] is kept
    settle(store)
    swap_data(tmp_path, "3", {"b.pub": pem("ES256")})
    assert store.load()
    assert ids(store) == ["b"]


def test_a_single_file_of_a_mounted_secret_is_followed_through_the_swap(tmp_path: Path) -> None:
    swap_data(tmp_path, "1", {"public_key.pub": pem()})
    store = build_store(tmp_path / "public_key.pub")
    settle(store)
    before = store.current.by_id["public_key"].thumbprint
    swap_data(tmp_path, "2", {"public_key.pub": pem("RS256", 1)})
    assert store.load()
    assert store.current.by_id["public_key"].thumbprint != before


def test_what_changed_is_logged_by_id(tmp_path: Path, records: list[logging.LogRecord]) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    store = build_store(tmp_path)
    store.load()
    assert words(records, logging.INFO) == ["The keyring changed: added a."]
    (tmp_path / "a.pub").write_bytes(pem("RS256", 1))
    (tmp_path / "b.pub").write_bytes(pem("RS256", 2))
    store.load()
    assert words(records, logging.INFO)[1:] == ["The keyring changed: added b; replaced a."]
    assert "BEGIN" not in str([record.__dict__ for record in records])


# --- what breaks ---------------------------------------------------------------------------


def test_a_file_that_breaks_keeps_its_last_good_keys_and_says_so_once(
    tmp_path: Path, records: list[logging.LogRecord]
) -> None:
    path = tmp_path / "a.pub"
    path.write_bytes(pem())
    store = build_store(tmp_path)
    settle(store)
    kept = store.current.by_id["a"]
    healthy_at = store.last_success_at
    for content in (b"", pem()[:100], b"\0\xff" * 100, b"x" * (1 << 21)):
        path.write_bytes(content)
        settle(store)
        assert store.current.by_id["a"] is kept
        (status,) = store.observed
        assert status.last_error is not None
        assert "its last good keys stay in use" in status.last_error
    assert store.last_success_at == healthy_at
    assert len(words(records)) == 4
    assert store.reloads == {"ok": 1, "partial": 4}
    path.write_bytes(pem())
    settle(store)
    assert store.observed[0].last_error is None
    assert store.last_success_at != healthy_at
    assert "No longer so" in words(records, logging.INFO)[-1]


@pytest.mark.parametrize("name", ["a.pub", "a.since"])
def test_a_file_that_could_not_be_read_for_a_while_is_read_as_soon_as_it_can_be(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pub").write_bytes(pem(number=0))
    store = build_store(tmp_path)
    settle(store)
    before = store.current
    file = tmp_path / name
    file.write_bytes(pem(number=1) if name == "a.pub" else b"2026-11-23T10:00:00Z")
    really_open = os.open

    def open_all_but_it(path: str | Path, *arguments: int) -> int:
        if Path(path) == file:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return really_open(path, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", open_all_but_it)
        settle(store)
    assert store.current is before
    assert store.load()
    assert store.current.signing_since or store.current.digest != before.digest


def test_a_broken_file_does_not_keep_the_others_from_loading(tmp_path: Path) -> None:
    (tmp_path / "private.pem").write_bytes(
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    )
    (tmp_path / "empty.pub").touch()
    (tmp_path / "binary.pub").write_bytes(os.urandom(500))
    with (tmp_path / "large.pub").open("wb") as large:
        large.truncate(50_000_000)
    (tmp_path / "good.pub").write_bytes(pem())
    store = build_store(tmp_path)
    store.load()
    assert ids(store) == ["good"]
    (status,) = store.observed
    assert status.key_ids == ("good",)
    for name in ("private.pem", "empty.pub", "binary.pub", "large.pub"):
        assert name in str(status.last_error)


def test_a_pipe_in_the_directory_does_not_hold_up_the_load(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pub")
    (tmp_path / "good.pub").write_bytes(pem())
    store = build_store(tmp_path)
    store.load()
    assert ids(store) == ["good"]
    assert "is not a regular file" in str(store.observed[0].last_error)


def test_a_link_that_leads_nowhere_is_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(pem())
    (tmp_path / "a.pub").symlink_to("target")
    (tmp_path / "b.pub").write_bytes(pem("ES256"))
    store = build_store(tmp_path)
    settle(store)
    assert ids(store) == ["a", "b"]
    (tmp_path / "target").unlink()
    store.load()
    assert ids(store) == ["b"]


def test_a_link_in_a_circle_is_reported_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "loop.pub").symlink_to("loop.pub")
    (tmp_path / "good.pub").write_bytes(pem())
    store = build_store(tmp_path)
    store.load()
    assert ids(store) == ["good"]
    assert "loop.pub cannot be read" in str(store.observed[0].last_error)


def test_a_directory_that_disappears_keeps_all_keys_and_is_reported(
    tmp_path: Path, records: list[logging.LogRecord]
) -> None:
    directory = tmp_path / "keys"
    directory.mkdir()
    (directory / "a.pub").write_bytes(pem())
    store = build_store(directory)
    settle(store)
    kept, healthy_at = store.current, store.last_success_at
    directory.rename(tmp_path / "away")
    settle(store)
    assert store.current is kept
    assert store.last_success_at == healthy_at
    assert "cannot be read" in str(store.observed[0].last_error)
    assert len(words(records)) == 1
    assert store.reloads == {"ok": 1, "failed": 1}
    (tmp_path / "away").rename(directory)
    settle(store)
    assert store.observed[0].last_error is None


def test_a_single_file_that_is_removed_keeps_its_key(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    directory.mkdir()
    path = directory / "a.pub"
    path.write_bytes(pem())
    store = build_store(path)
    settle(store)
    path.unlink()
    settle(store)
    assert ids(store) == ["a"]
    assert store.observed[0].last_error == (
        f"{path} does not exist; {path} holds no key any more; its last good keys stay in use"
    )
    path.write_bytes(pem("ES256"))
    settle(store)
    assert store.current.by_id["a"].algorithm == "ES256"
    assert store.observed[0].last_error is None
    directory.rename(tmp_path / "away")
    store.load()
    assert ids(store) == ["a"]


@pytest.mark.parametrize("name", ["2026-11.pub", "2026-11.pem", "2026-11.key"])
def test_a_private_key_in_the_directory_is_an_error_in_the_log(
    tmp_path: Path, records: list[logging.LogRecord], name: str
) -> None:
    content = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    (tmp_path / name).write_bytes(content)
    (tmp_path / "good.pub").write_bytes(pem())
    store = build_store(tmp_path)
    settle(store)
    assert ids(store) == ["good"]
    (error,) = words(records, logging.ERROR)
    assert f"{name} is a private key" in error
    assert "c2VjcmV0" not in error
    assert store.reloads == {"ok" if name.endswith(".key") else "partial": 1}


# --- an empty keyring ----------------------------------------------------------------------


def test_an_empty_keyring_is_explained_by_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "2026-11.pub").write_bytes(
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    )
    store = build_store(tmp_path)
    assert not store.load()
    assert store.reloads == {"failed": 1}
    assert store.explain_empty() == (
        f"There is no usable key: {tmp_path}/2026-11.pub is a private key;"
        " only public keys belong here."
    )


def test_an_empty_or_absent_source_is_explained(tmp_path: Path) -> None:
    assert build_store().explain_empty() == "No source of keys is configured."
    empty = build_store(tmp_path)
    empty.load()
    assert f"{tmp_path} holds no file named *.pem" in empty.explain_empty()
    absent = build_store(tmp_path / "absent")
    absent.load()
    assert f"{tmp_path}/absent does not exist" in absent.explain_empty()
    nowhere = build_store(tmp_path / "absent" / "absent.pub")
    nowhere.load()
    assert "cannot be read: No such file" in nowhere.explain_empty()


def test_a_keyring_with_a_key_needs_no_explanation(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    store = build_store(tmp_path)
    store.load()
    assert store.explain_empty() == ""


def test_a_source_that_appears_later_is_used(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    store = build_store(directory)
    settle(store)
    directory.mkdir()
    (directory / "a.pub").write_bytes(pem())
    settle(store)
    assert ids(store) == ["a"]


# --- statements ----------------------------------------------------------------------------


def test_a_statement_beside_the_keys_is_read_and_the_configuration_wins(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    (tmp_path / "a.since").write_text("2026-11-23T10:00:00Z\n")
    store = build_store(tmp_path)
    store.load()
    assert dict(store.current.signing_since) == {"a": 1795428000.0}
    (tmp_path / "a.since").write_text("2026-11-23T10:00:01Z\n")
    assert store.load()
    assert dict(store.current.signing_since) == {"a": 1795428001.0}
    (tmp_path / "a.since").unlink()
    assert store.load()
    assert dict(store.current.signing_since) == {}
    (tmp_path / "a.since").write_text("2026-11-23T10:00:00Z")
    configured = build_store(tmp_path, signing_since={"a": 5.0})
    configured.load()
    assert dict(configured.current.signing_since) == {"a": 5.0}


def test_a_statement_that_comes_and_goes_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "a.pub").write_bytes(pem())
    store = build_store(tmp_path)
    settle(store)
    (tmp_path / "a.since").write_text("2026-11-23T10:00:00Z\n")
    settle(store)
    (tmp_path / "a.since").unlink()
    settle(store)
    assert caplog.messages[-2:] == [
        "The keyring changed: all signers are said to use a from 2026-11-23T10:00:00Z on.",
        "The keyring changed: no switch is stated.",
    ]


def test_a_statement_beside_a_single_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    (tmp_path / "a.since").write_text("2026-11-23T10:00:00Z\n")
    store = build_store(tmp_path / "a.pub")
    store.load()
    assert dict(store.current.signing_since) == {"a": 1795428000.0}


def test_a_statement_that_is_broken_or_about_no_key_is_named_and_ignored(
    tmp_path: Path, records: list[logging.LogRecord]
) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    (tmp_path / "a.since").write_text("yesterday")
    (tmp_path / "z.since").write_text("2026-11-23T10:00:00Z")
    store = build_store(tmp_path, newest="y", signing_since={"x": 1.0})
    store.load()
    assert dict(store.current.signing_since) == {}
    said = " ".join(words(records))
    for part in ("a.since does not hold", "z.since names", "signing_since names", "newest names"):
        assert part in said
    assert "yesterday" not in said


@pytest.mark.parametrize("content", [b"", b"2026-11-", b"yesterday"])
def test_a_statement_that_breaks_stays_in_use_as_it_was(
    content: bytes, tmp_path: Path, records: list[logging.LogRecord]
) -> None:
    """While somebody writes it anew, the door that it closes must not stand open."""
    (tmp_path / "a.pub").write_bytes(pem())
    file = tmp_path / "a.since"
    file.write_text("2026-11-23T10:00:00Z")
    store = build_store(tmp_path)
    settle(store)
    before = dict(store.current.signing_since)
    file.write_bytes(content)
    settle(store)
    assert dict(store.current.signing_since) == before != {}
    assert store.current.stated_by["a"] == str(file)
    assert words(records)[-1].endswith("; what it said before stays in use.")
    file.write_text("2026-11-24T10:00:00Z")
    settle(store)
    assert dict(store.current.signing_since) == {"a": before["a"] + 86400}
    file.write_bytes(content)
    settle(store)
    file.unlink()
    settle(store)
    assert dict(store.current.signing_since) == {}


def test_newest_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    (tmp_path / "b.pub").write_bytes(pem("ES256"))
    store = build_store(tmp_path, newest="a")
    store.load()
    assert store.current.newest == "a"


def test_an_emptied_directory_keeps_its_last_keys_and_is_an_error_in_the_log(
    tmp_path: Path, records: list[logging.LogRecord]
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.pub").write_bytes(pem("RS256" if name == "a" else "ES256"))
    store = build_store(tmp_path)
    settle(store)
    (tmp_path / "a.pub").unlink()
    settle(store)
    assert ids(store) == ["b"]
    (tmp_path / "b.pub").unlink()
    (tmp_path / "c.pub").write_text("rubbish")
    settle(store)
    settle(store)
    assert ids(store) == ["b"]
    errors = [record.getMessage() for record in records if record.levelno == logging.ERROR]
    assert errors == [f"{tmp_path} holds no key any more; its last good keys stay in use."]
    assert f"{tmp_path} holds no key any more" in str(store.observed[0].last_error)
    (tmp_path / "d.pub").write_bytes(pem())
    settle(store)
    assert ids(store) == ["d"]


def test_an_emptied_source_beside_one_that_has_keys_takes_its_own_with_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for directory, kind in ((old, "RS256"), (new, "ES256")):
        directory.mkdir()
        (directory / f"{directory.name}.pub").write_bytes(pem(kind))
    store = build_store(old, new)
    settle(store)
    (old / "old.pub").unlink()
    settle(store)
    assert ids(store) == ["new"]
    (new / "new.pub").unlink()
    settle(store)
    assert ids(store) == ["new"]


def test_an_emptied_directory_is_not_taken_for_one_that_is_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    store = build_store(tmp_path)
    settle(store)
    before = store.last_success_at
    (tmp_path / "a.pub").unlink()
    settle(store)
    assert store.last_success_at == before
    (tmp_path / "a.pub").write_bytes(pem())
    settle(store)
    assert store.last_success_at != before


def test_a_key_that_an_emptied_directory_left_can_still_be_revoked(
    tmp_path: Path, records: list[logging.LogRecord]
) -> None:
    (tmp_path / "a.pub").write_bytes(pem())
    store = build_store(tmp_path)
    settle(store)
    (tmp_path / "a.pub").unlink()
    (tmp_path / "a.revoked").touch()
    settle(store)
    assert ids(store) == []
    (last,) = [record for record in records if "no key is left" in record.getMessage()]
    assert last.levelno == logging.ERROR
