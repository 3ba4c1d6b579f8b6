"""An issuer of keys as a process of its own, behind TLS, that rotates, lies, stalls and dies.

The test writes down what the issuer publishes and how it behaves; the process reads that for every
request, and notes each one. Run as a module it is the process; imported it is how tests hold it.
"""

import asyncio
import ipaddress
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm

from tests.functional.client import PATIENCE_S, open_socket
from tests.functional.credentials import Signer
from tests.functional.sidecar_process import free_port, wait_until

#: What it can do other than say the truth, without taking its time.
LIES = (
    "garbage",
    "html",
    "empty",
    "nothing",
    "private",
    "elsewhere",
    "loop",
    "huge",
    "bomb",
    "failing",
    "impostor",
)


# --- certificates ------------------------------------------------------------------------------


class Authority:
    """A certificate authority that was made for one test."""

    def __init__(self, directory: Path, name: str = "test authority") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        certificate = builder.add_extension(_usage(key_cert_sign=True), critical=True).sign(
            self._key, hashes.SHA256()
        )
        self.file = directory / f"{name.replace(' ', '-')}.pem"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def certify(self, host: str) -> tuple[Path, Path]:
        """A certificate for ``host`` and its private key, as files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        certificate = (
            self._builder(subject, key.public_key())
            .add_extension(alternative, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        files = self._directory / "server.pem", self._directory / "server.key"
        files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> Any:
        now = datetime.now(UTC)
        own_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(own_key, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def _usage(**used: bool) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{name: used.get(name, False) for name in names})


# --- how tests hold it -------------------------------------------------------------------------


@dataclass(frozen=True)
class Visit:
    """One request that the issuer got."""

    at: float
    path: str
    etag: str | None


class Issuer:
    """A process on loopback. ``url`` is the issuer, ``jwks_url`` its set of keys."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self._port = free_port()
        self._certificate, self._key = authority.certify("127.0.0.1")
        self._state, self._visits = directory / "issuer.json", directory / "issuer.visits"
        self._visits.touch()
        self.url = f"https://127.0.0.1:{self._port}"
        self.jwks_url = f"{self.url}/jwks.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._says: dict[str, Any] = {"url": self.url, "keys": [], "behaviour": "honest"}
        self._write()

    def publish(self, *signers: Signer, cache_control: str | None = None) -> None:
        """From now on these keys are its set, and it says the truth."""
        keys = [public_jwk(signer) for signer in signers]
        self._says |= {"keys": keys, "behaviour": "honest", "cache_control": cache_control}
        self._write()

    def behave(self, behaviour: str) -> None:
        """``honest``, one of LIES, ``drip`` or ``stall``."""
        self._says["behaviour"] = behaviour
        self._write()

    def start(self) -> None:
        """Start, or come back at the same place."""
        arguments = [str(self._port), *map(str, (self._certificate, self._key))]
        arguments += map(str, (self._state, self._visits))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.functional.issuer", *arguments],
            cwd=Path(__file__).parents[2],
        )
        wait_until(self._is_listening, "the issuer listens")

    def die(self) -> None:
        """End without any ceremony."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)

    def visits(self, path: str = "/jwks.json") -> list[Visit]:
        """Every request for that path so far."""
        lines = self._visits.read_text().split("\n")[:-1]
        visits = [Visit(**json.loads(line)) for line in lines]
        return [visit for visit in visits if visit.path == path]

    def _is_listening(self) -> bool:
        try:
            open_socket(("127.0.0.1", self._port)).close()
        except OSError:
            return False
        return True

    def _write(self) -> None:
        temporary = self._state.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._says))
        temporary.rename(self._state)


def public_jwk(signer: Signer) -> dict[str, Any]:
    """The signer's public key as a member of a set; it must sign with ES256."""
    key: Any = load_pem_public_key(signer.public_pem)
    members = ECAlgorithm.to_jwk(key, as_dict=True)
    return {**members, "kid": signer.key_id, "use": "sig", "alg": "ES256"}


# --- the process -------------------------------------------------------------------------------


class Behaviour:
    """What it answers, by what the test has written down."""

    def __init__(self, state: Path, visits: Path) -> None:
        self._state, self._visits = state, visits

    async def answer(self, request: web.Request) -> web.StreamResponse:
        says = json.loads(self._state.read_text())
        etag = request.headers.get("If-None-Match")
        with self._visits.open("a") as file:
            visit = {"at": time.time(), "path": request.path, "etag": etag}
            file.write(json.dumps(visit) + "\n")
        if request.path.endswith("/openid-configuration"):
            impostor = "https://impostor.example"
            issuer = impostor if says["behaviour"] == "impostor" else says["url"]
            return web.json_response({"issuer": issuer, "jwks_uri": f"{says['url']}/jwks.json"})
        if says["behaviour"] in {"honest", "impostor"}:
            return _honest(says, etag)
        return await self._lie(says, request)

    async def _lie(self, says: dict[str, Any], request: web.Request) -> web.StreamResponse:
        match says["behaviour"]:
            case "html":
                return web.Response(text="<!doctype html><p>Sign in", content_type="text/html")
            case "empty":
                return web.json_response({"keys": []})
            case "nothing":
                return web.Response()
            case "private":
                return web.json_response({"keys": [key | {"d": "AAAA"} for key in says["keys"]]})
            case "elsewhere":
                raise web.HTTPFound(f"https://localhost:{request.url.port}/jwks.json")
            case "loop":
                raise web.HTTPFound(request.path)
            case "failing":
                raise web.HTTPInternalServerError
            case "bomb":
                fields = {"Content-Encoding": "gzip"}
                return web.Response(body=b"\x1f\x8b" + bytes(1000), headers=fields)
            case "huge":
                return await _pour(request, b" " * 1_000_000, 100, 0)
            case "drip":
                return await _pour(request, b" ", 3600, 1)
            case "stall":
                await asyncio.sleep(3600)
        return web.Response(body=b'{"keys": [{"kty": "EC", "crv": "P-256", "x": 5}, \xff\x00')


def _honest(says: dict[str, Any], etag: str | None) -> web.Response:
    body = json.dumps({"keys": says["keys"]}).encode()
    fields = {"ETag": f'"{sha256(body).hexdigest()[:16]}"'}
    if says.get("cache_control"):
        fields["Cache-Control"] = says["cache_control"]
    if etag == fields["ETag"]:
        return web.Response(status=304, headers=fields)
    return web.Response(body=body, headers=fields, content_type="application/jwk-set+json")


async def _pour(
    request: web.Request, piece: bytes, count: int, pause_s: float
) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(count):
        await response.write(piece)
        await asyncio.sleep(pause_s)
    return response


def main(arguments: Sequence[str]) -> None:
    """PORT CERTIFICATE KEY STATE VISITS."""
    port, certificate, key, state, visits = arguments
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    application = web.Application()
    application.router.add_get("/{path:.*}", Behaviour(Path(state), Path(visits)).answer)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(port),
        ssl_context=context,
        print=None,
        access_log=None,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
