"""What the storage holds that nobody needs any more, and whether it is warm before the first episode starts."""

from typing import NamedTuple

from seedsweep.api.episode import EpisodeId
from seedsweep.engine.draft import Draft
from seedsweep.engine.observation import Housekeeping, WarmedUp
from seedsweep.engine.questions.footprint import keeps_all
from seedsweep.engine.questions.standings import Race


def is_warming_up(draft: Draft) -> bool:
    """The first episode waits until the storage is warm."""
    warmed = warm_up_of(draft)
    return warmed is not None and not warmed.over and not has_begun(draft)


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
    # What a trainer of one's own without weights keeps in a cluster is its own affair: removed whole or left alone.
    whole = draft.seen.housekeeping is not None and not draft.layout.spec.trainer.stores_weights
    gives_up = housekeeping.exhausted and (failing or not race.standings)
    leftovers = []
    for episode, resumable in draft.seen.stored.items():
        if episode in draft.live or episode in housekeeping.freed:
            continue
        settled = draft.status(episode).verdict is not None and episode not in race.standings
        keep_best = episode == winner or episode in survivors
        if not (settled or failed or failing) or (keep_best and not resumable):
            continue
        if (keep_best and (whole or keep_all)) or (keep_all and not settled):
            continue
        asked = episode in housekeeping.freeing or draft.is_held_back(episode)
        due = (settled or failed) and not gives_up and not asked
        leftovers.append(Leftover(episode, keep_best, due))
    return leftovers


def parameters_of(draft: Draft) -> int | None:
    """Of the model, as far as known."""
    warmed = warm_up_of(draft)
    return (warmed.parameters if warmed is not None else None) or draft.seen.status.parameters


def warm_up_of(draft: Draft) -> WarmedUp | None:
    """How far it has come; None where there is nothing to warm up."""
    return draft.seen.housekeeping.warm_up if draft.seen.housekeeping is not None else None


def has_begun(draft: Draft) -> bool:
    """An episode has had an attempt."""
    return bool(draft.seen.attempts) or any(status.attempts for status in draft.seen.episodes.values())
