"""What the verification of tokens can be told (``auth`` in the configuration)."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from sidecar.setting import Setting


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """One place where a token may stand: a header or a cookie, with or without a scheme."""

    header: Annotated[str | None, Setting("the name of a header field", "field_name")] = None
    cookie: Annotated[str | None, Setting("the name of a cookie", "cookie_name")] = None
    scheme: Annotated[
        str, Setting("the word before the token, compared without case; empty = none", "scheme")
    ] = ""


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """One rule: which requests it is for, and what they need. The first that matches decides."""

    paths: Annotated[
        tuple[str, ...],
        Setting("paths; `*` is one segment, at the end the rest", "path_pattern", at_least=1),
    ]
    methods: Annotated[tuple[str, ...], Setting("methods; empty = every one", "method")] = ()
    access: Annotated[
        str, Setting("what it needs", choices=("token", "optional", "public", "deny"))
    ] = "token"
    claims: Annotated[
        dict[str, Any],
        Setting("claims that the token must carry: equals, or one of a list", "claim"),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """What of a token the application sees."""

    token: Annotated[
        str, Setting("whether the token itself is passed on", choices=("keep", "strip"))
    ] = "keep"
    claims: Annotated[dict[str, str], Setting("claim name to header field name", "field_name")] = (
        field(default_factory=dict)
    )


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """How tokens are verified and what they open."""

    mode: Annotated[
        str,
        Setting(
            "enforce = refuse; observe = forward all, count would-be refusals; off = do not look",
            choices=("enforce", "observe", "off"),
        ),
    ] = "enforce"
    newest: Annotated[
        str | None, Setting("the id of the newest key; default: the last in natural order")
    ] = None
    signing_since: Annotated[
        dict[str, float],
        Setting("key id to the moment from which all signers use it (RFC 3339)", "time"),
    ] = field(default_factory=dict)
    switch: Annotated[
        str,
        Setting(
            "declare = a statement; enforce = refuse older-key tokens issued after it",
            choices=("declare", "enforce"),
        ),
    ] = "declare"
    algorithms: Annotated[
        tuple[str, ...],
        Setting("JWS algorithms; default: what each key's type allows", "algorithm"),
    ] = ()
    places: Annotated[
        tuple[PlaceSettings, ...],
        Setting(
            "where a token is looked for, in order",
            name="from",
            at_least=1,
            one_of=("header", "cookie"),
        ),
    ] = (PlaceSettings(header="Authorization", scheme="Bearer"),)
    issuer: Annotated[str | None, Setting("the only `iss` that is accepted")] = None
    audience: Annotated[tuple[str, ...], Setting("`aud` must name one of these")] = ()
    require: Annotated[tuple[str, ...], Setting("claims that must be present")] = ()
    allow_unbounded: Annotated[
        bool, Setting("accept tokens without `exp` (unsafe: they never die)")
    ] = False
    leeway_s: Annotated[float, Setting("how far clocks may differ", "duration", minimum=0)] = 30.0
    max_lifetime_s: Annotated[
        float, Setting("the longest `exp - iat`; 0 = not enforced", "duration", minimum=0)
    ] = 0.0
    max_token_bytes: Annotated[
        int, Setting("the longest token", "size", minimum=256, maximum=1048576)
    ] = 8192
    forward: Annotated[ForwardSettings, Setting("what the application sees")] = ForwardSettings()
    rules: Annotated[tuple[RuleSettings, ...], Setting("who may do what")] = ()
