"""What a sweep wants done in its storage in one turn, from the engine's decisions, and whether what was done is known.

The record is what says so: until it has all that a pod has told, the pod stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from seedsweep.api.comparison import MAX_COMPARED, Comparison
from seedsweep.api.housekeeping import HandOver, HousekeepingTask, Pruning, members_of
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import CompareLosers, Decision, HandOverWinner, Prune, WarmUp
from seedsweep.engine.questions.comparison import comparison_of
from seedsweep.kube.housekeeping.housekeeper import Housekeeper
from seedsweep.kube.housekeeping.wanted import Wanted
from seedsweep.kube.ledger.records import Records
from seedsweep.report.model_card.card import model_card
from seedsweep.report.words import metric_name


@dataclass(frozen=True, slots=True)
class StorageWork:
    """Of one turn."""

    sweep: SeedSweep
    planned: SweepStatus
    """As planned last."""
    written: SweepStatus
    """As it is on record."""
    records: Records
    housekeeper: Housekeeper

    def wanted(self, decisions: Sequence[Decision]) -> Wanted:
        """What was decided about the storage."""
        prune, hand_over = {}, None
        for decision in decisions:
            if isinstance(decision, Prune):
                best = self.records.episodes[decision.episode].best if decision.keep_best else None
                prune[decision.episode] = Pruning.keeping(best, decision.episode.name)
            elif isinstance(decision, HandOverWinner) and self._tells_of(decision):
                hand_over = self._hand_over(decision)
            elif isinstance(decision, HandOverWinner):
                self.housekeeper.look_again_soon()
        warm_up = any(isinstance(decision, WarmUp) for decision in decisions)
        compare = next((decision for decision in decisions if isinstance(decision, CompareLosers)), None)
        if compare is None or warm_up or prune or hand_over is not None:
            # Nothing else waits or fails with a comparison.
            return Wanted(prune, hand_over, warm_up)
        return Wanted(compare=self._comparison(compare))

    def is_on_record(self, task: HousekeepingTask) -> bool:
        """Whether the record has all that the answer to a task has told."""
        freed = {episode.name for episode, status in self.records.episodes.items() if status.freed is not None}
        warmed = self.written.condition("WarmedUp")
        return (
            all(pruning.episode in freed for pruning in task.prune)
            and (not task.warm_up or (warmed is not None and warmed.status == "True"))
            and (task.hand_over is None or self._is_handed_over(task.hand_over))
            and (task.compare is None or self._is_compared(task.compare.cut))
        )

    def _tells_of(self, decision: HandOverWinner) -> bool:
        """Whether the status that was planned last is that of the end, for the winner's card."""
        best = self.planned.best
        if best is None or not (self.planned.phase == "Concluding" or self.planned.failed):
            return False
        wanted = decision.best
        return (best.episode, best.evaluation, best.score) == (decision.episode.name, wanted.evaluation, wanted.score)

    def _hand_over(self, decision: HandOverWinner) -> HandOver:
        records = self.records
        card = model_card(self.sweep, self.planned, records.episodes, records.cuts.known.values())
        name, best, export = decision.episode.name, decision.best, self.sweep.spec.export
        return HandOver(
            episode=name,
            evaluation=best.evaluation,
            score=best.score,
            own=self.sweep.spec.trainer.fine_tuning is None,
            average=members_of(decision.average_of),
            card=card,
            export=export,
        )

    def _comparison(self, decision: CompareLosers) -> Comparison:
        """With the losers that the pods before did not compare."""
        trainer, cut = self.sweep.spec.trainer, decision.cut
        episodes = {episode.name: status for episode, status in self.records.episodes.items()}
        found = self.housekeeper.comparisons.found(cut.name)
        return comparison_of(
            cut, episodes, metric_name(trainer), maximize=trainer.maximize, found=found, at_most=MAX_COMPARED
        )

    def _is_compared(self, cut: str) -> bool:
        """Whether its evidence is on record or given up, or another pod compares the rest of its losers."""
        cuts = self.records.cuts
        left = [each for each in cuts.known.values() if each.name == cut and cut not in cuts.settled]
        return not any(self.housekeeper.comparisons.evidence(each).found for each in left)

    def _is_handed_over(self, asked: HandOver) -> bool:
        """Whether its place is on record, or another best counts: of more seeds, or as its weights were not found."""
        written, planned = self.written.best, self.planned.best
        own = next((s.best for e, s in self.records.episodes.items() if e.name == asked.episode), None)
        outranked = planned is not None and planned.episode != asked.episode
        replaced = own is not None and not asked.is_of(own)
        return outranked or replaced or (written is not None and written.weights is not None)
