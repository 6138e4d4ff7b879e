"""docs/sweep.md from the types: `python -m seedsweep.api.schema.reference > docs/sweep.md`.

A test fails when they drift.
"""

import inspect
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from seedsweep.api.core import objects, scheduling, volumes
from seedsweep.api.core.labels import MAX_ANNOTATIONS, OWN_LABELS, OWN_PREFIX
from seedsweep.api.finetuning import MAX_DATASET_TEXT
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.api.reading.document import MAX_BYTES
from seedsweep.api.reading.parse import model_of
from seedsweep.api.schema.docstrings import field_docstrings
from seedsweep.api.seeds import MAX_CELLS, MAX_EPISODES, MAX_PAIRS
from seedsweep.api.sweep import MAX_TRAINER_TEXT, SweepSpec

# Kubernetes' own types, documented there.
CORE_MODULES = frozenset({objects.__name__, scheduling.__name__, volumes.__name__})

_HEAD = """# Every field of a SeedSweep

Written by `python -m seedsweep.api.schema.reference`; edit the types in `operator/seedsweep/api` instead.

A file holds `apiVersion: seedsweep.io/v1alpha1`, `kind: SeedSweep`, `metadata.name` (lower case letters, digits and
`-`, at most 40) and `spec`. Parts that are core Kubernetes types keep their names and fields. Unknown fields are
errors, and so are names in snake case.
Decimal numbers are strings in quotes. Relative paths start from the file's folder.

`seedsweep run` reads a file as `kubectl` does (sigs.k8s.io/yaml, which is YAML 1.1 in what its scalars mean), so that
one file is one sweep in both: `010` is 8, `yes`, `on` and `y` are true, `1_000` is 1000 and `3.0` is 3; dates are
texts. Put in quotes what is to be a text. Stricter than `kubectl`, it refuses a key that is there twice, `<<` after a
key that it would replace, tags other than `!!str`, `!!int`, `!!float`, `!!bool`, `!!null`, `!!map` and `!!seq`, and
numbers of more than 64 bits.

"""
_BOUNDS = f"""Everything has a bound. The API server and `seedsweep run` enforce the same ones:

| | at most |
| --- | --- |
| episodes | {MAX_EPISODES:,} |
| episodes that are listed one by one, as `pairs` | {MAX_PAIRS:,} |
| cells of a grid, before it is sampled | {MAX_CELLS:,} |
| evaluations of an episode, where the spec states them | {MAX_EVALUATIONS} |
| characters of command, args, env and config together | {MAX_TRAINER_TEXT:,} |
| characters of a data set's labels and where together | {MAX_DATASET_TEXT:,} |
| characters of a pod's annotations together | {MAX_ANNOTATIONS:,} |
| bytes of a file for `seedsweep run` | {MAX_BYTES:,} |

Pods get the labels and annotations of `spec.podTemplate.metadata`. SeedSweep sets the keys that
begin with `{OWN_PREFIX}` itself, and {", ".join(f"`{key}`" for key in OWN_LABELS)}:
there they are refused.
"""


def reference() -> str:
    """The whole page."""
    sections = [_HEAD + _BOUNDS]
    waiting: list[tuple[str, type[BaseModel]]] = [("spec", SweepSpec)]
    while waiting:
        path, model = waiting.pop(0)
        fields = model.model_fields
        said = field_docstrings(model)
        rows = [_row(field.alias or name, field, said.get(name, "")) for name, field in fields.items()]
        text = inspect.cleandoc(model.__doc__ or "")
        sections.append(
            "\n".join(
                [f"## {path}", "", text, "", "| field | type | default | |", "| --- | --- | --- | --- |", *rows, ""]
            )
        )
        inner = [(f"{path}.{field.alias or name}", model_of(field.annotation)) for name, field in fields.items()]
        waiting = [
            (at, found) for at, found in inner if found is not None and found.__module__ not in CORE_MODULES
        ] + waiting
    return "\n".join(sections)


def _row(name: str, field: FieldInfo, said: str) -> str:
    default = (
        ""
        if field.default in (None, PydanticUndefined) or isinstance(field.default, BaseModel)
        else f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
    )
    if field.is_required():
        default = "required"
    return f"| `{name}` | {_type(field.annotation)} | {default} | {' '.join(said.split())} |"


def _type(annotation: Any) -> str:
    """The type as people say it; what is optional shows by having no default."""
    model = model_of(annotation)
    text = str(annotation)
    if "Literal[" in text:
        return " or ".join(f"`{value}`" for value in _literals(annotation))
    if model is not None:
        return "list of objects" if "list[" in text else "object"
    if "list[" in text:
        return "list"
    if "dict[" in text:
        return "mapping"
    for kind, said in (("bool", "true or false"), ("int", "whole number")):
        if kind in text and "str" not in text:
            return said
    return "string"


def _literals(annotation: Any) -> list[str]:
    found: list[str] = []
    for argument in getattr(annotation, "__args__", ()):
        if isinstance(argument, str):
            found.append(argument)
        else:
            found += _literals(argument)
    return found


if __name__ == "__main__":
    print(reference(), end="")
