"""What an operator wrote is read back, whichever release it was.

Fields of another release are kept and ignored by the types. Values that this release does not know are another matter:
of a status, which is made anew in every turn, only they are left out; an Episode or a Cut with one is refused as a
whole, because what this release made of it would take the place of the record.
"""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from seedsweep.api.checks import Problem, path_of, shown
from seedsweep.api.cut import Cut
from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus

_REMEDY = "is not known to this release: run a release that knows it"
_SHOWN = 5

Record = TypeVar("Record", Episode, Cut)
Location = tuple[int | str, ...]


class UnreadableRecordError(ValueError):
    """An Episode or Cut that this release cannot read: `problems` has the fields and their values."""

    def __init__(self, kind: str, name: str, problems: Sequence[Problem]) -> None:
        self.kind, self.name, self.problems = kind, name, tuple(problems)
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        super().__init__(f"{kind} {name}: " + "; ".join(map(str, problems[:_SHOWN])) + more)


def read_episode(body: Mapping[str, Any]) -> Episode:
    """An Episode as an API server or a folder has it; raises UnreadableRecordError."""
    return _read(body, Episode)


def read_cut(body: Mapping[str, Any]) -> Cut:
    """A Cut as an API server or a folder has it; raises UnreadableRecordError."""
    return _read(body, Cut)


def read_status(data: object) -> tuple[SweepStatus, list[Problem]]:
    """The status of a SeedSweep, and what of it could not be read and is left out."""
    problems: list[Problem] = []
    left_out: set[Location] = set()
    while True:
        try:
            return SweepStatus.model_validate_json(json.dumps(data)), problems
        except ValidationError as error:
            found = error.errors(include_url=False)
        # What is missing once something is left out is no news.
        news = [item for item in found if item["type"] != "missing" or not left_out]
        problems += [_problem(("status", *item["loc"]), item["input"]) for item in news]
        left_out = _outermost({_unreadable(item) for item in found})
        data = deepcopy(data)
        # From the end, so that no part is moved before its turn.
        for location in sorted(left_out, key=_order, reverse=True):
            data = _without(data, location)


def _read(body: Mapping[str, Any], model: type[Record]) -> Record:
    name = body["metadata"]["name"]
    try:
        # Of the API server's metadata, which is its own, only the name matters here.
        return model.model_validate_json(json.dumps({**body, "metadata": {"name": name}}))
    except ValidationError as error:
        problems = [_problem(item["loc"], item["input"]) for item in error.errors(include_url=False)]
        raise UnreadableRecordError(model.__name__, name, problems) from error


def _problem(location: Location, value: object) -> Problem:
    return Problem(path_of(location), shown(value), _REMEDY)


def _unreadable(error: ErrorDetails) -> Location:
    """The smallest part that has to go: where something is missing, what it is missing from."""
    return error["loc"][:-1] if error["type"] == "missing" else error["loc"]


def _outermost(locations: set[Location]) -> set[Location]:
    """Without those inside others."""
    return {place for place in locations if not any(place[:i] in locations for i in range(len(place)))}


def _order(location: Location) -> list[tuple[bool, int | str]]:
    return [(isinstance(step, str), step) for step in location]


def _without(data: Any, location: Location) -> Any:
    if not location:
        return {}
    *parents, last = location
    place = data
    try:
        for step in parents:
            place = place[step]
        del place[last]
    except (KeyError, IndexError, TypeError):
        return _without(data, location[:-1])
    return data
