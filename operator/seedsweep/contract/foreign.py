"""Bytes, JSON and text that nobody vouches for: each part is a value of the right kind and size, or it is absent."""

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 300
"""Characters of a message that a record takes."""

_NOTHING: Mapping[str, Any] = {}
# An API server refuses or changes them.
_UNFIT = re.compile("[\0\ud800-\udfff]")
_DECIMAL = re.compile(r"[0-9]{1,20}", re.ASCII)


def parse_json(data: str | bytes) -> Any:
    """The value of a JSON text; raises ValueError for anything else, however large or deep."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def recordable(text: str, limit: int = MAX_TEXT) -> str:
    """The beginning of a text, as a record can hold it: NUL and lone surrogates are replaced."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def shown(value: object) -> str:
    """A value as a message names it."""
    match value:
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= 80 else f"{text[:80]}..."


def whole(value: object, least: int, most: int) -> int | None:
    """A whole number within bounds; true and false are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most else None


def decimal(value: object) -> int | None:
    """The whole number that a text of at most 20 digits is."""
    return int(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def text(value: object, limit: int = MAX_TEXT) -> str:
    """A text, as a record can hold it; empty for anything else."""
    return recordable(value, limit) if isinstance(value, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else _NOTHING


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
