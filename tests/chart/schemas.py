"""Schemas for kubeconform, from an API server's own OpenAPI document: its kinds, and ours where they are installed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Object = dict[str, Any]

LOCATION = "{{.ResourceKind}}_{{.Group}}_{{.ResourceAPIVersion}}.json"
"""How kubeconform finds the schema of a kind in the folder."""

_REF = "#/definitions/"
_LOOSE = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ["string", "integer"],
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["string", "number"],
}


def write_schemas(document: Object, folder: Path) -> None:
    """One file a kind, as strict as the document allows: fields that it does not name are wrong."""
    definitions = {name: _strict(schema) for name, schema in document["definitions"].items()}
    for name, types in _LOOSE.items():
        definitions[name] = {"type": types}
    for name, schema in document["definitions"].items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            needed = {found: definitions[found] for found in _reached(name, definitions)}
            # kubeconform takes the version of the core group for its name.
            file = folder / f"{kind['kind'].lower()}_{kind['group'] or kind['version']}_{kind['version']}.json"
            file.write_text(json.dumps({"$ref": _REF + name, "definitions": needed}))


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(below) for below in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _strict(below) for name, below in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found.setdefault("additionalProperties", False)
    return found


def _reached(name: str, definitions: Object) -> set[str]:
    found, ahead = {name}, [name]
    while ahead:
        new = set(_references(definitions[ahead.pop()])) - found
        found |= new
        ahead += new
    return found


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(_REF)
        for below in schema.values():
            yield from _references(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _references(below)
