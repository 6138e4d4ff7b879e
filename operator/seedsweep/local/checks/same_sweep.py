"""Whether a folder belongs to the sweep in the file, and has what a run needs to go on with it."""

from collections.abc import Iterator
from typing import Any

from seedsweep.api.checks import Problem
from seedsweep.api.rules.growth import growth_problem
from seedsweep.api.rules.mutability import ALWAYS_MUTABLE
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.local.checks.trainer import Trainable
from seedsweep.local.directory.run_directory import RunDirectory

_SHOWN = 5
_MISSING = "nothing"


def differences(recorded: SeedSweep, wanted: SeedSweep, folder: str) -> list[Problem]:
    """What in the file is not as the record in `folder` has it; empty where the run can go on."""
    remedy = f"is not what {folder} was recorded with ({{}}): run into another folder with --out, or remove that one"
    handed_over = recorded.status is not None and recorded.status.handed_over
    was, asked = _fixed(recorded, handed_over=handed_over), _fixed(wanted, handed_over=handed_over)
    seeds = growth_problem(recorded.spec, wanted.spec, recorded.status or SweepStatus())
    found = [Problem("spec.seeds", None, f"{seeds}, in another folder with --out")] if seeds is not None else []
    found += [Problem(path, new, remedy.format(repr(old))) for path, old, new in _different(was, asked)]
    return found[:_SHOWN]


def missing_weights(recorded: SeedSweep, directory: RunDirectory) -> list[Problem]:
    """Why a sweep that is over cannot get more seeds here: what was handed over may be wanted again, and is made of
    these weights."""
    status = recorded.status
    if status is None or not status.handed_over or status.best is None or not recorded.spec.trainer.stores_weights:
        return []
    members = status.best.average.episodes if status.best.average is not None else []
    gone = next((name for name in (status.best.episode, *members) if not (directory.work / name).exists()), None)
    if gone is None:
        return []
    whose = "the winner's checkpoint is" if gone == status.best.episode else f"the weights of {gone} are"
    remedy = (
        f"cannot get more seeds: {whose} gone from {directory.work / gone} (`seedsweep clean` removed it, or the "
        "record was fetched without): make a new sweep of all seeds, in another folder with --out"
    )
    return [Problem("spec.seeds", None, remedy)]


def other_inputs(status: SweepStatus | None, found: Trainable, folder: str) -> list[Problem]:
    """What is no longer what the episodes in `folder` were trained with: these could not be compared with new ones."""
    problems: list[Problem] = []
    if status is None:
        return problems
    remedy = f"are not those that {folder} was recorded with: restore them, or run into another folder with --out"
    if status.data_digest is not None and status.data_digest != found.data:
        problems.append(
            Problem("spec.trainer.fineTuning.dataset", None, f"its examples, as the tokenizer reads them, {remedy}")
        )
    recorded = status.provenance.base_weights if status.provenance is not None else None
    if recorded is not None and recorded != found.base_weights:
        problems.append(Problem("spec.trainer.fineTuning.model", None, f"its weights {remedy}"))
    return problems


def _fixed(sweep: SeedSweep, *, handed_over: bool) -> dict[str, Any]:
    # With defaults: writing one down changes nothing.
    spec = sweep.spec.model_dump(mode="json", by_alias=True, exclude={*ALWAYS_MUTABLE, "seeds"})
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
