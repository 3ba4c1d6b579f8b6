import json
from typing import Any

import pytest

from tests.functional.application import Application
from tests.functional.client import Response, request
from tests.functional.conftest import Launch
from tests.functional.credentials import Signer, remember_token
from tests.functional.sidecar_process import SidecarProcess, wait_until

CLAIMS_TO_FIELDS = {"claims": {"username": "X-Auth-Username", "role": "X-Auth-Role"}}


@pytest.fixture(scope="module")
def configuration() -> dict[str, Any]:
    return {
        "auth": {
            "issuer": "users-backend",
            "audience": ["thoughts"],
            "require": ["username"],
            "max_lifetime": "48h",
            "forward": CLAIMS_TO_FIELDS,
            "rules": [
                {"paths": ["/api/thoughts/*"], "methods": ["GET"], "access": "public"},
                {"paths": ["/admin/*"], "claims": {"role": "admin"}},
                {"paths": ["/internal/*"], "access": "deny"},
                {"paths": ["/maybe"], "access": "optional"},
            ],
        },
        "log": {"access": "all"},
    }


def good_claims(**changes: Any) -> dict[str, Any]:
    return {"iss": "users-backend", "aud": "thoughts", **changes}


def refusal(answer: Response) -> tuple[int, str]:
    return answer.status, answer.problem_reason


# --- what opens the door ---------------------------------------------------------------------


def test_a_good_token_opens_the_door_and_names_its_bearer(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    token = signer.token(**good_claims())

    answer = sidecar.ask(request("/api/me", "X-Request-ID: good-one", token=token))

    assert (answer.status, answer.body) == (200, b"ok")
    assert application.last.value("X-Auth-Username") == b"bruce"
    assert application.last.value("Authorization") == f"Bearer {token}".encode()
    assert sidecar.access_line("good-one")["key"] == "2026-11"


def test_tokens_of_every_key_in_the_keyring_are_good(
    sidecar: SidecarProcess, application: Application, signer: Signer, older_signer: Signer
) -> None:
    tokens = [each.token(**good_claims()) for each in (signer, older_signer)]
    tokens += [each.token(kid="", **good_claims()) for each in (signer, older_signer)]

    assert [sidecar.ask(request(token=token)).status for token in tokens] == [200] * 4


def test_scheme_and_field_name_may_be_written_in_any_case(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    token = signer.token(**good_claims())

    assert sidecar.ask(request("/", f"AUTHORIZATION:bEARER {token}")).status == 200


# --- what does not, and what is said about it ------------------------------------------------


def test_without_a_token_the_answer_asks_for_one(
    sidecar: SidecarProcess, application: Application
) -> None:
    answer = sidecar.ask(request("/api/me", "X-Request-ID: abc-1"))

    assert answer.status == 401
    assert answer.value("WWW-Authenticate") == b'Bearer realm="thoughts-backend"'
    assert answer.value("Content-Type") == b"application/problem+json"
    assert answer.value("Server") == b"sidecar"
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail", "reason", "request_id"}
    assert document["status"] == 401
    assert document["reason"] == "missing"
    assert document["request_id"] == "abc-1"
    assert all(isinstance(document[name], str) for name in ("type", "title", "detail"))
    assert application.requests == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": 1_000_000_000, "iat": 999_990_000}, "expired"),
        ({"nbf": 4_000_000_000}, "not_yet_valid"),
        ({"iss": "somebody-else"}, "wrong_issuer"),
        ({"iss": None}, "wrong_issuer"),
        ({"aud": ["others"]}, "wrong_audience"),
        ({"aud": None}, "wrong_audience"),
        ({"username": None}, "missing_claim"),
        ({"lifetime_s": 49 * 3600}, "lifetime_too_long"),
        ({"exp": None}, "unbounded"),
        ({"exp": "4000000000"}, "malformed"),
        ({"exp": 1e400}, "malformed"),
    ],
)
def test_a_token_with_wrong_claims_is_refused_with_its_reason(
    sidecar: SidecarProcess,
    application: Application,
    signer: Signer,
    changes: dict[str, Any],
    reason: str,
) -> None:
    answer = sidecar.ask(request(token=signer.token(**good_claims(**changes))))

    assert answer.status == 401
    assert answer.problem_reason == reason
    assert b'error="invalid_token"' in answer.value("WWW-Authenticate")
    assert application.requests == []
    assert sidecar.access_line(answer.json()["request_id"])["reason"] == reason


@pytest.mark.parametrize("text", ["a.b.c", "not-a-token", "eyJhbGciOiJub25lIn0.e30.", "a.b", "é"])
def test_what_is_no_token_is_refused_as_malformed(
    sidecar: SidecarProcess, application: Application, text: str
) -> None:
    answer = sidecar.ask(request(token=text))

    assert answer.status == 401
    assert answer.problem_reason in ("malformed", "algorithm_not_allowed")
    assert application.requests == []


def test_a_forged_token_is_refused(
    sidecar: SidecarProcess, application: Application, stranger: Signer, signer: Signer
) -> None:
    good = signer.token(**good_claims())
    head, _, signature = good.split(".")
    other_payload = signer.token(**good_claims(username="joker")).split(".")[1]
    unknown = Signer.generate("2030-01")

    assert refusal(sidecar.ask(request(token=stranger.token(**good_claims())))) == (
        401,
        "bad_signature",
    )
    swapped = remember_token(f"{head}.{other_payload}.{signature}")
    assert refusal(sidecar.ask(request(token=swapped))) == (401, "bad_signature")
    assert refusal(sidecar.ask(request(token=unknown.token(**good_claims())))) == (
        401,
        "unknown_key",
    )
    assert application.requests == []


def test_a_token_that_is_too_large_is_refused(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    token = signer.token(**good_claims(padding="x" * 8192))

    assert refusal(sidecar.ask(request(token=token))) == (401, "too_large")


def test_two_tokens_in_one_request_are_refused(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    token = signer.token(**good_claims())

    answer = sidecar.ask(request("/", f"Authorization: Bearer {token}", token=token))

    assert refusal(answer) == (400, "duplicate")
    assert application.requests == []


def test_a_refused_request_leaves_the_connection_usable(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    token = signer.token(**good_claims())
    with sidecar.connect() as client:
        for _ in range(3):
            assert client.exchange(request(method="POST", body=b"text")).status == 401
            assert client.exchange(request(token=token)).status == 200


def test_the_body_of_a_refused_request_is_never_read_as_the_next_request(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    hidden = request("/hidden", token=signer.token(**good_claims()))
    with sidecar.connect() as client:
        client.send(request(method="POST", body=hidden) + request("/version"))
        assert client.response("POST").status == 401
        assert client.response().json()["service"] == "thoughts-backend"
    assert application.requests == []


# --- rules -----------------------------------------------------------------------------------


def test_a_public_rule_needs_no_token_and_looks_at_none(
    sidecar: SidecarProcess, application: Application
) -> None:
    assert sidecar.ask(request("/api/thoughts/1?x=y")).status == 200
    assert sidecar.ask(request("/api/thoughts/1", token="nonsense")).status == 200
    assert refusal(sidecar.ask(request("/api/thoughts/1", method="POST"))) == (401, "missing")


def test_a_rule_may_demand_a_claim(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    admin = signer.token(**good_claims(role="admin"))
    guest = signer.token(**good_claims(role="guest"))

    assert sidecar.ask(request("/admin/x", token=admin)).status == 200
    assert application.last.value("X-Auth-Role") == b"admin"
    answer = sidecar.ask(request("/admin/x", token=guest))
    assert refusal(answer) == (403, "forbidden")
    assert b'error="insufficient_scope"' in answer.value("WWW-Authenticate")
    assert refusal(sidecar.ask(request("/admin/x"))) == (401, "missing")


def test_a_denied_path_is_closed_to_everybody(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    token = signer.token(**good_claims(role="admin"))

    assert refusal(sidecar.ask(request("/internal/x", token=token))) == (403, "forbidden")
    assert refusal(sidecar.ask(request("/internal/x"))) == (403, "forbidden")


def test_where_a_token_is_optional_a_wrong_one_is_refused(
    sidecar: SidecarProcess, application: Application, signer: Signer, stranger: Signer
) -> None:
    assert sidecar.ask(request("/maybe")).status == 200
    assert application.last.values("X-Auth-Username") == []
    assert sidecar.ask(request("/maybe", token=signer.token(**good_claims()))).status == 200
    assert application.last.value("X-Auth-Username") == b"bruce"
    wrong = stranger.token(**good_claims())
    assert refusal(sidecar.ask(request("/maybe", token=wrong))) == (401, "bad_signature")


@pytest.mark.parametrize(
    "target",
    [
        "/api/thoughts/../../internal/x",
        "/api/thoughts/%2e%2e/me",
        "//internal/x",
        "/%69nternal/../",
    ],
)
def test_a_path_that_two_readers_read_differently_is_refused(
    sidecar: SidecarProcess, application: Application, signer: Signer, target: str
) -> None:
    answer = sidecar.ask(request(target, token=signer.token(**good_claims())))

    assert refusal(answer) == (400, "ambiguous_path")
    assert application.requests == []


@pytest.mark.parametrize("target", ["/api/me", "/api/thoughts/1"])
def test_an_identity_that_the_client_claims_is_taken_away(
    sidecar: SidecarProcess, application: Application, signer: Signer, target: str
) -> None:
    forged = ["X-Auth-Username: alfred", "x_auth_username: alfred", "X-AUTH.ROLE: admin"]
    forged += ["X-Auth-Status: ok", "X-Auth-Other: stays"]

    sidecar.ask(request(target, *forged, token=signer.token(**good_claims())))

    names = [name.lower() for name in application.last.names]
    expected = [b"bruce"] if target == "/api/me" else []
    assert application.last.values("X-Auth-Username") == expected
    assert b"x_auth_username" not in names
    assert b"x-auth.role" not in names
    assert b"x-auth-status" not in names
    assert application.last.value("X-Auth-Other") == b"stays"


def test_a_claim_cannot_break_out_of_its_field(
    sidecar: SidecarProcess, application: Application, signer: Signer
) -> None:
    name = "bruce\r\nX-Auth-Role: admin\x00é"

    sidecar.ask(request(token=signer.token(**good_claims(username=name))))

    assert application.last.values("X-Auth-Role") == []
    assert application.last.value("X-Auth-Username") == b"bruce%0D%0AX-Auth-Role: admin%00%C3%A9"


# --- other places, other modes ---------------------------------------------------------------


def test_a_token_is_taken_from_a_cookie_and_may_be_kept_from_the_application(
    launch: Launch, application: Application, signer: Signer, keyring: Any
) -> None:
    signer.publish(keyring)
    places = [
        {"header": "Authorization", "scheme": "Bearer"},
        {"cookie": "session", "scheme": "Bearer"},
    ]
    auth = {"from": places, "forward": {"token": "strip", **CLAIMS_TO_FIELDS}}
    sidecar = launch({"auth": auth}, application=application, keyring=keyring)
    token = signer.token()

    assert sidecar.ask(request("/", f'Cookie: a=b; session="Bearer {token}"')).status == 200
    assert application.last.value("X-Auth-Username") == b"bruce"
    assert sidecar.ask(request(token=token)).status == 200
    assert application.last.values("Authorization") == []
    other = signer.token(username="joker")
    answer = sidecar.ask(request("/", f"Cookie: session={other}", token=token))
    assert refusal(answer) == (400, "duplicate")


def test_observe_mode_forwards_everything_and_says_what_enforce_would_have_done(
    launch: Launch, application: Application, signer: Signer, stranger: Signer, keyring: Any
) -> None:
    signer.publish(keyring)
    auth = {"mode": "observe", "forward": CLAIMS_TO_FIELDS}
    sidecar = launch({"auth": auth}, application=application, keyring=keyring)
    token = signer.token()
    requests = {
        "ok": request(token=token),
        "missing": request(),
        "expired": request(token=signer.token(lifetime_s=-3600)),
        "bad_signature": request(token=stranger.token()),
        "duplicate": request("/", f"Authorization: Bearer {token}", token=token),
    }
    for status, raw in requests.items():
        assert sidecar.ask(raw).status == 200
        assert application.last.value("X-Auth-Status") == status.encode()
        expected = [b"bruce"] if status == "ok" else []
        assert application.last.values("X-Auth-Username") == expected

    rejected = sidecar.metrics().nonzero("sidecar_tokens_rejected_total")
    assert rejected == {
        ("false", "none", "missing"): 1,
        ("false", "new", "expired"): 1,
        ("false", "none", "bad_signature"): 1,
        ("false", "none", "duplicate"): 1,
    }


def test_off_mode_looks_at_no_token(
    launch: Launch, application: Application, stranger: Signer
) -> None:
    sidecar = launch({"auth": {"mode": "off"}}, application=application)

    assert sidecar.ask(request(token=stranger.token())).status == 200
    assert sidecar.ask(request("/", "X-Auth-Status: ok")).status == 200
    assert application.last.values("X-Auth-Status") == []
    assert sidecar.metrics().nonzero("sidecar_tokens_rejected_total") == {}


def test_no_log_line_holds_a_piece_of_a_token_or_a_key(
    launch: Launch, application: Application, signer: Signer, stranger: Signer, keyring: Any
) -> None:
    signer.publish(keyring)
    configuration = {"log": {"access": "all", "level": "debug"}}
    sidecar = launch(configuration, application=application, keyring=keyring)
    for token in (signer.token(), stranger.token(), signer.token(lifetime_s=-3600)):
        sidecar.ask(request(token=token))
        sidecar.ask(request(f"/?access_token={token}", token=token))
        sidecar.ask(request("/", f"Authorization: Basic {token}"))
        sidecar.ask(request("/", f"Authorization: Bearer {token} {token}"))
        sidecar.ask(request("/", f"Authorization: Bearer {token}", token=token))
        sidecar.ask(request("/", f"Authorization : Bearer {token}"))
        sidecar.ask(request("/", f"Cookie: {token}", f"X-Request-ID: {'x' * 129}"))
    (keyring / "broken.pem").write_bytes(signer.public_pem[:200])
    (keyring / "private.pem").write_bytes(signer.private_pem)
    sidecar.wait_for_log("private.pem")

    wait_until(lambda: len(sidecar.access_log) == 21, "every request is in the log")
    assert "eyJ" not in sidecar.stderr
    assert "BEGIN" not in sidecar.stderr
    sidecar.check_words()
    assert json.dumps(sidecar.log).count("Bearer") == 0


def test_of_an_endless_method_only_the_beginning_is_in_the_log(sidecar: SidecarProcess) -> None:
    method = "M" * 5000
    answer = sidecar.ask(request("/", method=method))
    assert sidecar.access_line(answer.json()["request_id"])["method"] == method[:32]
