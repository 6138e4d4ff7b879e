"""A text in YAML or JSON becomes what JSON can hold, within bounds: nothing in it exhausts memory or the stack."""

import io
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from seedsweep.api.checks import MAX_PATH
from seedsweep.api.recorded import shortened

MAX_BYTES = 1 << 20
"""Of one file: a larger object fits into no API server either."""
MAX_DEPTH = 64
MAX_VALUES = 100_000
"""Of one file with aliases, what they repeat counted again."""

TOO_LARGE = f"is larger than {MAX_BYTES} bytes: list less in it"

_TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep: no SeedSweep is"

_Place = tuple["_Place", str] | None
"""Where a value is: its parent's place and what it is called there. The path is made only for an error."""


class DocumentError(ValueError):
    """A text that is no document, or one beyond the bounds: `path` is where, the message what is wrong."""

    def __init__(self, message: str, path: str = "file") -> None:
        self.path = path
        super().__init__(message)


def read_document(text: str) -> object:
    """The one document in a text: strings, numbers, booleans, null, and lists and mappings of these.

    Raises:
        DocumentError: too large, not YAML, no or several documents, or a value that JSON cannot hold.
    """
    if len(text) > MAX_BYTES:
        raise DocumentError(TOO_LARGE)
    documents = [document for document in _load(text) if document is not None]
    if len(documents) != 1:
        raise DocumentError(f"needs exactly one document, a SeedSweep; found {len(documents)}: split the file")
    return plain(documents[0])


def plain(value: object) -> Any:
    """The same as JSON can hold it: dates as their text, keys as strings; raises DocumentError."""
    return _plain(value, None, MAX_DEPTH)


def _load(text: str) -> list[Any]:
    try:
        if "*" in text:
            _check_aliases(text)
        return list(_parser().load_all(io.StringIO(text)))
    except DocumentError:
        raise
    except MaxDepthExceededError:
        raise DocumentError(_TOO_DEEP) from None
    # Tags and odd scalars, such as 2026-13-45, raise errors of any kind.
    except Exception as error:
        raise DocumentError(f"is not valid YAML{_line(error)}: correct it there") from error


def _parser() -> YAML:
    parser = YAML(typ="safe", pure=True)
    parser.max_depth = MAX_DEPTH
    # A second anchor of the same name takes the first one's place, as YAML has it.
    parser.composer.warn_double_anchors = False
    return parser


def _check_aliases(text: str) -> None:
    """Raise DocumentError where aliases make a document too large, before anything is built of it."""
    values = 0
    sizes: dict[str | None, int] = {}
    begun: list[tuple[str | None, int]] = []
    """Anchors of the collections that are not closed yet, and the values before each."""
    for event in _parser().parse(io.StringIO(text)):
        if isinstance(event, AliasEvent):
            if any(anchor == event.anchor for anchor, _ in begun):
                raise DocumentError(f"has an alias *{shortened(event.anchor, 80)} inside what it stands for: remove it")
            values += sizes.get(event.anchor, 0)
        elif isinstance(event, CollectionStartEvent):
            begun.append((event.anchor, values))
            values += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = begun.pop()
            sizes[anchor] = values - before
        elif isinstance(event, ScalarEvent):
            values += 1
            sizes[event.anchor] = 1
        if len(begun) > MAX_DEPTH:
            raise DocumentError(_TOO_DEEP)
        if values > MAX_VALUES:
            raise DocumentError(f"has more than {MAX_VALUES} values, those that aliases repeat included: use fewer")


def _line(error: Exception) -> str:
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""


def _plain(value: object, place: _Place, depth: int) -> Any:
    if depth < 0:
        raise DocumentError(_TOO_DEEP, _path(place))
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, place)
        case int():
            if not -(2**63) <= value < 2**63:
                raise DocumentError("is a number of more than 64 bits: use a smaller one", _path(place))
            return value
        case float():
            if value - value != 0:
                raise DocumentError("is no finite number: use one", _path(place))
            return value
        case list():
            return [_plain(item, (place, f"[{i}]"), depth - 1) for i, item in enumerate(value)]
        case dict():
            named = ((_key(key, place), item) for key, item in value.items())
            return {key: _plain(item, (place, key), depth - 1) for key, item in named}
        case date():
            return str(value)
        case _:
            raise DocumentError("has a YAML tag that JSON has no value for: remove the tag", _path(place))


def _key(key: object, place: _Place) -> str:
    if isinstance(key, str):
        return _text(key, place)
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(_plain(key, place, 0))
    raise DocumentError("has a key that is no string: put it in quotes", _path(place))


def _text(text: str, place: _Place) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DocumentError("has half a character (a lone surrogate): remove it", _path(place)) from None
    return text


def _path(place: _Place) -> str:
    return shortened("".join(_steps(place)).removeprefix("."), MAX_PATH) or "file"


def _steps(place: _Place) -> Iterator[str]:
    steps = []
    while place is not None:
        place, name = place
        steps.append(name if name.startswith("[") else f".{name[:MAX_PATH]}")
    return reversed(steps)
