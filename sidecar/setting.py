"""The vocabulary in which a room declares its settings: what each means and how it is written.

A ``…Settings`` class is a frozen dataclass beside the code that uses it. Every attribute is
``Annotated[type, Setting(...)]``; ``config`` reads those marks to parse, check, document, show and
publish the settings, so a setting is described in exactly one place.

An address stays the text that the user wrote; ``parse_address`` and ``parse_upstream_url`` take it
apart, here at the bottom so that the room that listens and the room that checks read it alike.
Nothing here reads a file, an environment or a name service.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import Final, Literal

#: How a setting's text is written. ``config.forms`` holds the grammar of each.
FormName = Literal[
    "address",
    "algorithm",
    "claim",
    "cookie_name",
    "count",
    "duration",
    "field_name",
    "file_path",
    "flag",
    "issuer_url",
    "json_path",
    "method",
    "network",
    "parameter_name",
    "path_pattern",
    "port_range",
    "requirement",
    "scheme",
    "size",
    "text",
    "time",
    "upstream",
    "upstream_url",
    "url_path",
    "version",
    "web_url",
]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its meaning in a sentence, and what may be written for it.

    ``form`` is how one value is written; without it the type says (``str`` is ``text``, ``int`` a
    ``count``, ``bool`` a ``flag``). For a tuple it is the form of each item, for a dict of each
    value. ``choices`` replaces the form by a closed set of words. ``name`` is the name that users
    write, where it is not the attribute's without its unit; one with a dot belongs to the section
    before the dot. ``at_least`` is how many items a list needs. For several of a settings class,
    ``one_of`` names members of which each item has exactly one, ``shorthand`` the member that a
    bare text stands for, and ``url_shorthand`` that for one with ``://`` in it; a section may have
    a ``shorthand`` too. The value of a ``secret`` setting is never shown.
    """

    doc: str
    form: FormName | None = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    at_least: int = 0
    name: str | None = None
    one_of: tuple[str, ...] = ()
    shorthand: str | None = None
    url_shorthand: str | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address (``path`` is empty) or a unix socket (only ``path`` is set).

    ``host`` is without the brackets of IPv6. Port 0 means any free port, for listening only.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_unix(self) -> bool:
        return bool(self.path)


@dataclass(frozen=True, slots=True)
class PortRange:
    """TCP ports from ``first`` to ``last``, both included."""

    first: int
    last: int

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def overlaps(self, other: "PortRange") -> bool:
        """Whether a port lies in both."""
        return self.first <= other.last and other.first <= self.last


#: In place of the application's address: each connection's own, from before it was redirected.
ORIGINAL_DST: Final = "original-dst"
#: In place of a network: the peers of a unix socket.
UNIX_PEERS: Final = "unix"

_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291, section 2.5.5.2
_PORT_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_HOST_PORT = re.compile(r"(?:\[(?P<ipv6>[^\[\]]*)\]|(?P<host>[^:\[\]/]*)):(?P<port>[0-9]{1,5})")
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_MAX_UNIX_PATH_BYTES = 107  # sun_path of Linux is 108 bytes with its final NUL (unix(7))


def parse_address(text: str) -> Address:
    """Take ``HOST:PORT``, ``[HOST]:PORT`` or ``unix:/PATH`` apart.

    Raises ValueError, with a phrase that says what is wrong, for anything else.
    """
    if text.startswith("unix:"):
        return Address(path=_parse_socket_path(text.removeprefix("unix:")))
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError("is not HOST:PORT, [HOST]:PORT or unix:/PATH")
    ipv6, host, port = match["ipv6"], match["host"], int(match["port"])
    if port > 65535:
        raise ValueError("has a port above 65535")
    if ipv6 is None:
        _check_host(host)
    elif not _is_ipv6(ipv6):
        raise ValueError("has no IPv6 address between its brackets")
    return Address(host=host if ipv6 is None else ipv6, port=port)


def parse_upstream_url(text: str) -> Address:
    """Take ``http://HOST[:PORT]`` or ``unix:/PATH`` apart; the port is 80 where none is written.

    Raises ValueError, with a phrase that says what is wrong, for anything else: a path would have
    to be joined with the request's, which is forwarded byte for byte, and TLS has no use between
    two processes of one pod.
    """
    if text.startswith("unix:"):
        return Address(path=_parse_socket_path(text.removeprefix("unix:")))
    scheme, separator, authority = text.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        raise ValueError("is not http://HOST:PORT or unix:/PATH")
    if scheme.lower() == "https":
        raise ValueError("asks for TLS, which the way to the application does not speak")
    authority = authority.removesuffix("/")
    if "@" in authority:
        raise ValueError("has a user name or password, which would not be used")
    if any(mark in authority for mark in "/?#"):
        raise ValueError("has a path or query: the request's own target is forwarded as it is")
    has_port = authority.rpartition("]")[2].count(":") == 1
    address = parse_address(authority if has_port else f"{authority}:80")
    if address.port == 0:
        raise ValueError("has port 0, to which nobody can connect")
    return address


def parse_port_range(text: str) -> PortRange:
    """Take ``8000`` or ``9000-9010`` apart.

    Raises ValueError, with a phrase that says what is wrong, for anything else.
    """
    match = _PORT_RANGE.fullmatch(text)
    if match is None:
        raise ValueError("is not a port or a range of ports")
    first = int(match[1])
    last = int(match[2] or first)
    if not 0 < first <= 65535 or not 0 < last <= 65535:
        raise ValueError("has a port that is not between 1 and 65535")
    if last < first:
        raise ValueError("ends before it begins")
    return PortRange(first, last)


def parse_network(text: str) -> str:
    """A network such as ``10.0.0.0/8``, one address, or ``unix``, as it was written.

    Raises ValueError, with a phrase that says what is wrong, for anything else.
    """
    if text == UNIX_PEERS:
        return text
    try:
        network = ip_network(text)
    except ValueError:
        try:
            whole = ip_network(text, strict=False)
        except ValueError:
            raise ValueError("is not a network") from None
        raise ValueError(f"has bits set beyond its prefix: the network is {whole}") from None
    if "%" in text:
        raise ValueError("names an interface, which peers are known without; leave out %NAME")
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        raise ValueError("is IPv4 within IPv6, which no peer is called; write it as IPv4")
    return text


@dataclass(frozen=True, slots=True)
class WebUrl:
    """Where another server is asked: ``target`` is the path, and the query where there is one."""

    is_tls: bool
    address: Address
    target: str

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine is asked."""
        host = self.address.host.lower()
        # A host whose last label is digits was parsed as an address: 127.example is not one.
        is_ipv4 = host.rpartition(".")[2].isdigit()
        return host in {"localhost", "::1"} or (is_ipv4 and host.startswith("127."))


_WEB_URL = re.compile(r"(https?)://([^/?#]+)([/?][!-~]*)?", re.IGNORECASE)


def parse_web_url(text: str) -> WebUrl:
    """Take ``https://HOST[:PORT]/PATH[?QUERY]``, or the same with ``http``, apart.

    Raises ValueError, with a phrase that says what is wrong, for anything else.
    """
    match = _WEB_URL.fullmatch(text)
    if match is None:
        raise ValueError("is not a URL of http or https")
    scheme, authority, target = match[1].lower(), match[2], match[3] or "/"
    if "@" in authority:
        raise ValueError("has a user name or password, which would not be used")
    if "#" in target:
        raise ValueError("has a fragment (#), which no server ever sees")
    has_port = authority.rpartition("]")[2].count(":") == 1
    default_port = "443" if scheme == "https" else "80"
    address = parse_address(authority if has_port else f"{authority}:{default_port}")
    if address.port == 0:
        raise ValueError("has port 0, to which nobody can connect")
    return WebUrl(scheme == "https", address, target if target.startswith("/") else f"/{target}")


def parse_issuer_url(text: str) -> WebUrl:
    """An issuer's URL: as above, without a query (OpenID Connect Discovery 1.0, section 2)."""
    url = parse_web_url(text)
    if "?" in url.target:
        raise ValueError("has a query, which no issuer has")
    return url


def _parse_socket_path(path: str) -> str:
    if not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ValueError("does not name a socket by its absolute path, as unix:/PATH does")
    if len(path.encode("utf-8", "surrogatepass")) > _MAX_UNIX_PATH_BYTES:
        raise ValueError(f"has a socket path of more than {_MAX_UNIX_PATH_BYTES} bytes")
    return path


def _check_host(host: str) -> None:
    labels = host.removesuffix(".").split(".")
    if not host or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("has no host name or address before its port")
    if labels[-1].isdigit():
        try:
            IPv4Address(host)
        except AddressValueError:
            raise ValueError("has a host of digits that is no IPv4 address") from None


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
