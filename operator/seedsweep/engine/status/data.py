"""What trainers tell of the data and the model that they train, and whether it is the same for all episodes."""

from collections.abc import Iterator

from seedsweep.api.episode import MAX_FINGERPRINT, EpisodeId
from seedsweep.api.provenance import Provenance, parse_provenance
from seedsweep.api.recorded import shortened
from seedsweep.engine.draft import Draft


def find_data(draft: Draft) -> str | None:
    """The digest of the data that a trainer has told first."""
    return next((_digest(data) for _, data in _data_of(draft)), None)


def find_other_data(draft: Draft) -> tuple[bool, str, str]:
    """Whether an episode was ever trained on other data than the first; once that is known, it stays so."""
    before = draft.seen.status.condition("HeterogeneousData")
    if before is not None and before.status == "True":
        return True, before.reason, before.message
    first = draft.seen.status.data_digest or find_data(draft)
    told = list(_data_of(draft))
    # Thousands tell the same.
    other = {data for data in {data for _, data in told} if _digest(data) != first}
    names = [draft.layout.names[episode] for episode, data in told if data in other]
    return bool(names), "DataDiffer" if names else "SameData", ", ".join(names[:10])


def find_provenance(draft: Draft) -> Provenance | None:
    """What a trainer has told first of where its model and data are from."""
    told = next((a.reading.provenance for a in draft.seen.attempts if a.reading and a.reading.provenance), "")
    return parse_provenance(told)


def _data_of(draft: Draft) -> Iterator[tuple[EpisodeId, str]]:
    """What each attempt tells of its data."""
    for attempt in draft.seen.attempts:
        if attempt.reading is not None and attempt.reading.data:
            yield attempt.episode, attempt.reading.data


def _digest(data: str) -> str:
    """As the record has it."""
    return shortened(data, MAX_FINGERPRINT)
