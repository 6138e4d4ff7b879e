"""What a sweep stores: what of it is no longer needed, how much there may be, and what it costs to have none."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from seedsweep.api.episode import EpisodeId, EpisodeStatus, Freed
from seedsweep.api.recorded import keep_unknown
from seedsweep.api.status import SweepStatus
from seedsweep.engine.census import step_of
from seedsweep.engine.decisions import Event, WarmUp
from seedsweep.engine.draft import Draft
from seedsweep.engine.findings import Finding
from seedsweep.engine.footprint import Footprint, in_words, keeps_all
from seedsweep.engine.observation import Housekeeping, WarmedUp
from seedsweep.engine.standings import Race


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


def record_freed(draft: Draft) -> None:
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


def is_warming_up(draft: Draft) -> bool:
    """The first episode waits until the storage is warm."""
    warmed = _warm_up(draft)
    return warmed is not None and not warmed.over and not _has_begun(draft)


def decide_warm_up(draft: Draft) -> None:
    """Have it begin, if it has not."""
    warmed = _warm_up(draft)
    if warmed is not None and not (warmed.under_way or warmed.refused or draft.seen.suspend):
        draft.decide(WarmUp())


class Leftover(NamedTuple):
    """What an episode has stored and nobody will resume or load."""

    episode: EpisodeId
    keep_best: bool
    """All but its best weights."""
    due: bool
    """To be freed now: its end is on record, and it was not asked for before."""


def find_leftovers(draft: Draft, race: Race, winner: EpisodeId | None, *, failing: bool) -> list[Leftover]:
    """All but the best weights of survivors and of the sweep's best.

    `failing`: the sweep fails, which may not be on record yet; until it is, those who could resume keep what they have.
    """
    survivors, housekeeping = set(race.survivors), draft.seen.housekeeping or Housekeeping()
    failed = draft.seen.status.failed
    keep_all = keeps_all(draft.layout)
    # What a trainer of one's own keeps in a cluster is its own affair: it is removed whole or left alone.
    whole = draft.seen.housekeeping is not None and not draft.layout.ours
    gives_up = housekeeping.exhausted and (failing or not race.standings)
    leftovers = []
    for episode, resumable in draft.seen.stored.items():
        if episode in draft.live or episode in housekeeping.freed:
            continue
        settled = draft.status(episode).verdict is not None and episode not in race.standings
        keep_best = episode == winner or episode in survivors
        if not (settled or failed or failing) or not (resumable or not keep_best):
            continue
        if (keep_best and (whole or keep_all)) or (keep_all and not settled):
            continue
        asked = episode in housekeeping.freeing or episode in draft.frozen
        due = (settled or failed) and not gives_up and not asked
        leftovers.append(Leftover(episode, keep_best, due))
    return leftovers


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


def parameters_of(draft: Draft) -> int | None:
    """Of the model, as far as known."""
    warmed = _warm_up(draft)
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
        return Finding(kind, True, "Stored", text + (f": {in_words(most.bytes_of(parameters))}" if parameters else ""))
    again = f"survivors that made room start again from their seeds, {_again(draft)} steps more"
    if layout.spec.storage is None:
        return Finding(kind, False, "NoStorage", f"spec.storage is absent: no weights outlive a pod, and {again}")
    return Finding(
        kind, False, "NotResumed", f"no attempt has shown yet that the trainer resumes (level L2): else {again}"
    )


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
        yield Finding(kind, False, "BadConfiguration", warmed.refused)
    elif warmed is not None and warmed.over:
        yield Finding(kind, True, "Skipped" if warmed.error else "Done", warmed.error)
    elif warmed is not None and not _has_begun(draft):
        yield Finding(kind, False, "WarmingUp", housekeeping.trouble)
    elif warmed is not None:
        yield Finding(kind, True, "EpisodesStarted", "")
    elif before is not None:
        yield Finding(kind, before.status == "True", before.reason, before.message)


def _warm_up(draft: Draft) -> WarmedUp | None:
    return draft.seen.housekeeping.warm_up if draft.seen.housekeeping is not None else None


def _has_begun(draft: Draft) -> bool:
    return bool(draft.seen.attempts) or any(status.attempts for status in draft.seen.episodes.values())
