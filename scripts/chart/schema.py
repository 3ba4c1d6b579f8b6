"""``values.schema.json``: every value, its form, and nothing else.

Descriptions come from ``values.yaml``, the forms of the sidecar's own settings from the settings
themselves, and what is passed on to Kubernetes as it is has Kubernetes' own forms. Draft 7, which
every Helm 3 knows.
"""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from scripts.chart.forms import COUNT, COUNT_OR_NONE, FORMS
from scripts.chart.kubernetes import Schema, definitions, names_in
from scripts.chart.values import Value, read_values
from sidecar.config.schema import build_schema as build_config_schema

#: Settings of the configuration file that other values say.
SAID_ELSEWHERE = (
    "service",
    "listen",
    "admin",
    "dependencies",
    "state_dir",
    "opaque_ports",
    "upstream.url",
    "upstream.ports",
    "upstream.host",
    "upstream.fallback",
    "outbound.listen",
    "auth.keyring",
)


def build_schema() -> Schema:
    """The JSON Schema of the values."""
    forms = {**FORMS, **_forms_of_settings()}
    schema = _section(read_values(), forms)
    schema["properties"]["global"] = {
        "description": "Values that Helm hands to every chart; this one reads none.",
        "type": "object",
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart sidecar",
        **schema,
        "definitions": definitions(names_in(schema)),
    }


def write_schema(schema: Schema) -> str:
    """The schema as text: one line for each value that a user sets, and for each definition."""
    return _write(schema, 0) + "\n"


def _write(node: Any, depth: int) -> str:
    is_section = isinstance(node, dict) and (depth < 2 or "properties" in node) and depth < 7
    if not is_section or "anyOf" in node:
        return json.dumps(node, ensure_ascii=False)
    indent = " " * depth
    parts = []
    for key, each in node.items():
        if key == "properties":
            inner = [
                f'{indent}  "{name}": {_write(form, depth + 2)}' for name, form in each.items()
            ]
            parts.append(f'{indent} "properties": {{\n' + ",\n".join(inner) + f"\n{indent} }}")
        elif key == "definitions":
            inner = [f'{indent}  "{name}": {json.dumps(form)}' for name, form in each.items()]
            parts.append(f'{indent} "definitions": {{\n' + ",\n".join(inner) + f"\n{indent} }}")
        else:
            parts.append(f'{indent} "{key}": {json.dumps(each, ensure_ascii=False)}')
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def _section(values: list[Value], forms: Mapping[str, Schema]) -> Schema:
    properties = {}
    required = []
    for value in values:
        if value.below:
            form = _section(value.below, forms)
        else:
            form = dict(forms[value.path] if value.path in forms else _form_of(value.default))
        form.pop("description", None)
        if value.text and "$ref" not in form:  # in draft 7 nothing stands beside a reference
            form = {"description": value.text, **form}
        properties[value.name] = form
        if value.below or _is_missed(value.default, form):
            required.append(value.name)
    return {
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _is_missed(default: Any, form: Schema) -> bool:
    """Whether nothing can stand in the value's place. Helm leaves out what a user writes no value
    behind, and a template would read that as 0 or false: no pods, a token in each of them."""
    is_plain = isinstance(default, bool | int) or (isinstance(default, str) and default != "")
    return is_plain and "null" not in form.get("type", ())


def _form_of(default: Any) -> Schema:
    """What a default says about its value. Raises LookupError where that is not enough."""
    if default is None:
        return COUNT_OR_NONE
    if isinstance(default, bool):
        return {"type": "boolean"}
    if isinstance(default, int):
        return COUNT
    if isinstance(default, str):
        return {"type": "string"}
    raise LookupError(f"scripts/chart/forms.py says nothing about the value with {default!r}")


# --- the sidecar's own settings ----------------------------------------------------------------


def _forms_of_settings() -> dict[str, Schema]:
    whole = _translated(build_config_schema())
    sources = _long_form(whole["properties"]["auth"]["properties"]["keyring"]["anyOf"][0])
    return {
        "keyring.urls": _sources_with(sources, "url"),
        "keyring.issuers": _sources_with(sources, "issuer"),
        "dependencies": whole["properties"]["dependencies"],
        "sidecar.config": _what_is_left_of(whole),
    }


def _what_is_left_of(whole: Schema) -> Schema:
    """The settings of the file that no other value says."""
    config = deepcopy(whole)
    for path in SAID_ELSEWHERE:
        *above, last = path.split(".")
        properties = config["properties"]
        for name in above:
            properties[name] = _long_form(properties[name])
            properties = properties[name]["properties"]
        del properties[last]
    return {key: config[key] for key in ("type", "properties", "additionalProperties")}


def _long_form(schema: Schema) -> Schema:
    """The mapping, of a setting that has a short form as well."""
    if "anyOf" not in schema:
        return schema
    found: Schema = next(form for form in schema["anyOf"] if "properties" in form)
    return found


def _sources_with(source: Schema, place: str) -> Schema:
    others = {"path", "url", "issuer"} - {place}
    properties = {name: form for name, form in source["properties"].items() if name not in others}
    item = {
        "type": "object",
        "properties": properties,
        "required": [place],
        "additionalProperties": False,
    }
    return {"type": "array", "items": item}


def _translated(node: Any) -> Any:
    """Patterns as Helm's regular expressions (RE2) have them: without looking ahead, with \\xNN.

    What is lost by that (a path with dot segments) the templates check.
    """
    if isinstance(node, list):
        return [_translated(each) for each in node]
    if not isinstance(node, dict):
        return node
    result = {key: _translated(value) for key, value in node.items()}
    pattern = result.get("pattern")
    if isinstance(pattern, str):
        if "(?!$)" in pattern:
            result["minLength"] = 1
        pattern = pattern.replace("(?!$)", "").replace(r"(?!.*/(?:\.|%2[Ee]){1,2}(?:/|$))", "")
        pattern = pattern.replace(r"\ud800-\udfff", "")
        result["pattern"] = re.sub(r"\\u00([0-9a-f]{2})", r"\\x\1", pattern)
    return result
