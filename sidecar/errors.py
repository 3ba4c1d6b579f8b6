"""The tree of errors: one class for each check that can fail.

Every error carries a reason, one word of a closed set that is the same in answers, logs and
metrics, and the HTTP status with which the proxy would answer it. ``detail`` is a sentence for a
person; it never holds token, key or header text that a client sent.

Who raises: every room. Who turns them into answers: ``proxy.rescue``; into exit codes: ``cli``.
"""

from typing import ClassVar


class SidecarError(Exception):
    """Anything that goes wrong in a way that the sidecar foresaw.

    ``reason`` is the metric label; ``status`` the HTTP status hint; ``title`` a short phrase that
    is the same for every occurrence (RFC 9457, section 3.1.3).
    """

    reason: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "The proxy failed"
    #: The detail where nothing more is known of the occurrence: what to do about it.
    hint: ClassVar[str] = ""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.hint or self.title)
        self.detail = detail or self.hint or self.title


class ConfigError(SidecarError):
    """The configuration cannot be used; ``problems`` lists everything that is wrong with it."""

    reason = "config"
    title = "The configuration cannot be used"

    def __init__(self, problems: "list[str] | str") -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.problems))


class AddressInUse(ConfigError):
    """Something listens already where the sidecar is to listen."""

    reason = "address_in_use"
    title = "The address is in use"


class KeyFileError(SidecarError):
    """A key file or key set holds nothing that tokens may be verified with."""

    reason = "key_unusable"
    title = "The key cannot be used"


class FileUnreadable(KeyFileError):
    """The system does not let us read the file. That may pass without a change of the file."""

    title = "The file cannot be read"


class VersionError(SidecarError):
    """A version has no place in the order of versions, or a requirement makes no sense."""

    reason = "version_unordered"
    title = "The version cannot be ordered"


class FetchError(SidecarError):
    """Another server did not answer as it should; ``detail`` continues a sentence that begins with
    the server's name, and quotes nothing that it sent. ``answered``: the status of the answer that
    was not wanted; None where there was no answer."""

    reason = "fetch_failed"
    title = "did not answer"

    def __init__(self, detail: str = "", *, answered: int | None = None) -> None:
        super().__init__(detail)
        self.answered = answered


class FleetError(SidecarError):
    """Nothing can be said of a fleet: what was asked about it did not answer, or not usably."""

    reason = "fleet_unknown"
    title = "The fleet did not answer"


class MemoryUnusable(SidecarError):
    """What an earlier run of the sidecar left behind is damaged, or not ours."""

    reason = "memory_unusable"
    title = "The memory of an earlier run cannot be used"


class InterceptionError(SidecarError):
    """The kernel's rules could not be put in force, read or removed; ``detail`` says why."""

    reason = "interception"
    title = "The interception could not be set up"


class KernelLacksRules(InterceptionError):
    """The kernel does not have what the program would speak to."""


class TableOfOthers(InterceptionError):
    """The table belongs to somebody who made it in a way that the program cannot read."""


class RulesNotPermitted(InterceptionError):
    """The process may not read or change the rules of this network namespace."""


# --- requests ------------------------------------------------------------------------------


class RequestError(SidecarError):
    """The request cannot be served as it was sent; the connection closes after the answer."""

    reason = "bad_request"
    status = 400
    title = "The request is malformed"


class HeadersTooLarge(RequestError):
    """The head has more than ``limits.header_bytes`` bytes or ``limits.headers`` fields."""

    reason = "headers_too_large"
    status = 431
    title = "The request header fields are too large"


class BodyTooLarge(RequestError):
    """The request body is larger than ``limits.body_bytes``."""

    reason = "body_too_large"
    status = 413
    title = "The request body is too large"


class HeaderTimeout(RequestError):
    """The request head did not arrive within ``timeouts.header``."""

    reason = "header_timeout"
    status = 408
    title = "The request head took too long"


class BodyTimeout(RequestError):
    """The request body paused for longer than ``timeouts.body_idle``."""

    reason = "body_timeout"
    status = 408
    title = "The request body took too long"


class MethodNotServed(RequestError):
    """CONNECT: this is a reverse proxy, and opens no tunnel to a place that a client names."""

    reason = "method_not_served"
    status = 501
    title = "The method is not served"


class VersionNotSupported(RequestError):
    """An HTTP version other than 1.0 and 1.1 (RFC 9110, section 15.6.6)."""

    reason = "version_not_supported"
    status = 505
    title = "The HTTP version is not supported"


class AmbiguousPath(RequestError):
    """Two sensible readers would read the path differently, and a rule hangs on it."""

    reason = "ambiguous_path"
    title = "The path is ambiguous"
    hint = "Send the path in its plain form: no dot segments, doubled or encoded slashes."


class NotIntercepted(RequestError):
    """The connection was made to the proxy's own port, where each is expected to come redirected
    from the application's (RFC 9110, section 15.5.20)."""

    reason = "not_intercepted"
    status = 421
    title = "The connection was not intercepted"
    hint = "Connect to the application's own port; this one takes redirected connections only."


class PortNotServed(RequestError):
    """The connection was redirected from a port that is not one of the application's."""

    reason = "port_not_served"
    status = 421
    title = "The port is not served"
    hint = "The port that was connected to is not listed in upstream.ports, or is the sidecar's."


class BadProxyHeader(RequestError):
    """The connection does not begin with a PROXY header, as those of its network must, or with one
    that is out of grammar."""

    reason = "bad_proxy_header"
    title = "The PROXY header is missing or malformed"
    hint = "Connections from this network must begin with a PROXY protocol header."


class ClientGone(SidecarError):
    """The client closed the connection before its answer was complete. Nobody sees a reply."""

    reason = "client_gone"
    status = 499
    title = "The client closed the connection"


class Draining(SidecarError):
    """The sidecar is shutting down and takes no new work."""

    reason = "draining"
    status = 503
    title = "The service is shutting down"


class OverLimit(SidecarError):
    """``limits.connections`` or ``limits.in_flight`` is reached."""

    reason = "over_limit"
    status = 503
    title = "The service is at its limit"


# --- the application behind us ---------------------------------------------------------------


class UpstreamError(SidecarError):
    """The application did not answer as it should."""

    reason = "upstream_error"
    status = 502
    title = "The application failed"


class UpstreamRefused(UpstreamError):
    """Nobody listens where the application should: it is starting, or gone."""

    reason = "upstream_refused"
    status = 503
    title = "The application is not reachable"


class UpstreamBrokeOff(UpstreamError):
    """The application closed the connection before its answer was complete."""

    reason = "upstream_broke_off"
    title = "The application broke off"


class UpstreamMalformed(UpstreamError):
    """The application's answer breaks HTTP (RFC 9112) in a way that could mislead the client."""

    reason = "upstream_malformed"
    title = "The application's answer is malformed"


class UpstreamTimeout(UpstreamError):
    """The application did not connect or answer in time."""

    reason = "upstream_timeout"
    status = 504
    title = "The application is too slow"


class UpstreamBusy(UpstreamError):
    """``upstream.max_connections`` are all in use, and none became free in time."""

    reason = "upstream_busy"
    status = 503
    title = "The application is at its limit"


# --- what the application hands out ----------------------------------------------------------


class SignerBehind(SidecarError):
    """The answer would have handed out an older key's token after an enforced switch."""

    reason = "signer_behind"
    status = 503
    title = "The service still signs with an old key"
    hint = "The service signs tokens with a key that the stated switch has ended; try again later."


class AnswerUnreadable(SidecarError):
    """An answer in which a token should have been found, and was not. It is passed on all the same;
    ``reason`` is counted."""

    reason = "no_token"
    title = "No token was found in the answer"


class AnswerWithoutToken(AnswerUnreadable):
    """A successful answer, and none of the configured places holds anything."""


class AnswerNotJson(AnswerUnreadable):
    """A successful answer whose body is not one JSON object (RFC 8259), read strictly."""

    reason = "no_json"
    title = "The answer is not a JSON object"


class AnswerTooLarge(AnswerUnreadable):
    """The body, as it came or decoded, is larger than any that is read."""

    reason = "too_large"
    title = "The answer is too large to be read"


class AnswerTooSlow(AnswerUnreadable):
    """The body was not complete within ``upstream.response_timeout``, or a minute."""

    reason = "too_slow"
    title = "The answer took too long to be read"


class AnswerEncoded(AnswerUnreadable):
    """A content coding that is not read here, or that the body does not keep to."""

    reason = "encoding"
    title = "The answer's content coding cannot be read"


class IssuedNotJwt(AnswerUnreadable):
    """Something stands in a configured place that is no signed JWT (RFC 7519)."""

    reason = "no_jwt"
    title = "What stands in the token's place is no JWT"


#: Every reason of ``sidecar_issued_unreadable_total``.
UNREADABLE_REASONS: tuple[str, ...] = tuple(
    error.reason
    for error in (
        AnswerWithoutToken,
        AnswerNotJson,
        AnswerTooLarge,
        AnswerTooSlow,
        AnswerEncoded,
        IssuedNotJwt,
    )
)


# --- tokens ----------------------------------------------------------------------------------


class TokenError(SidecarError):
    """The token does not open the door. ``generation`` and ``key_id`` name the key whose signature
    held, where one did, and ``issued_at`` its ``iat``; ``rule`` the access rule that the request
    fell under."""

    reason = "malformed"
    status = 401
    title = "The token is not accepted"
    #: The ``error`` of the Bearer challenge (RFC 6750, section 3.1); empty without a token.
    challenge: ClassVar[str] = "invalid_token"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.key_id: str | None = None
        self.issued_at: int | None = None
        self.generation = "none"
        self.rule = "default"


class TokenMissing(TokenError):
    """No token in any of the configured places."""

    reason = "missing"
    title = "A token is needed"
    hint = "No token stands in any of the places where this service looks for one."
    challenge = ""


class TokenMalformed(TokenError):
    """Not base64url JSON of three parts, or a member has the wrong type (RFC 7515, RFC 7519)."""

    reason = "malformed"
    title = "The token is malformed"


class TokenTooLarge(TokenError):
    """Longer than any token that the configuration allows."""

    reason = "too_large"
    title = "The token is too large"


class UnknownKey(TokenError):
    """The token names a key that the keyring does not have."""

    reason = "unknown_key"
    title = "The token's key is not known"
    hint = "The token names a key that is not, or not any more, in the keyring; get a new token."


class AlgorithmNotAllowed(TokenError):
    """The token's ``alg`` is not one that a key of the keyring allows (RFC 8725, section 3.1)."""

    reason = "algorithm_not_allowed"
    title = "The token's algorithm is not allowed"
    hint = "No key of the keyring may be used with the algorithm that the token names."


class BadSignature(TokenError):
    """No fitting key verifies the signature."""

    reason = "bad_signature"
    title = "The token's signature does not hold"
    hint = "No key that fits verifies the token: it was changed, or signed with another."


class TokenExpired(TokenError):
    """``exp`` has passed (RFC 7519, section 4.1.4)."""

    reason = "expired"
    title = "The token has expired"
    hint = "The token's exp has passed; get a new token."


class TokenNotYetValid(TokenError):
    """``nbf`` or ``iat`` lies in the future (RFC 7519, section 4.1.5)."""

    reason = "not_yet_valid"
    title = "The token is not valid yet"
    hint = "The token's nbf or iat lies in the future; compare the clocks."


class WrongIssuer(TokenError):
    """``iss`` is not a configured issuer, or not the key's (RFC 7519, section 4.1.1)."""

    reason = "wrong_issuer"
    title = "The token's issuer is not accepted"
    hint = "The token's iss is not the issuer that this service accepts."


class WrongAudience(TokenError):
    """``aud`` does not name this service (RFC 7519, section 4.1.3)."""

    reason = "wrong_audience"
    title = "The token is for another audience"
    hint = "The token's aud does not name this service."


class MissingClaim(TokenError):
    """A claim that ``auth.require`` lists is absent."""

    reason = "missing_claim"
    title = "The token lacks a required claim"


class LifetimeTooLong(TokenError):
    """``exp - iat`` exceeds ``auth.max_lifetime``."""

    reason = "lifetime_too_long"
    title = "The token lives longer than allowed"
    hint = "From its iat to its exp the token lives longer than is allowed."


class TokenUnbounded(TokenError):
    """No ``exp``, or no ``iat`` where ``auth.max_lifetime`` needs it."""

    reason = "unbounded"
    title = "The token has no bounded lifetime"


class IssuedAfterSwitch(TokenError):
    """Signed with an older key after the stated, enforced switch to a newer one."""

    reason = "issued_after_switch"
    title = "The token was issued with an old key after the switch"
    hint = "The issuer still signs with the old key, or did so after the stated switch."


class TokenForbidden(TokenError):
    """The token is good, but a rule does not let it in."""

    reason = "forbidden"
    status = 403
    title = "The token does not allow this"
    challenge = "insufficient_scope"


class TokenDuplicate(TokenError):
    """More than one token in one request (RFC 6750, section 2)."""

    reason = "duplicate"
    status = 400
    title = "There is more than one token in the request"
    challenge = "invalid_request"


class TokenRevoked(TokenError):
    """The token's key, or the token itself, was taken out by name."""

    reason = "revoked"
    title = "The token was revoked"
    hint = "The token, or its key, was taken out by name; get a new token."


class KeysUnavailable(TokenError):
    """No key was ever loaded, so no token can be judged."""

    reason = "keys_unavailable"
    status = 503
    title = "No keys are available yet"
    hint = "No key has been loaded yet, so no token can be judged; try again shortly."
    challenge = ""


#: Every reason that a token can be refused for: the closed set of the ``reason`` label.
TOKEN_REASONS: tuple[str, ...] = tuple(
    error.reason
    for error in (
        TokenMissing,
        TokenMalformed,
        TokenTooLarge,
        UnknownKey,
        AlgorithmNotAllowed,
        BadSignature,
        TokenExpired,
        TokenNotYetValid,
        WrongIssuer,
        WrongAudience,
        MissingClaim,
        LifetimeTooLong,
        TokenUnbounded,
        IssuedAfterSwitch,
        TokenForbidden,
        TokenDuplicate,
        TokenRevoked,
        KeysUnavailable,
    )
)
