"""One question to a dependency, asked over real connections."""

import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sidecar.dependencies.finding import Finding, State
from sidecar.dependencies.probe import Probe
from sidecar.dependencies.settings import DependencySettings
from sidecar.errors import VersionError
from sidecar.net.fetch import fetch
from sidecar.versions.stamp import ServiceVersion
from tests.dependencies.conftest import Authority
from tests.dependencies.service import (
    COMMIT,
    Reply,
    Service,
    break_off,
    drop_by_drop,
    endlessly,
    no_http,
    redirecting,
    running,
    saying,
    silence,
    whole,
)

ANSWER = b'{"version": "v2.3"}'


async def ask(service: Service, url: str = "", **settings: Any) -> Finding:
    settings = {"min": "v2.3", "timeout_s": 5.0, **settings}
    return await Probe("users", DependencySettings(url or service.url, **settings), fetch).ask()


@pytest.mark.parametrize(
    ("version", "state", "why"),
    [
        ("v2.3", State.SATISFIED, "v2.3 meets >=v2.3"),
        ("v2.2", State.UNSATISFIED, "v2.2 is older than v2.3"),
        ("latest", State.UNKNOWN, "'latest' names no number that could be ordered"),
        ("BAD VERSION", State.UNKNOWN, "its version is unknown"),
        (None, State.UNKNOWN, "its version is unknown"),
    ],
)
async def test_an_answer_is_judged(
    service: Service, version: str | None, state: State, why: str
) -> None:
    service.reply = saying(version)
    finding = await ask(service)
    assert (finding.state, finding.why) == (state, why)
    assert finding.is_answer
    assert finding.version.commit == COMMIT


async def test_a_dependency_without_a_requirement_only_has_to_answer(service: Service) -> None:
    service.reply = saying("latest")
    assert (await ask(service, min=None)).is_satisfied


async def test_a_dependency_that_is_not_ready_itself_is_waited_for(service: Service) -> None:
    service.reply = saying("v2.3", ready=False)
    finding = await ask(service)
    assert (finding.state, finding.is_satisfied) == (State.WAITING, None)
    service.reply = saying("v2.2", ready=False)
    assert (await ask(service)).state is State.UNSATISFIED


@pytest.mark.parametrize(
    ("said", "application", "state"),
    [
        ("v2.3", "v2.4", State.SATISFIED),
        ("v2.2", "v2.1", State.UNSATISFIED),
        ("v2.3", "v2.2", State.UNKNOWN),
        ("v2.2", "v2.3", State.UNKNOWN),
        ("v2.3", "latest", State.UNKNOWN),
    ],
)
async def test_a_dependency_that_contradicts_itself_has_to_do_either_way(
    service: Service, said: str, application: str, state: State
) -> None:
    words = {"stamp": {"version": said}, "application": {"version": application}}
    service.reply = saying(said, verified=False, **words)
    finding = await ask(service)
    assert finding.state is state
    assert finding.version.version == said
    if state is State.UNKNOWN:
        assert finding.why.startswith("its application says another version than its image: ")
    service.reply = saying(said, verified=False, **words)
    assert (await ask(service, min=None)).is_satisfied


BAD_ANSWERS: Mapping[str, tuple[Reply, str]] = {
    "500": (whole(ANSWER, "500 Internal Server Error"), "answered with status 500"),
    "404": (whole(ANSWER, "404 Not Found"), "answered with status 404"),
    "204": (whole(b"", "204 No Content"), "answered with status 204"),
    "HTML": (whole(b"<html>login</html>"), "answered with something that is not JSON"),
    "nothing": (whole(b""), "answered with something that is not JSON"),
    "a list": (whole(b"[1]"), "answered with a list, not with a JSON object"),
    "null": (whole(b"null"), "answered with null, not with a JSON object"),
    "no version": (whole(b'{"commit": "c"}'), "answered with an object that has no version"),
    "a number": (saying(2.3), "answered with a version that is a number, not a text"),
    "10 MB": (whole(b" " * 10_000_000), "answered with more than 1024 KiB"),
    "no end": (endlessly, "answered with more than 1024 KiB"),
    "compressed": (whole(b"x", "200 OK", "Content-Encoding: gzip"), "in an encoding"),
    "half": (break_off, "broke off"),
    "a redirect loop": (redirecting("/version"), "redirects more than 3 times"),
    "another host": (redirecting("http://example.org/version"), "redirects to another server"),
    "another port": (redirecting("http://127.0.0.1:9/version"), "redirects to another server"),
    "a file": (redirecting("file:///etc/passwd"), "redirects to another server"),
    "no HTTP": (no_http, "broke off or did not speak HTTP"),
}


@pytest.mark.parametrize(("reply", "why"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
async def test_a_bad_answer_is_a_reason_in_words(
    service: Service, reply: Reply, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    service.reply = reply
    finding = await ask(service)
    assert finding.state is State.FAILED
    assert finding.is_satisfied is None
    assert why in finding.why
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("reply", [silence, drop_by_drop])
async def test_a_dependency_may_not_take_longer_than_it_has(service: Service, reply: Reply) -> None:
    service.reply = reply
    begin = time.monotonic()
    finding = await ask(service, timeout_s=0.3)
    assert finding.why == "did not answer in full within 0.3 s"
    assert time.monotonic() - begin < 5


async def test_a_dependency_that_is_not_there_says_so(service: Service) -> None:
    finding = await ask(service, url="http://127.0.0.1:1/version")
    assert finding.why == "cannot be reached: Connection refused"
    finding = await ask(service, url="http://nowhere.invalid/version")
    assert finding.why == "cannot be reached: its host name is not known"


async def test_a_redirect_on_the_same_host_is_followed(service: Service) -> None:
    async def reply(head: str, writer: Any) -> None:
        is_final = head.startswith("GET /version/ ")
        await (saying("v2.4") if is_final else redirecting("/version/"))(head, writer)

    service.reply = reply
    assert (await ask(service)).version == ServiceVersion("v2.4", COMMIT)
    assert service.paths == ["/version", "/version/"]


async def test_token_and_key_are_presented(service: Service, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "key").write_text("a key")
    settings = {"token_file": str(tmp_path / "token"), "key_file": str(tmp_path / "key")}
    await ask(service, **settings)
    assert "Authorization: Bearer first\r\n" in service.heads[0]
    assert "X-API-Key: a key\r\n" in service.heads[0]
    (tmp_path / "token").write_text("Bearer second")  # as after the hourly replacement
    await ask(service, **settings, key_header="X-Other")
    assert "Authorization: Bearer second\r\n" in service.heads[1]
    assert "X-Other: a key\r\n" in service.heads[1]


async def test_a_secret_does_not_follow_a_redirect_to_another_server(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret")
    async with running() as other:
        service.reply = redirecting(other.url)
        finding = await ask(service, token_file=str(tmp_path / "token"))
        assert finding.state is State.FAILED
        assert other.heads == []


@pytest.mark.parametrize("content", [None, b"", b" \n", b"two\r\nlines", b"\xff"])
async def test_a_file_without_a_secret_keeps_the_question_back(
    service: Service, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    finding = await ask(service, token_file=str(tmp_path / "token"))
    assert finding.state is State.FAILED
    assert finding.why.startswith("was not asked: the file of its token")
    assert service.heads == []


async def test_a_file_that_hangs_keeps_one_question_back_and_no_thread_more(
    service: Service, tmp_path: Path
) -> None:
    """As on a mount whose server is gone; a pipe that nobody writes to hangs alike."""
    os.mkfifo(tmp_path / "token")
    settings = DependencySettings(
        service.url, token_file=str(tmp_path / "token"), timeout_s=0.1, min="v2.3"
    )
    probe = Probe("users", settings, fetch)
    before = set(threading.enumerate())
    for _ in range(3):
        assert (await probe.ask()).why == "was not asked: the file of its token cannot be read"
    assert [each.name for each in set(threading.enumerate()) - before] == ["aside"]
    (tmp_path / "token").write_text("a reader is there")  # so that the thread ends


async def test_a_custom_authority_is_trusted_and_no_other(authority: Authority) -> None:
    async with running(authority.server) as service:
        assert (await ask(service, ca=str(authority.ca))).is_satisfied
        finding = await ask(service)
        assert finding.why.startswith("has a certificate that is not trusted")
        finding = await ask(service, ca="/nowhere/ca.pem")
        assert finding.why.startswith("was not asked: the file of its certificate authorities")


async def test_a_fault_of_ours_costs_one_question(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> Any:
        raise KeyError("secret")

    finding = await Probe("users", DependencySettings(service.url), broken).ask()
    assert finding == Finding(State.FAILED, "could not be asked")
    assert "A fault of the sidecar itself" in caplog.text


def test_a_requirement_that_can_never_hold_is_refused_at_once() -> None:
    with pytest.raises(VersionError, match="no version can be >=v3,<v2"):
        Probe("users", DependencySettings("http://a/", min="v3", below="v2"), fetch)
