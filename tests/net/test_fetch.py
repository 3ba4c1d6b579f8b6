"""One document from another server, which may do whatever it likes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from sidecar.errors import FetchError
from sidecar.net.fetch import MAX_BYTES, Fetched, fetch

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on loopback; its URL, without a final slash."""
    server = web.Server(handler)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@asynccontextmanager
async def speaking(*pieces: bytes, pause_s: float = 0.0) -> AsyncIterator[str]:
    """A server that says these bytes to everybody, HTTP or not, and then ends the connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(65536)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause_s)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


def answering(**fields: str) -> Handler:
    async def answer(_: web.BaseRequest) -> web.Response:
        names = {name.replace("_", "-"): value for name, value in fields.items()}
        return web.Response(body=b"{}", headers=names)

    return answer


async def refusal(url: str, **options: float) -> str:
    with pytest.raises(FetchError) as caught:
        await fetch(url, deadline_s=options.get("deadline_s", 20.0))
    return caught.value.detail


# --- what is got -------------------------------------------------------------------------------


async def test_a_document_comes_as_it_is_and_nothing_more_is_told_than_needed() -> None:
    seen: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.Response(body=b'{"a": 1}', headers={"ETag": '"x"', "Set-Cookie": "a=b"})

    async with serving(answer) as url:
        assert await fetch(f"{url}/keys?app=1") == Fetched(b'{"a": 1}', '"x"', None)
        await fetch(f"{url}/keys")
    assert seen[0].raw_path == "/keys?app=1"
    for request in seen:
        names = {name.lower() for name in request.headers} - {"host", "connection"}
        assert names == {"accept", "accept-encoding", "user-agent"}
        assert request.headers["Accept-Encoding"] == "identity"


async def test_an_unchanged_document_is_not_sent_again() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        assert request.headers["If-None-Match"] == '"x"'
        return web.Response(status=304, headers={"Cache-Control": "max-age=60"})

    async with serving(answer) as url:
        assert await fetch(url, etag='"x"') == Fetched(None, '"x"', 60.0)


async def test_an_answer_without_a_document_to_one_that_has_none_is_refused() -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=304)

    async with serving(answer) as url:
        assert await refusal(url) == "answered with status 304"


@pytest.mark.parametrize(
    ("fields", "etag", "fresh_s"),
    [
        ({}, '"x"', None),
        ({"Cache_Control": "max-age=600"}, '"x"', 600.0),
        ({"Cache_Control": 'public, MAX-AGE="600"'}, '"x"', 600.0),
        ({"Cache_Control": "max-age=600", "Age": "500"}, '"x"', 100.0),
        ({"Cache_Control": "max-age=600", "Age": "5000"}, '"x"', 0.0),
        ({"Cache_Control": "max-age=600, max-age=60"}, '"x"', 60.0),
        ({"Cache_Control": "max-age=-5, max-age=x, s-maxage=7"}, '"x"', None),
        ({"Cache_Control": "no-cache"}, '"x"', 0.0),
        ({"Cache_Control": "no-store, max-age=600"}, None, None),
    ],
)
async def test_what_the_answer_says_of_its_freshness(
    fields: dict[str, str], etag: str | None, fresh_s: float | None
) -> None:
    async with serving(answering(ETag='"x"', **fields)) as url:
        assert await fetch(url) == Fetched(b"{}", etag, fresh_s)


# --- redirects ---------------------------------------------------------------------------------


async def test_a_redirect_within_the_server_is_followed() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.path == "/old":
            raise web.HTTPMovedPermanently("new/")
        return web.Response(text=request.path)

    async with serving(answer) as url:
        assert (await fetch(f"{url}/old")).content == b"/new/"


@pytest.mark.parametrize(
    "place",
    [
        "http://localhost:{port}/",
        "https://127.0.0.1:{port}/",
        "http://127.0.0.1/",
        "//elsewhere.example/",
        "ftp://127.0.0.1:{port}/",
        "file:///etc/passwd",
        "data:text/plain,x",
    ],
)
async def test_a_redirect_to_another_place_is_not(place: str) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": place.format(port=request.url.port)})

    async with serving(answer) as url:
        said = await refusal(url)
    assert said == "redirects to another server, and is not followed there"


@pytest.mark.parametrize("place", ["http://[", "http://127.0.0.1:99999999/"])
async def test_a_redirect_to_no_address_is_told_as_what_it_is(place: str) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": place})

    async with serving(answer) as url:
        assert await refusal(url) == "redirects to an address that cannot be used"


async def test_a_redirect_that_leads_nowhere_is_told_as_what_it_is() -> None:
    async with speaking(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n") as url:
        assert await refusal(url) == "answered with status 302, a redirect that leads nowhere"


async def test_redirects_without_end_are_given_up() -> None:
    visits: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        visits.append(request.path)
        raise web.HTTPFound(f"/{len(visits)}")

    async with serving(answer) as url:
        assert await refusal(url) == "redirects more than 3 times"
    assert len(visits) == 4


# --- what harms nothing ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [201, 204, 206, 401, 404, 500, 503])
async def test_any_other_status_is_refused(status: int) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status)

    async with serving(answer) as url:
        assert await refusal(url) == f"answered with status {status}"


async def test_a_large_document_is_cut_off_while_it_comes() -> None:
    sent = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b" " * 100_000)
            sent += 100_000
        return response

    async with serving(answer) as url:
        assert await refusal(url) == "answered with more than 1024 KiB"
    assert sent < 50_000_000


async def test_a_document_that_announces_its_size_is_not_even_read() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    async with speaking(head, b"x", pause_s=5) as url:
        assert await refusal(url) == "answered with more than 1024 KiB"


async def test_the_largest_allowed_document_is_got() -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(body=b" " * MAX_BYTES)

    async with serving(answer) as url:
        assert (await fetch(url)).content == b" " * MAX_BYTES


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "x", "gzip, identity"])
async def test_nothing_is_unpacked(encoding: str) -> None:
    async with serving(answering(Content_Encoding=encoding)) as url:
        assert await refusal(url) == "answered in an encoding that was not asked for"


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_one_byte_after_another_ends_at_the_deadline(start: bytes) -> None:
    async with speaking(start, *[b"x"] * 1000, pause_s=0.05) as url:
        said = await refusal(url, deadline_s=0.3)
    assert said in ("did not answer in full within 0.3 s", "broke off or did not speak HTTP")


async def test_interim_answers_without_end_end_at_the_deadline() -> None:
    async with speaking(*[b"HTTP/1.1 103 Early Hints\r\n\r\n"] * 1000, pause_s=0.01) as url:
        assert "within 0.3 s" in await refusal(url, deadline_s=0.3)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 10_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\n{}",
    ],
)
async def test_what_is_not_http_is_refused(said: bytes) -> None:
    async with speaking(said) as url:
        assert await refusal(url) == "broke off or did not speak HTTP"


async def test_a_server_that_is_not_there_is_named_by_the_system() -> None:
    async with speaking() as url:
        pass
    assert await refusal(url) == "cannot be reached: Connection refused"
    assert "host name is not known" in await refusal("http://nowhere.invalid/")


async def test_a_server_without_tls_is_no_https() -> None:
    async with speaking(b"HTTP/1.1 200 OK\r\n\r\n") as url:
        said = await refusal(url.replace("http:", "https:"))
    assert said == "cannot be reached: TLS failed"


@pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"\xff\x00"])
async def test_a_file_of_authorities_that_cannot_be_used_is_named(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(FetchError, match=f"authorities, {file}, cannot be used"):
        await fetch("https://127.0.0.1:9/", ca=str(file))


async def test_the_environment_chooses_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(answering()) as url:
        assert (await fetch(url)).content == b"{}"
