"""Which statistics a record can carry, each with what it was computed from, and which it cannot, with the reason."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from seedsweep.api.cut import Cut
from seedsweep.api.episode import BestEvaluation, Episode, EpisodeId, EpisodeStatus
from seedsweep.api.status import SweepStatus
from seedsweep.engine.facts.budget import Prices, carried_anyway
from seedsweep.engine.layout import Layout
from seedsweep.report.record import Record
from seedsweep.report.words import counted, metric_name
from seedsweep.science.summary import Share, Summary, failed_runs, summarize

EXPECTED_BEST = "Expected best of n runs"
OF_FINALS = "Mean and spread of final scores, and the shares of either seed in it"
EVIDENCE = "What a cut would have seen of the end"
WOULD_HAVE_WON = "Whether a loser would have won"
FEWEST_FOR_EVIDENCE = 20
"""Episodes: with fewer, a rank correlation is known to no better than 0.4."""
_AT_MOST_ONE = frozenset({"accuracy", "f1", "accuracyAndF1", "mcc", "pearson", "spearman", "pearsonAndSpearman"})
_AT_LEAST_ZERO = frozenset({"mse", "loss"})
"""Metrics of our trainer."""


Score = Literal["best", "final"]
"""Of a whole run: the best of its evaluations, or the last."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One score an episode, summarised."""

    title: str
    source: str
    """What the scores are and how many episodes gave one."""
    episodes: int
    """How many there are to give one, whether or not they did."""
    by_episode: dict[str, float]
    """The score of each episode that is in n."""
    evaluations: dict[str, int]
    """The evaluation that each score is from; without episodes that a stand-in counts for."""
    summary: Summary
    failed: Share | None
    """Runs no better than the constant baseline; None where no trainer published one."""
    baseline: float | None
    notes: tuple[str, ...]
    """Episodes that are in n with a stand-in, or not in n, and why."""

    @property
    def scores(self) -> tuple[float, ...]:
        """Those in n, in the order of the episodes."""
        return tuple(self.by_episode.values())


@dataclass(frozen=True, slots=True)
class Withheld:
    """A statistic this record cannot carry."""

    what: str
    why: str


_Found = tuple[float, int]
"""A score, and the evaluation that it is from."""


@dataclass(slots=True)
class _Scores:
    """Scores being collected, with what had to be said about some of them."""

    episodes: int
    values: dict[str, float] = field(default_factory=dict)
    evaluations: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, episode: Episode, found: _Found | None, stand_in: float | None, why: str) -> None:
        """Take the score; where there is none, the stand-in, for leaving the worst out would flatter."""
        name = episode.spec.id.name
        if found is not None:
            self.values[name], self.evaluations[name] = found
        elif stand_in is not None:
            self.values[name] = stand_in
            self.notes.append(f"{name} {why}: counted with the constant baseline.")
        else:
            self.notes.append(f"{name} {why}: not in n, for no baseline is known.")


def analyses(record: Record) -> list[Analysis]:
    """Scores over all t episodes: at the first cut of each bracket, or of whole runs where nothing is cut.

    Of a sweep with a floor: scores there of the first episodes, as many as begin whoever falls.
    """
    layout = Layout.of(record.sweep)
    if layout.floor is not None:
        there = _at_floor(layout, record)
        return [there] if there is not None else []
    if not any(layout.rungs):
        whole = _whole_runs(layout, record.episodes, len(layout.episodes), "")
        return [whole] if whole is not None else []
    cuts = [cut for cut in record.cuts if not layout.is_outgrown(cut.data)]
    first_cuts = {cut.data.bracket: cut for cut in cuts if cut.data.rung == 0}
    found = []
    for bracket, ladder in enumerate(layout.rungs):
        members = [e for e in record.episodes if layout.bracket_of[e.spec.id] == bracket]
        where = f" in bracket {bracket}" if len(layout.rungs) > 1 else ""
        if not ladder:
            found.append(_whole_runs(layout, members, len(layout.members[bracket]), where))
        elif bracket in first_cuts:
            found.append(_at_cut(layout, members, first_cuts[bracket], where))
    return [analysis for analysis in found if analysis is not None]


def full_runs(record: Record, score: Score) -> Analysis | None:
    """One score a whole run, of a record without cuts; None where no episode has any."""
    layout = Layout.of(record.sweep)
    return _whole_runs(layout, record.episodes, len(layout.episodes), "", score)


def withheld(status: SweepStatus) -> list[Withheld]:
    """What must not be computed from this record."""
    if status.design == "full":
        return []
    if status.design == "floor+cut":
        return _without_final_scores(
            "those that ran to the end were above the floor and then ahead, so final scores are no sample of all runs",
            "who fell or lost has no end, so that nobody knows whether it would have won",
        )
    if status.design == "floor":
        # Who falls is decided by its own score alone: scores at the floor are not selected, and final ones are.
        return _without_final_scores(
            "only those above the floor ran to the end, so final scores are no sample of all runs",
            "who fell has no end, so that nobody knows whether it would have won",
        )
    missing = _without_final_scores(
        "the survivors ran to the end because they were ahead, so their final scores are no sample of all runs",
        "losers have no end to compare with",
    )
    if status.design == "cut":
        why = "no loser was trained on to find out. Set earlyStopping.audit to get an estimate."
        missing.append(Withheld(WOULD_HAVE_WON, why))
    return missing


def _without_final_scores(selected: str, endless: str) -> list[Withheld]:
    remedy = "Run the sweep without earlyStopping to get"
    return [
        Withheld(EXPECTED_BEST, f"{selected}. {remedy} it."),
        Withheld(OF_FINALS, f"{selected}. {remedy} them, with a grid of seeds."),
        Withheld(EVIDENCE, f"{endless}. {remedy} it, with {FEWEST_FOR_EVIDENCE} or more episodes."),
    ]


def known_baseline(status: SweepStatus, episodes: Iterable[Episode]) -> float | None:
    """The score of a constant answer, as published by the trainers: it is the same for all."""
    if status.best is not None and status.best.baseline is not None:
        return status.best.baseline
    return next((e.status.baseline for e in episodes if e.status.baseline is not None), None)


def best_possible(layout: Layout) -> float | None:
    """The metric's best value, as its range in the sweep's file has it, or as every one of these metrics has."""
    metric = layout.spec.trainer.ranking_metric
    if metric is not None and metric.range is not None:
        stated = metric.range.max if layout.maximize else metric.range.min
        if stated is not None:
            return float(stated)
    name = metric_name(layout.spec.trainer) if layout.ours else None
    if layout.maximize:
        return 1.0 if name in _AT_MOST_ONE else None
    return 0.0 if name in _AT_LEAST_ZERO else None


def round_numbers(many: int, leading: Sequence[int]) -> list[int]:
    """From 1 up to `many`, itself included: those of one digit that leads, as 1, 2, 5, 10, 20, ..."""
    steps = [digit * 10**power for power in range(len(str(many))) for digit in leading]
    return [n for n in steps if n < many] + [many]


def share_no_seed(episodes: Iterable[EpisodeId]) -> bool:
    """Whether no two episodes share a seed, so that they are independent."""
    seeds = list(episodes)
    return all(len({pair[axis] for pair in seeds}) == len(seeds) for axis in (0, 1))


def _at_cut(layout: Layout, members: list[Episode], cut: Cut, where: str) -> Analysis | None:
    data = cut.data
    scores = _compared(layout, members, dict(zip(data.ranked, data.scores, strict=True)), data.evaluation, "cut")
    kind = "latest score at" if data.rank_by == "latest" else "best score up to"
    source = f"the {kind} evaluation {data.evaluation}, where the cut was made, of {_of(scores)}"
    return _analysis(f"scores at the cut{where}", source, scores, known_baseline(SweepStatus(), members), layout)


def _at_floor(layout: Layout, record: Record) -> Analysis | None:
    """Of those alone that begin whatever becomes of others; None before all of them have come to the floor or an end.

    How many begin after them depends on who falls: to count these would favour samples in which many do.
    """
    status = record.sweep.status or SweepStatus()
    if status.evaluations is None:
        return None
    first = set(layout.episodes[: carried_anyway(layout, Prices.of(layout, status.evaluations, status.steps))])
    members = [
        e for e in record.episodes if e.spec.id in first and (e.status.rung_scores or e.status.verdict is not None)
    ]
    recorded = {e.spec.id.name: e.status.rung_scores[0] for e in members if e.status.rung_scores}
    if len(members) < len(first) or not recorded:
        return None
    evaluation = next(iter(recorded.values())).evaluation
    at_floor = {name: final.score for name, final in recorded.items()}
    scores = _compared(layout, members, at_floor, evaluation, "floor")
    kind = "latest score at" if layout.latest else "best score up to"
    source = (
        f"the {kind} evaluation {evaluation}, where the floor is, of {_of(scores)} that the budget of "
        f"{counted(layout.budget, 'full run')} carries whoever falls"
    )
    return _analysis("scores at the floor", source, scores, known_baseline(SweepStatus(), members), layout)


def _compared(
    layout: Layout, members: list[Episode], recorded: Mapping[str, float | None], evaluation: int, where: str
) -> _Scores:
    """Final scores at a cut or a floor, and what stands in for those who have none."""
    baseline = known_baseline(SweepStatus(), members)
    scores = _Scores(len(members))
    for episode in members:
        name, status = episode.spec.id.name, episode.status
        best = _best(status, evaluation, layout)
        if name in recorded:
            score, at = recorded[name], best[1] if best is not None and not layout.latest else evaluation
            found = (score, at) if score is not None else None
            scores.add(episode, found, baseline, f"has no defined score up to the {where}")
        elif status.verdict is not None and status.verdict.outcome == "Diverged":
            scores.add(episode, best, baseline, "diverged before any score")
            if best is not None:
                scores.notes.append(f"{name} diverged before the {where}: counted with its best score until then.")
        else:
            scores.notes.append(f"{name} failed before the {where}: not in n.")
    return scores


def _whole_runs(layout: Layout, members: list[Episode], t: int, where: str, kind: Score = "best") -> Analysis | None:
    """Of those on record among t episodes: one that has not begun has no record yet."""
    baseline = known_baseline(SweepStatus(), members)
    scores = _Scores(t)
    for episode in members:
        name, status = episode.spec.id.name, episode.status
        outcome = status.verdict.outcome if status.verdict is not None else None
        best = _best(status, len(status.scores), layout)
        if outcome == "Finished" and kind == "final":
            scores.add(episode, _last(status), baseline, "has no defined last score")
        elif outcome == "Finished":
            scores.add(episode, best, baseline, "has no defined score")
        elif outcome == "Diverged" and kind == "final":
            scores.add(episode, None, baseline, "diverged before its last score")
        elif outcome == "Diverged":
            scores.add(episode, best, baseline, "diverged before any score")
            if best is not None:
                scores.notes.append(f"{name} diverged: counted with its best score until then.")
        else:
            scores.notes.append(f"{name} {'failed' if outcome == 'Failed' else 'is not finished'}: not in n.")
    if len(members) < t:
        scores.notes.append(f"Not begun: {counted(t - len(members), 'episode')}, not in n.")
    source = f"the {'last' if kind == 'final' else 'best'} score of the whole run of {_of(scores)}"
    return _analysis(f"{kind} scores of full runs{where}", source, scores, baseline, layout)


def _best(status: EpisodeStatus, upto: int, layout: Layout) -> _Found | None:
    best = BestEvaluation.of(status.scores, (), upto, maximize=layout.maximize)
    return (best.score, best.evaluation) if best is not None else None


def _last(status: EpisodeStatus) -> _Found | None:
    last = status.scores[-1] if status.scores else None
    return (last, len(status.scores)) if last is not None else None


def _of(scores: _Scores) -> str:
    n, t = len(scores.values), scores.episodes
    if n == t:
        return f"all {t:,} episodes" if t > 1 else "the only episode"
    return f"{n:,} of {counted(t, 'episode')}"


def _analysis(title: str, source: str, scores: _Scores, baseline: float | None, layout: Layout) -> Analysis | None:
    if not scores.values:
        return None
    values = tuple(scores.values.values())
    failed = failed_runs(values, baseline, maximize=layout.maximize) if baseline is not None else None
    return Analysis(
        title=title[0].upper() + title[1:],
        source=source,
        episodes=scores.episodes,
        by_episode=scores.values,
        evaluations=scores.evaluations,
        summary=summarize(values),
        failed=failed,
        baseline=baseline,
        notes=tuple(scores.notes),
    )
