"""A text in YAML or JSON becomes what JSON can hold, within bounds: nothing in it exhausts memory or the stack."""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from seedsweep.api.checks import MAX_PATH
from seedsweep.api.reading.events import BAD_KEY, MAX_DEPTH, TOO_DEEP, TOO_LARGE_NUMBER, ContentError, build
from seedsweep.api.reading.scalars import TooLargeError, resolve
from seedsweep.api.recorded import shortened

MAX_BYTES = 1 << 20
"""Of one file: a larger object fits into no API server either."""

TOO_LARGE = f"is larger than {MAX_BYTES} bytes: list less in it"

_CAUSES = (
    ("'\\t'", "there is a tab: indent with blanks"),
    ("found character", "a text cannot begin with this character: put it in quotes"),
    ("mapping values", "a key cannot stand here: put a text that has ': ' in it in quotes, or correct the indentation"),
    ("<block end>", "this line is not indented like those that it belongs to: align them"),
    ("expected ',' or", "a bracket or brace is not closed, or a comma is missing: correct it"),
    ("<stream end>", "it ends before a bracket or brace is closed: close it"),
    ("end of stream", "it ends before a text in quotes does: close the quotes"),
    ("unknown escape", "a text in double quotes has a backslash that means nothing: write two, or use single quotes"),
)
"""A part of the parser's words for what is wrong, and ours."""

_Place = tuple["_Place", str] | None
"""Where a value is: its parent's place and what it is called there. The path is made only for an error."""


class DocumentError(ValueError):
    """A text that is no document, or one beyond the bounds: `path` is where, the message what is wrong."""

    def __init__(self, message: str, path: str = "file") -> None:
        self.path = path
        super().__init__(message)


def read_document(text: str) -> object:
    """The one document in a text: strings, numbers, booleans, null, and lists and mappings of these.

    Read as kubectl reads it: see seedsweep.api.reading.scalars.

    Raises:
        DocumentError: too large, not YAML, no or several documents, or a value that JSON cannot hold.
    """
    if len(text) > MAX_BYTES:
        raise DocumentError(TOO_LARGE)
    documents = [document for document in _load(text) if document is not None]
    if not documents:
        raise DocumentError("is empty: describe a SeedSweep in it")
    if len(documents) > 1:
        raise DocumentError(f"holds {len(documents)} documents, and not one SeedSweep alone: split it where --- stands")
    return plain(documents[0])


def plain(value: object) -> Any:
    """The same as JSON can hold it; raises DocumentError."""
    return _plain(value, None, MAX_DEPTH)


def _load(text: str) -> list[Any]:
    try:
        if text.lstrip().startswith("{"):
            with contextlib.suppress(json.JSONDecodeError, RecursionError):
                # YAML has bounds of its own that JSON has not, such as the length of a key.
                return [json.loads(text, object_pairs_hook=_mapping, parse_float=resolve, parse_int=resolve)]
        return build(YAML(typ="safe", pure=True).parse(io.StringIO(text)))
    except ContentError as error:
        place: _Place = None
        for step in error.steps:
            place = (place, step)
        at = f" (line {error.line})" if error.line is not None else ""
        raise DocumentError(f"{error}{at}", _path(place)) from None
    except TooLargeError:
        raise DocumentError(TOO_LARGE_NUMBER) from None
    except ReaderError as error:
        line, character = text.count("\n", 0, error.position) + 1, ord(text[error.position])
        raise DocumentError(
            f"is not valid YAML at line {line}: the character U+{character:04X} cannot be printed: remove it"
        ) from None
    except YAMLError as error:
        raise DocumentError(f"is not valid YAML{_line(error)}: {_cause(error)}") from error


def _mapping(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ContentError(f"has a mapping with the key {shortened(twice, 80)} twice: keep one of them")
    return found


def _line(error: Exception) -> str:
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    return f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""


def _cause(error: Exception) -> str:
    problem = (error.problem or "") if isinstance(error, MarkedYAMLError) else ""
    return next((ours for theirs, ours in _CAUSES if theirs in problem), "correct it there")


def _plain(value: object, place: _Place, depth: int) -> Any:
    if depth < 0:
        raise DocumentError(TOO_DEEP, _path(place))
    match value:
        case None | bool():
            return value
        case str():
            return _text(value, place)
        case int():
            if not -(2**63) <= value < 2**63:
                raise DocumentError(TOO_LARGE_NUMBER, _path(place))
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
        case _:
            raise DocumentError("is no value of JSON: remove it", _path(place))


def _key(key: object, place: _Place) -> str:
    if isinstance(key, str):
        return _text(key, place)
    raise DocumentError(BAD_KEY, _path(place))


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
