"""The backend of one machine: its record is a folder, its pods are processes, and one loop drives both."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta

from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import (
    CompareLosers,
    Decision,
    Event,
    HandOverWinner,
    Prune,
    Record,
    RecordEvidence,
    StartEpisode,
    StopAttempt,
)
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Evidence, Observation, SeenAttempt
from seedsweep.engine.questions.comparison import comparison_of
from seedsweep.local.comparisons import Comparisons
from seedsweep.local.directory.ledger import Ledger
from seedsweep.local.machine.places import Place
from seedsweep.local.processes.attempts import ProcessAttempts
from seedsweep.local.storage import Storage
from seedsweep.report.model_card.card import model_card
from seedsweep.report.words import metric_name

MAX_WAIT_SECONDS = 60.0
"""A clock that was set back must not stop the loop."""


class LocalWorld:
    """Implements seedsweep.loop.Backend."""

    def __init__(
        self,
        layout: Layout,
        ledger: Ledger,
        attempts: ProcessAttempts,
        storage: Storage,
        comparisons: Comparisons,
        places: Sequence[Place],
    ) -> None:
        self._layout = layout
        self._ledger = ledger
        self._attempts = attempts
        self._storage = storage
        self._comparisons = comparisons
        self._places = places
        self.seen = Observation(status=ledger.status)
        """The last observation."""
        self.left_over: tuple[SeenAttempt, ...] = ()
        """Attempts of an earlier runner whose end is not on record yet."""
        self._to_hand_over: HandOverWinner | None = None

    async def observe(self) -> Observation:
        """See Backend."""
        self._attempts.forget_recorded(self._ledger.episodes)
        self.seen = Observation(
            status=self._ledger.status,
            episodes=self._ledger.episodes,
            cuts=self._ledger.cuts,
            attempts=[*self.left_over, *self._attempts.seen()],
            parallelism=len(self._places),
            records_progress=True,
            stored=self._storage.stored,
            resumable=self._attempts.resumable,
            hand_over=self._storage.hand_over,
            handing_over=self._storage.handing_over,
            compares=self._comparisons.possible,
            evidence={**self._comparisons.seen, **dict.fromkeys(self._ledger.evidence, Evidence(settled=True))},
        )
        return self.seen

    async def record(self, records: Sequence[Record]) -> frozenset[str] | None:
        """See Backend. Raises OSError: a runner whose folder cannot be written has to end."""
        left = self._ledger.write(records)
        # Every end that was observed is among the records.
        self.left_over = ()
        if any(isinstance(record, RecordEvidence) for record in records):
            # The sweep may be over now that it is on record.
            self._attempts.news.set()
        return left

    async def execute(self, decisions: Sequence[Decision]) -> None:
        """See Backend. Raises OSError as `record` does."""
        for decision in decisions:
            match decision:
                case StartEpisode():
                    await self._attempts.start(decision, self._places)
                    self._storage.fill(decision.episode)
                case StopAttempt():
                    self._attempts.stop(decision.uid, save=decision.save)
                case Prune():
                    best = self._ledger.episodes[decision.episode].best if decision.keep_best else None
                    self._storage.prune(decision.episode, best)
                case HandOverWinner():
                    self._to_hand_over = decision
                case CompareLosers():
                    self._compare(decision)

    def _compare(self, decision: CompareLosers) -> None:
        trainer = self._ledger.sweep.spec.trainer
        episodes = {episode.name: status for episode, status in self._ledger.episodes.items()}
        comparison = comparison_of(decision.cut, episodes, metric_name(trainer), maximize=trainer.maximize)
        self._comparisons.begin(decision.cut, comparison, then=self._attempts.news.set)

    async def publish(self, status: SweepStatus, events: Sequence[Event]) -> None:
        """See Backend; the view shows the events of the plan."""
        self._ledger.publish(status)
        if self._to_hand_over is not None:
            # Only now all that the winner's card tells is on record.
            decision, self._to_hand_over = self._to_hand_over, None
            card = model_card(self._ledger.sweep, status, self._ledger.episodes, self._ledger.cuts.values())
            self._storage.hand_over_winner(decision, card, then=self._attempts.news.set)

    async def news(self, wait: timedelta | None) -> None:
        """Return when something has become known, or after this time."""
        seconds = MAX_WAIT_SECONDS if wait is None else min(wait.total_seconds(), MAX_WAIT_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._attempts.news.wait(), seconds)
        self._attempts.news.clear()
