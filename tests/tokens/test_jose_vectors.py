"""The published JOSE examples: RFC 7515 (A.2 to A.4), RFC 8037 (A.2 to A.4) and RFC 7638 (3.1).

Their payloads are not all claims of a token that could be accepted, so the signatures are checked
below the level of tokens: through parsing, key and algorithm.
"""

import json
from typing import NamedTuple

import pytest

from sidecar.errors import TokenExpired, TokenMalformed
from sidecar.tokens.compact import parse_compact, parse_header
from sidecar.tokens.keyring import Keyring
from sidecar.tokens.parse import read_keys
from sidecar.tokens.settings import AuthSettings
from sidecar.tokens.signature import CHECKS
from sidecar.tokens.verify import Verifier

_JOE = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)


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
