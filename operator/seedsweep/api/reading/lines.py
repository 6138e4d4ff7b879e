"""On which line of a text each part of its document begins, so that an error can say where to look."""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from seedsweep.api.checks import Problem, path_of
from seedsweep.api.reading.document import MAX_BYTES
from seedsweep.api.reading.events import MAX_DEPTH, MAX_VALUES


def located(problems: Sequence[Problem], text: str) -> list[Problem]:
    """The same with the lines on which they are; of what is missing, that of the part which lacks it."""
    lines = _lines_of(text)
    return [replace(problem, line=problem.line or _line_of(_about(problem), lines)) for problem in problems]


def _about(problem: Problem) -> str:
    """Its path; where what is said begins with the name of a part of it, such as `learningRate 0 must`, that part's."""
    return f"{problem.path}.{problem.remedy.partition(' ')[0].rstrip(':')}"


def _line_of(path: str, lines: Mapping[str, int]) -> int | None:
    while path and path not in lines:
        # Names of people's own may hold either character, so that what is cut off need not be a whole step.
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path)


def _lines_of(text: str) -> dict[str, int]:
    """By path, as far as a YAML parser takes the text."""
    lines: dict[str, int] = {}
    with contextlib.suppress(YAMLError):
        events = YAML(typ="safe", pure=True).parse(io.StringIO(text[:MAX_BYTES]))
        for location, line in islice(_places(events), MAX_VALUES):
            lines.setdefault(path_of(location), line)
    return lines


@dataclass
class _Open:
    """A list or mapping that is not closed yet."""

    numbers: Iterator[int] | None
    """Of the items of a list; None for a mapping."""
    key: str | None = None
    line: int = 0
    """Of the key."""


def _places(events: Iterator[Event]) -> Iterator[tuple[list[int | str], int]]:
    """Where each value is, and its line: that of its key, where it has one; up to where no SeedSweep goes on."""
    open_: list[_Open] = []
    location: list[int | str] = []
    for event in events:
        if isinstance(event, CollectionEndEvent):
            open_.pop()
            if open_:
                location.pop()
                open_[-1].key = None
        elif isinstance(event, ScalarEvent | AliasEvent | CollectionStartEvent):
            line = event.start_mark.line + 1
            if open_:
                parent = open_[-1]
                if parent.numbers is None and parent.key is None:
                    if not isinstance(event, ScalarEvent):
                        return
                    parent.key, parent.line = str(event.value), line
                    continue
                location.append(next(parent.numbers) if parent.numbers is not None else parent.key or "")
                line = parent.line if parent.numbers is None else line
                yield location, line
            if isinstance(event, CollectionStartEvent):
                if len(open_) == MAX_DEPTH:
                    return
                open_.append(_Open(None if isinstance(event, MappingStartEvent) else count()))
            elif open_:
                location.pop()
                open_[-1].key = None
