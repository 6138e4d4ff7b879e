"""An Observation as JSON, so that a sweep can be watched from afar as its loop sees it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter

from seedsweep.api.cut import CutData
from seedsweep.api.episode import EpisodeId, EpisodeStatus
from seedsweep.api.status import SweepStatus
from seedsweep.engine.observation import HandOverOutcome, Observation, Refusal, SeenAttempt


@dataclass(frozen=True, slots=True)
class _Wire:
    """What a terminal needs of an Observation, in a form that JSON can carry."""

    at: datetime
    status: SweepStatus
    episodes: list[tuple[EpisodeId, EpisodeStatus]]
    cuts: list[CutData]
    attempts: list[SeenAttempt]
    refused: list[tuple[EpisodeId, Refusal]]
    suspend: bool
    parallelism: int
    generation: int | None
    resumable: bool
    conclusion: HandOverOutcome | None
    """Observation.hand_over; named as terminals of other releases know it."""
    has_storage: bool = True


_WIRE = TypeAdapter(_Wire)


def dump_observation(seen: Observation, now: datetime) -> bytes:
    """The Observation of this moment."""
    return _WIRE.dump_json(
        _Wire(
            at=now,
            status=seen.status,
            episodes=list(seen.episodes.items()),
            cuts=list(seen.cuts.values()),
            attempts=list(seen.attempts),
            refused=list(seen.refused.items()),
            suspend=seen.suspend,
            parallelism=seen.parallelism,
            generation=seen.generation,
            resumable=seen.resumable,
            conclusion=seen.hand_over,
            has_storage=seen.has_storage,
        )
    )


def load_observation(data: bytes) -> tuple[Observation, datetime]:
    """The Observation in what `dump_observation` gave, and its moment; raises ValueError for anything else."""
    wire = _WIRE.validate_json(data)
    if any(time.tzinfo is None for time in _times(wire)):
        # Compared with one that has a zone, it raises.
        raise ValueError("a time is without its zone")
    seen = Observation(
        status=wire.status,
        episodes=dict(wire.episodes),
        cuts={(cut.bracket, cut.rung): cut for cut in wire.cuts},
        attempts=wire.attempts,
        refused=dict(wire.refused),
        suspend=wire.suspend,
        parallelism=wire.parallelism,
        generation=wire.generation,
        resumable=wire.resumable,
        hand_over=wire.conclusion,
        has_storage=wire.has_storage,
    )
    return seen, wire.at


def _times(wire: _Wire) -> Iterator[datetime]:
    yield wire.at
    yield from (refusal.until for _, refusal in wire.refused)
    for a in wire.attempts:
        ended = a.ending.at if a.ending is not None else None
        times = (a.created, a.bound, a.unschedulable_since, a.due, a.silent_since, a.progressed, ended)
        yield from filter(None, times)
