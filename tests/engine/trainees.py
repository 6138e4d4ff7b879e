"""One simulated attempt: what it has trained, published and saved at any second, and how it ends."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from engine.cases import BASELINE, BASELINE_ERROR, Case
from engine.gpus import Gpu
from seedsweep.api.episode import EndReason, EpisodeId, StopReason
from seedsweep.engine.observation import Ending, Reading, SeenAttempt

EPOCH = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def moment(second: int) -> datetime:
    """Simulated seconds as a time."""
    return EPOCH + timedelta(seconds=second)


def seconds(count: int) -> timedelta:
    """For comparisons with `look_again_in`."""
    return timedelta(seconds=count)


@dataclass(frozen=True, slots=True)
class Temper:
    """How one attempt happens to run. Times in seconds."""

    pace: int = 10
    """From one evaluation to the next on an average GPU; at least 2."""
    warm: int = 3
    """Until it trains and publishes what it resumed with."""
    every: int = 1
    """Evaluations between checkpoints, beside those at rungs."""
    lag: int = 0
    """Until a checkpoint is durable."""
    grace: int = 2
    """From being told to end until it does."""
    honours_stop_after: bool = True
    mishap: str | None = None
    """`interrupted`, `lost`, `failed`, `oom` or `hangs`, after this part of the way."""
    after: float = 0.5
    dying: tuple[int, int] = (40, 40)
    """When its node dies: until its pod is marked for deletion, and until that is gone."""
    fingerprint: str = "h100"
    exact: bool = True
    """Its last words give the very step it came to, not the last evaluation's."""


@dataclass(slots=True)
class Trainee:
    """An attempt. `start` is the evaluation it resumes from."""

    case: Case
    episode: EpisodeId
    uid: str
    created: int
    start: int
    scores: tuple[float | None, ...]
    """What it scores, those before its start included."""
    stop_after: int | None
    resumable: bool
    temper: Temper
    gate: int = 0
    bound: int | None = None
    gpu: Gpu | None = None
    pace: int = 2
    """From one evaluation to the next where it runs."""
    over_at: int | None = None
    """When it will end; None while it waits for a place or hangs."""
    over_as: str = ""
    stopping: bool = False
    stop: StopReason | None = None
    ended: int | None = None
    ending: Ending | None = None
    reading: Reading | None = None
    """What the loop's world has read of it so far."""
    progressed: int | None = None
    scrape_at: int = 0
    _frozen: int | None = None

    @property
    def live(self) -> bool:
        """It exists and has not ended."""
        return self.ended is None

    def bind(self, now: int, gpu: Gpu) -> None:
        """It gets its place."""
        self.bound, self.gpu = now, gpu
        self.pace = max(2, round(self.temper.pace * gpu.slowness))
        truth, temper = self.case.truths[self.episode], self.temper
        target = self.case.evaluations
        if self.stop_after is not None and temper.honours_stop_after:
            target = max(self.start, min(target, self.stop_after))
        saving = temper.lag if self.resumable else 0
        natural = self._reaches(target) + saving
        self.over_at, self.over_as = natural, "clean"
        if truth.end < target:
            self.over_at = self._reaches(truth.end + 1) - 1
            self.over_as = "diverged" if truth.diverges == truth.end + 1 else "failed"
        if temper.mishap is not None:
            at = now + int(temper.after * (natural - now))
            if at < self.over_at:
                self.over_at, self.over_as = at, temper.mishap
            if self.over_as == "hangs":
                self.over_at, self._frozen = None, at
            elif self.over_as == "lost":
                self._frozen = at
                self.over_at = at + sum(temper.dying)

    def tell_to_end(self, now: int, save: bool) -> None:
        """SIGTERM, or SIGKILL at once where nothing is to be saved."""
        if self.stopping:
            return
        self.stopping = True
        if self.is_lost(now):
            return
        at = now + (self.temper.grace if save else 0)
        if self.over_at is None or at < self.over_at:
            self.over_at, self.over_as = at, "stopped"

    @property
    def dies_at(self) -> int | None:
        """When its node does."""
        return self._frozen if self.over_as == "lost" else None

    @property
    def marked_at(self) -> int | None:
        """When its pod is marked for deletion, after its node died."""
        return self._frozen + self.temper.dying[0] if self.over_as == "lost" and self._frozen is not None else None

    def is_lost(self, now: int) -> bool:
        """Its node is dead: it does nothing more, and hears nothing."""
        return self.dies_at is not None and now >= self.dies_at

    def evaluations_done(self, now: int) -> int:
        """Evaluations known to it, those of the attempt it resumed included."""
        if self.bound is None or now < self.bound + self.temper.warm:
            return 0
        return min(self.start + (self._clock(now)) // self.pace, self._target())

    def steps_done(self, now: int) -> int:
        """Optimizer steps, those before its start included."""
        done = self.evaluations_done(now)
        if done < self.start:
            return self.case.step(self.start)
        if done >= self._target():
            return self.case.step(done)
        part = self._clock(now) % self.pace
        return self.case.step(done) + (self.case.step(done + 1) - self.case.step(done)) * part // self.pace

    def durable(self, now: int) -> int:
        """Newest evaluation with a durable checkpoint."""
        if not self.resumable:
            return 0
        if self.dies_at is not None:
            now = min(now, self.dies_at)
        marks = self.case.layout.rung_evaluations(self.case.evaluations)[self.case.layout.bracket_of[self.episode]]
        for i in range(self.evaluations_done(now), self.start, -1):
            saved = i % self.temper.every == 0 or i in marks or i == self.stop_after
            if saved and self._reaches(i) + self.temper.lag <= now:
                return i
        return self.start

    def publishes(self, now: int, *, last_words: bool = False) -> Reading | None:
        """Its metrics, or its termination message, which is rewritten at every evaluation."""
        if self.bound is None or now < self.bound + self.temper.warm:
            return None
        done, truth = self.evaluations_done(now), self.case.truths[self.episode]
        diverged = done + 1 if last_words and self.over_as == "diverged" else None
        return Reading(
            scores=self.scores[:done],
            losses=truth.losses[:done] if truth.losses is not None else None,
            evaluations_planned=self.case.evaluations,
            steps_done=self.steps_done(now) if self.temper.exact or not last_words else self.case.step(done),
            steps_planned=self.case.steps,
            steps_at_start=self.case.step(self.start),
            checkpoint=self.durable(now),
            diverged_at=diverged,
            baseline=BASELINE,
            baseline_error=BASELINE_ERROR,
            level="L2" if self.temper.honours_stop_after else "L1",
            fingerprint=self.temper.fingerprint,
        )

    def end(self, now: int, *, leaves_message: bool) -> None:
        """It is over; what it leaves may be read by anyone until its end is on record."""
        self.ended = now
        if self.over_as == "lost":
            leaves_message = False
        words = self.publishes(now, last_words=True) if leaves_message else None
        if words is not None:
            self.reading = words
        self.ending = _ENDINGS[self.over_as](self, now, words)

    def seen(self) -> SeenAttempt:
        """As the engine gets to see it."""
        waiting = self.bound is None and self.gate <= self.created
        return SeenAttempt(
            episode=self.episode,
            uid=self.uid,
            created=moment(self.created),
            bound=moment(self.bound) if self.bound is not None else None,
            unschedulable_since=moment(self.created) if waiting else None,
            stop_after=self.stop_after,
            stopping=self.stopping,
            stop=self.stop,
            reading=self.reading,
            progressed=moment(self.progressed) if self.progressed is not None else None,
            ending=self.ending,
            node=self.gpu.node if self.gpu is not None else None,
        )

    def _target(self) -> int:
        target = self.case.evaluations
        if self.stop_after is not None and self.temper.honours_stop_after:
            target = max(self.start, min(target, self.stop_after))
        return min(target, self.case.truths[self.episode].end) if self.over_as == "clean" else target

    def _clock(self, now: int) -> int:
        assert self.bound is not None  # whoever asks has seen to it
        moments = [now, *(t for t in (self._frozen, self.over_at, self.ended) if t is not None)]
        return max(0, min(moments) - self.bound - self.temper.warm)

    def _reaches(self, evaluation: int) -> int:
        assert self.bound is not None  # as above
        return self.bound + self.temper.warm + (evaluation - self.start) * self.pace


def _clean(trainee: Trainee, now: int, words: Reading | None) -> Ending:
    done = words is None or len(words.scores) == trainee.case.evaluations
    return Ending(EndReason.DONE if done else EndReason.STOPPED_AT_RUNG, moment(now), exit_code=0)


def _diverged(trainee: Trainee, now: int, words: Reading | None) -> Ending:
    # Exit code 0; without its message nobody can tell that it diverged.
    return Ending(EndReason.DIVERGED if words is not None else EndReason.DONE, moment(now), exit_code=0)


def _interrupted(trainee: Trainee, now: int, words: Reading | None) -> Ending:
    return Ending(EndReason.INTERRUPTED, moment(now), exit_code=137)


def _failed(trainee: Trainee, now: int, words: Reading | None) -> Ending:
    return Ending(EndReason.FAILED, moment(now), exit_code=1, message="RuntimeError: no luck")


def _out_of_memory(trainee: Trainee, now: int, words: Reading | None) -> Ending:
    return Ending(EndReason.OUT_OF_MEMORY, moment(now), exit_code=79, message="CUDA out of memory")


def _stopped(trainee: Trainee, now: int, words: Reading | None) -> Ending:
    # Trainers of one's own may crash on SIGTERM.
    reason = EndReason.FAILED if trainee.temper.pace % 3 == 0 else EndReason.INTERRUPTED
    return Ending(reason, moment(now), exit_code=1 if reason == EndReason.FAILED else 143)


_ENDINGS = {
    "clean": _clean,
    "lost": _interrupted,
    "diverged": _diverged,
    "interrupted": _interrupted,
    "failed": _failed,
    "oom": _out_of_memory,
    "stopped": _stopped,
}
