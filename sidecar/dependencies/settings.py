"""What this service needs of others (``dependencies`` in the configuration)."""

from dataclasses import dataclass
from typing import Annotated

from sidecar.setting import Setting
from sidecar.versions.requirement import Requirement, build_requirement, parse_requirement


@dataclass(frozen=True, slots=True)
class DependencySettings:
    """One service that this one calls, and the versions of it that will do."""

    url: Annotated[str, Setting("where it says its version", "web_url")]
    min: Annotated[str | None, Setting("the oldest version that will do", "version")] = None
    below: Annotated[str | None, Setting("the first newer version that will not do", "version")] = (
        None
    )
    excluded: Annotated[
        tuple[str, ...], Setting("versions between them that will not do", "version", name="not")
    ] = ()
    requires: Annotated[
        str | None, Setting("all of that in short: >=v2.3,<v3,!=v2.5", "requirement")
    ] = None
    gate: Annotated[
        str,
        Setting(
            "readiness: startup = ready only once satisfied, always = also not ready whenever it"
            " is not, never = ready anyway",
            choices=("startup", "always", "never"),
        ),
    ] = "startup"
    interval_s: Annotated[
        float, Setting("from one question to the next, about", "duration", minimum=0.1)
    ] = 30.0
    timeout_s: Annotated[
        float, Setting("for the whole answer", "duration", minimum=0.1, maximum=60)
    ] = 5.0
    ca: Annotated[
        str | None, Setting("a PEM file of certificate authorities to trust", "file_path")
    ] = None
    token_file: Annotated[
        str | None, Setting("a file with the token to present as Bearer", "file_path")
    ] = None
    key_file: Annotated[
        str | None, Setting("a file with the key to present in key_header", "file_path")
    ] = None
    key_header: Annotated[str, Setting("the header field of the key", "field_name")] = "X-API-Key"

    def requirement(self) -> Requirement:
        """What is needed of its version. Raises :class:`VersionError` where none can meet it."""
        if self.requires is not None:
            return parse_requirement(self.requires)
        return build_requirement(least=self.min, below=self.below, excluded=self.excluded)
