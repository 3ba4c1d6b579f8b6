"""What the verification of tokens can be told (``auth`` in the configuration)."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from sidecar.setting import Setting

_Paths = Annotated[
    tuple[str, ...],
    Setting("paths; `*` is one segment, at the end the rest", "path_pattern", at_least=1),
]
_Methods = Annotated[
    tuple[str, ...], Setting("methods; GET is HEAD as well; empty = every one", "method")
]


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """One place where a token may stand: a header, a cookie or a query parameter, with or without
    a scheme."""

    header: Annotated[str | None, Setting("the name of a header field", "field_name")] = None
    cookie: Annotated[str | None, Setting("the name of a cookie", "cookie_name")] = None
    query: Annotated[
        str | None,
        Setting("the name of a query parameter, which is never passed on", "parameter_name"),
    ] = None
    scheme: Annotated[
        str, Setting("the word before the token, compared without case; empty = none", "scheme")
    ] = ""


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """One rule: which requests it is for, and what they need. The first that matches decides."""

    paths: _Paths
    methods: _Methods = ()
    access: Annotated[
        str, Setting("what it needs", choices=("token", "optional", "public", "deny"))
    ] = "token"
    claims: Annotated[
        dict[str, Any],
        Setting("claims that the token must carry: equals, one of a list, or contains", "claim"),
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IssueSettings:
    """One place in which this service's answers hand out tokens: a member of a JSON body, a header
    or a cookie. A scheme before the token is skipped."""

    paths: _Paths
    methods: _Methods = ()
    json: Annotated[
        str | None,
        Setting("the member of a JSON body, a deeper one by its path: data.token", "json_path"),
    ] = None
    header: Annotated[str | None, Setting("the name of a header field", "field_name")] = None
    cookie: Annotated[str | None, Setting("the name of a cookie", "cookie_name")] = None


@dataclass(frozen=True, slots=True)
class ResignSettings:
    """The tokens of our own that the application gets in place of the callers'."""

    algorithm: Annotated[str, Setting("what they are signed with", choices=("RS256", "ES256"))] = (
        "RS256"
    )
    public_key: Annotated[
        str | None,
        Setting("the file that the application reads our public key from", "file_path"),
    ] = None
    lifetime_s: Annotated[
        float, Setting("how long each is valid", "duration", minimum=10, maximum=3600)
    ] = 60.0
    header: Annotated[
        str, Setting("the field in which the application looks for them", "field_name")
    ] = "Authorization"
    scheme: Annotated[str, Setting("the word before them; empty = none", "scheme")] = "Bearer"


@dataclass(frozen=True, slots=True)
class ForwardSettings:
    """What of a token the application sees."""

    token: Annotated[
        str,
        Setting(
            "what becomes of the token: passed on, removed, or replaced by one of our own",
            choices=("keep", "strip", "resign"),
        ),
    ] = "keep"
    resign: Annotated[ResignSettings, Setting("the tokens of our own")] = ResignSettings()
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
    revoked: Annotated[
        tuple[str, ...], Setting("ids of keys that nothing is accepted from, whatever has them")
    ] = ()
    revoked_tokens: Annotated[
        str | None,
        Setting("a file of the `jti` of tokens that are not accepted, one a line", "file_path"),
    ] = None
    switch: Annotated[
        str,
        Setting(
            "declare = a statement; enforce = refuse older-key tokens issued after it",
            choices=("declare", "enforce"),
        ),
    ] = "declare"
    issues: Annotated[
        tuple[IssueSettings, ...],
        Setting(
            "where this service's answers hand out tokens, which are watched",
            one_of=("json", "header", "cookie"),
        ),
    ] = ()
    subject_claim: Annotated[
        str | None,
        Setting("the claim that says whose an old key's token is, for /keys; null = not looked at"),
    ] = "sub"
    show_subjects: Annotated[bool, Setting("show those subjects as they are, not as digests")] = (
        False
    )
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
            one_of=("header", "cookie", "query"),
        ),
    ] = (PlaceSettings(header="Authorization", scheme="Bearer"),)
    issuer: Annotated[tuple[str, ...], Setting("`iss` must be one of these; empty = any")] = ()
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
