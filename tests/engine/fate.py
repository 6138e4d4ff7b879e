"""What happens to a simulated sweep by chance, within what its outcome must survive."""

import random
from collections import Counter
from dataclasses import dataclass

from engine.cases import Case
from engine.trainees import Temper
from seedsweep.api.episode import EpisodeId

Curve = tuple[float | None, ...]
MAX_INTERRUPTIONS = 6
"""Of one episode; ten in a row without durable progress would end it."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """How long things take, in seconds: ranges, and choices to draw from."""

    pace: tuple[int, int] = (2, 40)
    """From one evaluation to the next, on an average GPU."""
    warm: tuple[int, int] = (0, 10)
    """From its place to the first step."""
    every: tuple[int, ...] = (1, 1, 2, 5)
    """Evaluations from one checkpoint to the next."""
    lag: tuple[int, ...] = (0, 0, 3, 60)
    """Until a checkpoint is durable."""
    grace: tuple[int, int] = (0, 5)
    scrape: tuple[int, int] = (1, 30)
    turn: int = 0
    """From what the loop hears to what it does."""
    doze: int = 40
    """How much longer than that a turn takes at times."""
    gated: float = 0.1
    """Chance that a queue holds an attempt back before it looks for a place."""
    dying: tuple[int, int] = (40, 300)
    """From the death of a node until somebody marks its pods, and again until they are gone."""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """Brings a GPU for whoever waits for one, up to a number."""

    most: int
    delay: tuple[int, int] = (30, 200)


@dataclass(frozen=True, slots=True)
class Hazards:
    """Chances of what may happen; all 0 is a quiet world."""

    mishap: float = 0.0
    """That an attempt is interrupted, fails, runs out of memory or hangs."""
    preempted: float = 0.0
    """That an attempt is interrupted, beside what else may befall it."""
    lost: float = 0.0
    """That the node under an attempt dies: its pod stays for long, and ends on no word of its own."""
    reclaimed: int = 0
    """How often a GPU vanishes under whoever holds it, as spot nodes do."""
    autoscaler: Autoscaler | None = None
    spread: float = 0.0
    """How much slower or faster than the average GPUs are at most."""
    tempo: Tempo = Tempo()
    vanish: float = 0.0
    """That an attempt which would be interrupted or stopped leaves no trace."""
    mute: float = 0.0
    """That the last words of an attempt are lost, or a scrape fails."""
    crash: float = 0.0
    """That the loop dies in a turn, between any two of its acts."""
    unwritten: float = 0.0
    """That a record without hurry is lost, or a durable one refused."""
    denied: float = 0.0
    """That from then on, for a while, nothing of an episode can be recorded."""
    clumsy: float = 0.0
    """That a decision fails, or is carried out twice."""
    turmoil: int = 0
    """How often the sweep is suspended, gets other places, or loses GPUs."""
    gpus: int | None = None
    """Fewer than declared; None: as many as are asked for."""
    resumable: bool = True
    obedient: bool = True
    """Trainers honour stop-after."""
    exact: bool = True
    """Last words give the very step an attempt came to."""
    wobble: bool = False
    """The trainer is not deterministic: every attempt goes its own way from where it resumed."""


class Fate:
    """Draws what happens, never more than an episode's budgets allow."""

    def __init__(self, case: Case, hazards: Hazards, rng: random.Random) -> None:
        self.case, self.hazards, self.rng = case, hazards, rng
        self._interruptions: Counter[EpisodeId] = Counter()
        self._failures: Counter[EpisodeId] = Counter()
        self._silent_ends: Counter[EpisodeId] = Counter()

    def draw_temper(self, episode: EpisodeId) -> Temper:
        """How the episode's next attempt runs, and what befalls it."""
        rng, mishap = self.rng, None
        if rng.random() < self.hazards.mishap:
            mishap = rng.choice(["interrupted", "interrupted", "failed", "oom", "hangs"])
            spends = mishap != "interrupted"
            if spends and self._failures[episode] >= self._spare_failures(episode):
                mishap = "interrupted"
            if mishap == "interrupted" and self._interruptions[episode] >= MAX_INTERRUPTIONS:
                mishap = None
            elif mishap == "interrupted":
                self._interruptions[episode] += 1
            else:
                self._failures[episode] += 1
        if mishap is None and rng.random() < self.hazards.preempted + self.hazards.lost:
            share = self.hazards.lost / (self.hazards.preempted + self.hazards.lost)
            if self._interruptions[episode] < MAX_INTERRUPTIONS:
                self._interruptions[episode] += 1
                mishap = "lost" if rng.random() < share else "interrupted"
        tempo = self.hazards.tempo
        pace, warm = rng.randint(*tempo.pace), rng.randint(*tempo.warm)
        every, lag = rng.choice(tempo.every), rng.choice(tempo.lag)
        if self.case.truths[episode].breaks is not None:
            # What it had not saved would not count: here it has saved all, so that there is one right outcome.
            every, lag = 1, 0
        return Temper(
            pace=pace,
            warm=warm,
            every=every,
            lag=lag,
            grace=rng.randint(*tempo.grace),
            dying=(rng.randint(*tempo.dying), rng.randint(*tempo.dying)),
            honours_stop_after=self.hazards.obedient,
            mishap=mishap,
            after=rng.random(),
            exact=self.hazards.exact,
        )

    def _spare_failures(self, episode: EpisodeId) -> int:
        # An episode that always breaks spends its whole budget on that.
        return 0 if self.case.truths[episode].breaks is not None else self.case.sweep.spec.backoff_limit_per_episode

    def draw_script(self) -> list[tuple[int, str, int]]:
        """When the sweep is suspended, gets other places or loses GPUs: (second, what, value)."""
        rng, script, at = self.rng, [], 0
        for _ in range(self.hazards.turmoil):
            at += rng.randint(1, 150)
            kind = rng.choice(["suspend", "parallelism", "parallelism", "gpus"])
            if kind == "suspend":
                script += [(at, "suspend", 1), (at := at + rng.randint(1, 300), "suspend", 0)]
            elif kind == "gpus" and self.hazards.gpus is not None:
                script.append((at, "gpus", rng.randint(1, len(self.case.truths) + 1)))
            else:
                script.append((at, "parallelism", rng.randint(1, len(self.case.truths) + 1)))
        # One GPU stays, or an autoscaler brings others.
        script += [(rng.randint(1, 1500), "reclaim", 1) for _ in range(self.hazards.reclaimed)]
        return sorted(script)

    def draw_curve(self, episode: EpisodeId, behind: Curve) -> Curve:
        """What an attempt will score: the curve of the checkpoint it resumes from, and what comes after."""
        true = self.case.truths[episode].scores
        if not self.hazards.wobble:
            return true
        return (*behind, *(self.rng.choice((None, score, self.rng.random())) for score in true[len(behind) :]))

    def loses_words(self, episode: EpisodeId, over_as: str) -> bool:
        """Whether an attempt that ended so leaves no message; two clean ends without one would fail the episode."""
        if over_as in ("clean", "diverged"):
            spare = self._silent_ends[episode] == 0 and self._failures[episode] < self._spare_failures(episode)
            silent = spare and self.rng.random() < self.hazards.mute
            self._silent_ends[episode] += silent
            self._failures[episode] += silent
            return silent
        return over_as in ("interrupted", "stopped") and self.rng.random() < self.hazards.mute
