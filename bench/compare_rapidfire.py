"""RapidFire AI's median rule behind the clock, written after its source.

Not the library's code (rapidfireai 0.16), which is called by the controller that trains. In `RFOptuna` with
`pruner="median"` a run is pruned after a shard where its best value so far is worse than the median of what all others
have reported after as many; it waits for nobody, and another run takes its place.
"""

import math
from statistics import median

from compare_clock import Answer, Pruning
from compare_curves import Curves


class MedianOfPeers(Pruning):
    """Runs start in the order of the draw, as workers come free."""

    def __init__(self, curves: Curves, episodes: int) -> None:
        super().__init__(curves)
        self.episodes = episodes
        self.started = 0
        self.told: dict[int, list[float]] = {}
        """By evaluation, what all have reported there."""
        self.best: dict[int, float] = {}

    def next_start(self) -> int | None:
        """The next of the draw."""
        if self.started == self.episodes:
            return None
        self.started += 1
        return self.started - 1

    def report(self, episode: int, evaluation: int, score: float) -> Answer:
        """Leave where the best so far is worse than the median of the others here."""
        peers = self.told.setdefault(evaluation, [])
        best = self.best[episode] = max(score, self.best.get(episode, -math.inf))
        worse = bool(peers) and best < median(peers)
        peers.append(score)
        return Answer.LEAVE if worse else Answer.GO_ON
