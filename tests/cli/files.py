"""The files that the examples in ``--help`` speak of, so that tests can run them."""

from pathlib import Path

from sidecar.tokens.generate import generate_pair

FILES_OF_EXAMPLES = ("signer/2026-11.key", "keyring", "sidecar.yaml", "token.txt")

_CONFIG = """\
service: thoughts-backend
auth:
  keyring: keyring
dependencies:
  users-backend: {url: "http://users/admin/version/", min: v2.3}
"""


def write_files(directory: Path) -> None:
    """A signer with its key, a keyring with the public one, a configuration, and no token."""
    (directory / "signer").mkdir()
    (directory / "keyring").mkdir()
    pair = generate_pair("ES256")
    (directory / "signer" / "2026-11.key").write_bytes(pair.private_pem)
    (directory / "keyring" / "2026-11.pub").write_bytes(pair.public_pem)
    (directory / "sidecar.yaml").write_text(_CONFIG)
    (directory / "token.txt").write_text("no token")
