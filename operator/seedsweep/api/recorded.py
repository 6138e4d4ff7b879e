"""What types of the record share: other releases can read it, and the API server takes every object that is written.

Two rules follow. A reader keeps and ignores fields that it does not know, so that an operator that is rolled back goes
on with what a newer one wrote. And every text and list has a bound in the CRD's schema: whoever records a text shortens
it to that bound first. No reader enforces a bound, because another release may have written within bounds of its own.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from itertools import accumulate
from operator import is_not
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar, get_args

from pydantic import ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from seedsweep.api.base import ApiModel, Distinct

CONDITION_TYPE = "^[A-Z][A-Za-z0-9]*$"
REASON = "^[A-Z][A-Za-z0-9]*$"
"""One word in CamelCase, as Kubernetes' conventions have it."""
MAX_REASON = 256
MAX_FOREIGN_WORD = 4 * MAX_REASON
"""Characters of another program's text that are looked at for a reason."""
MAX_MESSAGE = 4_096
"""Of a condition or a status: bytes of its JSON."""

_ELLIPSIS = "..."
_UNKNOWN = "Unknown"
_TWO_BYTES = frozenset('"\\\b\f\n\r\t')
_MOST_BYTES = 6
_SIX_BYTES = frozenset("<>&\u2028\u2029")
"""The API server stores these as \\u003c and the like."""


class Recorded(ApiModel):
    """A value that the operator wrote: fields of another release are kept, ignored, and written back as they were."""

    about: ClassVar[tuple[str, ...]] = ()
    """Fields that say what it is about: where one of them changes, so has all else."""

    if not TYPE_CHECKING:
        # A type checker still refuses a misspelt field of a value that is made here.
        model_config = ConfigDict(extra="allow")


Value = TypeVar("Value")


def keep_unknown(new: Value, old: object) -> Value:
    """A recorded value that takes the place of another, with what another release wrote into that one, at any depth.

    Items of a list are those of the old one by what makes them distinct.
    """
    if new is old or not isinstance(new, Recorded) or type(new) is not type(old):
        return new
    if any(getattr(new, name) != getattr(old, name) for name in new.about):
        return new
    changes: dict[str, object] = {}
    for name, distinct in _fields(type(new)):
        value, before = getattr(new, name), getattr(old, name)
        kept: object = value
        if isinstance(value, list) and distinct is not None:
            known = {distinct.identity(item): item for item in before}
            items = [keep_unknown(item, known.get(distinct.identity(item))) for item in value]
            kept = items if any(map(is_not, items, value)) else value
        elif isinstance(value, Recorded):
            kept = keep_unknown(value, before)
        if kept is not value:
            changes[name] = kept
    extra = getattr(old, "__pydantic_extra__", None)
    if not changes and not extra:
        return new
    found = new.evolve(**changes)
    object.__setattr__(found, "__pydantic_extra__", {**(extra or {}), **(new.__pydantic_extra__ or {})})
    return found


@cache
def _fields(kind: type[Recorded]) -> tuple[tuple[str, Distinct | None], ...]:
    """Fields that may hold recorded values, and of a list what makes its items distinct.

    Looked up once, for every plan asks of every episode and condition.
    """
    return tuple(
        (name, next((part for part in info.metadata if isinstance(part, Distinct)), None))
        for name, info in kind.model_fields.items()
        if _may_hold_recorded(info.annotation)
    )


def _may_hold_recorded(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, Recorded):
        return True
    return any(map(_may_hold_recorded, get_args(annotation)))


@dataclass(frozen=True, slots=True)
class Bound:
    """On a text or list of a recorded type: its bound, and a text's pattern or format, in the CRD's schema alone."""

    size: int
    """Characters or items."""
    pattern: str | None = None
    format: str | None = None

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        found = {**schema, "maxItems" if schema["type"] == "array" else "maxLength": self.size}
        told = {"pattern": self.pattern, "format": self.format}
        return {**found, **{key: value for key, value in told.items() if value is not None}}


Timestamp = Annotated[str, Bound(64, format="date-time")]
"""RFC 3339."""
ObjectName = Annotated[str, Bound(253)]


def timestamp(moment: datetime) -> str:
    """A time as it goes on record: RFC 3339, to the millisecond."""
    return moment.isoformat(timespec="milliseconds")


def shortened(text: str, limit: int) -> str:
    """The text as it can go on record: at most `limit` bytes of JSON, and so at most `limit` characters.

    A longer one ends with "..."; what is no Unicode character becomes "?".
    """
    text = text[: limit + 1].encode(errors="replace").decode()
    if len(text) * _MOST_BYTES <= limit:
        return text
    sizes = list(accumulate(map(_size, text)))
    if not sizes or sizes[-1] <= limit:
        return text
    return text[: bisect_right(sizes, limit - len(_ELLIPSIS))] + _ELLIPSIS


def end_of(text: str, limit: int) -> str:
    """The same of a text whose end matters most: a longer one begins with "..."."""
    return shortened(text[::-1], limit)[::-1]


def stored_size(text: str) -> int:
    """Bytes of a text in the API server's JSON, without the quotes."""
    return sum(map(_size, text))


@lru_cache
def reason_word(text: str) -> str:
    """The reason of a condition from another program's word for it, such as "Not Found"; at least "Unknown"."""
    words = re.findall(r"[A-Za-z0-9]+", text[:MAX_FOREIGN_WORD])
    word = "".join(part[0].upper() + part[1:] for part in words).lstrip("0123456789")
    return (word[:1].upper() + word[1:])[:MAX_REASON] or _UNKNOWN


def _size(character: str) -> int:
    if character in _TWO_BYTES:
        return 2
    if character < " " or character in _SIX_BYTES:
        return _MOST_BYTES
    return len(character.encode())
