"""What to do about a file that is not there."""

import difflib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_ALIKE = 0.8
_SHOWN = 3


def files_near(missing: Path, suffixes: Collection[str], nothing: str) -> str:
    """The remedy: the file in its folder with nearly its name, else those with these suffixes, else `nothing`."""
    names: list[str] = []
    with suppress(OSError):
        names = sorted(item.name for item in missing.parent.iterdir() if item.suffix.lower() in suffixes)
    if close := difflib.get_close_matches(missing.name, names, n=1, cutoff=_ALIKE):
        return f"did you mean {missing.parent / close[0]}?"
    if not names:
        return nothing
    return f"give an existing one, such as {', '.join(str(missing.parent / name) for name in names[:_SHOWN])}"
