"""What a sweep stores: what of it is no longer needed, how much there may be, and what it costs to have none."""

from collections.abc import Iterator, Mapping

from seedsweep.api.episode import EpisodeId, EpisodeStatus, Freed
from seedsweep.api.recorded import keep_unknown
from seedsweep.api.status import SweepStatus
from seedsweep.engine.census import step_of
from seedsweep.engine.decisions import Event, Prune, WarmUp
from seedsweep.engine.draft import Draft
from seedsweep.engine.footprint import Footprint, in_words, keeps_all
from seedsweep.engine.observation import Housekeeping
from seedsweep.engine.race import Race

Finding = tuple[str, bool, str, str]
"""Type of a condition, whether it holds, reason and message."""


def stored_of(episodes: Mapping[EpisodeId, EpisodeStatus]) -> dict[EpisodeId, bool]:
    """See Observation.stored, for a world that cannot look: whoever began may have stored something."""
    stored = {}
    for episode, status in episodes.items():
        if status.freed is None or len(status.attempts) > status.freed.attempts:
            if status.attempts:
                stored[episode] = True
        elif status.freed.best_kept:
            stored[episode] = False
    return stored


def note_freed(draft: Draft) -> None:
    """Put on record what was freed; should the record be lost, it is freed once more, which does no harm."""
    housekeeping = draft.seen.housekeeping
    if housekeeping is None:
        return
    for episode, best_kept in housekeeping.freed.items():
        if not draft.may_write(episode):
            continue
        status = draft.status(episode)
        freed = keep_unknown(Freed(attempts=len(status.attempts), best_kept=best_kept), status.freed)
        if status.freed != freed:
            draft.write(episode, status.evolve(freed=freed), durable=False)


def warm_up(draft: Draft) -> bool:
    """Have the storage warmed up before the first episode starts; true while that is waited for."""
    warmed = draft.seen.housekeeping.warm_up if draft.seen.housekeeping is not None else None
    if warmed is None or warmed.over or _has_begun(draft):
        return False
    if not (warmed.under_way or warmed.refused or draft.seen.suspend):
        draft.decide(WarmUp())
    return True


def prune(draft: Draft, race: Race, winner: EpisodeId | None, *, failing: bool) -> int:
    """Free what no one will resume: all but the best weights of survivors and of the sweep's best.

    `failing`: the sweep fails, which may not be on record yet; until it is, those who could resume keep what they have.
    Returns of how many episodes something is left to free.
    """
    survivors, housekeeping = set(race.survivors), draft.seen.housekeeping or Housekeeping()
    failed = _is_true(draft.seen.status, "Failed")
    keep_all = keeps_all(draft.layout)
    # What a trainer of one's own keeps in a cluster is its own affair: it is removed whole or left alone.
    whole = draft.seen.housekeeping is not None and not draft.layout.ours
    gives_up = housekeeping.exhausted and (failing or not race.standings)
    left = 0
    for episode, resumable in draft.seen.stored.items():
        if episode in draft.live or episode in housekeeping.freed:
            continue
        settled = draft.status(episode).verdict is not None and episode not in race.standings
        keep_best = episode == winner or episode in survivors
        if not (settled or failed or failing) or not (resumable or not keep_best):
            continue
        if (keep_best and (whole or keep_all)) or (keep_all and not settled):
            continue
        left += 1
        if (settled or failed) and not gives_up and episode not in housekeeping.freeing:
            draft.decide(Prune(episode, keep_best=keep_best))
    return left


def storage_findings(draft: Draft, left: int) -> Iterator[Finding]:
    """What people are told of the sweep's storage; `left` episodes are still to be freed."""
    yield _checkpoints_kept(draft)
    housekeeping = draft.seen.housekeeping
    if housekeeping is None:
        return
    if housekeeping.unable:
        yield "StorageTidy", False, "NoHousekeepingImage", housekeeping.unable
    elif housekeeping.trouble and left:
        yield "StorageTidy", False, "HousekeepingFails", f"{left} episodes' folders: {housekeeping.trouble}"
    else:
        yield "StorageTidy", True, "OnlyWhatIsNeeded", f"{left} episodes' folders are being freed" if left else ""
    yield from _warmed_up(draft, housekeeping)


def parameters_of(draft: Draft) -> int | None:
    """Of the model, as far as known."""
    warmed = draft.seen.housekeeping.warm_up if draft.seen.housekeeping is not None else None
    return (warmed.parameters if warmed is not None else None) or draft.seen.status.parameters


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
        yield Event("HandedOver", f"the weights of {after.best.episode} are at {after.best.weights}{copy}")


def _checkpoints_kept(draft: Draft) -> Finding:
    kind, layout = "CheckpointsKept", draft.layout
    if draft.seen.resumable:
        most = Footprint.of(layout, draft.seen.parallelism)
        text = f"at most {most.kept + most.live} checkpoints to resume from ({most.kept} kept, {most.live} at work)"
        text += f", beside those of interrupted episodes, and {most.best} best weights"
        parameters = parameters_of(draft)
        return kind, True, "Stored", text + (f": {in_words(most.bytes_of(parameters))}" if parameters else "")
    again = f"survivors that made room start again from their seeds, {_again(draft)} steps more"
    if layout.spec.storage is None:
        return kind, False, "NoStorage", f"spec.storage is absent: no weights outlive a pod, and {again}"
    return kind, False, "NotResumed", f"no attempt has shown yet that the trainer resumes (level L2): else {again}"


def _again(draft: Draft) -> str:
    """p step(e), at each cut."""
    if draft.evaluations is None or draft.steps is None:
        return "p x step(e)"
    marks = draft.layout.rung_evaluations(draft.evaluations)
    return "up to " + str(
        sum(
            min(size, rung.keep) * step_of(mark, draft.evaluations, draft.steps)
            for size, ladder, at in zip(draft.layout.sizes, draft.layout.rungs, marks, strict=True)
            for rung, mark in zip(ladder, at, strict=True)
        )
    )


def _warmed_up(draft: Draft, housekeeping: Housekeeping) -> Iterator[Finding]:
    kind, warmed, before = "WarmedUp", housekeeping.warm_up, draft.seen.status.condition("WarmedUp")
    if warmed is not None and warmed.refused:
        yield kind, False, "BadConfiguration", warmed.refused
    elif warmed is not None and warmed.over:
        yield kind, True, "Skipped" if warmed.error else "Done", warmed.error
    elif warmed is not None and not _has_begun(draft):
        yield kind, False, "WarmingUp", housekeeping.trouble
    elif warmed is not None:
        yield kind, True, "EpisodesStarted", ""
    elif before is not None:
        yield kind, before.status == "True", before.reason, before.message


def _has_begun(draft: Draft) -> bool:
    return bool(draft.seen.attempts) or any(status.attempts for status in draft.seen.episodes.values())


def _is_true(status: SweepStatus, kind: str) -> bool:
    condition = status.condition(kind)
    return condition is not None and condition.status == "True"
