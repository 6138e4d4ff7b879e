"""What every simulated episode does: its curve, its pace and its faults, as a function of seeds and attempt."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.simulator.chores import Chores
from cluster.simulator.faults import Fault, Halt, Lie, Quirk
from seedsweep.api.episode import EpisodeId
from seedsweep.contract.message import as_published


@dataclass(frozen=True, slots=True)
class Curve:
    """Validation score, and loss where there are losses, of evaluation 1, 2, ..."""

    scores: tuple[float, ...]
    losses: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one attempt does."""

    curve: Curve
    steps_per_evaluation: int = 10
    seconds: float = 0.05
    """For an evaluation and the training before it."""
    delay: float = 0.0
    """Seconds before the first step."""
    level: str = "L3"
    gauges: tuple[str, str] | None = None
    """Names of a score and a progress gauge: all that an L0 trainer publishes."""
    checkpoint_every: int = 1
    """Evaluations; a checkpoint is also taken at every rung and before a stop."""
    checkpoint_seconds: float = 0.0
    """From an evaluation until its checkpoint is durable."""
    halt: Halt | None = None
    lie: Lie | None = None
    quirks: frozenset[Quirk] = frozenset()

    @property
    def evaluations(self) -> int:
        """Of a whole episode."""
        return len(self.curve.scores)

    @property
    def resumes(self) -> bool:
        """Whether it honours stop-after, saves checkpoints and goes on from them."""
        return self.level in ("L2", "L3")


@dataclass(frozen=True, slots=True)
class Script:
    """What a fleet of trainers plays; the same for the same seeds."""

    evaluations: int = 10
    steps_per_evaluation: int = 10
    seconds: float = 0.05
    """An evaluation takes so long on average."""
    spread: float = 0.2
    """Episodes are this much slower or faster at most."""
    delay: float = 0.0
    level: str = "L3"
    gauges: tuple[str, str] | None = None
    checkpoint_every: int = 1
    checkpoint_seconds: float = 0.0
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """Recorded ones by episode; the others are generated."""
    faults: tuple[Fault, ...] = ()
    chores: Chores = field(default_factory=Chores)
    """What housekeeping pods do."""

    def behaviour(self, episode: EpisodeId, attempt: int) -> Behaviour:
        """What attempt 0, 1, ... of an episode does."""
        hits = [fault.what for fault in self.faults if fault.hits(episode.name, attempt)]
        quirks = frozenset(what for what in hits if isinstance(what, Quirk))
        hurried = Quirk.HURRIED in quirks
        return Behaviour(
            curve=self.curves.get(episode.name) or generated_curve(episode, self.evaluations),
            steps_per_evaluation=self.steps_per_evaluation,
            seconds=0.0 if hurried else self.seconds * (1 + self.spread * (2 * _drawn(*episode, "pace") - 1)),
            delay=0.0 if hurried else self.delay,
            level=self.level,
            gauges=self.gauges,
            checkpoint_every=self.checkpoint_every,
            checkpoint_seconds=self.checkpoint_seconds,
            halt=next((what for what in hits if isinstance(what, Halt)), None),
            lie=next((what for what in hits if isinstance(what, Lie)), None),
            quirks=quirks,
        )


def generated_curve(episode: EpisodeId, evaluations: int) -> Curve:
    """Rises from chance to a height the seeds choose; one seed in eight never learns. On a grid: ties happen."""
    height = 0.55 + 0.4 * _drawn(*episode, "height") if _drawn(*episode, "luck") >= 1 / 8 else 0.5
    scores, losses = [], []
    for i in range(1, evaluations + 1):
        learnt = 1 - math.exp(-4 * i / evaluations)
        noise = 0.01 * (_drawn(*episode, "noise", i) - 0.5)
        score = min(1.0, 0.5 + (height - 0.5) * learnt + noise)
        scores.append(as_published(round(score, 3)))
        losses.append(as_published(round(-math.log(score), 4)))
    return Curve(tuple(scores), tuple(losses))


def _drawn(*key: object) -> float:
    """A number in [0, 1) that follows from the key."""
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:6]) / 2**48
