"""What the engine wants done in a sweep's storage, and which of it the next pod is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from seedsweep.api.comparison import Comparison
from seedsweep.api.episode import EpisodeId
from seedsweep.api.housekeeping import HandOver, HousekeepingTask, Pruning
from seedsweep.kube.housekeeping.manifest import MAX_PRUNED


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the engine wants done, in this turn."""

    prune: Mapping[EpisodeId, Pruning] = field(default_factory=dict)
    hand_over: HandOver | None = None
    warm_up: bool = False
    compare: Comparison | None = None
    """Beside nothing else."""

    def task(self) -> HousekeepingTask:
        """For one pod; the winner is handed over by the last."""
        if self.compare is not None:
            return HousekeepingTask(compare=self.compare)
        chosen = list(self.prune.values())[:MAX_PRUNED]
        last = len(chosen) == len(self.prune)
        return HousekeepingTask(warm_up=self.warm_up, prune=chosen, hand_over=self.hand_over if last else None)
