"""Kubernetes' own forms, for the values that are passed on to it as they are: `env`, `affinity`.

Taken from the newest strict schema that the tests know, without its descriptions.
"""

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

Schema = dict[str, Any]

_CORE = "io.k8s.api.core.v1."


def reference(name: str) -> Schema:
    """The form of that name: of the core group, or with its group, as ``apps.v1.Deployment``."""
    return {"$ref": f"#/definitions/{name}"}


def many(name: str) -> Schema:
    """A list of them."""
    return {"type": "array", "items": reference(name)}


def definitions(wanted: Iterable[str]) -> dict[str, Schema]:
    """The forms of these names and all that they are made of, in the order of their names."""
    known = _known()
    found: dict[str, Schema] = {}
    todo = list(wanted)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = known[name]
            todo += names_in(known[name])
    return dict(sorted(found.items()))


def names_in(node: Any) -> Iterator[str]:
    """The names that a schema refers to."""
    if isinstance(node, list):
        for each in node:
            yield from names_in(each)
    elif isinstance(node, dict):
        for key, each in node.items():
            if key == "$ref":
                yield str(each).removeprefix("#/definitions/")
            else:
                yield from names_in(each)


def _known() -> dict[str, Schema]:
    place = files("kubernetes_validate") / "kubernetes-json-schema"
    newest = max(
        (each.name for each in place.iterdir() if each.name.endswith("-strict")), key=_minor
    )
    document = json.loads((place / newest / "_definitions.json").read_text())
    return {_short(name): _plain(form) for name, form in document["$defs"].items()}


def _minor(folder: str) -> int:
    return int(folder.split(".")[1])


def _short(name: str) -> str:
    return name.removeprefix(_CORE).removeprefix("io.k8s.api.").removeprefix("io.k8s.")


def _plain(node: Any) -> Any:
    """Without descriptions and notes; a value that is null is one that is left out."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    result = {
        key: _plain(each)
        for key, each in node.items()
        if not (key == "description" and isinstance(each, str))
        and not key.startswith("x-kubernetes")
    }
    if isinstance(result.get("$ref"), str):
        return reference(_short(result["$ref"].rpartition("/")[2]))
    if isinstance(result.get("type"), list) and "null" in result["type"]:
        result["type"] = next(each for each in result["type"] if each != "null")
    return result
