"""What people are told of a sweep's storage: how much there may be, what is freed, and what it costs to have none."""

from collections.abc import Iterator

from seedsweep.api.status import Best, SweepStatus
from seedsweep.engine.decisions import Event
from seedsweep.engine.draft import Draft
from seedsweep.engine.layout import step_of
from seedsweep.engine.observation import Housekeeping
from seedsweep.engine.questions.footprint import Footprint, in_words
from seedsweep.engine.questions.storage import has_begun, parameters_of
from seedsweep.engine.status.findings import Finding


def storage_findings(draft: Draft, left: int) -> Iterator[Finding]:
    """What people are told of the sweep's storage; `left` episodes are still to be freed."""
    yield _checkpoints_kept(draft)
    housekeeping = draft.seen.housekeeping
    if housekeeping is None:
        return
    if housekeeping.unable:
        yield Finding("StorageTidy", False, "NoHousekeepingImage", housekeeping.unable)
    elif housekeeping.trouble and left:
        yield Finding("StorageTidy", False, "HousekeepingFails", f"{left} episodes' folders: {housekeeping.trouble}")
    else:
        yield Finding(
            "StorageTidy", True, "OnlyWhatIsNeeded", f"{left} episodes' folders are being freed" if left else ""
        )
    yield from _warmed_up(draft, housekeeping)


def storage_events(before: SweepStatus, after: SweepStatus) -> Iterator[Event]:
    """What became true of the storage."""
    for kind, tells, reason in (("WarmedUp", "True", "WarmedUp"), ("StorageTidy", "False", "StorageNotTidy")):
        old, new = before.condition(kind), after.condition(kind)
        if new is None or new.status != tells or (old is not None and (old.status, old.reason) == (tells, new.reason)):
            continue
        if new.reason == "EpisodesStarted":
            continue
        well = kind == "WarmedUp" and new.reason == "Done"
        message = f"{new.reason}: {new.message}".rstrip(": ")
        yield Event(reason, message, kind="Normal" if well else "Warning", key=new.last_transition_time)
    known = before.best.weights if before.best is not None else None
    if after.best is not None and after.best.weights not in (None, known):
        copy = f", and a copy at {after.best.exported}" if after.best.exported else ""
        yield Event("HandedOver", f"the weights of {_owner(after.best)} are at {after.best.weights}{copy}")


def _owner(best: Best) -> str:
    """Whose weights were handed over."""
    if best.average is None:
        return best.episode
    if best.average.handed_over:
        return f"the average of {best.average.members} survivors"
    return f"{best.episode}, not the average ({best.average.reason}),"


def _checkpoints_kept(draft: Draft) -> Finding:
    kind, layout = "CheckpointsKept", draft.layout
    if draft.seen.resumable:
        most = Footprint.of(layout, draft.seen.parallelism)
        text = f"at most {most.kept + most.live} checkpoints to resume from ({most.kept} kept, {most.live} at work)"
        text += f", plus those of interrupted episodes, and {most.best} best weights"
        parameters = parameters_of(draft)
        return Finding(kind, True, "Stored", text + (f": {in_words(most.bytes_of(parameters))}" if parameters else ""))
    again = _again(draft)
    if layout.spec.storage is None and not draft.stores_weights:
        return Finding(kind, False, "NoStorage", f"spec.storage is absent: no weights outlive a pod, and {again}")
    return Finding(
        kind, False, "NotResumed", f"no attempt has shown yet that the trainer resumes (level L2); otherwise {again}"
    )


def _again(draft: Draft) -> str:
    """What is trained twice: p step(e) at each cut. Where there is none nobody makes room."""
    if not any(draft.layout.rungs):
        return "interrupted episodes start again from their seeds"
    steps = "p x step(e)"
    if draft.evaluations is not None and draft.steps is not None:
        marks = draft.layout.rung_evaluations(draft.evaluations)
        most = sum(
            min(size, rung.keep) * step_of(mark, draft.evaluations, draft.steps)
            for size, ladder, at in zip(draft.layout.sizes, draft.layout.rungs, marks, strict=True)
            for rung, mark in zip(ladder, at[draft.layout.first_cut :], strict=True)
        )
        steps = f"up to {most}"
    return f"survivors that made room start again from their seeds, {steps} steps more"


def _warmed_up(draft: Draft, housekeeping: Housekeeping) -> Iterator[Finding]:
    kind, warmed, before = "WarmedUp", housekeeping.warm_up, draft.seen.status.condition("WarmedUp")
    if warmed is not None and warmed.refused:
        yield Finding(kind, False, "BadConfiguration", warmed.refused)
    elif warmed is not None and warmed.over:
        yield Finding(kind, True, "Skipped" if warmed.error else "Done", warmed.error)
    elif warmed is not None and not has_begun(draft):
        yield Finding(kind, False, "WarmingUp", housekeeping.trouble)
    elif warmed is not None:
        yield Finding(kind, True, "EpisodesStarted", "")
    elif before is not None:
        yield Finding(kind, before.status == "True", before.reason, before.message)
