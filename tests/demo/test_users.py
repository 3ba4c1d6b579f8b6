from collections.abc import Awaitable, Callable
from pathlib import Path

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from sidecar.demo.users import LOGIN_PATH, build_users
from sidecar.tokens.generate import generate_pair

Client = TestClient[web.Request, web.Application]


def put_key(directory: Path, key_id: str) -> None:
    (directory / f"{key_id}.key").write_bytes(generate_pair("ES256").private_pem)


@pytest.fixture
async def client(
    tmp_path: Path, aiohttp_client: Callable[[web.Application], Awaitable[Client]]
) -> Client:
    put_key(tmp_path, "2026-5")
    return await aiohttp_client(build_users(tmp_path, 30))


async def log_in(client: Client) -> tuple[str, dict[str, object]]:
    """The key that a login's token names, and the token's claims."""
    answer = await (await client.post(LOGIN_PATH, json={"username": "alice"})).json()
    scheme, token = answer["Authorization"].split()
    assert scheme == "Bearer"
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.get_unverified_header(token)["kid"], claims


async def test_a_login_is_answered_with_a_token(client: Client) -> None:
    key_id, claims = await log_in(client)

    assert key_id == "2026-5"
    assert claims["username"] == "alice"
    assert claims["exp"] == claims["iat"] + 30  # type: ignore[operator]


async def test_a_newer_key_is_used_from_the_next_login_on(client: Client, tmp_path: Path) -> None:
    await log_in(client)
    put_key(tmp_path, "2026-11")

    assert (await log_in(client))[0] == "2026-11"


async def test_a_login_needs_a_name(client: Client) -> None:
    answer = await client.post(LOGIN_PATH, json={})

    assert answer.status == 400
    assert "username" in (await answer.json())["errors"]
