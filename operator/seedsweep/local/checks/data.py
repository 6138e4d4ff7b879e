"""What of the data and the model can be judged without loading them: files, their endings, columns, packages.

All that only a whole look tells, such as labels, is for the trainer: see checks/trainer.py.
"""

import contextlib
import csv
import difflib
import json
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.api.finetuning import Dataset
from seedsweep.local.processes.environment import PACKAGE, absolute, absolute_model
from seedsweep.parts import not_installed
from seedsweep_trainer.data.damage import SUFFIXES, find_damage, wrong_name, wrong_separator
from seedsweep_trainer.data.glue import GLUE
from seedsweep_trainer.data.references import resolve, source_files
from seedsweep_trainer.data.rows import TSV_LAYOUT, count_rows, too_few
from seedsweep_trainer.errors import ConfigurationError

_HERE = "spec.trainer.fineTuning"
_HUB_NAME = r"[\w.-]+(/[\w.-]+)?"
_SHOWN = 20
_MOST_BYTES = 1 << 20
"""Of the header line of a table, and of a file of JSON: what is larger is for the trainer to judge."""


def data_problems(dataset: Dataset, base: Path) -> list[Problem]:
    """What is wrong with the files of a data set and the columns that it names; `base` is the sweep's folder."""
    problems: list[Problem] = []
    for part, (file, field) in source_files(dataset).items():
        reference = absolute(file, base)
        try:
            found = Path(resolve(reference, field))
        except ConfigurationError as error:
            problems.append(Problem(f"{_HERE}.{field}", file, _remedy(error, field, reference)))
            continue
        try:
            wrong = list(_file_problems(dataset, found, field, file))
        except OSError as error:
            wrong = [Problem(f"{_HERE}.{field}", file, _closed(error))]
        if part == "train" and not wrong:
            wrong += _split_problems(dataset, found, f"{field} {file!r}")
        problems += wrong
    return list(dict.fromkeys(problems))


def _file_problems(dataset: Dataset, found: Path, field: str, file: str) -> Iterator[Problem]:
    path = f"{_HERE}.{field}"
    if "://" in file:
        remedy = "is an address: download the file and give its path, or name a data set on the hub in dataset.hub"
        yield Problem(path, file, remedy)
    elif not found.exists():
        missing = f"there is no such file in {found.parent}" if dataset.task is None else f"{found} is missing"
        yield Problem(path, file, f"{missing}: {_nearest(found)}")
    elif wrong := wrong_name(found):
        yield Problem(path, file, wrong)
    elif dataset.task is None:
        yield from _content_problems(dataset, found, field, file)


def _split_problems(dataset: Dataset, train: Path, of: str) -> Iterator[Problem]:
    """Where the examples are soon counted; else it is for the trainer to say."""
    split, header = dataset.split, GLUE[dataset.task].header if dataset.task is not None else None
    has = count_rows(train, header, dataset.where, split.validation + split.test + 1)
    if has and (problem := too_few(dataset, has, of)):
        yield Problem(f"{_HERE}.dataset.split", None, problem)


def _nearest(missing: Path) -> str:
    """The remedy for a file that is not there: the one beside it that has nearly its name, else to look for it."""
    with contextlib.suppress(OSError):
        names = [item.name for item in missing.parent.iterdir() if item.suffix.lower() in SUFFIXES]
        if close := difflib.get_close_matches(missing.name, names, n=1):
            return f"did you mean {close[0]!r}?"
    return "give the path of an existing one, from the folder of the sweep's file"


def model_problems(model: str, base: Path) -> list[Problem]:
    """What is wrong with where a model is said to be; a name on the hub is not looked up."""
    reference, path = absolute_model(model, base), f"{_HERE}.model"
    try:
        return list(_folder_problems(model, Path(resolve(reference)), path))
    except ConfigurationError as error:
        return [Problem(path, model, _remedy(error, "model", reference))]
    except OSError as error:
        return [Problem(path, model, _closed(error))]


def _folder_problems(model: str, folder: Path, path: str) -> Iterator[Problem]:
    if not folder.is_absolute():
        if not re.fullmatch(_HUB_NAME, model):
            said = "is neither here nor a name that the hub can have: correct it, or give OWNER/NAME"
            yield Problem(path, model, said)
    elif not folder.is_dir():
        yield Problem(path, model, "there is no such folder: give one that holds a model, or a name on the hub")
    elif not (folder / "config.json").is_file():
        yield Problem(path, model, "has no config.json: give the folder that save_pretrained has written")


def _closed(error: OSError) -> str:
    """The remedy for a path that cannot even be looked at, as in a folder that is closed to this user."""
    return f"cannot be read ({error.strerror}): give a path that your user may read, or correct it"


def _remedy(error: ConfigurationError, field: str, value: str) -> str:
    """What the trainer says of a value, without the two, which a problem has apart; how to get what our demo brings."""
    package = value.removeprefix(PACKAGE).partition("/")[0]
    if value.startswith(PACKAGE) and find_spec(package) is None and (missing := not_installed(package)):
        return str(missing)
    return str(error).removeprefix(f"{field} {value!r}").removeprefix(":").strip()


def _content_problems(dataset: Dataset, path: Path, field: str, file: str) -> Iterator[Problem]:
    suffix = path.suffix.lower()
    try:
        names = _columns_of_table(path, suffix) if suffix in (".csv", ".tsv") else _columns_of_object(path, suffix)
    except OSError:
        return  # The trainer says why.
    except (ValueError, csv.Error):
        yield Problem(f"{_HERE}.{field}", file, f"cannot be read: {find_damage(path)}")
        return
    if wrong := wrong_separator(names, suffix):
        yield Problem(f"{_HERE}.{field}", file, wrong)
    elif names:
        yield from _column_problems(dataset, names, f"{field} {file!r}")


def _columns_of_table(path: Path, suffix: str) -> list[str]:
    """As the header line has them; raises OSError, ValueError and csv.Error for a file that is damaged there."""
    csv.field_size_limit(sys.maxsize)
    layout = TSV_LAYOUT if suffix == ".tsv" else {}
    with path.open(newline="", encoding="utf-8-sig") as lines:
        head = [lines.readline(_MOST_BYTES), *islice(lines, 100)]
    names, *rows = csv.reader(head, **layout)
    if not rows:
        raise ValueError("a header line alone")
    return names


def _columns_of_object(path: Path, suffix: str) -> list[str]:
    """Those that any object of a small file has; none where that cannot be told so quickly."""
    if suffix == ".parquet" or path.stat().st_size > _MOST_BYTES:
        return []
    with path.open(encoding="utf-8-sig") as lines, contextlib.suppress(json.JSONDecodeError, RecursionError):
        items = [json.loads(line) for line in lines if line.strip()]
        return list(dict.fromkeys(name for item in items if isinstance(item, dict) for name in item))
    return []


def _column_problems(dataset: Dataset, names: list[str], of: str) -> Iterator[Problem]:
    columns = dataset.columns
    wanted = {"text": columns.text, "textPair": columns.text_pair, "label": columns.label}
    named = [(f"dataset.columns.{field}", column) for field, column in wanted.items() if column is not None]
    named += [(f"dataset.where.{column}", column) for column in dataset.where]
    for field, column in named:
        if column not in names:
            close = difflib.get_close_matches(column, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "give one of these"
            there = ", ".join(name or "one without a name" for name in names[:_SHOWN]) + (
                ", ..." if len(names) > _SHOWN else ""
            )
            yield Problem(f"{_HERE}.{field}", column, f"is not a column of {of}, which has {there}: {hint}")
