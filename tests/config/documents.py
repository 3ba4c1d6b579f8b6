"""Documents for property tests: mostly right, with every kind of mistake mixed in."""

from typing import Any

from hypothesis import strategies as st

words = st.sampled_from(["a", "users-backend", "2026-11", "off", "true", "5", "ü b", "x: y", "# z"])
durations = st.sampled_from(["0", "2s", "500ms", "1m30s", "48h", "1.5h", 0])
sizes = st.sampled_from(["16KiB", "1MB", "4096", 2048, 5000])
tokens = st.sampled_from(["X-Auth-User", "X-A", "session"])
claims = st.one_of(
    words, st.integers(-5, 5), st.booleans(), st.lists(words, min_size=1, max_size=2)
)
ports = st.sampled_from([8000, "8001", "9000-9010"])
paths = st.sampled_from(["/", "/a", "/api/x", "/admin/version/"])


def one_or_many(items: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return items | st.lists(items, min_size=least, max_size=2)


def some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


places = st.builds(lambda name: {"header": name}, tokens) | st.builds(
    lambda name, scheme: {"cookie": name, "scheme": scheme},
    tokens,
    st.sampled_from(["", "Bearer"]),
)
rules = st.builds(
    lambda pattern, rest: {"paths": pattern, **rest},
    one_or_many(paths | st.just("/a/*/b"), 1),
    some(
        methods=one_or_many(st.sampled_from(["GET", "POST"])),
        access=st.sampled_from(["token", "optional"]),
        claims=st.dictionaries(words, claims, max_size=2),
    ),
)

urls = st.sampled_from(["https://a.example/jwks.json", "http://[::1]:8080/k?a=b", "HTTPS://a"])
sources = st.builds(lambda path: {"path": path}, words) | st.builds(
    lambda kind, url, rest: {kind: url, **rest},
    st.sampled_from(["url", "issuer"]),
    urls.filter(lambda url: "?" not in url),
    some(
        refresh=st.sampled_from(["5m", "1s", "1d"]),
        ca=st.none() | words,
        keep_removed=durations,
        insecure=st.booleans(),
    ),
)

#: Documents without a mistake in any one value.
right_documents = some(
    service=words,
    listen=one_or_many(st.sampled_from(["0.0.0.0:1", "[::1]:2", "unix:/run/a.sock"]), 1),
    admin=st.sampled_from(["127.0.0.1:15020", "unix:/run/b.sock"]),
    upstream=st.none()
    | st.sampled_from(["http://app:8000", "original-dst"])
    | some(
        url=st.sampled_from(["http://app:8000", "http://[::1]:9", "original-dst"]),
        ports=one_or_many(ports),
        host=st.sampled_from(["loopback", "destination"]),
        fallback=st.none() | st.sampled_from(["unix:/run/app.sock"]),
        connect_timeout=durations,
        max_connections=st.integers(1, 1000),
    ),
    opaque_ports=one_or_many(ports),
    proxy_protocol=some(**{"from": one_or_many(st.sampled_from(["10.0.0.0/8", "::1", "unix"]))}),
    outbound=some(
        listen=one_or_many(st.sampled_from(["127.0.0.1:15001", "[::1]:15001"])),
        detect_timeout=st.sampled_from(["0", "100ms"]),
    ),
    auth=some(
        mode=st.sampled_from(["enforce", "observe", "off"]),
        keyring=one_or_many(words | urls | sources, 1),
        newest=st.none() | words,
        signing_since=st.dictionaries(
            words, st.sampled_from(["2026-11-23T10:00:00Z", "2026-11-23T10:00:00.5+02:00"])
        ),
        algorithms=one_or_many(st.sampled_from(["RS256", "EdDSA"])),
        issuer=one_or_many(words),
        audience=one_or_many(words),
        require=one_or_many(words),
        leeway=durations,
        max_token_bytes=sizes,
        rules=one_or_many(rules),
        forward=some(claims=st.dictionaries(words, tokens, max_size=1)),
        **{"from": one_or_many(places, 1)},
    ),
    version=some(paths=one_or_many(paths)),
    limits=some(header_bytes=sizes, headers=st.integers(8, 100), body_bytes=sizes),
    timeouts=st.none() | some(header=durations, idle=durations),
    log=some(level=st.sampled_from(["debug", "error"]), access=st.sampled_from(["off", "all"])),
)

_MISTAKES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 7, 1.5, "", "maybe", "5", "0x1", [], {}, [[]], {"a": 1}, ["a", 5], "HS256"]
)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """A right document in which one value, anywhere, may have become something else."""
    document = draw(right_documents)
    if draw(st.booleans()):
        _spoil(draw, document)
    return document


def _spoil(draw: st.DrawFn, container: Any) -> None:
    places = list(container) if isinstance(container, dict) else list(range(len(container)))
    if not places or draw(st.integers(0, 5)) == 0:
        if isinstance(container, dict):
            container[draw(st.sampled_from(["bogus", "state_dir", "path"]))] = draw(_MISTAKES)
        return
    place = draw(st.sampled_from(places))
    if isinstance(container[place], dict | list) and draw(st.booleans()):
        _spoil(draw, container[place])
    else:
        container[place] = draw(_MISTAKES)
