"""Whose checkpoints and weights the storage has, by the record, and what was freed of them."""

from collections.abc import Mapping

from seedsweep.api.episode import EpisodeId, EpisodeStatus, Freed
from seedsweep.api.recorded import keep_unknown
from seedsweep.engine.draft import Draft


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
        note_freed(draft, episode, best_kept=best_kept)


def note_freed(draft: Draft, episode: EpisodeId, *, best_kept: bool) -> None:
    """The same of one episode; where its record cannot be written now, that may be done later."""
    status = draft.status(episode)
    freed = keep_unknown(Freed(attempts=len(status.attempts), best_kept=best_kept), status.freed)
    if status.freed == freed:
        return
    if draft.may_write(episode):
        draft.write(episode, status.evolve(freed=freed), durable=False)
    else:
        draft.postpone(episode)
