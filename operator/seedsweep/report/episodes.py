"""All episodes of a record, a row each: their seeds, where they stood at each rung, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from seedsweep.api.episode import Episode, EpisodeId
from seedsweep.api.status import SweepStatus
from seedsweep.engine.facts.ranking import ranking_key
from seedsweep.engine.layout import Layout
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import analyses
from seedsweep.report.table import Table, Value
from seedsweep.science.examples.paired import Paired

_UNTESTED: Mapping[str, Paired] = {}
_UNKNOWN: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class AtRung:
    """An episode in the ranking of a cut."""

    rank: int
    score: float | None


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """One episode."""

    id: EpisodeId
    bracket: int
    rank: int | None
    """By its best score; equal scores in the engine's order. None without a score."""
    rungs: tuple[AtRung | None, ...]
    """None where it was not compared."""
    best: float | None
    at: int | None
    """Evaluation of its best score."""
    final: float | None
    """Score at the last evaluation of a whole run; None for one that was stopped or broke off."""
    test: float | None
    """Of the winner alone, on examples that nothing was selected on."""
    status: str
    evaluations: int
    steps: int | None
    """Optimizer steps that its attempts trained, repeated ones included; None where no attempt is on record."""
    seconds: float | None
    """That its attempts held a place, such as a GPU; None where no attempt is on record."""
    failed: bool | None
    """Whether its score in the statistics is no better than a constant answer; None where either is not known."""
    against_last_kept: Paired | None
    """Of a loser: the last episode that the cut kept against it; None where answers of one of them are not known."""
    training_loss: float | None
    """Mean of the steps before its last evaluation; None where it is not known."""

    @property
    def name(self) -> str:
        """Of the episode."""
        return self.id.name


def episode_rows(
    record: Record,
    against_last_kept: Mapping[str, Paired] = _UNTESTED,
    training_losses: Mapping[str, float] = _UNKNOWN,
) -> list[EpisodeRow]:
    """Every episode once: those with a score by rank, then the others in the order in which they start.

    `against_last_kept`: by name of a loser, its test against the last episode that its cut kept. `training_losses`: by
    name of an episode, before its last evaluation.
    """
    ranks = {name: rank for rank, name in enumerate(ranked(record), start=1)}
    failed = _failed(record)
    stood = {
        (cut.data.bracket, cut.data.rung, row.episode): AtRung(rank, row.score)
        for cut in record.cuts
        for rank, row in enumerate(cut.data.rows, start=1)
    }
    status, rungs = record.sweep.status or SweepStatus(), _rungs(record)
    rows = []
    for episode in record.episodes:
        own, name = episode.status, episode.spec.id.name
        handed_over = status.best if status.best is not None and not status.best.is_average else None
        of_sweep = handed_over if handed_over is not None and handed_over.episode == name else None
        rows.append(
            EpisodeRow(
                id=episode.spec.id,
                bracket=episode.spec.bracket,
                rank=ranks.get(name),
                rungs=tuple(stood.get((episode.spec.bracket, rung, name)) for rung in rungs),
                best=own.best.score if own.best is not None else None,
                at=own.best.evaluation if own.best is not None else None,
                final=own.scores[-1] if own.scores and len(own.scores) == status.evaluations else None,
                test=of_sweep.test.score if of_sweep is not None and of_sweep.test is not None else None,
                status=own.state.lower(),
                evaluations=len(own.scores),
                steps=sum(a.steps - a.steps_at_start for a in own.attempts) if own.attempts else None,
                seconds=sum(a.gpu_seconds for a in own.attempts) if own.attempts else None,
                failed=failed.get(name),
                against_last_kept=against_last_kept.get(name),
                training_loss=training_losses.get(name),
            )
        )
    return sorted(rows, key=lambda row: (row.rank is None, row.rank or 0))


def rung_titles(record: Record) -> list[str]:
    """What the rungs of `EpisodeRow.rungs` are called: by their evaluation where it is the same in all brackets."""
    titles = []
    for rung in _rungs(record):
        at = {cut.data.evaluation for cut in record.cuts if cut.data.rung == rung}
        titles.append(f"evaluation {at.pop()}" if len(at) == 1 else f"rung {rung}")
    return titles


def episodes_table(
    record: Record,
    against_last_kept: Mapping[str, Paired] = _UNTESTED,
    training_losses: Mapping[str, float] = _UNKNOWN,
) -> Table:
    """The rows as numbers: scores in full, seconds of places, steps of the optimizer."""
    columns = ["rank", "episode", "weight_init", "data_order", "bracket"]
    for rung in _rungs(record):
        columns += [f"rung_{rung}_rank", f"rung_{rung}_score"]
    columns += ["told_apart", "p_against_last_kept"]
    columns += ["best", "best_evaluation", "final", "test", "status", "failed", "evaluations", "steps", "seconds"]
    columns.append("training_loss")
    rows: list[tuple[Value, ...]] = []
    for row in episode_rows(record, against_last_kept, training_losses):
        at_rungs: list[Value] = []
        for at in row.rungs:
            at_rungs += [at.rank, at.score] if at is not None else [None, None]
        pair = row.against_last_kept
        tested = (pair.told_apart, pair.p) if pair is not None else (None, None)
        who = (row.rank, row.name, *row.id, row.bracket)
        what = (row.best, row.at, row.final, row.test, row.status, row.failed, row.evaluations, row.steps, row.seconds)
        rows.append((*who, *at_rungs, *tested, *what, row.training_loss))
    return Table("episodes", tuple(columns), rows)


def _rungs(record: Record) -> list[int]:
    """The rungs that have been cut in any bracket; beside a floor, number 1."""
    return sorted({cut.data.rung for cut in record.cuts})


def ranked(record: Record) -> list[str]:
    """Names of those with a counting score, best first; of equal ones the winner, then in the engine's order."""
    layout, status = Layout.of(record.sweep), record.sweep.status or SweepStatus()
    winner = status.best.episode if status.best is not None else None

    def key(episode: Episode) -> tuple[object, ...]:
        best = episode.status.best
        assert best is not None
        score, *ties = ranking_key(best.score, best.loss, layout.tie[episode.spec.id], maximize=layout.maximize)
        return (score, episode.spec.id.name != winner, *ties)

    scored = sorted((episode for episode in record.episodes if episode.status.best is not None), key=key)
    return [episode.spec.id.name for episode in scored]


def _failed(record: Record) -> dict[str, bool]:
    """By episode, as the share of failed runs counts them."""
    maximize = record.sweep.spec.trainer.maximize
    return {
        name: score <= analysis.baseline if maximize else score >= analysis.baseline
        for analysis in analyses(record)
        if analysis.baseline is not None
        for name, score in analysis.by_episode.items()
    }
