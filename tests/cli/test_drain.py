"""``sidecar drain`` against servers that agree, refuse, and do not answer."""

import pytest

from sidecar.cli.drain import command
from tests.cli.test_healthcheck import server, tcp

AGREED = b"HTTP/1.0 202 Accepted\r\nContent-Length: 0\r\n\r\n"
REFUSED = b"HTTP/1.0 403 Forbidden\r\nContent-Length: 0\r\n\r\n"


def drain(*words: str) -> int:
    code = command.main(["--timeout", "5", *words], standalone_mode=False)
    assert isinstance(code, int)
    return code


def test_a_sidecar_is_told_to_drain(capsys: pytest.CaptureFixture[str]) -> None:
    listener, address = tcp()
    with server(AGREED, listener) as requests:
        assert drain("--admin", address) == 0
    assert requests[0].startswith(b"POST /drain HTTP/1.0\r\n")
    assert capsys.readouterr().out == f"{address} drains: not ready any more, still serving.\n"


def test_a_sidecar_that_refuses_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    listener, address = tcp()
    with server(REFUSED, listener):
        assert drain("--admin", address) == 1
    assert capsys.readouterr().err == f"sidecar: {address} answers 403, and does not drain\n"


def test_where_nobody_listens_nobody_drains(capsys: pytest.CaptureFixture[str]) -> None:
    listener, address = tcp()
    listener.close()
    assert drain("--admin", address) == 3
    assert "refused" in capsys.readouterr().err


def test_a_peer_that_is_no_sidecar_does_not_drain() -> None:
    listener, address = tcp()
    with server(b"nonsense\r\n", listener):
        assert drain("--admin", address) == 3
