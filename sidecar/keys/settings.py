"""Where verification keys come from (``auth.keyring`` in the configuration)."""

from dataclasses import dataclass
from typing import Annotated

from sidecar.setting import Setting


@dataclass(frozen=True, slots=True)
class KeySourceSettings:
    """One source of keys: exactly one of ``path``, ``url`` and ``issuer``. The rest is for the two
    that are asked over the network."""

    path: Annotated[
        str | None,
        Setting("a directory of *.pem *.pub *.jwk *.json files, or one such file", "file_path"),
    ] = None
    url: Annotated[str | None, Setting("where a JWKS is published", "web_url")] = None
    issuer: Annotated[
        str | None,
        Setting("an OpenID Connect issuer, whose discovery document names its JWKS", "issuer_url"),
    ] = None
    refresh_s: Annotated[
        float | None,
        Setting(
            "the longest time between two looks; without it what the answer's max-age says,"
            " from 30s to 1h, or 5m",
            "duration",
            minimum=1,
            maximum=86400,
        ),
    ] = None
    ca: Annotated[
        str | None,
        Setting("a PEM file of the authorities to trust, in place of the system's", "file_path"),
    ] = None
    keep_removed_s: Annotated[
        float,
        Setting("how long a key that has left the set is used after it was last in it", "duration"),
    ] = 0.0
    insecure: Annotated[
        bool,
        Setting("allow http, over which anyone on the way can replace the keys"),
    ] = False
