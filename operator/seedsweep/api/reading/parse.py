"""A file becomes a SeedSweep, or one error that lists every problem in it."""

import difflib
import json
import shlex
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from seedsweep.api.checks import Problem, check_budget, check_result, cross_check, path_of, shown
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.finetuning import Dataset, FineTuning
from seedsweep.api.reading.document import MAX_BYTES, TOO_LARGE, DocumentError, plain, read_document
from seedsweep.api.reading.lines import located
from seedsweep.api.reading.missing_files import files_near
from seedsweep.api.reading.remedies import remedy
from seedsweep.api.reading.stored import read_status
from seedsweep.api.seeds import Seeds
from seedsweep.api.sweep import API_VERSION, SeedSweep

Model = TypeVar("Model", bound=BaseModel)

MAX_PROBLEMS = 100
_ALIKE = 0.8
_WHERE_DATA_IS = ("task", "path", "train", "validation", "test", "hub", "columns", "where")
"""The fields of a data set that say which files it is in, and in which of their columns."""
_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_SWEEPS = (".yaml", ".yml")
_TYPOGRAPHIC = ("“", "”", "„", "‘", "’", "«", "»")


class InvalidSweepError(ValueError):
    """The file is no valid SeedSweep; `problems` has what is wrong with it."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"{source}: {count}", *(f"  {problem}" for problem in problems)]))


def load_sweep(path: Path) -> SeedSweep:
    """Read a file with one SeedSweep in it.

    Raises:
        InvalidSweepError: unreadable, too large, not YAML, not a SeedSweep, or not a valid one.
    """
    return parse_sweep(_text_of(path), source=str(path))


def refuse(path: Path, problems: Sequence[Problem]) -> InvalidSweepError:
    """The error for what else is wrong with a file that `load_sweep` has read."""
    return InvalidSweepError(str(path), located(problems, _text_of(path)))


def _text_of(path: Path) -> str:
    if path.suffix.lower() in _TABLES and path.is_file():
        command = f"seedsweep init --data {shlex.quote(str(path))}"
        raise _unreadable(path, f"is a table, not a sweep: `{command}` writes a sweep for it")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        nothing = "give an existing one; `seedsweep init` writes a first sweep"
        raise _unreadable(path, f"there is no such file: {files_near(path, _SWEEPS, nothing)}") from error
    except OSError as error:
        raise _unreadable(path, f"cannot be read ({error.strerror}): give a file that can") from error
    if len(data) > MAX_BYTES:
        raise _unreadable(path, TOO_LARGE)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"is not UTF-8 text (line {line}): save it as UTF-8") from error


def _unreadable(path: Path, remedy: str) -> InvalidSweepError:
    return InvalidSweepError(str(path), [Problem("file", str(path), remedy)])


def parse_sweep(text: str, *, source: str = "sweep") -> SeedSweep:
    """Parse the YAML (or JSON) of one SeedSweep; raises InvalidSweepError like `load_sweep`."""
    try:
        document = read_document(text)
        return _parse(document, source, _misspelt_metadata(document))
    except DocumentError as error:
        raise InvalidSweepError(source, located(_no_document(source, error).problems, text)) from error
    except InvalidSweepError as error:
        raise InvalidSweepError(source, located(error.problems, text)) from error.__cause__


def read_parts(path: Path) -> tuple[Dataset | None, str | None]:
    """The data set and the model of a file that is no valid SeedSweep, as far as they can be read.

    Fields of the data set that are not valid are left out. There is none where one of them may be about its files or
    columns: these would then be looked for in the wrong place.
    """
    try:
        document = read_document(_text_of(path))
    except (DocumentError, InvalidSweepError):
        return None, None
    for name in ("spec", "trainer", "fineTuning"):
        document = document.get(name) if isinstance(document, dict) else None
    if not isinstance(document, dict):
        return None, None
    model = document.get("model")
    return _dataset_of(document.get("dataset")), model if isinstance(model, str) else None


def parse_stored(body: Mapping[str, Any]) -> SeedSweep:
    """A SeedSweep as an API server shows it: its spec has to be valid, its status is read as far as it can be.

    Raises:
        InvalidSweepError: nothing that this release can carry out.
    """
    name = body["metadata"]["name"]
    try:
        return _parse(plain(body), name)
    except DocumentError as error:
        raise _no_document(name, error) from error


def _no_document(source: str, error: DocumentError) -> InvalidSweepError:
    return InvalidSweepError(source, [Problem(error.path, None, str(error))])


def _parse(document: object, source: str, misspelt: Sequence[Problem] = ()) -> SeedSweep:
    if not isinstance(document, dict):
        raise InvalidSweepError(
            source, [Problem("file", shown(document), "must be a mapping with apiVersion, kind, ...")]
        )
    wanted = (("kind", "SeedSweep"), ("apiVersion", API_VERSION))
    others = [
        Problem(key, shown(document.get(key)), f"must be {value}")
        for key, value in wanted
        if document.get(key) != value
    ]
    if others:
        raise InvalidSweepError(source, others)
    asked = {key: value for key, value in document.items() if key != "status"}
    try:
        sweep = SeedSweep.model_validate_json(json.dumps(asked), by_name=False)
    except ValidationError as error:
        raise InvalidSweepError(source, [*problems_of(error, document), *misspelt]) from error
    if misspelt:
        raise InvalidSweepError(source, misspelt)
    # What an operator wrote is not the author's: also a file may hold it, as kubectl prints it.
    known = document.get("status")
    return sweep if known is None else sweep.evolve(status=read_status(known)[0])


def problems_of(error: ValidationError, document: dict[str, Any]) -> list[Problem]:
    """What is wrong with a document, each with its path, its value and the remedy; of very many, the first."""
    problems: list[Problem] = []
    crossed = False
    found = error.errors(include_url=False)
    for item in found[:MAX_PROBLEMS]:
        if item["type"] == "cross_check":
            crossed = True
            problems += item["ctx"]["problems"]
        else:
            problems.append(_problem(item))
    if len(found) > MAX_PROBLEMS:
        return [*problems, Problem("file", None, f"has {len(found) - MAX_PROBLEMS} more problems: correct these first")]
    # A typo elsewhere keeps pydantic from comparing the parts; those that are valid are compared here.
    return problems if crossed else problems + _cross_problems(document)


def _problem(item: ErrorDetails) -> Problem:
    location, kind = item["loc"], item["type"]
    path = path_of(location)
    if kind == "extra_forbidden":
        return Problem(path, None, f"is not a field; {_instead(str(location[-1]), _known_fields(location[:-1]))}")
    if kind == "unknown_metric":
        return Problem(path_of((*location, "name")), shown(item["ctx"]["name"]), item["ctx"]["said"])
    said = remedy(kind, item["msg"], item.get("ctx", {}))
    if isinstance(item["input"], str) and item["input"][:1] in _TYPOGRAPHIC:
        said = f'stands in typographic quotes: use " instead; {said}'
    if kind == "string_type" and type(item["input"]) in (int, float):
        name = f"{location[-1]}: " if isinstance(location[-1], str) else ""
        said = f'must be in quotes: write {name}"{item["input"]}"'
    return Problem(path, None if kind == "missing" else shown(item["input"]), said)


def _instead(unknown: str, known: Iterable[str]) -> str:
    """What was probably meant by a field that there is not."""
    unseen = next((c for c in unknown if not c.isascii() and not c.isprintable()), None)
    if unseen is not None:
        return f"it holds U+{ord(unseen):04X}, which looks like a blank or like nothing: type name and indentation anew"
    close = difflib.get_close_matches(unknown, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"


def _misspelt_metadata(document: object) -> list[Problem]:
    """Unknown fields there are a newer API server's, unless they look like one that is known."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict):
        return []
    known = _known_fields(("metadata",))
    strange = [key for key in metadata if key not in known][:MAX_PROBLEMS]
    close = {key: difflib.get_close_matches(key, known, n=1, cutoff=_ALIKE) for key in strange}
    return [
        Problem(path_of(("metadata", key)), None, f"is not a field; did you mean {found[0]}?")
        for key, found in close.items()
        if found
    ]


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
    stopping = _part(EarlyStopping, spec.get("earlyStopping"))
    problems = cross_check(seeds, stopping, fine_tuning, evaluations)
    budget = _count(spec.get("budget"))
    if (stopping is None) == (spec.get("earlyStopping") is None) and (budget is None) == (spec.get("budget") is None):
        problems += check_budget(budget, seeds, stopping)
        if spec.get("result") == "average" and fine_tuning is not None:
            problems += check_result(seeds, stopping, budget, scored=True)
    return problems


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _part(model: type[Model], value: object) -> Model | None:
    if value is None:
        return None
    try:
        return model.model_validate_json(json.dumps(value, default=str), by_name=False)
    except ValidationError:
        return None


def _dataset_of(value: object) -> Dataset | None:
    if not isinstance(value, dict):
        return None
    try:
        return Dataset.model_validate_json(json.dumps(value, default=str), by_name=False)
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) if problem["loc"] else "" for problem in error.errors()}
    if not wrong <= value.keys() or any(difflib.get_close_matches(name, _WHERE_DATA_IS) for name in wrong):
        return None
    return _dataset_of({name: part for name, part in value.items() if name not in wrong})


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
