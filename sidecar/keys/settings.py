"""Where verification keys come from (``auth.keyring`` in the configuration)."""

from dataclasses import dataclass
from typing import Annotated

from sidecar.setting import Setting


@dataclass(frozen=True, slots=True)
class KeySourceSettings:
    """One source of keys."""

    path: Annotated[
        str, Setting("a directory of *.pem *.pub *.jwk *.json files, or one such file", "file_path")
    ]
