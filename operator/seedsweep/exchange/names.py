"""What records are called: as a sweep may be, and no two of one import alike."""

from collections.abc import Collection, Sequence

from seedsweep.api.sweep import MAX_NAME, sweep_name


def record_name(text: str) -> str:
    """A text as the name of a sweep: lower case letters, digits and '-', at most 40 characters."""
    return sweep_name(text) or "imported"


def group_name(base: str, group: Sequence[str], taken: Collection[str] = ()) -> str:
    """The name of one of several records: what they share is shortened first, and one that is taken gets a number."""
    own = record_name("-".join(group)) if group else ""
    if not own:
        return record_name(base)
    shared = sweep_name(base)[: max(0, MAX_NAME - len(own) - 1)].strip("-")
    return unique_name(f"{shared}-{own}" if shared else own, taken)


def unique_name(name: str, taken: Collection[str]) -> str:
    """The name, with a number after it where it is taken."""
    found, number = name, 1
    while found in taken:
        number += 1
        ending = f"-{number}"
        found = name[: MAX_NAME - len(ending)].strip("-") + ending
    return found
