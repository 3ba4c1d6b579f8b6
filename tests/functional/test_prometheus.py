"""A real Prometheus with this project's rules scrapes real sidecars in the middle of a rotation.

One issuer has switched to the new key, its second replica lags behind, a stranger's key is used
once in a while, and a service gets tokens of every kind. What the dashboard, the recording rules
and the runbooks ask must then have an answer.
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import find_tool
from tests.functional.application import OK, Application, Request, Talk
from tests.functional.client import request
from tests.functional.conftest import complete
from tests.functional.credentials import Signer
from tests.functional.login import AT_ONCE, AUTH, Issuer, answer, log_in
from tests.functional.prometheus import Prometheus
from tests.functional.sidecar_process import SidecarProcess, wait_until
from tests.monitoring.dashboard import FILTERS, QUERIES, VARIABLES, expand

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "helm" / "sidecar" / "files" / "rules.yaml"
RUNBOOKS = sorted((ROOT / "docs" / "runbooks").glob("Sidecar*.md"))
RECORDED = sorted(
    {
        rule["record"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
)
#: What a target is given besides, as a cluster would.
LABELS = {"fleet": "demo", "namespace": "shop"}
#: The machine may be busy with other things.
LONG_S = 120.0

pytestmark = [pytest.mark.needs_tool("prometheus"), pytest.mark.timeout(300)]


class Fleet:
    """Three sidecars, the applications behind them, and callers that never rest."""

    def __init__(self, directory: Path, signer: Signer, older: Signer, stranger: Signer) -> None:
        self._stack = ExitStack()
        self._signer, self._older, self._stranger = signer, older, stranger
        self._keyring = directory / "keyring"
        self._keyring.mkdir()
        # The oldest is a key with which nobody signs any more: that one has a date.
        for each in (signer, older, Signer.generate("2026-05")):
            each.publish(self._keyring)
        self._directory = directory
        application = self._application()
        self._issuer = Issuer(application, signer)
        self._users = self._start("users-backend", application, {"auth": AUTH})
        application = self._application()
        self._late = self._start("users-backend", application, {"auth": AUTH})
        Issuer(application, older)
        application = self._application()
        application.answer = _answer
        version = "{}:{}/version".format(*self._users.inbound_address)
        needs = {"users-backend": {"url": f"http://{version}", "gate": "never"}}
        more = {"dependencies": needs, "limits": {"in_flight": 100}}
        self._thoughts = self._start("thoughts-backend", application, more)
        self.sidecars = (self._users, self._late, self._thoughts)
        self._is_over = threading.Event()
        self._callers = threading.Thread(target=self._call)
        self._callers.start()

    def stop(self) -> None:
        self._is_over.set()
        self._callers.join()
        self._stack.close()

    def _application(self) -> Application:
        application = Application()
        self._stack.callback(application.close)
        return application

    def _start(
        self, service: str, application: Application, more: dict[str, Any]
    ) -> SidecarProcess:
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        auth = {
            "max_lifetime": "48h",
            "signing_since": {self._signer.key_id: an_hour_ago.isoformat(timespec="seconds")},
            **more.get("auth", {}),
        }
        configuration = {**more, "auth": auth, "service": service, "shutdown": AT_ONCE}
        sidecar = SidecarProcess(
            self._directory,
            complete(configuration, application, self._keyring),
            environment={"VERSION_NAME": "v1.6", "VERSION_SHA": "a" * 40},
        )
        self._stack.callback(sidecar.stop)
        sidecar.wait_until_ready()
        return sidecar

    def _call(self) -> None:
        while not self._is_over.wait(0.3):
            self._issuer.signer = self._signer
            log_in(self._users)
            self._issuer.signer = self._stranger
            log_in(self._users)
            log_in(self._late)
            tokens = (
                self._signer.token(),
                self._older.token(iat=int(time.time()) - 60),
                self._signer.token(lifetime_s=-3600),
                self._stranger.token(kid=""),
            )
            for token in tokens:
                self._ask("/", f"Authorization: Bearer {token}")
            self._ask("/")
            for path in ("/failing", "/broken"):
                self._ask(path, f"Authorization: Bearer {tokens[0]}")

    def _ask(self, path: str, *fields: str) -> None:
        self._thoughts.ask(request(path, *fields))


def _answer(talk: Talk, asked: Request) -> None:
    talk.read_body(asked)
    if asked.target == b"/broken":
        talk.close()
    elif asked.target == b"/failing":
        talk.send(answer(b"", status="500 Internal Server Error"))
    else:
        talk.send(OK)


@pytest.fixture(scope="module")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, signer: Signer, older_signer: Signer
) -> Iterator[Prometheus]:
    """Has scraped the fleet for long enough to know something of everything."""
    program = find_tool("prometheus")
    assert program is not None
    directory = tmp_path_factory.mktemp("prometheus")
    # The rules as they are; only that nobody waits for two minutes to see the slow ones.
    rules = directory / "rules.yaml"
    rules.write_text(re.sub(r"interval: 2m\n", "interval: 1s\n", RULES.read_text()))
    with ExitStack() as stack:
        stranger = Signer.generate("2027-02")
        fleet = Fleet(directory, signer, older_signer, stranger)
        stack.callback(fleet.stop)
        server = Prometheus(program, directory, [rules])
        stack.callback(server.stop)
        server.wait_until_ready()
        server.watch(fleet.sidecars, LABELS)
        server.wait_for('ALERTS{alertstate="firing"}', patience_s=LONG_S)
        server.wait_for("fleet_namespace_service:sidecar_requests_failed:ratio_rate5m > 0")
        yield server


def test_every_rule_is_evaluated_without_a_fault(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        groups = prometheus.ask("/api/v1/rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), "all were evaluated")
    assert {rule["name"]: rule.get("lastError") for rule in rules() if rule["health"] != "ok"} == {}


@pytest.mark.parametrize("name", RECORDED)
def test_each_recording_rule_has_data(prometheus: Prometheus, name: str) -> None:
    prometheus.wait_for(name, patience_s=LONG_S)


@pytest.mark.parametrize("name", QUERIES)
def test_each_query_of_the_dashboard_has_data_with_all_and_with_one_of_everything(
    prometheus: Prometheus, name: str
) -> None:
    query = QUERIES[name]
    prometheus.wait_for(expand(query, {}), patience_s=LONG_S)
    one = {"fleet": "demo", "namespace": "shop", "job": "sidecars"}
    # Only one of the two services hands out tokens, and only the other needs something.
    found = [
        prometheus.query(expand(query, {**one, "service": service}))
        for service in ("users-backend", "thoughts-backend")
    ]
    assert any(found), name
    nothing = {"fleet": "demo", "namespace": "elsewhere", "job": "sidecars"}
    if "$namespace" in query and "vector(0)" not in query:
        assert not prometheus.query(expand(query, nothing)), name


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_offers_what_there_is(prometheus: Prometheus, name: str) -> None:
    offered = re.fullmatch(r"label_values\((.+), (\w+)\)", VARIABLES[name]["query"]["query"])
    assert offered
    selector, label = offered.groups()
    values = {labels[label] for labels, _ in prometheus.query(expand(selector, {}))}
    assert (
        values
        == {
            "fleet": {"demo"},
            "namespace": {"shop"},
            "job": {"sidecars"},
            "service": {"users-backend", "thoughts-backend"},
        }[name]
    )


def test_what_goes_wrong_in_this_fleet_is_reported(prometheus: Prometheus) -> None:
    alerts = 'count by (alertname) (ALERTS{alertname=~"Sidecar.+"})'
    expected = {
        "SidecarIssuedWithUnknownKey",  # the stranger's key
        "SidecarIssuedAfterSwitch",  # the replica that lags behind contradicts the statement
        "SidecarOldKeyStillIssued",  # and hands out tokens of the old key
        "SidecarServerErrors",
        "SidecarUpstreamErrors",
    }

    def reported() -> set[str]:
        return {labels["alertname"] for labels, _ in prometheus.query(alerts)}

    wait_until(lambda: reported() >= expected, f"{expected} are reported", patience_s=LONG_S)
    assert reported() == expected


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_prometheus_understands_every_query_of_the_runbooks(
    prometheus: Prometheus, page: Path
) -> None:
    for block in re.findall(r"```promql\n(.*?)```", page.read_text(), re.DOTALL):
        # A query goes on where a line is indented, or closes a parenthesis.
        for query in re.split(r"\n(?![ )])", block.strip()):
            prometheus.query(query)
