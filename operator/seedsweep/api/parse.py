"""A file becomes a SeedSweep, or one error that lists every problem in it."""

import difflib
import io
import json
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from seedsweep.api.checks import Problem, cross_check
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.seeds import Seeds
from seedsweep.api.sweep import API_VERSION, SeedSweep

Model = TypeVar("Model", bound=BaseModel)

_REMEDIES = {
    "missing": "is required: add it",
    "int_type": "must be a whole number",
    "string_type": "must be a string: put it in quotes",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "model_type": "must be a mapping of fields",
    "dict_type": "must be a mapping",
}


class InvalidSweepError(ValueError):
    """The file is no valid SeedSweep; `problems` has everything that is wrong with it."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in problems)]))


def load_sweep(path: Path) -> SeedSweep:
    """Read a file with one SeedSweep in it.

    Raises:
        InvalidSweepError: unreadable, not YAML, not a SeedSweep, or not a valid one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise InvalidSweepError(str(path), [Problem("file", str(path), f"cannot be read: {reason}")]) from error
    return parse_sweep(text, source=str(path))


def parse_sweep(text: str, *, source: str = "sweep") -> SeedSweep:
    """Parse the YAML (or JSON) of one SeedSweep; raises InvalidSweepError like `load_sweep`."""
    try:
        documents = [d for d in YAML(typ="safe", pure=True).load_all(io.StringIO(text)) if d is not None]
    except YAMLError as error:
        raise InvalidSweepError(source, [Problem("file", None, f"is not valid YAML: {_one_line(error)}")]) from error
    if len(documents) != 1:
        remedy = f"needs exactly one document, a SeedSweep; found {len(documents)}: split the file"
        raise InvalidSweepError(source, [Problem("file", None, remedy)])
    document = documents[0]
    if not isinstance(document, dict):
        raise InvalidSweepError(source, [Problem("file", document, "must be a mapping with apiVersion, kind, ...")])
    for key, expected in (("kind", "SeedSweep"), ("apiVersion", API_VERSION)):
        if document.get(key) != expected:
            raise InvalidSweepError(source, [Problem(key, document.get(key), f"must be {expected}")])
    try:
        # Through JSON, as kubectl does: what YAML alone can say (dates, tuples) has no meaning in a resource.
        return SeedSweep.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise InvalidSweepError(source, problems_of(error, document)) from error


def problems_of(error: ValidationError, document: dict[str, Any]) -> list[Problem]:
    """Everything that is wrong with a document, each with its path, its value and the remedy."""
    problems: list[Problem] = []
    crossed = False
    for item in error.errors(include_url=False):
        if item["type"] == "cross_check":
            crossed = True
            problems += item["ctx"]["problems"]
        else:
            problems.append(_problem(item["loc"], item["type"], item["msg"], item["input"]))
    # A typo elsewhere keeps pydantic from comparing the parts; those that are valid are compared here.
    return problems if crossed else problems + _cross_problems(document)


def _problem(location: tuple[int | str, ...], kind: str, message: str, value: object) -> Problem:
    # Branches of a union and the like are no part of the user's path.
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if kind == "extra_forbidden":
        known = _known_fields(location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
        return Problem(path, None, f"is not a field; {hint}")
    if kind == "missing":
        return Problem(path, None, _REMEDIES[kind])
    remedy = _REMEDIES.get(kind, message.removeprefix("Value error, ").removeprefix("Input "))
    # A mapping's own text would bury the message, which names the fields already.
    return Problem(path, None if isinstance(value, dict) else _shortened(value), remedy)


def _cross_problems(document: dict[str, Any]) -> list[Problem]:
    spec = document.get("spec")
    if not isinstance(spec, dict):
        return []
    trainer = spec.get("trainer")
    seeds = _part(Seeds, spec.get("seeds"))
    if seeds is None:
        return []
    trainer = trainer if isinstance(trainer, dict) else {}
    fine_tuning = _part(FineTuning, trainer.get("fineTuning"))
    evaluations = fine_tuning.evaluations if fine_tuning is not None else None
    if "fineTuning" not in trainer:
        evaluations = _count(trainer.get("evaluations"))
    return cross_check(seeds, _part(EarlyStopping, spec.get("earlyStopping")), fine_tuning, evaluations)


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _part(model: type[Model], value: object) -> Model | None:
    if value is None:
        return None
    try:
        return model.model_validate_json(json.dumps(value, default=str))
    except ValidationError:
        return None


def _known_fields(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] | None = SeedSweep
    for part in location:
        if model is None:
            break
        if isinstance(part, str):
            field = next((f for n, f in model.model_fields.items() if part in (f.alias, n)), None)
            model = model_of(field.annotation) if field is not None else None
    return [field.alias or name for name, field in model.model_fields.items()] if model is not None else []


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, alone, optionally or in a list; None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, types.GenericAlias) or typing.get_origin(annotation) is not None:
        return next((found for arg in typing.get_args(annotation) if (found := model_of(arg))), None)
    return None


def _shortened(value: object) -> object:
    text = repr(value)
    return value if len(text) <= 80 else text[:77] + "..."


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
