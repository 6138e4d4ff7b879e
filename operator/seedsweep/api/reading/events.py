"""From the events of a YAML parser to lists, mappings and scalars, within bounds: nothing beyond them is built.

Without recursion, and without what a parser's own constructors do: no tag makes anything but a text or a number.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
)

from seedsweep.api.reading.scalars import Scalar, TooLargeError, resolve
from seedsweep.api.recorded import shortened

MAX_DEPTH = 64
MAX_VALUES = 100_000
"""Of one file with aliases, what they repeat counted again."""

TOO_DEEP = f"is nested more than {MAX_DEPTH} levels deep: no SeedSweep is"
TOO_MANY = f"has more than {MAX_VALUES} values, those that aliases repeat included: use fewer"
TOO_LARGE_NUMBER = "is a number of more than 64 bits: use a smaller one"
BAD_KEY = "has a key that is no string: put it in quotes"

_CORE = "tag:yaml.org,2002:"
_COLLECTION_TAGS = (None, "!", f"{_CORE}map", f"{_CORE}seq")
_KINDS: dict[str, frozenset[type]] = {
    f"{_CORE}int": frozenset({int}),
    f"{_CORE}float": frozenset({float, int}),
    f"{_CORE}bool": frozenset({bool}),
    f"{_CORE}null": frozenset({type(None)}),
}
_SHOWN = 80


class ContentError(ValueError):
    """A document has what JSON or a bound does not allow; `steps` lead there, `line` is from 1."""

    def __init__(self, message: str, steps: Iterable[str] = (), line: int | None = None) -> None:
        super().__init__(message)
        self.steps = tuple(steps)
        self.line = line


_NO_KEY = object()
_MERGE = object()
"""A key that stands for those of another mapping."""


@dataclass(slots=True)
class _Collection:
    """A list or mapping that is not closed yet."""

    made: list[Any] | dict[Any, Any]
    name: str
    """How it is called in its parent."""
    before: int
    """Values in the document before it."""
    anchor: str | None = None
    key: Any = _NO_KEY
    written: set[Hashable] = field(default_factory=set)
    """Keys that stand in the mapping itself."""


def build(events: Iterable[Event]) -> list[Any]:
    """The documents of a text; raises ContentError, and what the parser raises."""
    documents: list[_Document] = []
    for event in events:
        if isinstance(event, DocumentStartEvent):
            documents.append(_Document())
        elif documents:
            documents[-1].take(event)
    return [document.root for document in documents]


class _Document:
    """One document, as far as its events have been taken."""

    def __init__(self) -> None:
        self.root: Any = None
        self._open: list[_Collection] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        """What each stands for, and the values in it."""
        self._values = 0

    def take(self, event: Event) -> None:
        if isinstance(event, ScalarEvent):
            self._count(1)
            value = self._scalar(event)
            self._anchor(event, value, 1)
            self._put(event, value, is_plain=bool(event.implicit[0]) and event.style is None)
        elif isinstance(event, AliasEvent):
            value, size = self._meant(event)
            self._count(size)
            self._put(event, value)
        elif isinstance(event, CollectionStartEvent):
            self._begin(event)
        elif isinstance(event, CollectionEndEvent):
            ended = self._open.pop()
            if ended.anchor is not None and self._anchors[ended.anchor][0] is ended.made:
                self._anchors[ended.anchor] = ended.made, self._values - ended.before
            self._put(event, ended.made)

    def _begin(self, event: CollectionStartEvent) -> None:
        if event.tag is not None and str(event.tag) not in _COLLECTION_TAGS:
            self._refuse_tag(event)
        is_mapping = isinstance(event, MappingStartEvent)
        if self._expects_key:
            self._refuse(event, BAD_KEY)
        if len(self._open) >= MAX_DEPTH:
            raise ContentError(TOO_DEEP)
        made: list[Any] | dict[Any, Any] = {} if is_mapping else []
        begun = _Collection(made, self._name_of_next(), self._values, event.anchor)
        self._count(1)
        self._anchor(event, made, 0)
        self._open.append(begun)

    @property
    def _expects_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].made, dict) and self._open[-1].key is _NO_KEY

    def _name_of_next(self) -> str:
        if not self._open:
            return ""
        parent = self._open[-1]
        if isinstance(parent.made, list):
            return f"[{len(parent.made)}]"
        return "<<" if parent.key is _MERGE else str(parent.key)

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise ContentError(TOO_MANY)

    def _anchor(self, event: Any, value: Any, size: int) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = value, size

    def _meant(self, event: AliasEvent) -> tuple[Any, int]:
        name = shortened(str(event.anchor), _SHOWN)
        if event.anchor not in self._anchors:
            self._refuse(event, f"has *{name}, but no &{name} before it: put it in quotes if it is a text")
        value, size = self._anchors[event.anchor]
        if any(value is begun.made for begun in self._open):
            self._refuse(event, f"has an alias *{name} inside what it stands for: remove it")
        return value, size

    def _put(self, event: Event, value: Any, *, is_plain: bool = False) -> None:
        if not self._open:
            self.root = value
            return
        parent = self._open[-1]
        if isinstance(parent.made, list):
            parent.made.append(value)
        elif parent.key is _NO_KEY:
            parent.key = self._key(event, parent, value, is_plain=is_plain)
        else:
            key, parent.key = parent.key, _NO_KEY
            if key is _MERGE:
                self._merge(event, parent, value)
            else:
                parent.made[key] = value

    def _key(self, event: Event, parent: _Collection, value: Any, *, is_plain: bool) -> Any:
        if is_plain and value == "<<":
            return _MERGE
        if value is None or isinstance(value, float | list | dict):
            self._refuse(event, BAD_KEY)
        name = value if isinstance(value, str) else str(value).lower()
        if name in parent.written:
            self._refuse(event, f"has the key {shortened(name, _SHOWN)} twice: keep one of them")
        parent.written.add(name)
        return name

    def _merge(self, event: Event, parent: _Collection, value: Any) -> None:
        """Take in the mappings that `<<` stands for: the first of them that has a key counts."""
        others = value if isinstance(value, list) else [value]
        if not all(isinstance(other, dict) for other in others):
            self._refuse(event, "has << without a mapping, or a list of mappings, behind it: give one")
        assert isinstance(parent.made, dict)
        for other in reversed(others):
            self._count(len(other))
            for key, inner in other.items():
                if key in parent.written:
                    # YAML and kubectl do not agree here.
                    self._refuse(
                        event, f"has << after the key {shortened(key, _SHOWN)}, which it has too: write << first"
                    )
                parent.made[key] = inner

    def _scalar(self, event: ScalarEvent) -> Scalar:
        text, tag = str(event.value), None if event.tag is None else str(event.tag)
        if tag in ("!", f"{_CORE}str") or (tag is None and event.style is not None):
            return text
        if tag is not None and tag not in _KINDS:
            self._refuse_tag(event)
        try:
            value = resolve(text)
        except TooLargeError:
            self._refuse(event, TOO_LARGE_NUMBER)
        if tag is not None and type(value) not in _KINDS[tag]:
            kind = tag.removeprefix(_CORE)
            self._refuse(event, f"has the tag !!{kind}, but {shortened(text, _SHOWN)!r} is none: remove the tag")
        return value

    def _refuse_tag(self, event: Any) -> NoReturn:
        tag = shortened(str(event.tag).replace(_CORE, "!!"), _SHOWN)
        self._refuse(event, f"has the tag {tag}, and JSON has no value for it: remove the tag")

    def _refuse(self, event: Event, message: str) -> NoReturn:
        steps = [begun.name for begun in self._open[1:]]
        if self._open and not self._expects_key:
            steps += [self._name_of_next()] if self._open[-1].key is not _MERGE else []
        mark = getattr(event, "start_mark", None)
        raise ContentError(message, steps, mark.line + 1 if mark is not None else None)
