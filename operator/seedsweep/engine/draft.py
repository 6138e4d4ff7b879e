"""The plan while it is being made: a view of the observation that already holds what this plan adds."""

from collections.abc import Iterator
from datetime import datetime

from seedsweep.api.cut import CutSpec
from seedsweep.api.episode import Attempt, EpisodeId, EpisodeStatus, StopReason
from seedsweep.engine.decisions import Decision, Event, RecordCut, RecordEpisode, StopAttempt
from seedsweep.engine.ends import retry_at
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt

_NEW = EpisodeStatus()
MAX_WRITES = 128
"""Records changed by one plan. More news than that is taken in over several turns, so that no sweep,
however large, holds up the others on the same event loop."""


def timestamp(moment: datetime) -> str:
    """RFC 3339, as the record holds it."""
    return moment.isoformat(timespec="milliseconds")


class Draft:
    """Mutable inside one call of `plan`, and nowhere else."""

    def __init__(self, layout: Layout, seen: Observation, now: datetime) -> None:
        self.layout = layout
        self.seen = seen
        self.now = now
        self.statuses: dict[EpisodeId, EpisodeStatus] = dict(seen.episodes)
        self.live: dict[EpisodeId, SeenAttempt] = {a.episode: a for a in seen.attempts if a.live}
        self.evaluations: int | None = None
        """E, once known."""
        self.steps: int | None = None
        """S, once known."""
        self.stopped: dict[str, StopReason] = {}
        """Attempts that this plan stops, by uid."""
        self.decisions: list[Decision] = []
        self.events: list[Event] = []
        self.next_look: datetime | None = None
        self._written: dict[EpisodeId, bool] = {}
        self._cuts: list[CutSpec] = []

    def status(self, episode: EpisodeId) -> EpisodeStatus:
        """The episode's record as this plan leaves it."""
        return self.statuses.get(episode, _NEW)

    def write(self, episode: EpisodeId, status: EpisodeStatus, *, durable: bool) -> None:
        """Put a new status on record; durable if anything in this plan rests on it."""
        self.statuses[episode] = status
        self._written[episode] = durable or self._written.get(episode, False)

    @property
    def full(self) -> bool:
        """No more records may be changed in this turn."""
        return len(self._written) >= MAX_WRITES

    @property
    def only_records(self) -> bool:
        """This turn records what it has and decides nothing: there is more news, or a cut has to be seen first."""
        return self.full or bool(self._cuts)

    def written(self) -> list[EpisodeId]:
        """Episodes whose record this plan changes."""
        return list(self._written)

    def make_cut(self, cut: CutSpec) -> None:
        """Create a cut. Its consequences wait until it has been observed, for another may exist already."""
        self._cuts.append(cut)

    def wake_at(self, moment: datetime) -> None:
        """Look again then, if it is still to come."""
        if moment > self.now and (self.next_look is None or moment < self.next_look):
            self.next_look = moment

    def stop(self, attempt: SeenAttempt, reason: StopReason) -> None:
        """Stop an attempt, once; what is neither Cut nor Dominated is put on record first."""
        if attempt.uid in self.stopped:
            return
        self.stopped[attempt.uid] = reason
        final = reason in (StopReason.CUT, StopReason.DOMINATED)
        if not final:
            status = self.status(attempt.episode)
            changed = [a.evolve(stop=reason) if a.uid == attempt.uid and a.stop is None else a for a in status.attempts]
            if changed != status.attempts:
                self.write(attempt.episode, status.evolve(attempts=changed), durable=True)
        save = not final and reason not in (StopReason.STUCK, StopReason.FINISHED)
        self.decisions.append(StopAttempt(attempt.episode, attempt.uid, reason, save=save))

    def records(self) -> tuple[RecordEpisode | RecordCut, ...]:
        """Verdicts and cuts after the scores they rest on, and before what has time."""
        urgent = [RecordEpisode(e, self.statuses[e], durable=True) for e, durable in self._written.items() if durable]
        urgent.sort(key=lambda record: record.status.verdict is not None)
        lazy = [
            RecordEpisode(e, self.statuses[e], durable=False) for e, durable in self._written.items() if not durable
        ]
        return (*urgent, *(RecordCut(cut) for cut in self._cuts), *lazy)

    def reading(self, episode: EpisodeId) -> Reading | None:
        """What the episode's live attempt has published."""
        attempt = self.live.get(episode)
        return attempt.reading if attempt is not None else None

    def curve(self, episode: EpisodeId) -> tuple[list[float | None], list[float | None]]:
        """Scores and losses as known: the record, continued by what the live attempt has published."""
        status, reading = self.status(episode), self.reading(episode)
        if reading is None or len(reading.scores) <= len(status.scores):
            return status.scores, status.losses
        known = len(status.scores)
        losses = [*status.losses, *reading.losses[len(status.losses) :]] if reading.losses is not None else []
        return [*status.scores, *reading.scores[known:]], losses

    def evaluations_done(self, episode: EpisodeId) -> int:
        """How far the curve goes."""
        reading = self.reading(episode)
        known = len(self.status(episode).scores)
        return known if reading is None else max(known, len(reading.scores))

    def begun_at(self, attempt: SeenAttempt) -> int:
        """The evaluation that a live attempt went on from; 0 while it has not told."""
        if attempt.reading is None or not self.steps or self.evaluations is None:
            return 0
        return attempt.reading.steps_at_start * self.evaluations // self.steps

    def ended_attempts(self, episode: EpisodeId) -> Iterator[Attempt]:
        """Attempts whose end is on record, newest first."""
        return (attempt for attempt in reversed(self.status(episode).attempts) if attempt.reason is not None)

    def may_start_at(self, episode: EpisodeId) -> datetime | None:
        """When its back-off is over: the one after a failure, and the one after a refusal."""
        retry = retry_at(self.status(episode).attempts)
        refusal = self.seen.refused.get(episode)
        if refusal is None:
            return retry
        return refusal.until if retry is None else max(retry, refusal.until)

    def record_of(self, attempt: SeenAttempt) -> Attempt | None:
        """The attempt's entry in the ledger."""
        attempts = self.status(attempt.episode).attempts
        for entry in reversed(attempts):
            if entry.uid == attempt.uid:
                return entry
        return None
