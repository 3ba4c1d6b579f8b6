"""Kubernetes objects against Kubernetes' own strict schemas, which know no other field."""

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

MINORS = range(25, 38)
#: What the Prometheus operator defines: Kubernetes has no schema of it.
_OF_OTHERS = frozenset({"monitoring.coreos.com/v1"})


def problems_of(document: dict[str, Any], minor: int) -> list[str]:
    """What Kubernetes 1.``minor`` finds wrong, each with its path."""
    if document["apiVersion"] in _OF_OTHERS:
        return []
    validator = _validator(minor, document["kind"], document["apiVersion"])
    return [
        f"{document['kind']} {document['metadata']['name']} {error.json_path}: {error.message}"
        for error in validator.iter_errors(document)
    ]


@lru_cache
def _validator(minor: int, kind: str, api_version: str) -> Draft202012Validator:
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = _read(minor, f"{kind.lower()}-{group}.json")
    registry = Registry().with_resources(
        [(each["$id"], Resource.from_contents(each)) for each in (schema, _definitions(minor))]
    )
    return Draft202012Validator(schema, registry=registry)


@lru_cache
def _definitions(minor: int) -> Any:
    return _read(minor, "_definitions.json")


def _read(minor: int, name: str) -> Any:
    place = files("kubernetes_validate") / "kubernetes-json-schema" / f"v1.{minor}.0-local-strict"
    return json.loads((place / name).read_text())
