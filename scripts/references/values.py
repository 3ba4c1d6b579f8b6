"""How the values of settings are written, in words: one entry for each form that settings can name.

``config.forms`` holds their grammar; tests hold every example here against it.
Called by ``scripts.references.configuration``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sidecar.setting import FormName


@dataclass(frozen=True, slots=True)
class Words:
    """What one form is called in a table, what it accepts, and values that are accepted."""

    name: str
    meaning: str
    examples: tuple[object, ...]


FORMS_IN_WORDS: Final[Mapping[FormName, Words]] = {
    "address": Words(
        "address",
        "`HOST:PORT`, `[HOST]:PORT` for IPv6, or a unix socket by its absolute path",
        ("0.0.0.0:15006", "[::]:15006", "unix:/run/sidecar.sock"),
    ),
    "algorithm": Words(
        "algorithm", "a JWS algorithm with a public key; never HS256 or none", ("RS256", "EdDSA")
    ),
    "claim": Words(
        "claim",
        "a value that it equals, a list of which it is one, or what its own list contains",
        ("admin", ["admin", "editor"], {"contains": "write"}),
    ),
    "cookie_name": Words("cookie", "the name of a cookie (RFC 6265)", ("session",)),
    "count": Words("number", "a whole number", (512,)),
    "duration": Words(
        "duration",
        "numbers with the units d, h, m, s and ms, or 0",
        ("500ms", "30s", "1m30s", "48h", "2d", 0),
    ),
    "field_name": Words("field", "the name of a header field (RFC 9110)", ("Authorization",)),
    "file_path": Words("file", "a path of this machine", ("/etc/sidecar/keys",)),
    "flag": Words("yes or no", "true or false", (True, False)),
    "issuer_url": Words(
        "issuer", "an issuer's URL, without a query", ("https://login.example/tenant",)
    ),
    "json_path": Words(
        "member", "a member of a JSON object; dots lead to deeper ones", ("token", "data.token")
    ),
    "method": Words("method", "an HTTP method in capitals", ("GET", "POST")),
    "network": Words(
        "network",
        "a network, one address, or `unix` for the peers of a unix socket",
        ("10.0.0.0/8", "192.0.2.7", "unix"),
    ),
    "parameter_name": Words("parameter", "the name of a query parameter", ("access_token",)),
    "path_pattern": Words(
        "path pattern",
        "a path; `*` stands for one whole segment, at the end for the rest",
        ("/api/thoughts/*", "/api/*/comments", "/*"),
    ),
    "port_range": Words("ports", "a port, or the first and last of a range", (8000, "9000-9010")),
    "requirement": Words(
        "requirement", "bounds of a version, all of which hold", (">=v2.3,<v3", ">=2026.11")
    ),
    "scheme": Words("scheme", "an authentication scheme, or empty for none", ("Bearer", "")),
    "size": Words(
        "size", "bytes, or a number with KiB, MiB, GiB, KB, MB or GB", (0, 512, "16KiB", "1MB")
    ),
    "text": Words("text", "any text without control characters", ("thoughts-backend",)),
    "time": Words(
        "time",
        "an RFC 3339 time with its offset from UTC",
        ("2026-11-23T10:00:00Z", "2026-11-23T11:00:00+01:00"),
    ),
    "upstream": Words(
        "upstream",
        "the application's address, or `original-dst` for intercepted connections",
        ("http://127.0.0.1:8000", "unix:/run/app.sock", "original-dst"),
    ),
    "upstream_url": Words(
        "upstream", "an application's address", ("http://127.0.0.1:8000", "unix:/run/app.sock")
    ),
    "url_path": Words("path", "an absolute path of a URL, without `*`", ("/admin/version/",)),
    "version": Words("version", "a version, as tags name them", ("v2.3", "2026.11")),
    "web_url": Words("URL", "a URL of http or https", ("https://issuer.example/jwks.json",)),
}
