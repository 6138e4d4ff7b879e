"""What is known of a sweep at one moment: its record, continued by what live attempts publish. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from seedsweep.api.checks import rung_evaluation
from seedsweep.api.cut import CutData
from seedsweep.api.episode import BestEvaluation, EpisodeId, EpisodeStatus
from seedsweep.engine.decisions import Plan, RecordCut, RecordEpisode
from seedsweep.engine.facts.ranking import Score
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt

_NEW = EpisodeStatus()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One observation with what its plan adds."""

    layout: Layout
    statuses: Mapping[EpisodeId, EpisodeStatus]
    attempts: Mapping[EpisodeId, SeenAttempt]
    cuts: Mapping[tuple[int, int], CutData]
    """By bracket, and place in the bracket's list of rungs."""
    kept: Mapping[tuple[int, int], frozenset[str]]
    """Survivors of each cut: looked up for every episode, so made once."""
    evaluations: int | None
    steps: int | None
    budget_is_shared_out: bool
    """Who has not begun by now never will."""

    @classmethod
    def of(cls, layout: Layout, seen: Observation, plan: Plan) -> "Snapshot":
        """The record and the live attempts at one moment, with what the plan of that moment adds."""
        recorded = {r.episode: r.status for r in plan.records if isinstance(r, RecordEpisode)}
        decided = {(r.cut.bracket, r.cut.rung): r.cut for r in plan.records if isinstance(r, RecordCut)}
        attempts = {a.episode: a for a in seen.attempts if a.live}
        readings = [a.reading for a in attempts.values() if a.reading is not None]
        # A cut that was observed is the one that counts: another may have been made first.
        standing = {**decided, **{key: cut for key, cut in seen.cuts.items() if not layout.is_outgrown(cut)}}
        cuts = {(bracket, rung - layout.first_cut): cut for (bracket, rung), cut in standing.items()}
        return cls(
            layout=layout,
            statuses={**seen.episodes, **recorded},
            attempts=attempts,
            cuts=cuts,
            kept={key: cut.kept for key, cut in cuts.items()},
            evaluations=plan.status.evaluations
            or _first(r.evaluations_planned for r in readings)
            or layout.spec.trainer.planned_evaluations,
            budget_is_shared_out=plan.status.counts.unused > 0,
            steps=plan.status.steps or _first(r.steps_planned for r in readings),
        )

    def status(self, episode: EpisodeId) -> EpisodeStatus:
        """Its record; an empty one before it has any."""
        return self.statuses.get(episode, _NEW)

    def reading(self, episode: EpisodeId) -> Reading | None:
        """What its live attempt publishes."""
        attempt = self.attempts.get(episode)
        return attempt.reading if attempt is not None else None

    def curve(self, episode: EpisodeId) -> tuple[Score, ...]:
        """The record's scores, continued by what is published: the first record stands."""
        recorded = self.status(episode).scores
        reading = self.reading(episode)
        return (*recorded, *reading.scores[len(recorded) :]) if reading is not None else tuple(recorded)

    def losses(self, episode: EpisodeId) -> tuple[Score, ...]:
        """The same of the validation losses; empty where none are told."""
        recorded = self.status(episode).losses
        reading = self.reading(episode)
        published = reading.losses if reading is not None and reading.losses is not None else ()
        return (*recorded, *published[len(recorded) :])

    def rungs_passed(self, episode: EpisodeId) -> int:
        """How many cuts kept it."""
        bracket = self.layout.bracket_of[episode]
        passed = 0
        while episode.name in self.kept.get((bracket, passed), ()):
            passed += 1
        return passed

    def ranked_by(self, episode: EpisodeId, scores: Sequence[Score]) -> tuple[Score, Score]:
        """Score and loss that rank it: of the best (or latest) evaluation among those of its `scores` that count."""
        status = self.status(episode)
        if status.best is not None and status.best.lost is not None:
            return status.best.score, status.best.loss
        losses, ladder = self.losses(episode), self.layout.rungs[self.layout.bracket_of[episode]]
        passed = self.rungs_passed(episode)
        counted = list(scores)
        if self.evaluations is not None and passed < len(ladder):
            # Evaluations past the next rung count only for an episode that is kept there.
            counted = counted[: rung_evaluation(ladder[passed].at_percent, self.evaluations)]
            if self.layout.latest:
                at = len(counted) - 1
                return (counted[at], losses[at] if at < len(losses) else None) if counted else (None, None)
        if status.verdict is not None and status.verdict.fall is not None:
            counted = counted[: status.rung_scores[0].evaluation]
        best = BestEvaluation.of(counted, losses, len(counted), maximize=self.layout.maximize)
        return (best.score, best.loss) if best is not None else (None, None)


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)
