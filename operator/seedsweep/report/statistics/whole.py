"""What a record of whole runs tells beyond its summary: the expected best of n, which seed matters, and where to cut.

Each is computed, or withheld with its reason and how to get it.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seedsweep.api.episode import BestEvaluation
from seedsweep.api.seeds import MAX_CELLS
from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import Layout
from seedsweep.report.facts import imported_from
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import (
    EVIDENCE,
    FEWEST_FOR_EVIDENCE,
    Analysis,
    Withheld,
    analyses,
    best_possible,
    known_baseline,
    round_numbers,
    share_no_seed,
)
from seedsweep.report.statistics.by_seeds import scores_by_seeds, seed_axes
from seedsweep.report.statistics.whole_curves import WholeCurves, whole_curves
from seedsweep.report.words import counted
from seedsweep.science.expected import expected_best, plug_in_expected_best
from seedsweep.science.seeds.grid import (
    Components,
    Contrast,
    contrast,
    shuffled_whole,
    shuffled_within_columns,
    variance_components,
)
from seedsweep.science.stopping.evidence import Evidence, evidence

_DRAWN = 12
_WORDS = ("weight-init", "data-order")


@dataclass(frozen=True, slots=True)
class ExpectedBest:
    """The expected best of n runs, by n."""

    runs: tuple[int, ...]
    unbiased: tuple[float, ...]
    plug_in: tuple[float, ...]
    fewer: dict[str, tuple[float, ...]]
    """The unbiased estimate where episodes are evaluated less often, by how often."""
    error_reduction: tuple[float, ...]
    """Of the expected error of one run, the share by which that of the best of n is less; empty where the metric has no
    best value, or one run reaches it."""
    independent: bool
    """Whether no two episodes share a seed."""


@dataclass(frozen=True, slots=True)
class OneSeed:
    """What one kind of seed does to the final scores."""

    kind: str
    best: int
    worst: int
    contrast: Contrast
    within: float
    """p-value by shuffles within the other seed."""
    whole: float
    """p-value of the test of Dodge et al. (2020)."""

    @property
    def spread(self) -> bool:
        """Whether the scores of the best and the worst seed spread at all: else F is infinite."""
        return math.isfinite(self.contrast.f)


@dataclass(frozen=True, slots=True)
class Seeds:
    """Which seed matters."""

    kinds: tuple[OneSeed, ...]
    components: Components
    shares: tuple[float, float, float]
    """Of the sum of the three variances."""
    missing: int
    """Cells of the grid without a score."""
    failed: int
    """Runs no better than a constant answer: where there is one, the residual has no interval."""


@dataclass(frozen=True, slots=True)
class WhereToCut:
    """Evidence for f, by evaluation and signal."""

    rows: dict[int, dict[str, Evidence]]
    drawn: int
    keep: int
    n: int
    diverged: int
    """Of the n, those whose curve ends early: they rank last from there on."""
    left_out: tuple[str, ...]
    """Episodes that crashed or are not finished."""


@dataclass(frozen=True, slots=True)
class Whole:
    """All of it; None where it is withheld."""

    expected: ExpectedBest | None
    seeds: Seeds | None
    where_to_cut: WhereToCut | None
    withheld: tuple[Withheld, ...]


def whole_runs(record: Record) -> Whole:
    """What this record carries; of any but a full one nothing, for which `analysis.withheld` has the reasons."""
    status = record.sweep.status or SweepStatus()
    found = analyses(record) if status.design == "full" else []
    if not found:
        return Whole(None, None, None, ())
    [analysis] = found
    layout = Layout.of(record.sweep)
    expected = _expected(record, layout, analysis)
    missing: list[Withheld] = []
    seeds = _seeds(layout, analysis, missing)
    if best_possible(layout) is None:
        missing.append(_without_best_value(status))
    return Whole(expected, seeds, _where_to_cut(record, layout, missing), tuple(missing))


def _without_best_value(status: SweepStatus) -> Withheld:
    if imported_from(status) is None:
        why = "no best value of the metric is on record. Declare trainer.metric.range to get it."
        return Withheld("Relative error reduction", why)
    why = (
        "an imported curve tells neither the metric's best value nor its epochs. "
        "Train with `seedsweep run` and a trainer.metric.range to get them."
    )
    return Withheld("Relative error reduction, and one evaluation an epoch", why)


def expected_of(record: Record) -> ExpectedBest | None:
    """The expected best of n alone; None where it is withheld."""
    status = record.sweep.status or SweepStatus()
    found = analyses(record) if status.design == "full" else []
    return _expected(record, Layout.of(record.sweep), found[0]) if found else None


def _expected(record: Record, layout: Layout, analysis: Analysis) -> ExpectedBest:
    scores, maximize = analysis.scores, layout.maximize
    runs = tuple(round_numbers(len(scores), (1, 2, 3, 5)))

    def unbiased(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(expected_best(values, n, design="full", maximize=maximize) for n in runs)

    found = unbiased(scores)
    return ExpectedBest(
        runs,
        found,
        tuple(plug_in_expected_best(scores, n, design="full", maximize=maximize) for n in runs),
        {words: unbiased(values) for words, values in _evaluated_less(record, layout, analysis)},
        _error_reduction(found, best_possible(layout)),
        share_no_seed(episode.spec.id for episode in record.episodes),
    )


def _error_reduction(expected: Sequence[float], best: float | None) -> tuple[float, ...]:
    """(best of n - one run) / (best possible - one run), as in the last figure of Dodge et al. (2020)."""
    if best is None or best == expected[0]:
        return ()
    return tuple((value - expected[0]) / (best - expected[0]) for value in expected)


def _evaluated_less(record: Record, layout: Layout, analysis: Analysis) -> Iterator[tuple[str, list[float]]]:
    """The same episodes with the evaluations that a sparser schedule would have made."""
    status = record.sweep.status or SweepStatus()
    planned = status.evaluations
    if planned is None or planned < 2:
        return
    tuning = record.sweep.spec.trainer.fine_tuning
    if tuning is not None and tuning.epochs > 1 and tuning.evaluations_per_epoch > 1:
        each = tuning.evaluations_per_epoch
        yield "one evaluation an epoch", _best_at(record, layout, analysis, range(each, planned + 1, each))
    yield "only the last evaluation", _best_at(record, layout, analysis, range(planned, planned + 1))


def _best_at(record: Record, layout: Layout, analysis: Analysis, at: range) -> list[float]:
    baseline = known_baseline(SweepStatus(), record.episodes)
    found = []
    for episode in record.episodes:
        if episode.spec.id.name not in analysis.by_episode:
            continue
        scores = [episode.status.scores[i - 1] for i in at if i <= len(episode.status.scores)]
        best = BestEvaluation.of(scores, (), len(scores), maximize=layout.maximize)
        # A run that has nothing there is worth a constant answer, or what it had before.
        stand_in = baseline if baseline is not None else analysis.by_episode[episode.spec.id.name]
        found.append(best.score if best is not None else stand_in)
    return found


def _seeds(layout: Layout, analysis: Analysis, missing: list[Withheld]) -> Seeds | None:
    if share_no_seed(layout.episodes):
        why = "each episode has seeds of its own. Run a grid of weight-init and data-order seeds to get it."
        missing.append(Withheld("Which seed matters", why))
        return None
    axes = seed_axes(layout)
    cells = len(axes[0]) * len(axes[1])
    if cells > MAX_CELLS:
        why = f"the episodes have scores in few of {cells:,} pairs of seeds. Run a whole grid of fewer seeds to get it."
        missing.append(Withheld("Which seed matters", why))
        return None
    grid = scores_by_seeds(layout, analysis)
    failed = analysis.failed.count if analysis.failed is not None else 0
    try:
        components = _components(grid, failed)
        kinds = tuple(
            _one_seed(kind, axis, scores, layout.maximize)
            for kind, axis, scores in zip(_WORDS, axes, (grid, grid.T), strict=True)
        )
    except ValueError as error:
        why = f"the grid {_grid_words(grid)} {error}. Run a whole grid of more seeds to get it."
        missing.append(Withheld("Which seed matters", why))
        return None
    parts = (components.rows, components.columns, components.residual)
    variances = [part.deviation**2 for part in parts]
    total = math.fsum(variances) or 1.0
    first, second, rest = (variance / total for variance in variances)
    return Seeds(kinds, components, (first, second, rest), int(np.isnan(grid).sum()), failed)


def _components(grid: NDArray[np.float64], failed: int) -> Components:
    """Without the residual's interval where runs failed: it then holds the truth far too seldom."""
    found = variance_components(grid)
    return replace(found, residual=replace(found.residual, interval=None)) if failed else found


def _grid_words(grid: NDArray[np.float64]) -> str:
    return f"of {grid.shape[0]} x {grid.shape[1]} seeds with {counted(int(np.isfinite(grid).sum()), 'score')}"


def _one_seed(kind: str, seeds: Sequence[int], grid: NDArray[np.float64], maximize: bool) -> OneSeed:
    found = contrast(grid, maximize=maximize)
    return OneSeed(
        kind, seeds[found.best], seeds[found.worst], found, shuffled_within_columns(grid), shuffled_whole(grid)
    )


def _where_to_cut(record: Record, layout: Layout, missing: list[Withheld]) -> WhereToCut | None:
    planned, curves = (record.sweep.status or SweepStatus()).evaluations, whole_curves(record)
    why = _too_little(planned, curves)
    if planned is None or why:
        missing.append(Withheld(EVIDENCE, why))
        return None
    n = len(curves.episodes)
    at = sorted({max(1, round(planned * part / 10)) for part in range(1, 10)} - {planned})
    design = (min(_DRAWN, n), _DRAWN // 3)
    rows: dict[int, dict[str, Evidence]] = {}
    for item in evidence(curves.scores, curves.losses, at, design, maximize=layout.maximize):
        rows.setdefault(item.evaluation, {})[item.signal] = item
    left_out = tuple(e.spec.id.name for e in curves.left_out)
    return WhereToCut(rows, *design, n, curves.diverged, left_out)


def _too_little(planned: int | None, curves: WholeCurves) -> str:
    """Why these curves tell nothing of where to cut; empty where they do."""
    if planned == 1:
        return "there is one evaluation a run. Evaluate more often to get it."
    n = len(curves.episodes)
    if planned is None or n < FEWEST_FOR_EVIDENCE:
        fewest = FEWEST_FOR_EVIDENCE
        return f"it needs {fewest} whole curves and found {n}. Run {fewest} or more episodes to get it."
    if np.isnan(curves.scores).all():
        return "no episode has a defined score. Run episodes that do not all diverge to get it."
    return ""
