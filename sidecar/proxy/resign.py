"""The sidecar's own pair of keys: made at start, the public half published as a file.

The private key lives in this process's memory alone: it is never written, shown or sent, and ends
with the process. The public key is put where the application reads it by a rename, so that no
reader ever sees half of it.

Called by ``app.lifecycle`` once the ports are open: a second sidecar that cannot start must not
replace the key of one that runs.
"""

import contextlib
import logging
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from sidecar.errors import ConfigError
from sidecar.tokens.generate import generate_signer
from sidecar.tokens.reissue import Reissuer
from sidecar.tokens.settings import ForwardSettings

log = logging.getLogger("sidecar.proxy")

_SETTING = "auth.forward.resign.public_key"


def build_reissuer(settings: ForwardSettings) -> Reissuer | None:
    """A reissuer with a new key that the application can find; ``None`` where tokens are not
    replaced. Raises :class:`ConfigError`."""
    if settings.token != "resign":
        return None
    resign = settings.resign
    assert resign.public_key is not None  # config.checks
    signer, public_pem = generate_signer(resign.algorithm)
    publish(Path(resign.public_key), public_pem)
    log.info(
        "Tokens are replaced by ones of our own; the application reads the public key from %s.",
        resign.public_key,
        extra={"data": {"algorithm": resign.algorithm, "lifetime_s": resign.lifetime_s}},
    )
    return Reissuer(resign, signer)


def publish(path: Path, public_pem: bytes) -> None:
    """Replace the file at ``path`` at once, readable for everybody. Raises :class:`ConfigError`."""
    temporary: Path | None = None
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            os.fchmod(file.fileno(), 0o644)
            file.write(public_pem)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise ConfigError(f"{_SETTING}: {path} cannot be written: {error.strerror}") from None
