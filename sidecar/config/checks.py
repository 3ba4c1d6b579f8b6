"""Settings that are each right and together wrong.

Every check looks at finished settings and says what contradicts what, with the path of the setting
to change. A check is left out where one of the settings that it reads could not be read: what it
said would be about a default that nobody chose. What needs a key, a file or the network to be
judged is not judged here but at start. Called by ``config.load``.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from sidecar.config.settings import Settings
from sidecar.errors import ConfigError
from sidecar.setting import Address, parse_address, parse_upstream_url
from sidecar.tokens.rules import Rules
from sidecar.tokens.settings import PlaceSettings, RuleSettings

# Fields of one connection (RFC 9110 section 7.6.1): they end here and are never passed on.
_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    " transfer-encoding upgrade".split()
)
# Fields that the proxy or HTTP itself writes or reads: a claim in them would change the request.
_NOT_FOR_IDENTITY = _HOP_BY_HOP | frozenset(
    "authorization content-encoding content-length content-type cookie expect forwarded host"
    " traceparent tracestate via x-auth-status x-forwarded-for x-forwarded-host x-forwarded-proto"
    " x-request-id".split()
)


@dataclass(frozen=True, slots=True)
class Check:
    """One law between settings: the paths that it reads, and what breaks it."""

    paths: tuple[str, ...]
    problems: Callable[[Settings], Iterable[str]]


def find_contradictions(settings: Settings, broken: Collection[str] = ()) -> list[str]:
    """Every contradiction, each a line with its path. ``broken`` paths were not readable."""
    return [
        problem
        for check in CHECKS
        if not any(path in broken for path in check.paths)
        for problem in check.problems(settings)
    ]


# --- addresses ---------------------------------------------------------------------------------


def _addresses_used_twice(settings: Settings) -> Iterator[str]:
    places = [("listen", text) for text in settings.listen] + [("admin", settings.admin)]
    for (path, text), (other_path, other_text) in combinations(places, 2):
        if _is_same_place(parse_address(text), parse_address(other_text)):
            where = "listen" if path == other_path else f"{path} and {other_path}"
            both = text if text == other_text else f"{text} and {other_text}"
            yield f"{other_path}: {both} of {where} cannot be opened twice; choose another port"


def _upstream_that_is_ourselves(settings: Settings) -> Iterator[str]:
    upstream = parse_upstream_url(settings.upstream.url)
    places = [("listen", text) for text in settings.listen] + [("admin", settings.admin)]
    for path, text in places:
        if _reaches(upstream, parse_address(text)):
            yield (
                f"upstream.url: {settings.upstream.url} is this sidecar's own {path} address"
                f" ({text}): every request would come back to it; name the application's"
            )


def _is_same_place(one: Address, other: Address) -> bool:
    """Whether the second bind would fail; ``[::]`` takes the addresses of IPv4 as well."""
    if one.is_unix or other.is_unix:
        return one.path == other.path
    if one.port != other.port or one.port == 0:
        return False
    if one.host.lower() == other.host.lower():
        return True
    if "::" in {one.host, other.host}:
        return True
    is_ipv4 = ":" not in one.host and ":" not in other.host
    return is_ipv4 and (_is_wildcard(one) or _is_wildcard(other))


def _reaches(upstream: Address, listener: Address) -> bool:
    if upstream.is_unix or listener.is_unix:
        return upstream.path == listener.path
    if upstream.port != listener.port:
        return False
    if upstream.host.lower() == listener.host.lower():
        return True
    if not _is_own_host(upstream.host):
        return False
    return _is_wildcard(listener) or "localhost" in {upstream.host.lower(), listener.host.lower()}


def _is_wildcard(address: Address) -> bool:
    return address.host in {"0.0.0.0", "::"}


def _is_own_host(host: str) -> bool:
    return host.lower() in {"localhost", "::1", "0.0.0.0", "::"} or host.startswith("127.")


# --- tokens ------------------------------------------------------------------------------------


def _no_keys(settings: Settings) -> Iterator[str]:
    if settings.auth.mode != "off" and not settings.keyring:
        yield (
            f"auth.keyring: is needed while auth.mode is {settings.auth.mode}; name a directory or"
            " file of public keys, or set auth.mode to off"
        )


def _unbounded_and_bounded(settings: Settings) -> Iterator[str]:
    auth = settings.auth
    if auth.allow_unbounded and auth.max_lifetime_s:
        yield "auth.allow_unbounded: contradicts auth.max_lifetime, which bounds every token"
    if auth.allow_unbounded and "exp" in auth.require:
        yield "auth.allow_unbounded: contradicts exp in auth.require"


def _places_without_a_token(settings: Settings) -> Iterator[str]:
    seen: set[tuple[str | None, str | None]] = set()
    for index, place in enumerate(settings.auth.places):
        header = place.header.lower() if place.header else None
        if header in _HOP_BY_HOP:
            yield f"auth.from[{index}].header: {place.header} belongs to one connection only"
        if header == "cookie":
            yield f"auth.from[{index}].header: Cookie holds many values; write cookie: NAME instead"
        if (header, place.cookie) in seen:
            yield f"auth.from[{index}]: {_place_name(place)} is listed before"
        seen.add((header, place.cookie))


def _place_name(place: PlaceSettings) -> str:
    return f"the header {place.header}" if place.header else f"the cookie {place.cookie}"


def _identity_fields_that_mislead(settings: Settings) -> Iterator[str]:
    first_claim: dict[str, str] = {}
    token_fields = {_fold(place.header) for place in settings.auth.places if place.header}
    for claim, field_name in settings.auth.forward.claims.items():
        path = f"auth.forward.claims.{claim}"
        spelling = _fold(field_name)
        if spelling in _NOT_FOR_IDENTITY:
            yield f"{path}: {field_name} has a meaning of its own; name a field such as X-Auth-User"
        elif spelling in token_fields:
            yield f"{path}: {field_name} is where a token is looked for (auth.from)"
        elif spelling in first_claim:
            yield f"{path}: {field_name} already carries the claim {first_claim[spelling]}"
        first_claim.setdefault(spelling, claim)


def _fold(field_name: str) -> str:
    """One spelling of all that many applications read as one field: X-Auth-User, x_auth.user."""
    return re.sub(r"[^a-z0-9]", "-", field_name.lower())


def _rules_that_cannot_work(settings: Settings) -> Iterator[str]:
    try:
        Rules(settings.auth.rules)
    except ConfigError as error:
        yield from error.problems


def _rules_without_effect(settings: Settings) -> Iterator[str]:
    catch_all: int | None = None
    for index, rule in enumerate(settings.auth.rules):
        path = f"auth.rules[{index}]"
        if catch_all is not None:
            yield f"{path}: is never reached: auth.rules[{catch_all}] matches every request"
        elif _matches_everything(rule):
            catch_all = index
        if rule.claims and rule.access in {"public", "deny"}:
            yield f"{path}.claims: are not looked at where access is {rule.access}"


def _matches_everything(rule: RuleSettings) -> bool:
    return "/*" in rule.paths and not rule.methods


CHECKS: tuple[Check, ...] = (
    Check(("listen", "admin"), _addresses_used_twice),
    Check(("listen", "admin", "upstream.url"), _upstream_that_is_ourselves),
    Check(("auth.mode", "auth.keyring"), _no_keys),
    Check(("auth.allow_unbounded", "auth.max_lifetime", "auth.require"), _unbounded_and_bounded),
    Check(("auth.from",), _places_without_a_token),
    Check(("auth.from", "auth.forward.claims"), _identity_fields_that_mislead),
    Check(("auth.rules",), _rules_that_cannot_work),
    Check(("auth.rules",), _rules_without_effect),
)
