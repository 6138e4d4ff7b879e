"""What a plan is worth: the expected result over all ways to draw its episodes from recorded whole runs.

What a simulation of draws with replacement converges to is computed here without drawing, so that plans are compared
without its noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from seedsweep.science.expected import plug_in_expected_best
from seedsweep.science.stopping.plans import Plan

Floats = NDArray[np.float64]
_NODES = 4
"""Of Gauss and Legendre, between one rank and the next: with t <= n all is exact to about nine digits."""
_BLOCK = 64
"""Positions whose distributions are raised to a power together: they fit a processor's cache."""


@dataclass(frozen=True, slots=True)
class Runs:
    """n whole runs of equal settings, their scores turned so that higher is better."""

    scores: Floats
    """(n, E); NaN where undefined, and after the end of a run that diverged."""
    losses: Floats | None
    """(n, E), which break exact ties; None where not all tell them."""
    ended: NDArray[np.intp]
    """(n,) evaluations that each run came to: E, or fewer where it diverged."""
    worth: Floats
    """(n,) the best score of each run, or what stands in for it; finite."""
    seeds: NDArray[np.intp]
    """(n, 2) weight-init and data-order seeds."""

    def __len__(self) -> int:
        return len(self.worth)

    def take(self, chosen: NDArray[np.intp]) -> "Runs":
        """Those runs."""
        losses = self.losses[chosen] if self.losses is not None else None
        return Runs(self.scores[chosen], losses, self.ended[chosen], self.worth[chosen], self.seeds[chosen])


def dense_ranks(signal: Floats, losses: Floats) -> NDArray[np.intp]:
    """1, 2, ... from the worst on: by the signal, higher is better, then by the loss, lower is better; equal if both.

    Args:
        signal: (n,) without NaN.
        losses: (n,) beside it; NaN where there is none, which is the worst.
    """
    losses = np.nan_to_num(losses, nan=np.inf)
    order = np.lexsort((-losses, signal))
    differs = (signal[order][1:] != signal[order][:-1]) | (losses[order][1:] != losses[order][:-1])
    ranks = np.empty(len(order), dtype=np.intp)
    ranks[order] = np.cumsum(np.r_[True, differs])
    return ranks


def ranks_at(runs: Runs, evaluation: int) -> NDArray[np.intp]:
    """How a cut there orders the runs, 1 for the last: by the best score so far, ties by the loss where it is from.

    Who has diverged by then, or has no defined score, comes last.
    """
    so_far = np.where(np.isfinite(runs.scores[:, :evaluation]), runs.scores[:, :evaluation], -np.inf)
    so_far[runs.ended < evaluation] = -np.inf
    signal = so_far.max(axis=1)
    if runs.losses is None:
        return dense_ranks(signal, np.zeros(len(signal)))
    losses = runs.losses[np.arange(len(signal)), so_far.argmax(axis=1)]
    return dense_ranks(signal, np.where(np.isfinite(signal), losses, np.nan))


def expected_results(runs: Runs, plans: Sequence[Plan]) -> Floats:
    """The expected best score of each plan where its t episodes are drawn with replacement; exact ties at random.

    The result of a plan is the best of the whole runs of the p that are kept. No evaluation of a loser up to the cut is
    better, because the kept are those with the best score so far. A run that diverged before the cut is no candidate,
    unless fewer than p others are there.

    Raises:
        ValueError: a plan starts more episodes than there are runs.
    """
    if any(plan.started > len(runs) for plan in plans):
        raise ValueError(f"a plan starts more than the {len(runs)} runs there are")
    found = np.empty(len(plans))
    scores = runs.worth.tolist()
    at: dict[int, list[int]] = {}
    for i, plan in enumerate(plans):
        if plan.evaluation is None or plan.keep == plan.started:
            found[i] = plug_in_expected_best(scores, plan.started, design="full", maximize=True)
        else:
            at.setdefault(plan.evaluation, []).append(i)
    for evaluation, places in at.items():
        found[places] = _kept_best(runs.worth, ranks_at(runs, evaluation), [plans[i] for i in places])
    return found


def _kept_best(worth: Floats, ranks: NDArray[np.intp], plans: Sequence[Plan]) -> list[float]:
    """Of plans with a cut at one evaluation.

    Let runs be drawn by independent uniform positions v in (0, 1), the best-ranked first. The position of the first
    loser, the (p + 1)-th of t, has the density Beta(p + 1, t - p), and given it the kept are p independent draws from
    the positions before it. Their best exceeds no level w with the chance (share of these positions worth <= w)^p.
    """
    levels = np.unique(worth)
    if len(levels) == 1:
        return [float(levels[0])] * len(plans)
    keeps = sorted({plan.keep for plan in plans})
    short = _shortfalls(worth, ranks, levels, keeps)
    row = {keep: i for i, keep in enumerate(keeps)}
    return [float(levels[-1] - _density(len(worth), plan.started, plan.keep) @ short[row[plan.keep]]) for plan in plans]


def _shortfalls(worth: Floats, ranks: NDArray[np.intp], levels: Floats, keeps: Sequence[int]) -> Floats:
    """(keeps, positions): how far below the highest level the best of p draws from before a position is expected."""
    positions, _ = _positions(len(worth))
    order = np.argsort(-ranks, kind="stable")
    # Of the first k in the order of the ranks, how many are worth no more than a level: (k = 0..n, all levels but one).
    within = worth[order][:, None] <= levels[:-1]
    below = np.vstack([np.zeros((1, len(levels) - 1)), within.cumsum(axis=0)])
    # Where runs tie, each position between the two ends of their group is any of them alike.
    ends = np.r_[0, np.flatnonzero(np.diff(ranks[order])) + 1, len(worth)]
    group = np.searchsorted(ends, positions, side="right") - 1
    start, end = ends[group], ends[group + 1]
    part = ((positions - start) / (end - start))[:, None]
    gaps = np.diff(levels)
    found = np.empty((len(keeps), len(positions)))
    for first in range(0, len(positions), _BLOCK):
        block = slice(first, first + _BLOCK)
        low = below[start[block]]
        share = (low + part[block] * (below[end[block]] - low)) / positions[block, None]
        power, reached = np.ones_like(share), 0
        for i, keep in enumerate(keeps):
            power *= share if keep == reached + 1 else share ** (keep - reached)
            reached = keep
            found[i, block] = power @ gaps
    return found


@lru_cache(maxsize=4)
def _positions(count: int) -> tuple[Floats, Floats]:
    """Nodes and weights between 0 and n: some within each of the n ranks."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (np.arange(count)[:, None] + (nodes + 1) / 2).ravel(), np.tile(weights / 2, count)


@lru_cache(maxsize=8192)
def _density(count: int, started: int, keep: int) -> Floats:
    """Weights of the positions by the density of the first loser's."""
    positions, weights = _positions(count)
    v = positions / count
    log = keep * np.log(v) + (started - keep - 1) * np.log1p(-v) - betaln(keep + 1, started - keep)
    density: Floats = weights / count * np.exp(log)
    return density
