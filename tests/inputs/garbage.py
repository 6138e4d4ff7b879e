"""What nobody vouches for, for tests of parsers: any JSON, and whole values of which one part is something else."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[Any, ...]

NUMBERS = st.sampled_from([10**400, -(10**400), 2**63, 10**12 + 1, -1, 0, 1e308, 1e39, 0.5, 20.0])
TEXTS = st.text(st.characters()) | st.sampled_from(
    ["", "\0", "\ud800", "x" * 5_000, "9" * 5_000, "0001-01-01T00:00:00Z"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DEEP = "[" * 100_000 + "]" * 100_000
IDENTITY = frozenset({"name", "uid", "resourceVersion"})
"""Parts of the metadata without which an object is none."""


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Of everything within a JSON value."""
    yield path
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, item in inner:
        yield from paths(item, (*path, key))


@st.composite
def altered(draw: st.DrawFn, whole: Any) -> tuple[Path, Any]:
    """Where and how a whole value is not as it was: one part of it is missing, or any JSON."""
    path = draw(st.sampled_from([path for path in paths(whole) if path]))
    found = copy.deepcopy(whole)
    *way, last = path
    place = found
    for key in way:
        place = place[key]
    if draw(st.booleans()):
        del place[last]
    else:
        place[last] = draw(JSON)
    return path, found


def is_recordable(text: str, limit: int) -> bool:
    """Whether an API server takes a text as it is, and it is no longer than that."""
    return len(text) <= limit and "\0" not in text and text == text.encode(errors="replace").decode()
