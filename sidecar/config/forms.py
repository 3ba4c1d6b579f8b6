"""How one value is written: the grammar of every form that a setting may name.

Each ``parse_`` function takes one plain value of a document (a text, a number, true, null, a list)
and returns what the program works with, or raises ConfigError with one phrase that quotes the value
and says what would be accepted. None of them raises anything else, whatever it is given; none looks
at another setting, at the disk or at the clock. ``config.fields`` picks the form that a setting
names; ``config.read``, ``config.schema`` and ``config.show`` use it.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sidecar.config.quantities import (
    DURATION,
    SIZE,
    TIME,
    format_duration,
    format_size,
    format_time,
    is_whole,
    parse_duration,
    parse_size,
    parse_time,
)
from sidecar.config.quote import quote
from sidecar.errors import ConfigError, VersionError
from sidecar.setting import (
    ORIGINAL_DST,
    FormName,
    PortRange,
    Setting,
    parse_address,
    parse_issuer_url,
    parse_network,
    parse_port_range,
    parse_upstream_url,
    parse_web_url,
)
from sidecar.versions.requirement import parse_requirement
from sidecar.versions.version import parse_version


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing a value: ``parse`` it, ``show`` it again, and the JSON ``schema`` of it.

    ``parse(show(parse(value)))`` is ``parse(value)``.
    """

    parse: Callable[[object], Any]
    schema: Mapping[str, Any]
    show: Callable[[Any], object] = lambda value: value


# --- numbers, flags, text ----------------------------------------------------------------------


def parse_count(value: object) -> int:
    """A whole number; ``1e3`` is one, ``true`` and ``1.5`` are not."""
    if is_whole(value):
        return int(value)
    raise ConfigError(f"{quote(value)} is not a whole number")


def parse_flag(value: object) -> bool:
    """``true`` or ``false``."""
    if isinstance(value, bool):
        return value
    raise ConfigError(f"{quote(value)} is not true or false")


def parse_text(value: object) -> str:
    """Any text but an empty one, or one with control characters, which no log could show."""
    if not isinstance(value, str):
        raise ConfigError(f"{quote(value)} is not text; put it in quotes if it is meant as text")
    if not value:
        raise ConfigError("'' is empty; leave the name out instead")
    if not _TEXT_PATTERN.fullmatch(value):
        raise ConfigError(f"{quote(value)} has control characters in it")
    return value


# Surrogates stand for bytes of the environment that are not UTF-8.
_TEXT = r"[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]+"
_TEXT_PATTERN = re.compile(_TEXT)
_TOKEN_CHARACTER = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # tchar, RFC 9110 section 5.6.2


def _matching(pattern: str, description: str) -> Form:
    """A form of text that is exactly what one regular expression says."""
    compiled = re.compile(pattern)

    def parse(value: object) -> str:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        raise ConfigError(f"{quote(value)} is not {description}")

    return Form(parse, _pattern(pattern))


def _pattern(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


# --- addresses and paths -----------------------------------------------------------------------


def _taken_apart_by(parse_parts: Callable[[str], object], wanted: str) -> Callable[[object], str]:
    """A parser that keeps the text as it is when ``parse_parts`` can take it apart."""

    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise ConfigError(f"{quote(value)} is not text such as {wanted}")
        try:
            parse_parts(value)
        except ValueError as error:
            raise ConfigError(f"{quote(value)} {error}; accepted is {wanted}") from None
        return value

    return parse


def parse_upstream(value: object) -> str:
    """The application's address, or the word for each connection's own."""
    if value == ORIGINAL_DST:
        return ORIGINAL_DST
    wanted = f"http://HOST:PORT, unix:/PATH or {ORIGINAL_DST}"
    return _taken_apart_by(parse_upstream_url, wanted)(value)


def parse_ports(value: object) -> PortRange:
    """``8000``, as a number or a text, or ``9000-9010``."""
    if isinstance(value, str) or is_whole(value):
        try:
            return parse_port_range(str(value) if isinstance(value, str) else str(int(value)))
        except ValueError as error:
            raise ConfigError(f"{quote(value)} {error}; accepted is {_PORTS}") from None
    raise ConfigError(f"{quote(value)} is not a port; accepted is {_PORTS}")


def show_ports(ports: PortRange) -> int | str:
    """As it is written."""
    return ports.first if ports.first == ports.last else str(ports)


# pchar of RFC 3986 section 3.3, without `*`, which stands for something here.
_SEGMENT = r"(?:[A-Za-z0-9._~!$&'()+,;=:@-]|%[0-9A-Fa-f]{2})+"
_DOT_SEGMENT = r"(?:\.|%2[Ee]){1,2}(?:/|$)"
_URL_PATH = rf"(?!.*/{_DOT_SEGMENT})/(?:{_SEGMENT}/)*(?:{_SEGMENT})?"
_PATH_PATTERN = rf"(?!.*/{_DOT_SEGMENT})/(?:(?:{_SEGMENT}|\*)/)*(?:{_SEGMENT}|\*)?"
_PATH_RULES = "no query, no empty, . or .. segment, other characters as %XX"


# --- versions ----------------------------------------------------------------------------------


def _judged_by(parse_parts: Callable[[str], object], wanted: str) -> Callable[[object], str]:
    """A parser that keeps the text as it is when ``versions`` can make sense of it."""

    def parse(value: object) -> str:
        if not isinstance(value, str):
            raise ConfigError(f"{quote(value)} is not text such as '{wanted}', in quotes")
        try:
            parse_parts(value)
        except VersionError as error:
            raise ConfigError(f"{quote(value)}: {error.detail}") from None
        return value

    return parse


# --- algorithms, claims ------------------------------------------------------------------------

ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
    "Ed448",
)


def parse_algorithm(value: object) -> str:
    """A JWS algorithm with a public key (RFC 7518, RFC 8037 and RFC 9864)."""
    if isinstance(value, str) and value in ALGORITHMS:
        return value
    accepted = f"accepted are {', '.join(ALGORITHMS)}"
    if isinstance(value, str) and value.upper() in {"HS256", "HS384", "HS512", "NONE"}:
        raise ConfigError(f"{quote(value)} is never accepted with a public key; {accepted}")
    raise ConfigError(f"{quote(value)} is not an algorithm that is known here; {accepted}")


def parse_claim(value: object) -> Any:
    """What a claim must be: a value, one of a list of values, or ``{contains: value}``."""
    if isinstance(value, list):
        if value and all(_is_claim_value(item) for item in value):
            return value
    elif isinstance(value, dict):
        if value.keys() == {"contains"} and _is_claim_value(value["contains"]):
            return value
    elif _is_claim_value(value):
        return value
    raise ConfigError(
        f"{quote(value)} is not a text, a number, true or false, a list of those,"
        " or {contains: one of those}"
    )


def _is_claim_value(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int)


# --- the forms by name -------------------------------------------------------------------------

_ADDRESS = "HOST:PORT, [HOST]:PORT or unix:/PATH"
_UPSTREAM = "http://HOST:PORT or unix:/PATH"
_WEB = "https://HOST/PATH"
_PORTS = "a port such as 8000 or a range such as 9000-9010"
_CLAIM_VALUE = {"type": ["string", "number", "boolean"]}
_CLAIM = {
    "anyOf": [
        _CLAIM_VALUE,
        {"type": "array", "items": _CLAIM_VALUE, "minItems": 1},
        {
            "type": "object",
            "properties": {"contains": _CLAIM_VALUE},
            "required": ["contains"],
            "additionalProperties": False,
        },
    ]
}

FORMS: Mapping[FormName, Form] = {
    "address": Form(
        _taken_apart_by(parse_address, _ADDRESS),
        _pattern(r"unix:/.+|\[[0-9A-Fa-f:.]+(?:%.+)?\]:[0-9]{1,5}|[A-Za-z0-9._-]+:[0-9]{1,5}"),
    ),
    "algorithm": Form(parse_algorithm, {"enum": list(ALGORITHMS)}),
    "claim": Form(parse_claim, _CLAIM),
    "cookie_name": _matching(f"{_TOKEN_CHARACTER}+", "a cookie name (RFC 6265 section 4.1.1)"),
    "count": Form(parse_count, {"type": "integer"}),
    "duration": Form(
        parse_duration,
        {"anyOf": [_pattern(DURATION), {"const": 0}]},
        lambda seconds: format_duration(seconds) if seconds else 0,
    ),
    "field_name": _matching(
        f"{_TOKEN_CHARACTER}+", "the name of a header field (RFC 9110 section 5.1)"
    ),
    "file_path": Form(parse_text, _pattern(_TEXT)),
    "flag": Form(parse_flag, {"type": "boolean"}),
    "issuer_url": Form(
        _taken_apart_by(parse_issuer_url, _WEB), _pattern(r"[Hh][Tt][Tt][Pp][Ss]?://[^?#@]+")
    ),
    "json_path": _matching(
        r"[^.\u0000-\u001f\u007f-\u009f\ud800-\udfff]+"
        r"(?:\.[^.\u0000-\u001f\u007f-\u009f\ud800-\udfff]+)*",
        "the name of a JSON member, or names with dots between them such as data.token",
    ),
    "method": _matching("[A-Z][A-Z0-9_-]*", "an HTTP method in capitals such as GET"),
    "network": Form(
        _taken_apart_by(parse_network, "a network such as 10.0.0.0/8, an address, or unix"),
        _pattern(
            r"unix|(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:/[0-9]{1,2})?"
            r"|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?:/[0-9]{1,3})?"
        ),
    ),
    "parameter_name": _matching(
        "[A-Za-z0-9._~-]+", "the name of a query parameter (letters, digits and . _ ~ -)"
    ),
    "path_pattern": _matching(
        _PATH_PATTERN, f"a path such as /api/* (* as a whole segment, {_PATH_RULES})"
    ),
    "port_range": Form(
        parse_ports,
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                _pattern(r"[0-9]{1,5}(?:-[0-9]{1,5})?"),
            ]
        },
        show_ports,
    ),
    "requirement": Form(_judged_by(parse_requirement, ">=v2.3,<v3"), _pattern(_TEXT)),
    "scheme": _matching(
        f"{_TOKEN_CHARACTER}*", "an authentication scheme such as Bearer, or '' for none"
    ),
    "size": Form(
        parse_size, {"anyOf": [{"type": "integer", "minimum": 0}, _pattern(SIZE)]}, format_size
    ),
    "text": Form(parse_text, _pattern(_TEXT)),
    "time": Form(parse_time, {**_pattern(TIME), "format": "date-time"}, format_time),
    "upstream": Form(
        parse_upstream,
        _pattern(rf"{ORIGINAL_DST}|unix:/.+|[Hh][Tt][Tt][Pp]://[^/?#@]+/?"),
    ),
    "upstream_url": Form(
        _taken_apart_by(parse_upstream_url, _UPSTREAM),
        _pattern(r"unix:/.+|[Hh][Tt][Tt][Pp]://[^/?#@]+/?"),
    ),
    "url_path": _matching(_URL_PATH, f"a path such as /version (no *, {_PATH_RULES})"),
    "version": Form(_judged_by(parse_version, "v2.3"), _pattern(_TEXT)),
    "web_url": Form(
        _taken_apart_by(parse_web_url, _WEB),
        _pattern(r"[Hh][Tt][Tt][Pp][Ss]?://[^#@/]+(?:/[^#]*)?"),
    ),
}


def choice_form(choices: tuple[str, ...]) -> Form:
    """A closed set of words."""

    def parse(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise ConfigError(f"{quote(value)} is not one of {', '.join(choices)}")

    return Form(parse, {"enum": list(choices)})


def bounded_form(form: Form, setting: Setting) -> Form:
    """``form`` within the setting's ``minimum`` and ``maximum``."""
    minimum, maximum = setting.minimum, setting.maximum

    def parse(value: object) -> Any:
        parsed = form.parse(value)
        if minimum is not None and parsed < minimum:
            raise ConfigError(f"{quote(value)} is less than {form.show(minimum)}")
        if maximum is not None and parsed > maximum:
            raise ConfigError(f"{quote(value)} is more than {form.show(maximum)}")
        return parsed

    bounds = {"minimum": minimum, "maximum": maximum}
    return Form(parse, _with_bounds(form.schema, bounds), form.show)


def _with_bounds(schema: Mapping[str, Any], bounds: Mapping[str, float | None]) -> dict[str, Any]:
    """The bounds on every alternative that is a number; a pattern cannot say them."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_with_bounds(each, bounds) for each in schema["anyOf"]]}
    if schema.get("type") != "integer":
        return dict(schema)
    return {**schema, **{name: bound for name, bound in bounds.items() if bound is not None}}
