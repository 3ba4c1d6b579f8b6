import os
from pathlib import Path

import pytest

from tests.functional.application import Application
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import SidecarProcess, wait_until

#: How soon a change of the keyring is in use.
PROMISED_S = 2.0


@pytest.fixture
def signers() -> list[Signer]:
    """The holders of three keys, oldest first."""
    return [Signer.generate(key_id) for key_id in ("2026-05", "2026-08", "2026-11")]


def wait_for_keys(sidecar: SidecarProcess, *key_ids: str) -> None:
    """Wait until the keyring holds these keys and no others; it must not take long."""
    wanted = sorted(key_ids)
    took_s = wait_until(lambda: sorted(sidecar.keys()) == wanted, f"the keys are {wanted}")
    assert took_s < PROMISED_S


def opens(sidecar: SidecarProcess, signer: Signer) -> bool:
    """Whether the signer's tokens are accepted; if not, their key must be the reason."""
    answer = sidecar.ask(request(token=signer.token()))
    if answer.status == 200:
        return True
    assert (answer.status, answer.problem_reason) == (401, "unknown_key")
    return False


def test_a_key_that_is_written_or_removed_counts_at_once(
    launch: Launch, application: Application, keyring: Path, signers: list[Signer]
) -> None:
    old, middle, new = signers
    old.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)
    assert [opens(sidecar, each) for each in signers] == [True, False, False]

    middle.publish(keyring)
    wait_for_keys(sidecar, "2026-05", "2026-08")
    assert [opens(sidecar, each) for each in signers] == [True, True, False]
    assert sidecar.keys()["2026-08"]["generation"] == "new"
    assert sidecar.keys()["2026-05"]["generation"] == "old"

    temporary = keyring / ".2026-11.pub.tmp"
    temporary.write_bytes(new.public_pem)
    temporary.rename(keyring / "2026-11.pub")
    wait_for_keys(sidecar, "2026-05", "2026-08", "2026-11")
    assert [opens(sidecar, each) for each in signers] == [True, True, True]
    assert sidecar.keys()["2026-11"]["generation"] == "new"

    (keyring / "2026-05.pub").unlink()
    wait_for_keys(sidecar, "2026-08", "2026-11")
    assert [opens(sidecar, each) for each in signers] == [False, True, True]


def test_a_token_that_was_accepted_is_refused_once_its_key_is_gone(
    launch: Launch, application: Application, keyring: Path, signers: list[Signer]
) -> None:
    old, _, new = signers
    old.publish(keyring)
    new.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)
    token = old.token()
    without_kid = old.token(kid="")
    with sidecar.connect() as client:
        for _ in range(3):
            assert client.exchange(request(token=token)).status == 200
            assert client.exchange(request(token=without_kid)).status == 200
        (keyring / "2026-05.pub").unlink()
        wait_for_keys(sidecar, "2026-11")
        assert client.exchange(request(token=token)).problem_reason == "unknown_key"
        assert client.exchange(request(token=without_kid)).problem_reason == "bad_signature"
        assert client.exchange(request(token=new.token())).status == 200


def test_another_key_under_the_same_id_takes_its_place(
    launch: Launch, application: Application, keyring: Path
) -> None:
    before, after = Signer.generate("2026-11"), Signer.generate("2026-11")
    path = before.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)
    thumbprint = sidecar.keys()["2026-11"]["thumbprint"]
    token = before.token()
    assert sidecar.ask(request(token=token)).status == 200

    path.write_bytes(after.public_pem)
    took_s = wait_until(
        lambda: sidecar.keys()["2026-11"]["thumbprint"] != thumbprint, "the key is another"
    )

    assert took_s < PROMISED_S
    assert sidecar.ask(request(token=token)).problem_reason == "bad_signature"
    assert sidecar.ask(request(token=after.token())).status == 200


class MountedSecret:
    """A directory as Kubernetes mounts it: its files are links through ``..data``, which is swapped
    whole."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._version = 0

    def hold(self, *signers: Signer) -> None:
        """Hold the public keys of these, and no others."""
        self._version += 1
        version = self._directory / f"..2026_11_25_{self._version}"
        version.mkdir()
        for each in signers:
            each.publish(version)
        temporary = self._directory / "..data_tmp"
        temporary.symlink_to(version.name)
        temporary.rename(self._directory / "..data")
        for path in self._directory.glob("[!.]*"):
            if not path.exists():
                path.unlink()
        for each in signers:
            path = self._directory / f"{each.key_id}.pub"
            if not path.is_symlink():
                path.symlink_to(Path("..data") / path.name)


def test_a_mounted_secret_that_is_swapped_counts_at_once(
    launch: Launch, application: Application, keyring: Path, signers: list[Signer]
) -> None:
    old, middle, new = signers
    secret = MountedSecret(keyring)
    secret.hold(old, middle)
    sidecar = launch({}, application=application, keyring=keyring)
    assert sorted(sidecar.keys()) == ["2026-05", "2026-08"]

    secret.hold(old, middle, new)
    wait_for_keys(sidecar, "2026-05", "2026-08", "2026-11")
    secret.hold(middle, new)
    wait_for_keys(sidecar, "2026-08", "2026-11")
    assert [opens(sidecar, each) for each in signers] == [False, True, True]

    replaced = Signer.generate("2026-11")
    thumbprint = sidecar.keys()["2026-11"]["thumbprint"]
    secret.hold(middle, replaced)  # no name changes, only what lies behind one
    took_s = wait_until(
        lambda: sidecar.keys()["2026-11"]["thumbprint"] != thumbprint, "the key is another"
    )
    assert took_s < PROMISED_S
    assert opens(sidecar, replaced)


def test_files_that_break_keep_their_last_good_keys_and_say_so(
    launch: Launch, application: Application, keyring: Path
) -> None:
    contents = [b"", b"-----BEGIN PUBLIC KEY-----\nMFkw", b"\x00\xff" * 1000, b"{", b"hello"]
    signers = [Signer.generate(f"2026-{month:02}") for month in range(1, 6)]
    paths = [each.publish(keyring) for each in signers]
    sidecar = launch({}, application=application, keyring=keyring)

    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    wait_until(lambda: len(broken_files(sidecar)) == 5, "every broken file is in the log")

    assert [opens(sidecar, each) for each in signers] == [True] * 5
    assert sidecar.metrics().value("sidecar_keyring_reloads_total", result="partial") >= 1
    assert broken_files(sidecar) == [str(path) for path in paths]

    for each in signers:
        each.publish(keyring)
    wait_until(lambda: sidecar.stderr.count("No longer so") == 5, "every file is well again")
    assert [opens(sidecar, each) for each in signers] == [True] * 5


def broken_files(sidecar: SidecarProcess) -> list[str]:
    """The files whose last good keys are said to stay in use."""
    return sorted(
        line["where"]
        for line in sidecar.log
        if line["level"] == "warning"
        and "its last good keys stay in use" in line["message"]
        and not line["message"].startswith("No longer so")
    )


def test_files_that_are_no_keys_do_not_disturb_the_others(
    launch: Launch, application: Application, keyring: Path, signers: list[Signer]
) -> None:
    old, _, new = signers
    new.publish(keyring)
    (keyring / "README.txt").write_text("not a key")
    (keyring / "empty.pem").write_bytes(b"")
    (keyring / "binary.pub").write_bytes(bytes(range(256)))
    (keyring / "private.pem").write_bytes(old.private_pem)
    os.mkfifo(keyring / "pipe.pem")
    with (keyring / "huge.pem").open("wb") as huge:
        huge.truncate(50 << 20)

    sidecar = launch({}, application=application, keyring=keyring)

    assert list(sidecar.keys()) == ["2026-11"]
    assert [opens(sidecar, each) for each in (old, new)] == [False, True]
    named = {Path(line["where"]).name: line for line in sidecar.log if "where" in line}
    assert set(named) == {"empty.pem", "binary.pub", "private.pem", "pipe.pem", "huge.pem"}
    assert named["private.pem"]["level"] == "error"
    assert "private key" in named["private.pem"]["message"]


def test_a_keyring_that_loses_its_last_key_keeps_it_until_there_is_another(
    launch: Launch, application: Application, keyring: Path, signers: list[Signer]
) -> None:
    old, new = signers[0], signers[-1]
    path = old.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)

    path.unlink()
    sidecar.wait_for_log("holds no key any more")
    assert opens(sidecar, old)

    new.publish(keyring)
    wait_for_keys(sidecar, new.key_id)
    assert [opens(sidecar, each) for each in (old, new)] == [False, True]


def test_a_directory_that_vanishes_keeps_all_of_its_keys(
    launch: Launch, application: Application, keyring: Path, signers: list[Signer]
) -> None:
    new = signers[-1]
    new.publish(keyring)
    sidecar = launch({}, application=application, keyring=keyring)

    keyring.rename(keyring.with_name("elsewhere"))
    sidecar.wait_for_log("what it held before stays in use")

    assert opens(sidecar, new)
