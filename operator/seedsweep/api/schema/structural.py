"""A type's schema in the form that the API server takes: structural, without references, null or unions."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from seedsweep.api.base import OneOf
from seedsweep.api.core import volumes
from seedsweep.api.rules.cel import Rule
from seedsweep.api.rules.validations import RULES
from seedsweep.api.schema.docstrings import field_docstrings
from seedsweep.api.schema.reference import CORE_MODULES
from seedsweep.api.sweep import Scrape

# Whether these were given is what counts: one machine has other defaults for them than a cluster.
_NOT_DEFAULTED = frozenset({Scrape})
_KEPT = ("description", "default")
_CORE_NAMES = {
    "ClaimMeta": "ObjectMeta in meta/v1",
    "ClaimResources": "VolumeResourceRequirements in core/v1",
    "ClaimSpec": "PersistentVolumeClaimSpec in core/v1",
    "ClaimTemplate": "PersistentVolumeClaimTemplate in core/v1",
    "ContainerClaim": "ResourceClaim in core/v1",
    "FieldReference": "ObjectFieldSelector in core/v1",
    "KeyReference": "ConfigMapKeySelector and SecretKeySelector in core/v1",
    "LabelSelector": "LabelSelector in meta/v1",
    "Named": "LocalObjectReference and PodSchedulingGate in core/v1",
    "PodTemplate": "PodTemplateSpec in core/v1",
    "PodTemplateMeta": "ObjectMeta in meta/v1",
    "PreferredNodes": "PreferredSchedulingTerm in core/v1",
    "PreferredPodAffinity": "WeightedPodAffinityTerm in core/v1",
    "Requirement": "NodeSelectorRequirement in core/v1 and LabelSelectorRequirement in meta/v1",
    "ResourceReference": "ResourceFieldSelector in core/v1",
    "SourceReference": "ConfigMapEnvSource and SecretEnvSource in core/v1",
}
"""Where Kubernetes calls a type otherwise; a source of a volume is a VolumeSource there."""


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of one type with everything in it."""
    whole = model.model_json_schema(by_alias=True, schema_generator=_Structural)
    definitions = whole.pop("$defs", {})
    inlined = _inline(whole, definitions)
    assert isinstance(inlined, dict)
    return inlined


def tell_default(field: dict[str, Any]) -> None:
    """Have the description of a field name its default."""
    default = field.get("default")
    if "description" in field and isinstance(default, bool | int | str):
        field["description"] += f" Defaults to {default if isinstance(default, str) else json.dumps(default)}."


class _Structural(GenerateJsonSchema):
    """Pydantic's generator with the dialect of the API server."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """An object with the rules of its type; unknown fields are refused or dropped by the API server itself."""
        model = schema["cls"]
        found = super().model_schema(schema)
        found.pop("additionalProperties", None)
        said = {model.model_fields[name].alias: text for name, text in field_docstrings(model).items()}
        for name, field in found["properties"].items():
            # The API server drops null where it is not allowed, which means the same as absence.
            field.pop("nullable", None)
            if name in said:
                field["description"] = said[name]
            if model.__module__ in CORE_MODULES:
                field.setdefault("description", f"Same as {name} of {_core_name(model)}.")
            if model in _NOT_DEFAULTED:
                tell_default(field)
                field.pop("default", None)
        rules = [Rule(_exactly_one(model), model.remedy())] if issubclass(model, OneOf) else []
        rules += RULES.get(model, ())
        if rules:
            found["x-kubernetes-validations"] = [rule.as_schema() for rule in rules]
        return found

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Marked, not a union with null."""
        return {**self.generate_inner(schema["schema"]), "nullable": True}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """What is plain and says something; an object defaults to that of its fields, so that rules find it there."""
        found = super().default_schema(schema)
        if isinstance(schema.get("default"), BaseModel):
            found["default"] = {}
        elif not isinstance(found.get("default"), bool | int | str) or found["default"] == "":
            found.pop("default", None)
        return found

    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        """A number or its text, as in quantities: the only union there is."""
        branches = [
            self.generate_inner(choice[0] if isinstance(choice, tuple) else choice) for choice in schema["choices"]
        ]
        text = next(branch for branch in branches if branch["type"] == "string")
        if sorted(branch["type"] for branch in branches) != ["integer", "string"]:
            raise TypeError(f"no structural schema for {schema}: use one type")
        return {
            **{key: value for key, value in text.items() if key != "type"},
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
        }

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """Always an enumeration of strings."""
        return {"type": "string", "enum": list(schema["expected"])}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """With its width."""
        return {**super().int_schema(schema), "format": "int64"}

    def list_schema(self, schema: core_schema.ListSchema) -> JsonSchemaValue:
        """Written as a whole, unless its type says by which keys it merges."""
        return {**super().list_schema(schema), "x-kubernetes-list-type": "atomic"}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Without bounds on keys, which the API server does not know."""
        found = super().dict_schema(schema)
        found.pop("propertyNames", None)
        return found


def _core_name(model: type[BaseModel]) -> str:
    """What Kubernetes calls a type of its own."""
    name = model.__name__
    if name.endswith("Source") and model.__module__ == volumes.__name__:
        name = name.removesuffix("Source") + "VolumeSource"
    return _CORE_NAMES.get(name, f"{name} in core/v1")


def _exactly_one(model: type[OneOf]) -> str:
    given = ", ".join(f"has(self.{name})" for name in model.choices())
    one = f"[{given}].exists_one(given, given)"
    if not model.together:
        return one
    both = " && ".join(
        f"{'' if key in model.together else '!'}has(self.{model.on_the_wire(key)})" for key in model.one_of
    )
    return f"{one} || ({both})"


def _inline(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """The same without references and titles; words at the place of use win over those of the type."""
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return _inline({**target, **{key: schema[key] for key in _KEPT if key in schema}}, definitions)
    found = {key: _inline(value, definitions) for key, value in schema.items() if key not in ("title", "properties")}
    if "properties" in schema:
        found["properties"] = {name: _inline(field, definitions) for name, field in schema["properties"].items()}
    if "description" in found:
        found["description"] = " ".join(found["description"].split())
    return found
