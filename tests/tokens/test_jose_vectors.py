"""The published JOSE examples: RFC 7515 (A.1 to A.6), RFC 7520 (4.1 to 4.4), RFC 8037 (A.2 to A.4)
and RFC 7638 (3.1).

Their payloads are not all claims of a token that could be accepted, so the signatures are checked
below the level of tokens: through parsing, key and algorithm.
"""

import json
from typing import NamedTuple

import pytest

from sidecar.errors import AlgorithmNotAllowed, TokenExpired, TokenMalformed
from sidecar.tokens.compact import parse_compact, parse_header
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.parse import read_keys
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.signature import CHECKS
from sidecar.tokens.verify import Verifier

_JOE = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)

# RFC 7520, sections 3.3 and 4: the payload is a sentence, not claims.
_SENTENCE = (
    "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlv"
    "dXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24n"
    "dCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91"
    "IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
)
_BILBO_RSA = {
    "kty": "RSA",
    "kid": "bilbo.baggins@hobbiton.example",
    "use": "sig",
    "n": (
        "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRoj"
        "dNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2l"
        "bzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6c"
        "S6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3"
        "-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwU"
        "kRz5iaiQkqgc5gHdrNP5zw"
    ),
    "e": "AQAB",
}
_BILBO_EC = {
    "kty": "EC",
    "kid": "bilbo.baggins@hobbiton.example",
    "use": "sig",
    "crv": "P-521",
    "x": (
        "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt"
    ),
    "y": (
        "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"
    ),
}


class Vector(NamedTuple):
    """A key and a token that it signed."""

    name: str
    jwk: dict[str, str]
    token: str


VECTORS = [
    Vector(
        "RFC 7515 A.2 RS256",
        {
            "kty": "RSA",
            "n": (
                "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp"
                "-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOW"
                "vG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUs"
                "LA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9k"
                "G4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2"
                "PAcDTW9gb54h4FRWyuXpoQ"
            ),
            "e": "AQAB",
        },
        "eyJhbGciOiJSUzI1NiJ9." + _JOE + "."
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
        "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
        "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
        "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
        "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
        "p0igcN_IoypGlUPQGe77Rw",
    ),
    Vector(
        "RFC 7515 A.3 ES256",
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        "eyJhbGciOiJFUzI1NiJ9." + _JOE + "."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
        "pmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    Vector(
        "RFC 7515 A.4 ES512",
        {
            "kty": "EC",
            "crv": "P-521",
            "x": (
                "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvL"
                "FV1jSfS9tsz4qUxcWceqwQGk"
            ),
            "y": (
                "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4K"
                "kd0AZMaZmh9ubmf63e3kyMj2"
            ),
        },
        "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."
        "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZq"
        "wqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8Kp"
        "EHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
    ),
    Vector(
        "RFC 8037 A.4 Ed25519",
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B"
        "hVsPt9g7sVvpAr_MuM0KAg",
    ),
    Vector(
        "RFC 7520 4.1 RS256",
        _BILBO_RSA,
        "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhh"
        "bXBsZSJ9." + _SENTENCE + "."
        "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZo"
        "pdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmD"
        "LJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9e"
        "Ro4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2"
        "aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH8"
        "4ogoree7vjbU5y18kDquDg",
    ),
    Vector(
        "RFC 7520 4.2 PS384",
        _BILBO_RSA,
        "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhh"
        "bXBsZSJ9." + _SENTENCE + "."
        "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN"
        "6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvW"
        "Xzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ij"
        "Q7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6ui"
        "P1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmW"
        "jwZ6oD4ifKo8DYM-X72Eaw",
    ),
    Vector(
        "RFC 7520 4.3 ES512",
        _BILBO_EC,
        "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhh"
        "bXBsZSJ9." + _SENTENCE + "."
        "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9"
        "Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD89"
        "0jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2",
    ),
]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_the_published_signature_holds(vector: Vector) -> None:
    (key,) = read_keys(json.dumps(vector.jwk).encode(), stem="rfc", source="rfc").keys
    parts = parse_compact(vector.token.encode())
    algorithm = parse_header(parts.header_part).algorithm
    assert algorithm in key.algorithms
    assert CHECKS[algorithm](key.public_key, parts.signing_input, parts.signature)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_no_published_signature_survives_a_changed_bit(vector: Vector) -> None:
    (key,) = read_keys(json.dumps(vector.jwk).encode(), stem="rfc", source="rfc").keys
    parts = parse_compact(vector.token.encode())
    check = CHECKS[parse_header(parts.header_part).algorithm]
    for position in (0, len(parts.signature) // 2, len(parts.signature) - 1):
        forged = bytearray(parts.signature)
        forged[position] ^= 1
        assert not check(key.public_key, parts.signing_input, bytes(forged))
    assert not check(key.public_key, parts.signing_input + b"x", parts.signature)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_the_published_tokens_fail_only_for_what_is_in_them(vector: Vector) -> None:
    keys = read_keys(json.dumps(vector.jwk).encode(), stem="rfc", source="rfc").keys
    verifier, token = Verifier(AuthSettings()), vector.token.encode()
    if _JOE in vector.token:
        assert verifier.verify(token, Keyring(keys), 1_300_819_379.0).claims["iss"] == "joe"
        with pytest.raises(TokenExpired):
            verifier.verify(token, Keyring(keys), 1_300_819_410.0)
    else:
        with pytest.raises(TokenMalformed):
            verifier.verify(token, Keyring(keys), 0.0)


def test_thumbprints_are_the_published_ones() -> None:
    ed25519 = VECTORS[3].jwk
    rsa = {
        "kty": "RSA",
        "n": (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86z"
            "wu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5Js"
            "GY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMic"
            "AtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"
            "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF"
            "Cur-kEgU8awapJzKnqDKgw"
        ),
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }
    expected = [
        (rsa, "2011-04-29", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        (ed25519, "stem", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ]
    for jwk, key_id, thumbprint in expected:
        (key,) = read_keys(json.dumps(jwk).encode(), stem="stem", source="x").keys
        assert (key.id, key.thumbprint) == (key_id, thumbprint)


# --- what must be refused ------------------------------------------------------------------------

_A_1_KEY = {
    "kty": "oct",
    "k": ("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
}
REFUSED = {
    "RFC 7515 A.1 HS256": "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
    + _JOE
    + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "RFC 7515 A.5 none": "eyJhbGciOiJub25lIn0." + _JOE + ".",
    "RFC 7520 4.4 HS256": "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMx"
    "NGJjNzAzNyJ9." + _SENTENCE + ".s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
}


@pytest.mark.parametrize("name", REFUSED)
def test_published_tokens_without_a_public_key_are_refused(name: str) -> None:
    keys = [
        key
        for vector in VECTORS
        for key in read_keys(json.dumps(vector.jwk).encode(), stem=vector.name, source="rfc").keys
    ]
    for ring in (Keyring(keys), Keyring(keys[:1])):
        with pytest.raises(AlgorithmNotAllowed):
            Verifier(AuthSettings()).verify(REFUSED[name].encode(), ring, 1_300_819_379.0)


def test_a_published_symmetric_key_is_no_key_here() -> None:
    reading = read_keys(json.dumps(_A_1_KEY).encode(), stem="a1", source="rfc")
    assert reading.keys == ()
    assert len(reading.problems) == 1


@pytest.mark.parametrize("vector", VECTORS[:4], ids=lambda vector: vector.name)
def test_published_tokens_in_json_serialization_are_refused(vector: Vector) -> None:
    """RFC 7515, A.6 and A.7: JSON is no compact serialization (RFC 7519, section 3)."""
    keys = read_keys(json.dumps(vector.jwk).encode(), stem="rfc", source="rfc").keys
    head, payload, signature = vector.token.split(".")
    flattened = {"payload": payload, "protected": head, "signature": signature}
    general = {"payload": payload, "signatures": [{"protected": head, "signature": signature}]}
    for form in (flattened, general):
        with pytest.raises(TokenMalformed):
            Verifier(AuthSettings()).verify(json.dumps(form).encode(), Keyring(keys), 0.0)
