"""The service's own version: what the application says, and what its answers and callers say."""

import json
from collections.abc import Callable

import pytest

from tests.functional.application import OK, Application, Request, Talk, answering
from tests.functional.client import request
from tests.functional.conftest import Launch
from tests.functional.sidecar_process import SidecarProcess, wait_until

COMMIT = "2257f9c0a1b2c3d4e5f60718293a4b5c6d7e8f90"
STAMP = {"VERSION_NAME": "v2.3", "VERSION_SHA": COMMIT}
VERIFIED = "sidecar_service_version_verified"


def saying(version: str) -> Callable[[Talk, Request], None]:
    """An application that says its version at /admin/version/, and ok elsewhere."""
    body = json.dumps({"version": version, "commit": COMMIT}).encode()

    def answer(talk: Talk, received: Request) -> None:
        if received.target != b"/admin/version/":
            talk.send(OK)
            return
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    return answer


def start(launch: Launch, application: Application, **version: object) -> SidecarProcess:
    return launch(
        {"auth": {"mode": "off"}, "version": version}, application=application, environment=STAMP
    )


def test_an_application_that_says_the_same_verifies_the_version(
    launch: Launch, application: Application
) -> None:
    application.answer = saying("v2.3")
    sidecar = start(launch, application, verify="/admin/version/")
    sidecar.wait_for_log("The application confirms its version.")
    assert sidecar.admin("/version").json()["verified"] is True
    assert sidecar.metrics().value(VERIFIED) == 1


def test_a_disagreement_is_shown_in_answers_metrics_and_log(
    launch: Launch, application: Application
) -> None:
    application.answer = saying("v2.4")
    sidecar = start(launch, application, verify="/admin/version/")
    sidecar.wait_for_log("another version than its image is stamped with")
    for document in (
        sidecar.admin("/version").json(),
        sidecar.ask(request("/version")).json(),
    ):
        assert document["version"] == "v2.3"
        assert document["verified"] is False
        assert document["stamp"] == {"version": "v2.3", "commit": COMMIT}
        assert document["application"] == {"version": "v2.4", "commit": COMMIT}
    metrics = sidecar.metrics()
    assert metrics.value(VERIFIED) == 0
    assert metrics.value("sidecar_service_info", version="v2.3") == 1


def test_where_the_application_decides_its_answer_is_the_version(
    launch: Launch, application: Application
) -> None:
    application.answer = saying("v2.4")
    options = {"verify": "/admin/version/", "from": "app", "header": "on"}
    sidecar = start(launch, application, **options)
    wait_until(lambda: sidecar.admin("/version").json()["version"] == "v2.4", "it was asked")
    assert sidecar.ask(request("/version")).json()["version"] == "v2.4"
    assert sidecar.metrics().value("sidecar_service_info", version="v2.4") == 1
    assert sidecar.ask(request("/")).values("X-Service-Version") == [b"v2.4"]


def test_an_application_that_is_not_there_yet_is_asked_until_it_is(
    launch: Launch, application: Application
) -> None:
    application.answer = answering(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    sidecar = start(launch, application, verify="/admin/version/")
    sidecar.wait_for_log("it answered with status 503")
    assert sidecar.admin("/version").json()["verified"] is None
    assert list(sidecar.metrics().samples(VERIFIED)) == []
    application.answer = saying("v2.3")
    sidecar.wait_for_log("The application confirms its version.")


def test_who_does_not_ask_the_application_answers_as_ever(
    launch: Launch, application: Application
) -> None:
    sidecar = start(launch, application)
    assert set(sidecar.admin("/version").json()) == {"service", "version", "commit", "sidecar"}
    assert sidecar.ask(request("/")).values("X-Service-Version") == []
    assert list(sidecar.metrics().samples(VERIFIED)) == []


@pytest.mark.parametrize(
    ("header", "value"), [("off", b"own"), ("on", b"own"), ("replace", b"v2.3")]
)
def test_the_application_s_own_field_is_kept_or_replaced(
    launch: Launch, application: Application, header: str, value: bytes
) -> None:
    application.answer = answering(
        b"HTTP/1.1 200 OK\r\nX-Service-Version: own\r\nContent-Length: 2\r\n\r\nok"
    )
    sidecar = start(launch, application, header=header)
    answer = sidecar.ask(request("/"))
    assert answer.values("X-Service-Version") == [value]
    assert answer.body == b"ok"


def test_requests_are_counted_by_the_version_of_known_callers(
    launch: Launch, application: Application
) -> None:
    sidecar = start(launch, application, callers=["frontend"])
    for name, version in [("frontend", "v4.1")] * 2 + [("frontend", "<b>"), ("stranger", "v1")]:
        fields = (f"X-Client-Service: {name}", f"X-Client-Version: {version}")
        assert sidecar.ask(request("/", *fields)).status == 200
    assert sidecar.metrics().nonzero("sidecar_caller_requests_total") == {
        ("frontend", "v4.1"): 2,
        ("frontend", "other"): 1,
    }
