"""Where the GPU seconds of a simulated cluster go: idle while work was ready, or held by who has nothing to decide."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.trainees import Trainee
from seedsweep.api.episode import EndReason, EpisodeId, EpisodeStatus

if TYPE_CHECKING:
    from engine.simulator import World

_NEW = EpisodeStatus()
_READY = (None, EndReason.INTERRUPTED, EndReason.STOPPED_AT_RUNG, EndReason.STOPPED)
"""How the last attempt of an episode ended that may start at once: it waits out no back-off."""


@dataclass(slots=True)
class Stretches:
    """Time that GPUs spend in a way that must end soon."""

    running: dict[str, int] = field(default_factory=dict)
    """Seconds so far, by node or attempt."""
    longest: int = 0
    gpu_seconds: int = 0

    def add(self, seconds: int, those: Collection[str], wanting: int) -> None:
        """Those went on for so long, while so many episodes wanted a GPU."""
        self.running = {name: self.running.get(name, 0) for name in those} if wanting > 0 else {}
        for name in sorted(self.running, key=self.running.__getitem__)[:wanting]:
            self.running[name] += seconds
            self.gpu_seconds += seconds
            self.longest = max(self.longest, self.running[name])


class Accounts:
    """Kept as time passes; between two moments nothing changes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.idle = Stretches()
        """GPUs that were asked for and free, while an episode that needs one had none."""
        self.held = Stretches()
        """GPUs under episodes that wait for a cut, while an episode with something to decide had none."""
        self.gpu_seconds = 0
        """Of all that was held, start-up included."""
        self.trained_until = 0
        """When a GPU was last held."""

    def pass_time(self, until: int) -> None:
        """From now until then."""
        world = self.world
        seconds = until - world.now
        if seconds <= 0:
            return
        live = {t.episode: t for t in world.trainees if t.live}
        bound = [t for t in live.values() if t.bound is not None and not t.is_lost(world.now)]
        wanting = self._wanting(live) if not world.suspended else 0
        self.gpu_seconds += seconds * len(bound)
        if bound:
            self.trained_until = until
        # What waits behind a gate or on a dead node takes a place, and no GPU.
        free = [gpu.node for gpu in world.gpus.there if gpu.node not in world.gpus.holders]
        self.idle.add(seconds, free, min(wanting, world.parallelism - len(live)))
        self.held.add(seconds, self._held(bound), wanting)

    def _held(self, bound: list[Trainee]) -> list[str]:
        """Who has nothing to decide; of the best, p mod k may train on, so that they need not after the cut."""
        waiting = [t for t in bound if self._waits_for_a_cut(t.episode)]
        exempt: set[str] = set()
        for bracket, rungs in enumerate(self.world.case.layout.rungs):
            made = sum(1 for key in self.world.cuts if key[0] == bracket)
            if made < len(rungs) and self.world.hazards.resumable:
                best = self._leaders(bracket, made + self.world.case.layout.first_cut, rungs[made].keep)
                uids = [t.uid for t in waiting if t.episode in best]
                uids.sort(key=lambda uid: -self.held.running.get(uid, 0))
                exempt.update(uids[: self._left_over(rungs[made].keep)])
        return [t.uid for t in waiting if t.uid not in exempt]

    def _left_over(self, keep: int) -> int:
        places = {self.world.parallelism, self.world.status.observed_places or 0}
        return max((keep % k for k in places if 0 < k < keep), default=0)

    def _leaders(self, bracket: int, rung: int, keep: int) -> set[EpisodeId]:
        """Who would be kept if the cut were made now; ties at the threshold among them."""
        layout = self.world.case.layout
        scores = {
            episode: status.rung_scores[rung].score
            for episode in layout.members[bracket]
            if len((status := self.world.records.get(episode, _NEW)).rung_scores) > rung
        }
        worths = {e: -math.inf if s is None else s if layout.maximize else -s for e, s in scores.items()}
        return {e for e, worth in worths.items() if sum(other > worth for other in worths.values()) < keep}

    def _wanting(self, live: dict[EpisodeId, Trainee]) -> int:
        unplaced = sum(1 for t in live.values() if t.bound is None and t.gate <= self.world.now)
        return unplaced + sum(1 for e in self.world.case.truths if e not in live and self._could_start(e))

    def _could_start(self, episode: EpisodeId) -> bool:
        """It is not settled, could start now, and something depends on it."""
        status = self.world.records.get(episode, _NEW)
        if status.verdict is not None or self._waits_for_a_cut(episode):
            return False
        return (status.attempts[-1].reason if status.attempts else None) in _READY

    def _waits_for_a_cut(self, episode: EpisodeId) -> bool:
        """It has its score at the rung that is not decided yet."""
        world, status = self.world, self.world.records.get(episode, _NEW)
        bracket = world.case.layout.bracket_of[episode]
        made = sum(1 for key in world.cuts if key[0] == bracket)
        scored = len(status.rung_scores) > made + world.case.layout.first_cut
        undecided = made < len(world.case.layout.rungs[bracket]) and scored
        return undecided and status.verdict is None
