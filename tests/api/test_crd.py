"""The files in charts/seedsweep/crds follow from the types and keep to what every API server takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedsweep.api.schema.crd import KINDS, Kind, definition, files

FOLDER = Path(__file__).parents[2] / "charts" / "seedsweep" / "crds"
FORBIDDEN = {"$ref", "$defs", "allOf", "oneOf", "not", "const", "additionalItems", "propertyNames", "exclusiveMinimum"}
THE_SERVERS = (".apiVersion", ".kind", ".metadata")
CLIENT_SIDE_APPLY_BYTES = 262_144

Schema = dict[str, Any]


def whole(kind: Kind) -> Schema:
    found: Schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def walk(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Every schema in it with the path of what it is of."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from walk(field, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from walk(schema[part], f"{path}[]")


EVERYWHERE = [entry for kind in KINDS for entry in walk(whole(kind), kind.model.__name__)]
ASKED_FOR = [(path, schema) for path, schema in EVERYWHERE if path.startswith("SeedSweep.spec")]


def test_the_published_definitions_are_those_that_the_types_give():
    published = {path.name: path.read_text() for path in FOLDER.iterdir()}
    assert published == files(), "run: make crds"


def test_definitions_are_small_enough_for_kubectl_apply():
    for text in files().values():
        assert len(text.encode()) < CLIENT_SIDE_APPLY_BYTES


def test_schemas_are_structural():
    for path, schema in EVERYWHERE:
        assert not FORBIDDEN & schema.keys(), path
        assert "type" in schema or schema.get("x-kubernetes-int-or-string"), path


def test_every_list_says_how_it_merges_and_every_key_is_always_there():
    for path, schema in EVERYWHERE:
        if schema.get("type") != "array":
            continue
        kind = schema["x-kubernetes-list-type"]
        assert kind in ("atomic", "set", "map"), path
        if kind == "map":
            assert set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"]), path


def test_everything_that_is_asked_for_or_recorded_has_a_bound():
    bounds = {"array": {"maxItems"}, "string": {"maxLength", "enum"}}
    for path, schema in EVERYWHERE:
        needed = bounds.get(schema.get("type", ""), set())
        assert not needed or needed & schema.keys() or path.endswith(THE_SERVERS), path
        if "additionalProperties" in schema:
            assert "maxProperties" in schema, path


def test_times_are_called_as_in_core_types_and_are_times():
    for path, schema in EVERYWHERE:
        is_time = path.endswith("Time")
        assert is_time == (schema.get("format") == "date-time"), path
        if is_time:
            assert path.rpartition(".")[2] in ("startTime", "completionTime", "lastTransitionTime"), path


def test_conditions_are_those_of_kubernetes():
    fields = dict(EVERYWHERE)
    conditions, one = fields["SeedSweep.status.conditions"], fields["SeedSweep.status.conditions[]"]
    assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])
    assert set(one["required"]) == {"type", "status", "reason", "lastTransitionTime"}
    assert one["properties"]["status"]["enum"] == ["True", "False", "Unknown"]
    for name in ("type", "reason"):
        assert one["properties"][name]["pattern"] == "^[A-Z][A-Za-z0-9]*$"
    for name in ("type", "reason", "message"):
        assert one["properties"][name]["maxLength"] > 0


def test_no_float_is_asked_for():
    assert not [path for path, schema in ASKED_FOR if schema.get("type") == "number"]


def test_every_field_is_described():
    undescribed = [path for path, schema in EVERYWHERE if not path.endswith("[]") and not schema.get("description")]
    assert [path for path in undescribed if not path.endswith(THE_SERVERS)] == []


FIELDS = [(p, s) for p, s in EVERYWHERE if not p.endswith((*THE_SERVERS, "[]")) and "." in p]
ELSEWHERE = ("see above", "see below", "as above", "as below", "the above", "ditto", "likewise")
NO_SUBJECT = {"Of", "At", "In", "On", "As", "It", "Its", "They", "Those", "These", "Held", "Absent:", "None:", "With"}
UNITS = {"Seconds": "econds", "Bytes": "bytes", "Percent": "ercent", "Steps": "step", "Time": "Time at which"}


def test_every_description_is_a_sentence_that_stands_alone():
    for path, schema in FIELDS:
        said = schema["description"]
        assert said.endswith("."), f"{path}: {said}"
        assert len(said.split()) >= 4, f"{path}: {said}"
        assert said.split()[0] not in NO_SUBJECT, f"{path}: {said}"
        assert said[0].isupper(), f"{path}: {said}"
        assert not [word for word in ELSEWHERE if word in said.lower()], f"{path}: {said}"


def test_every_description_names_its_unit():
    for path, schema in FIELDS:
        if "core/v1" in schema["description"]:
            continue
        for ending, unit in UNITS.items():
            if path.endswith(ending):
                assert unit in schema["description"], f"{path}: {schema['description']}"


def test_every_description_names_the_default_where_there_is_one():
    for path, schema in FIELDS:
        said, default = schema["description"], schema.get("default")
        if isinstance(default, bool | int | str):
            assert said.endswith(f"Defaults to {str(default).lower() if isinstance(default, bool) else default}."), path
        else:
            assert "Defaults to" not in said or ".spec.scrape." in path or ".fieldRef." in path, path


def test_an_optional_number_says_what_its_absence_means():
    for kind in KINDS:
        for path, schema in walk(whole(kind), kind.model.__name__):
            for name, field in schema.get("properties", {}).items():
                optional = name not in schema.get("required", ()) and "default" not in field
                scalar = field.get("type") in ("integer", "number") and ".spec" in path
                if optional and scalar and "core/v1" not in field["description"] and ".scrape" not in path:
                    assert "Absent:" in field["description"] or _is_choice(schema), f"{path}.{name}"


def _is_choice(schema: Schema) -> bool:
    return any("exists_one" in rule["rule"] for rule in schema.get("x-kubernetes-validations", ()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_every_column_is_explained(kind: Kind):
    for column in kind.columns:
        assert len(column.description.split()) >= 3, column.name


def test_a_status_has_no_defaults_because_only_the_operator_knows_it():
    for path, schema in EVERYWHERE:
        if ".status" in path:
            assert "default" not in schema, path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_every_column_shows_a_field_that_exists(kind: Kind):
    fields = {path.replace("[]", "") for path, _ in walk(whole(kind), "")} | {".metadata.creationTimestamp"}
    for column in kind.columns:
        assert column.path.replace("[-1:]", "") in fields
