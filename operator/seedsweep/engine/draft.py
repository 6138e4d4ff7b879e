"""The plan while it is being made: a view of the observation that already holds what this plan adds."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from seedsweep.api.cut import CutData, CutEvidence
from seedsweep.api.episode import MAX_FAILURE, Attempt, EpisodeId, EpisodeStatus, StopReason
from seedsweep.api.recorded import shortened, timestamp
from seedsweep.engine.decisions import (
    CompareLosers,
    Decision,
    Event,
    Record,
    RecordCut,
    RecordEpisode,
    RecordEvidence,
    StopAttempt,
    WarmUp,
)
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, Refusal, SeenAttempt

_NEW = EpisodeStatus()
_FINAL = frozenset({StopReason.CUT, StopReason.DOMINATED, StopReason.FLOOR})
_OF_SWEEP = frozenset({StopReason.DEADLINE, StopReason.FINISHED})
"""Reasons to stop everything, once the sweep has failed."""
_NOT_SAVED = frozenset({StopReason.STUCK, StopReason.FINISHED, StopReason.METRICS_UNAVAILABLE})
MAX_WRITES = 128
WRITES_PER_EPISODE = 1 / 16
"""Records changed by one plan, and more of them in a large sweep, for each of whose episodes every plan takes its time.
More news than that is taken in over several turns, so that no sweep, however large, holds up the others. Nothing is
decided about an episode whose news waits; all others go on."""


def recorded_or_now(recorded: str | None, now: datetime) -> str:
    """A time on record, or now; one that is still to come is set right, or what is counted from it would wait."""
    return recorded if recorded is not None and datetime.fromisoformat(recorded) < now else timestamp(now)


class Draft:
    """Mutable inside one call of `plan`, and nowhere else.

    An episode is frozen while its record cannot be written. Then its news is not among `attempts`, its live attempt
    has nothing read, `write` is an error, and what is decided about it is dropped: no rule has to think of it. Only
    `stop` lets pass what another record already says the reason of: the sweep's own suspension or failure. Of one
    that is postponed, since this turn has no room to record its news, what is decided is dropped as well.
    """

    def __init__(self, layout: Layout, seen: Observation, now: datetime) -> None:
        self.layout = layout
        self.strays = tuple(a for a in seen.attempts if a.live and a.episode not in layout.index)
        """Attempts of episodes that there are not; no rule sees them."""
        self.seen = seen = seen.known_to(layout.index.keys())
        self.now = now
        self.frozen: dict[EpisodeId, Refusal] = {e: r for e, r in seen.unrecorded.items() if r.until > now}
        """Why nothing of these episodes may be recorded or decided now."""
        self.statuses: dict[EpisodeId, EpisodeStatus] = {**dict.fromkeys(self.frozen, _NEW), **seen.episodes}
        self.attempts: dict[str, SeenAttempt] = {a.uid: a for a in seen.attempts if a.episode not in self.frozen}
        """Those whose news may go on record, by uid."""
        self.unabsorbed: dict[EpisodeId, SeenAttempt] = {}
        """Attempts of the frozen and the postponed, for the cost and for their checkpoints alone."""
        self.live: dict[EpisodeId, SeenAttempt] = {a.episode: a for a in seen.attempts if a.live}
        self.postponed: set[EpisodeId] = set()
        """Episodes whose news waits for the next turn."""
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
        self._max_writes = max(MAX_WRITES, int(WRITES_PER_EPISODE * len(layout.episodes)))
        self._cuts: list[CutData] = []
        self._evidence: list[RecordEvidence] = []
        self._to_be_seen = False
        if self.frozen:
            self._hold_back_news()

    def _hold_back_news(self) -> None:
        for attempt in self.seen.attempts:
            if attempt.episode not in self.frozen:
                continue
            entry = self.record_of(attempt)
            if entry is None or entry.reason is None:
                self.unabsorbed[attempt.episode] = attempt
            if attempt.live:
                self.live[attempt.episode] = replace(attempt, reading=None)
        for refusal in self.frozen.values():
            self.wake_at(refusal.until)

    def status(self, episode: EpisodeId) -> EpisodeStatus:
        """The episode's record as this plan leaves it."""
        return self.statuses.get(episode, _NEW)

    def write(self, episode: EpisodeId, status: EpisodeStatus, *, durable: bool) -> None:
        """Put a new status on record; durable if anything in this plan rests on it."""
        assert episode not in self.frozen  # whoever writes asks `may_write`
        self.statuses[episode] = status
        self._written[episode] = durable or self._written.get(episode, False)

    @property
    def stores_weights(self) -> bool:
        """The trainer keeps best weights in a storage: those of the winner are handed over."""
        # Our trainer resumes wherever there is a storage; a trainer of one's own may store weights and not resume.
        there = self.seen.resumable if self.layout.ours else self.seen.has_storage
        return self.layout.spec.trainer.stores_weights and there

    def hand_over_anew(self) -> None:
        """What became of handing over is about another result than the record has now."""
        self.seen = replace(self.seen, hand_over=None)

    def may_write(self, episode: EpisodeId) -> bool:
        """Its record may be changed in this turn: there is room, or it is written anyway."""
        if episode in self.frozen:
            return False
        return episode in self._written or len(self._written) < self._max_writes

    def postpone(self, episode: EpisodeId, unabsorbed: SeenAttempt | None = None) -> None:
        """Its news is taken in by the next turn; `unabsorbed`: the attempt that it is about."""
        if episode in self.frozen:
            # It waits longer.
            return
        self.statuses.setdefault(episode, _NEW)
        self.postponed.add(episode)
        if unabsorbed is not None:
            self.unabsorbed[episode] = unabsorbed

    def is_held_back(self, episode: EpisodeId) -> bool:
        """More is known of it than can be recorded now: nothing is decided about it."""
        return episode in self.frozen or episode in self.postponed

    def is_open(self, episode: EpisodeId) -> bool:
        """More may come of its last attempt than is on record: it lives, or its news is not recorded yet."""
        return episode in self.live or self.is_held_back(episode)

    @property
    def is_complete(self) -> bool:
        """All that was seen is on record as this plan leaves it."""
        return not self.frozen and not self.postponed

    @property
    def only_records(self) -> bool:
        """This turn records what it has and decides nothing, for some of it has to be seen first."""
        return bool(self._cuts) or self._to_be_seen

    def written(self) -> list[EpisodeId]:
        """Episodes whose record this plan changes."""
        return list(self._written)

    def make_cut(self, cut: CutData) -> bool:
        """Create a cut. Its consequences wait until it has been observed, for another may exist already.

        False while the world is refused to: it is tried again then.
        """
        refusal = self.seen.refused_cuts.get((cut.bracket, cut.rung))
        if refusal is not None and refusal.until > self.now:
            self.wake_at(refusal.until)
            return False
        self._cuts.append(cut)
        return True

    def add_evidence(self, cut: CutData, evidence: CutEvidence) -> None:
        """Put on record what is known of a cut's losers."""
        self._evidence.append(RecordEvidence(cut, evidence))

    def decide_nothing(self) -> None:
        """What this turn records says who else starts, or how the sweep ends: it has to be seen first, as a cut has."""
        self._to_be_seen = True

    def wake_at(self, *moments: datetime | None) -> None:
        """Look again at the first of them that is still to come."""
        for moment in moments:
            if moment is not None and moment > self.now and (self.next_look is None or moment < self.next_look):
                self.next_look = moment

    def decide(self, decision: Decision) -> None:
        """Have it done, unless it is about an episode that is held back."""
        if isinstance(decision, WarmUp | CompareLosers) or not self.is_held_back(decision.episode):
            self.decisions.append(decision)

    def stop(self, attempt: SeenAttempt, reason: StopReason, why: str = "") -> bool:
        """Stop an attempt, once; what is neither Cut nor Dominated is put on record first, with `why` in words.

        False where it was stopped before, or is of an episode held back and nothing on record says why.
        """
        if attempt.uid in self.stopped or not self.may_stop(attempt, reason):
            return False
        self.stopped[attempt.uid] = reason
        final = reason in _FINAL
        if not final and not self.is_held_back(attempt.episode):
            status = self.status(attempt.episode)
            stopped = {"stop": reason, "message": shortened(why, MAX_FAILURE)}
            changed = [a.evolve(**stopped) if a.uid == attempt.uid and a.stop is None else a for a in status.attempts]
            if changed != status.attempts:
                self.write(attempt.episode, status.evolve(attempts=changed), durable=True)
        # Ranked by its latest score, a loser may have had the best one before, whose weights are not written yet.
        may_be_best = self.stores_weights and self.layout.latest
        save = (not final or may_be_best) and reason not in _NOT_SAVED
        self.decisions.append(StopAttempt(attempt.episode, attempt.uid, reason, save=save))
        return True

    def may_stop(self, attempt: SeenAttempt, reason: StopReason) -> bool:
        """False for the attempt of an episode held back where nothing on record says why."""
        if not self.is_held_back(attempt.episode):
            return True
        entry, verdict = self.record_of(attempt), self.status(attempt.episode).verdict
        if reason in _FINAL:
            return verdict is not None
        if attempt.episode in self.frozen and self._is_of_sweep(reason):
            # What is postponed is on record soon, and stopped then.
            return True
        return entry is not None and entry.stop is reason

    def _is_of_sweep(self, reason: StopReason) -> bool:
        """Whether the sweep's own record gives this reason to stop its attempts."""
        if reason in _OF_SWEEP:
            return self.seen.has_failed
        return reason is StopReason.SUSPENDED and self.seen.suspend

    def discard(self, attempt: SeenAttempt, why: str) -> None:
        """What it publishes can never count: from here on it has published nothing."""
        useless = replace(attempt, reading=None, unusable=why)
        if attempt.uid in self.attempts:
            self.attempts[attempt.uid] = useless
        if self.unabsorbed.get(attempt.episode) is attempt:
            self.unabsorbed[attempt.episode] = useless
        if attempt.live:
            self.live[attempt.episode] = useless

    def records(self) -> tuple[Record, ...]:
        """Verdicts and cuts after the scores they rest on, and before what has time."""
        urgent = [RecordEpisode(e, self.statuses[e], durable=True) for e, durable in self._written.items() if durable]
        urgent.sort(key=lambda record: record.status.verdict is not None)
        lazy = [
            RecordEpisode(e, self.statuses[e], durable=False) for e, durable in self._written.items() if not durable
        ]
        return (*urgent, *(RecordCut(cut) for cut in self._cuts), *lazy, *self._evidence)

    def reading(self, episode: EpisodeId) -> Reading | None:
        """What the episode's live attempt has published."""
        attempt = self.live.get(episode)
        return attempt.reading if attempt is not None else None

    def checkpoint(self, attempt: SeenAttempt) -> int:
        """The newest evaluation whose checkpoint is durable, of a frozen episode's attempt too; 0 without one."""
        unread = self.unabsorbed.get(attempt.episode)
        reading = unread.reading if unread is not None and unread.uid == attempt.uid else attempt.reading
        return reading.checkpoint if reading is not None else 0

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

    def is_refused_alone(self, episode: EpisodeId) -> bool:
        """What keeps it from starting now keeps no other."""
        refusal = self.seen.refused.get(episode)
        alone = refusal is not None and refusal.of_one_episode and refusal.until > self.now
        return alone or episode in self.frozen

    def past(self, recorded: str) -> datetime:
        """A time on record. A clock that was set back since has left times to come: those are taken for now."""
        return min(datetime.fromisoformat(recorded), self.now)

    def placed_at(self, attempt: SeenAttempt) -> datetime | None:
        """When it got its place: as was first recorded, for a world that was restarted saw it only later.

        What is recorded as before the end of the attempt before it was written by another clock, and tells nothing.
        """
        entry = self.record_of(attempt)
        if attempt.bound is None or entry is None or entry.start_time is None:
            return attempt.bound
        started, before = self.past(entry.start_time), None
        if len(self.status(attempt.episode).attempts) > 1:
            before = next(self.ended_attempts(attempt.episode), None)
        if before is not None and before.completion_time is not None and started < self.past(before.completion_time):
            return attempt.bound
        return min(attempt.bound, started)

    def gpu_seconds(self, attempt: SeenAttempt) -> float:
        """Seconds times GPUs it has held until now or its end; never below 0, for clocks may step back."""
        since = self.placed_at(attempt)
        if since is None:
            return 0.0
        until = attempt.ending.at if attempt.ending is not None else self.now
        held = attempt.held if attempt.held is not None else until - since
        return max(0.0, held.total_seconds()) * attempt.gpus

    def record_of(self, attempt: SeenAttempt) -> Attempt | None:
        """The attempt's entry in the ledger: nearly always the last."""
        entries = self.status(attempt.episode).attempts
        if entries and entries[-1].uid == attempt.uid:
            return entries[-1]
        return next((entry for entry in entries if entry.uid == attempt.uid), None)
