import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import MethodNotServed, RequestError, UpstreamMalformed
from sidecar.wire.framing import CHUNKED, UNTIL_CLOSE, read_target, request_length, response_length
from sidecar.wire.head import RequestHead, ResponseHead, parse_request_head, parse_response_head


def request(*lines: str, first: str = "POST / HTTP/1.1") -> RequestHead:
    text = "\r\n".join([first, *lines, "", ""])
    return parse_request_head(text.encode("latin-1"), 100)


def response(*lines: str, first: str = "HTTP/1.1 200 OK") -> ResponseHead:
    return parse_response_head("\r\n".join([first, *lines, "", ""]).encode("latin-1"))


# --- how long is a request's body (RFC 9112, section 6.3) ---


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ((), 0),
        (("Content-Length: 0",), 0),
        (("Content-Length: 5",), 5),
        (("content-LENGTH:\t5 \t",), 5),
        (("Content-Length: 999999999999999",), 999999999999999),
        (("Transfer-Encoding: chunked",), CHUNKED),
        (("Transfer-Encoding: Chunked",), CHUNKED),
        (("transfer-encoding:\tCHUNKED ",), CHUNKED),
    ],
)
def test_the_length_of_a_request_body_follows_from_its_fields(
    lines: tuple[str, ...], length: int
) -> None:
    assert request_length(request("Host: a", *lines)) == length


BAD_LENGTHS = [
    "005",
    "00",
    "",
    "-1",
    "+5",
    " +5",
    "5 5",
    "5,5",
    "5, 5",
    "5, 6",
    "5;",
    "5.0",
    "5e0",
    "0x5",
    "0b1",
    "0o7",
    "5_0",
    "1_000",
    "five",
    "5\t5",
    "'5'",
    '"5"',
    "\xb2",
    "\xd9\xa5",
    "18446744073709551617",
    "1000000000000000",
    "9" * 4000,
    "5" + "0" * 15,
    "NaN",
    "Infinity",
    "chunked",
]


@pytest.mark.parametrize("value", BAD_LENGTHS)
def test_a_length_that_is_not_one_number_is_refused_on_both_sides(value: str) -> None:
    with pytest.raises(RequestError):
        request_length(request("Host: a", f"Content-Length: {value}"))
    with pytest.raises(UpstreamMalformed):
        response_length(response(f"Content-Length: {value}"), "GET")


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=8))
def test_only_digits_are_a_length(value: str) -> None:
    stripped = value.strip(" ")
    is_number = stripped != "" and all(character in "0123456789" for character in stripped)
    is_good = is_number and (stripped == "0" or not stripped.startswith("0"))
    try:
        length = request_length(request("Host: a", f"Content-Length: {value}"))
    except RequestError:
        assert not is_good
    else:
        assert is_good
        assert length == int(stripped)


DOUBTFUL = {
    "two equal lengths": ("Content-Length: 5", "Content-Length: 5"),
    "two different lengths": ("Content-Length: 5", "Content-Length: 6"),
    "a length spelt twice": ("Content-Length: 5", "content-length: 5"),
    "length and coding": ("Content-Length: 5", "Transfer-Encoding: chunked"),
    "coding and length": ("Transfer-Encoding: chunked", "Content-Length: 5"),
    "coding and no length": ("Transfer-Encoding: chunked", "Content-Length: 0"),
    "coding and an empty length": ("Transfer-Encoding: chunked", "Content-Length:"),
    "an unknown coding and a length": ("Transfer-Encoding: x", "Content-Length: 5"),
    "an empty coding and a length": ("Transfer-Encoding:", "Content-Length: 5"),
}

BAD_CODINGS = [
    "",
    "xchunked",
    "chunkedx",
    "x-chunked",
    "chunked-x",
    "identity",
    "gzip",
    "chunked, identity",
    "identity, chunked",
    "gzip, chunked",
    "chunked, gzip",
    "chunked, chunked",
    "chunked,",
    ",chunked",
    "chunked;q=1",
    "chunked; a=b",
    "chunked;",
    '"chunked"',
    "'chunked'",
    "chunked chunked",
    "chu nked",
    "chunked\xa0",
    "\xa0chunked",
    "chunked\x85",
    "\x85chunked",
    "chun\xadked",
    "\u017fhun\u212aed".encode().decode("latin-1"),
    "0",
]


@pytest.mark.parametrize("value", BAD_CODINGS)
def test_a_transfer_coding_other_than_chunked_is_refused_on_both_sides(value: str) -> None:
    with pytest.raises(RequestError):
        request_length(request("Host: a", f"Transfer-Encoding: {value}"))
    with pytest.raises(UpstreamMalformed):
        response_length(response(f"Transfer-Encoding: {value}"), "GET")


DOUBTFUL_CODINGS = {
    "chunked twice": ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "chunked and identity": ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
    "identity and chunked": ("Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
    "nothing and chunked": ("Transfer-Encoding:", "Transfer-Encoding: chunked"),
    "chunked spelt twice": ("Transfer-Encoding: chunked", "transfer-encoding: chunked"),
}


@pytest.mark.parametrize("lines", [*DOUBTFUL.values(), *DOUBTFUL_CODINGS.values()])
def test_a_message_about_whose_end_readers_could_differ_is_refused_on_both_sides(
    lines: tuple[str, str],
) -> None:
    with pytest.raises(RequestError):
        request_length(request("Host: a", *lines))
    with pytest.raises(UpstreamMalformed):
        response_length(response(*lines), "GET")


def test_a_transfer_coding_in_http_1_0_is_refused_on_both_sides() -> None:
    line = "Transfer-Encoding: chunked"
    with pytest.raises(RequestError):
        request_length(request("Host: a", line, first="POST / HTTP/1.0"))
    with pytest.raises(UpstreamMalformed):
        response_length(response(line, first="HTTP/1.0 200 OK"), "GET")


# --- how long is an answer's body ---


@pytest.mark.parametrize(
    ("status", "method", "lines", "length"),
    [
        (200, "GET", (), UNTIL_CLOSE),
        (200, "GET", ("Content-Length: 0",), 0),
        (200, "GET", ("Content-Length: 7",), 7),
        (200, "GET", ("Transfer-Encoding: chunked",), CHUNKED),
        (404, "POST", (), UNTIL_CLOSE),
        (200, "HEAD", ("Content-Length: 7",), 0),
        (200, "HEAD", ("Transfer-Encoding: chunked",), 0),
        (200, "HEAD", (), 0),
        (204, "GET", (), 0),
        (204, "GET", ("Transfer-Encoding: chunked",), 0),
        (304, "GET", ("Content-Length: 7",), 0),
        (304, "GET", (), 0),
        (100, "POST", (), 0),
        (103, "GET", ("Content-Length: 7",), 0),
        (205, "GET", ("Content-Length: 0",), 0),
    ],
)
def test_the_length_of_an_answer_follows_from_method_status_and_fields(
    status: int, method: str, lines: tuple[str, ...], length: int
) -> None:
    head = response(*lines, first=f"HTTP/1.1 {status} Word")
    assert response_length(head, method) == length


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_answer_without_a_body_is_checked_for_doubt_all_the_same(method: str) -> None:
    with pytest.raises(UpstreamMalformed):
        response_length(response("Content-Length: 5", "Transfer-Encoding: chunked"), method)


# --- where a request goes (RFC 9112, sections 3.2 and 3.3) ---


@pytest.mark.parametrize(
    ("first", "host", "forwarded", "path", "query"),
    [
        ("GET / HTTP/1.1", "a", "/", "/", None),
        ("GET /p?q HTTP/1.1", "a:80", "/p?q", "/p", "q"),
        ("GET /p?q?r HTTP/1.1", "a", "/p?q?r", "/p", "q?r"),
        ("GET /? HTTP/1.1", "a", "/?", "/", ""),
        ("GET /%2e%2E//x;y HTTP/1.1", "a", "/%2e%2E//x;y", "/%2e%2E//x;y", None),
        ("GET //other.example/x HTTP/1.1", "a", "//other.example/x", "//other.example/x", None),
        ("GET http://a/p?q HTTP/1.1", "a", "/p?q", "/p", "q"),
        ("GET HTTP://A/p HTTP/1.1", "a", "/p", "/p", None),
        ("GET https://a/p HTTP/1.1", "a", "/p", "/p", None),
        ("GET http://a HTTP/1.1", "a", "/", "/", None),
        ("GET http://a?q HTTP/1.1", "a", "/?q", "/", "q"),
        ("GET http://[::1]:8080/ HTTP/1.1", "[::1]:8080", "/", "/", None),
        ("OPTIONS * HTTP/1.1", "a", "*", "*", None),
        ("OPTIONS http://a HTTP/1.1", "a", "*", "*", None),
        ("OPTIONS http://a/ HTTP/1.1", "a", "/", "/", None),
    ],
)
def test_the_target_says_where_the_request_goes(
    first: str, host: str, forwarded: str, path: str, query: str | None
) -> None:
    target = read_target(request(f"Host: {host}", first=first))
    assert target.forwarded == forwarded.encode()
    assert target.path == path.encode()
    assert target.query == (None if query is None else query.encode())


@pytest.mark.parametrize(
    "first",
    [
        "GET * HTTP/1.1",
        "POST * HTTP/1.1",
        "OPTIONS ** HTTP/1.1",
        "OPTIONS *? HTTP/1.1",
        "GET a HTTP/1.1",
        "GET a/b HTTP/1.1",
        "GET ?q HTTP/1.1",
        "GET \\ HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "GET ws://a/ HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET http:/a HTTP/1.1",
        "GET http:a HTTP/1.1",
        "GET http://other/ HTTP/1.1",
        "GET http://a:81/ HTTP/1.1",
        "GET http://user@a/ HTTP/1.1",
        "GET http://user:word@a/ HTTP/1.1",
        "GET http://a@/ HTTP/1.1",
        "GET http:///p HTTP/1.1",
        "GET http://?q HTTP/1.1",
        "GET http://a,b/ HTTP/1.1",
        "GET http://a\\b/ HTTP/1.1",
        "GET http://[::1/ HTTP/1.1",
        "GET http://a:b/ HTTP/1.1",
        "GET a:443 HTTP/1.1",
    ],
)
def test_a_target_that_is_neither_a_path_nor_this_site_is_refused(first: str) -> None:
    with pytest.raises(RequestError):
        read_target(request("Host: a", first=first))


@pytest.mark.parametrize("first", ["CONNECT a:443 HTTP/1.1", "CONNECT / HTTP/1.1"])
def test_connect_is_not_served(first: str) -> None:
    with pytest.raises(MethodNotServed):
        read_target(request("Host: a:443", first=first))


BAD_HOSTS = [
    "",
    "a b",
    "a,b",
    "a, b",
    "user@a",
    "user:word@a",
    "a/",
    "a/b",
    "/",
    "a?b",
    "a#b",
    "http://a",
    "a:x",
    "a:-1",
    "a:80:80",
    "a:999999",
    "[::1",
    "::1",
    "[::1]x",
    "[g::1]",
    "[]",
    "a\\b",
    "a\tb",
    "a\xe4",
    "a<b",
    "a>b",
    'a"b',
    "a|b",
    "a^b",
    "a`b",
    "a{b}",
    ":80",
    "@",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_host_that_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(RequestError):
        read_target(request(f"Host: {host}", first="GET / HTTP/1.1"))


@pytest.mark.parametrize(
    "host", ["a", "A.example", "a:80", "a:", "a_b.c-d", "127.0.0.1:8080", "[::1]", "[fe80::1%25e0]"]
)
def test_a_host_of_the_grammar_passes(host: str) -> None:
    assert read_target(request(f"Host: {host}", first="GET / HTTP/1.1")).path == b"/"


@pytest.mark.parametrize("hosts", [(), ("a", "a"), ("a", "b"), ("a", ""), ("", "a")], ids=repr)
def test_there_is_exactly_one_host(hosts: tuple[str, ...]) -> None:
    lines = [f"{name}: {host}" for name, host in zip(("Host", "hOST"), hosts, strict=False)]
    for first in ("GET / HTTP/1.1", "GET http://a/ HTTP/1.1", "OPTIONS * HTTP/1.1"):
        with pytest.raises(RequestError):
            read_target(request(*lines, first=first))


def test_http_1_0_may_do_without_a_host_but_not_have_two() -> None:
    assert read_target(request(first="GET / HTTP/1.0")).path == b"/"
    with pytest.raises(RequestError):
        read_target(request("Host: a", "Host: a", first="GET / HTTP/1.0"))
