"""The CustomResourceDefinitions from the types: `python -m seedsweep.api.schema.crd charts/seedsweep/crds`.

A test fails when the files there drift from the types.
"""

import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter

from seedsweep.api.cut import Cut
from seedsweep.api.episode import Episode
from seedsweep.api.schema.structural import structural_schema, tell_default
from seedsweep.api.sweep import API_VERSION, SeedSweep

GROUP, VERSION = API_VERSION.split("/")
CATEGORY = "seedsweep"

_HEAD = "# Written by `make crds` from the types in operator/seedsweep/api; edit those instead.\n"
# kubectl reads YAML 1.1, to which these are booleans.
_QUOTED = frozenset({"y", "n", "yes", "no", "on", "off"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; one that is not narrow shows with -o wide only."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    wide: bool = False

    def as_printer_column(self) -> dict[str, Any]:
        """An entry of additionalPrinterColumns."""
        found: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            found["description"] = self.description
        return {**found, "priority": 1} if self.wide else found


@dataclass(frozen=True, slots=True)
class Kind:
    """What is not in the types: how a kind is called and shown."""

    model: type[BaseModel]
    plural: str
    short: Sequence[str]
    columns: Sequence[Column]
    has_requests: bool = False
    """People ask for something in its spec, and the operator answers in its status, which is a subresource: neither
    writes over the other. The operator alone writes the record, so that an object and its status are one write."""


_AGE = Column("Age", ".metadata.creationTimestamp", "date", "Time since it was created")

KINDS = (
    Kind(
        SeedSweep,
        "seedsweeps",
        ("ssw",),
        (
            Column("Phase", ".status.phase", description="How the sweep stands"),
            Column("Best score", ".status.summary.score", description="Best validation score so far that counts"),
            Column("Best episode", ".status.best.episode", description="Episode that the best score is from"),
            Column("Episodes", ".status.summary.episodes", description="Number of episodes in each state"),
            Column(
                "Steps saved",
                ".status.summary.saved",
                description="Share of all steps that losers did not train, less those trained again",
            ),
            _AGE,
            Column("Weights", ".status.best.weights", description="Where the weights of the winner are", wide=True),
            Column("GPU hours", ".status.summary.gpuHours", description="GPU hours spent so far", wide=True),
            Column("Message", ".status.message", description="What happens now, or why nothing does", wide=True),
        ),
        has_requests=True,
    ),
    Kind(
        Episode,
        "episodes",
        ("epi",),
        (
            Column("State", ".status.state", description="How the episode stands"),
            Column("Rung score", ".status.rungScores[-1:].score", "number", "Score that it was ranked by last"),
            Column("Best score", ".status.best.score", "number", "Best validation score that counts"),
            Column("Best evaluation", ".status.best.evaluation", "integer", "Evaluation that the best score is from"),
            Column("Node", ".status.attempts[-1:].node", description="Node where it ran last"),
            _AGE,
            Column("Sweep", ".spec.sweep", description="SeedSweep that it belongs to", wide=True),
            Column("Verdict", ".status.verdict.outcome", description="How it ended", wide=True),
            Column("Reason", ".status.verdict.reason", description="Why it ended so", wide=True),
        ),
    ),
    Kind(
        Cut,
        "cuts",
        (),
        (
            Column("Bracket", ".data.bracket", "integer", "Part of the episodes that was cut, from 0"),
            Column("Rung", ".data.rung", "integer", "Which cut of the bracket, from 0"),
            Column("Evaluation", ".data.evaluation", "integer", "Evaluation at which the episodes were compared"),
            Column("Kept", ".data.keep", "integer", "Number of episodes that train on at most"),
            Column("Threshold", ".data.threshold", "number", "Score of the last episode that was kept"),
            Column(
                "Not told apart",
                ".evidence.summary",
                description="Losers that the validation examples do not tell from the last episode that was kept, of "
                "all losers whose answers are stored",
            ),
            _AGE,
        ),
    ),
)


def definition(kind: Kind) -> dict[str, Any]:
    """One CustomResourceDefinition."""
    schema = _schema(kind.model)
    name = kind.model.__name__
    version: dict[str, Any] = {"name": VERSION, "served": True, "storage": True}
    if kind.has_requests:
        version["subresources"] = {"status": {}}
    version["additionalPrinterColumns"] = [column.as_printer_column() for column in kind.columns]
    version["schema"] = {"openAPIV3Schema": schema}
    names: dict[str, Any] = {"kind": name, "listKind": f"{name}List", "plural": kind.plural, "singular": name.lower()}
    if kind.short:
        names["shortNames"] = list(kind.short)
    names["categories"] = [CATEGORY]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def files() -> dict[str, str]:
    """File names and what belongs in them."""
    yaml = YAML()
    yaml.width = 120
    yaml.Representer = _Representer
    found = {}
    for kind in KINDS:
        text = io.StringIO()
        yaml.dump(definition(kind), text)
        found[f"{kind.plural}.yaml"] = _HEAD + text.getvalue()
    return found


class _Representer(RoundTripRepresenter):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_word(self, text: str) -> ScalarNode:
        style = '"' if text.lower() in _QUOTED else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Representer.add_representer(str, _Representer.represent_word)


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a kind, whose metadata the API server knows best."""
    schema = structural_schema(model)
    properties = schema["properties"]
    properties |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    for part in properties.keys() & {"status", "data"}:
        # What is not there is not known: the operator alone writes the record.
        properties[part] = _without_defaults(properties[part])
    _tell_defaults(schema)
    return {**schema, "required": ["data" if "data" in properties else "spec"]}


def _tell_defaults(schema: Any) -> None:
    for part in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            tell_default(part)
            _tell_defaults(part)


def _without_defaults(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_defaults(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_defaults(value) for key, value in schema.items() if key != "default"}


def main(folder: Path) -> None:
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
