"""Whether a folder's record belongs to the sweep in the file, so that a run can go on with it."""

from collections.abc import Iterator
from typing import Any

from seedsweep.api.checks import Problem
from seedsweep.api.rules.mutability import ALWAYS_MUTABLE
from seedsweep.api.sweep import SeedSweep

_SHOWN = 5
_MISSING = "nothing"


def differences(recorded: SeedSweep, wanted: SeedSweep, folder: str) -> list[Problem]:
    """What in the file is not as the record in `folder` has it; empty where the run can go on."""
    remedy = f"is not what {folder} was recorded with ({{}}): run into another folder with --out, or remove that one"
    handed_over = recorded.status is not None and recorded.status.handed_over
    was, asked = _fixed(recorded, handed_over=handed_over), _fixed(wanted, handed_over=handed_over)
    return [Problem(path, new, remedy.format(repr(old))) for path, old, new in _different(was, asked)][:_SHOWN]


def _fixed(sweep: SeedSweep, *, handed_over: bool) -> dict[str, Any]:
    # With defaults: writing one down changes nothing.
    spec = sweep.spec.model_dump(mode="json", by_alias=True, exclude=set(ALWAYS_MUTABLE))
    if not handed_over:
        del spec["export"]
        (spec["storage"] or {}).pop("retentionPolicy", None)
    return {"metadata": {"name": sweep.metadata.name}, "spec": spec}


def _different(old: object, new: object, path: str = "") -> Iterator[tuple[str, object, object]]:
    """Path, old and new value of the smallest parts that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _different(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif old != new:
        yield path, _MISSING if old is None else old, _MISSING if new is None else new
