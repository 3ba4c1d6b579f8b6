"""Settings that are each right and together wrong.

Every check looks at finished settings and says what contradicts what, with the path of the setting
to change. A check is left out where one of the settings that it reads could not be read: what it
said would be about a default that nobody chose. What needs a key, a file or the network to be
judged is not judged here but at start. Called by ``config.load``.
"""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sidecar.config.addresses import (
    find_addresses_used_twice,
    find_outbound_seen_from_outside,
    find_ports_without_sense,
    find_trusted_by_everyone,
    find_upstream_that_is_ourselves,
)
from sidecar.config.quote import path_below, quote
from sidecar.config.settings import Settings
from sidecar.errors import ConfigError, VersionError
from sidecar.keys.settings import KeySourceSettings
from sidecar.setting import parse_web_url
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


# --- tokens ------------------------------------------------------------------------------------


def _no_keys(settings: Settings) -> Iterator[str]:
    if settings.auth.mode != "off" and not settings.keyring:
        yield (
            f"auth.keyring: is needed while auth.mode is {settings.auth.mode}; name a directory or"
            " file of public keys, or set auth.mode to off"
        )


def _key_sources_that_mislead(settings: Settings) -> Iterator[str]:
    seen: set[str] = set()
    for index, source in enumerate(settings.keyring):
        path = f"auth.keyring[{index}]"
        name = source.path or source.url or source.issuer or ""
        if name in seen:
            yield f"{path}: {quote(name)} is listed before"
        seen.add(name)
        if source.path is not None:
            yield from _options_of_a_path(source, path)
        else:
            yield from _unsafe_way(source, path)


def _options_of_a_path(source: KeySourceSettings, path: str) -> Iterator[str]:
    said = {
        "refresh": source.refresh_s is not None,
        "ca": source.ca is not None,
        "keep_removed": bool(source.keep_removed_s),
        "insecure": source.insecure,
    }
    for name in (name for name, is_said in said.items() if is_said):
        yield f"{path}.{name}: means nothing for a path, which is watched; leave it out"


def _unsafe_way(source: KeySourceSettings, path: str) -> Iterator[str]:
    text = source.url or source.issuer or ""
    url = parse_web_url(text)
    if url.is_tls:
        if source.insecure:
            yield f"{path}.insecure: means nothing for https, whose certificates are always checked"
        return
    if not url.is_loopback and not source.insecure:
        yield (
            f"{path}.{'url' if source.url else 'issuer'}: {quote(text)} is not encrypted, so anyone"
            " on the way could replace the keys; use https, or set insecure: true"
        )
    if source.ca is not None and source.url is not None:
        yield f"{path}.ca: means nothing for http"


def _unbounded_and_bounded(settings: Settings) -> Iterator[str]:
    auth = settings.auth
    if auth.allow_unbounded and auth.max_lifetime_s:
        yield "auth.allow_unbounded: contradicts auth.max_lifetime, which bounds every token"
    if auth.allow_unbounded and "exp" in auth.require:
        yield "auth.allow_unbounded: contradicts exp in auth.require"


def _places_without_a_token(settings: Settings) -> Iterator[str]:
    seen: set[str] = set()
    for index, place in enumerate(settings.auth.places):
        header = place.header.lower() if place.header else None
        if header in _HOP_BY_HOP:
            yield f"auth.from[{index}].header: {place.header} belongs to one connection only"
        if header == "cookie":
            yield f"auth.from[{index}].header: Cookie holds many values; write cookie: NAME instead"
        name = _place_name(place)
        if name in seen:
            yield f"auth.from[{index}]: {name} is listed before"
        seen.add(name)


def _place_name(place: PlaceSettings) -> str:
    if place.header:
        return f"the header {place.header.lower()}"
    return f"the query parameter {place.query}" if place.query else f"the cookie {place.cookie}"


def _resigning_that_cannot_work(settings: Settings) -> Iterator[str]:
    forward = settings.auth.forward
    resign, path = forward.resign, "auth.forward.resign"
    if forward.token != "resign":
        if resign.public_key is not None:
            yield f"{path}: says nothing while auth.forward.token is {forward.token}"
        return
    if settings.auth.mode == "off":
        yield "auth.forward.token: resign needs verified tokens, and auth.mode is off"
    if resign.public_key is None:
        yield f"{path}.public_key: is needed; name the file that the application reads"
    elif any(_holds(source.path, resign.public_key) for source in settings.keyring):
        yield f"{path}.public_key: lies in auth.keyring: our own tokens would open our own door"
    fields = {_fold(name) for name in forward.claims.values()}
    if _fold(resign.header) in (_NOT_FOR_IDENTITY - {"authorization"}) | fields:
        yield f"{path}.header: {resign.header} has a meaning of its own; name another field"


def _holds(source: str | None, file: str) -> bool:
    """Whether a source of keys is this file, or the directory that it lies in."""
    if source is None:
        return False
    place, wanted = Path(os.path.normpath(source)), Path(os.path.normpath(file))
    return place in (wanted, wanted.parent)


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


def _issues_that_cannot_be_seen(settings: Settings) -> Iterator[str]:
    issues = settings.auth.issues
    if issues and settings.auth.mode == "off" and not settings.keyring:
        yield "auth.issues: needs auth.keyring, to tell whose tokens are handed out"
    for index, place in enumerate(issues):
        path = f"auth.issues[{index}]"
        header = place.header.lower() if place.header else None
        if header in _HOP_BY_HOP:
            yield f"{path}.header: {place.header} belongs to one connection only"
        if header in ("set-cookie", "cookie"):
            yield f"{path}.header: {place.header} holds many values; write cookie: NAME instead"
        if place in issues[:index]:
            yield f"{path}: is the same as auth.issues[{issues.index(place)}]"
        answered = sorted({*place.paths} & {*settings.version.paths})
        if answered and (not place.methods or "GET" in place.methods):
            yield (
                f"{path}.paths: {quote(answered[0])} is answered by the sidecar itself"
                " (version.paths)"
            )


def _matches_everything(rule: RuleSettings) -> bool:
    return "/*" in rule.paths and not rule.methods


# --- versions ----------------------------------------------------------------------------------


def _dependencies_that_cannot_be(settings: Settings) -> Iterator[str]:
    for name, dependency in settings.dependencies.items():
        path = path_below("dependencies", name)
        bounds = {"min": dependency.min, "below": dependency.below, "not": dependency.excluded}
        if dependency.requires is not None and any(bounds.values()):
            said = ", ".join(bound for bound, value in bounds.items() if value)
            yield f"{path}.requires: says the same as {said}; write one or the other"
            continue
        try:
            dependency.requirement()
        except VersionError as error:
            yield f"{path}: {error.detail}"
        if dependency.ca is not None and not parse_web_url(dependency.url).is_tls:
            yield f"{path}.ca: means nothing for http"


def _word_of_nobody(settings: Settings) -> Iterator[str]:
    if settings.version.source == "app" and settings.version.verify is None:
        yield "version.verify: is needed where version.from is app: the path to ask it at"


CHECKS: tuple[Check, ...] = (
    Check(("dependencies",), _dependencies_that_cannot_be),
    Check(("version.from", "version.verify"), _word_of_nobody),
    Check(("listen", "admin", "outbound.listen"), find_addresses_used_twice),
    Check(
        ("listen", "admin", "outbound.listen", "upstream.url", "upstream.fallback"),
        find_upstream_that_is_ourselves,
    ),
    Check(
        (
            *("listen", "admin", "outbound.listen", "opaque_ports", "version.verify"),
            *("upstream.url", "upstream.host", "upstream.ports", "upstream.fallback"),
        ),
        find_ports_without_sense,
    ),
    Check(("outbound.listen",), find_outbound_seen_from_outside),
    Check(("proxy_protocol.from",), find_trusted_by_everyone),
    Check(("auth.mode", "auth.keyring"), _no_keys),
    Check(("auth.keyring",), _key_sources_that_mislead),
    Check(("auth.allow_unbounded", "auth.max_lifetime", "auth.require"), _unbounded_and_bounded),
    Check(("auth.from",), _places_without_a_token),
    Check(
        (
            "auth.mode",
            "auth.keyring",
            "auth.forward.token",
            "auth.forward.claims",
            "auth.forward.resign.public_key",
            "auth.forward.resign.header",
        ),
        _resigning_that_cannot_work,
    ),
    Check(("auth.from", "auth.forward.claims"), _identity_fields_that_mislead),
    Check(
        ("auth.mode", "auth.keyring", "auth.issues", "version.paths"), _issues_that_cannot_be_seen
    ),
    Check(("auth.rules",), _rules_that_cannot_work),
    Check(("auth.rules",), _rules_without_effect),
)
