"""What a service answers when it is asked for its version.

Reads the answer of a sidecar's ``/version``, of an application's own version endpoint
(``{"version", "commit"}``), and Mozilla Dockerflow's ``/__version__``: all say ``version`` and
``commit`` at the top of a JSON object. A sidecar that is not ready, because it waits for what it
needs itself, says ``"ready": false`` besides; one whose application says another version than its
image, ``"verified": false`` and both; and every sidecar says its ``service``. Called by
``dependencies``.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from sidecar.errors import VersionError
from sidecar.versions.stamp import UNKNOWN, ServiceVersion, stated_version

_READ: Final = ("version", "commit", "service", "ready", "verified", "stamp", "application")
_KINDS: Final = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service says of itself; ``service`` is its name, empty where it does not say one.

    ``others``: other versions that its image or its application says, where the two contradict each
    other (``"verified": false``).
    """

    version: ServiceVersion
    is_ready: bool = True
    service: str = ""
    others: tuple[str, ...] = ()


def parse_answer(content: bytes) -> Answer:
    """What the body of an answer states; a version is ``unknown`` where it says so or says null.

    Raises :class:`VersionError`, whose detail continues a sentence that begins with the service's
    name and quotes nothing of the body.
    """
    try:
        document = json.loads(content, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise VersionError("answered with something that is not JSON") from None
    if not isinstance(document, dict):
        raise VersionError(f"answered with {_kind(document)}, not with a JSON object")
    if "version" not in document:
        raise VersionError("answered with an object that has no version")
    version = ServiceVersion(_version(document["version"]), _stated(document.get("commit")))
    return Answer(
        version,
        is_ready=document.get("ready") is not False,
        service=_service(document.get("service")),
        others=_others(document, version.version) if document.get("verified") is False else (),
    )


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Of two members of one name, nobody can tell which counts (RFC 8259, section 4)."""
    names = [name for name, _ in members]
    for name in _READ:
        if names.count(name) > 1:
            raise VersionError(f"answered with an object that says {name} more than once")
    return dict(members)


def _version(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if not isinstance(value, str):
        # 2.30 written as a number is 2.3 by the time that anyone reads it.
        raise VersionError(f"answered with a version that is {_kind(value)}, not a text")
    return stated_version(value)


def _stated(value: Any) -> str:
    return stated_version(value) if isinstance(value, str) else UNKNOWN


def _service(value: Any) -> str:
    name = stated_version(value) if isinstance(value, str) else UNKNOWN
    return "" if name == UNKNOWN else name


def _others(document: dict[str, Any], version: str) -> tuple[str, ...]:
    """As ``versions.statement`` writes them; an application may mean something else by the word."""
    words = (document.get(name) for name in ("stamp", "application"))
    said = {_stated(word.get("version")) for word in words if isinstance(word, dict)}
    return tuple(sorted(said - {version}))


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "an object" if isinstance(value, dict) else "a number")
