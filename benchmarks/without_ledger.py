"""The sidecar without its ledger: what the ledger costs is measured against this.

Started like ``python -m sidecar``. Nothing else is taken away, and nobody is meant to use it.
"""

from sidecar.cli.main import main
from sidecar.rotation.ledger import Ledger, SeenToken


def _ignore(self: Ledger, token: SeenToken, now: float) -> None:
    """Where a token would be entered."""


if __name__ == "__main__":
    Ledger.accepted = _ignore  # type: ignore[method-assign]
    main()
