"""The brackets that `spec.earlyStopping.hyperband` stands for, and whether their rungs fit an episode."""

import math
from collections.abc import Sequence

from seedsweep.api.checks import Problem, check_rungs
from seedsweep.api.early_stopping import Hyperband, Rung
from seedsweep.api.limits import MAX_EVALUATIONS


def hyperband_brackets(hyperband: Hyperband, t: int) -> tuple[tuple[int, ...], tuple[tuple[Rung, ...], ...]]:
    """Hyperband's brackets (Li et al. 2018, algorithm 1), their sizes scaled to t by largest remainder.

    Whole percents are rounded up, so that an episode of R evaluations is cut at exactly the published ones.
    Bracket s starts n_s = ceil((s_max + 1) eta^s / (s + 1)) episodes at R eta^-s units and keeps one in
    eta at each rung; rungs that would keep nobody, or share a whole percent with the one before, are left out.
    """
    eta, s_max = hyperband.eta, _most_rungs(hyperband)
    published = [math.ceil((s_max + 1) * eta**s / (s + 1)) for s in range(s_max, -1, -1)]
    exact = [t * n / sum(published) for n in published]
    sizes = [int(x) for x in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda b: (sizes[b] - exact[b], b))
    for b in by_remainder[: t - sum(sizes)]:
        sizes[b] += 1
    ladders = []
    for size, s in zip(sizes, range(s_max, -1, -1), strict=True):
        ladder: list[Rung] = []
        for i in range(s):
            keep, at = size // eta ** (i + 1), -(-100 // eta ** (s - i))
            if keep >= 1 and at >= 1 and (not ladder or at > ladder[-1].at_percent):
                ladder.append(Rung(at_percent=at, keep=keep))
        ladders.append(tuple(ladder))
    filled = [(size, ladder) for size, ladder in zip(sizes, ladders, strict=True) if size > 0]
    return tuple(size for size, _ in filled), tuple(ladder for _, ladder in filled)


def hyperband_problems(hyperband: Hyperband, t: int, evaluations: int) -> list[Problem]:
    """Why the rungs of t episodes do not fit so many evaluations: one problem, for nobody wrote the rungs.

    Its remedy names the largest power of eta below the resource that fits, and the fewest evaluations that do.
    """
    _, ladders = hyperband_brackets(hyperband, t)
    if _fit(ladders, evaluations):
        return []
    lower = (hyperband.evolve(resource=hyperband.eta**s) for s in range(_most_rungs(hyperband) - 1, 0, -1))
    fitting = next((other.resource for other in lower if _fit(hyperband_brackets(other, t)[1], evaluations)), None)
    # Whole percents are apart on 100 evaluations, so there is one.
    enough = next(more for more in range(evaluations + 1, MAX_EVALUATIONS + 1) if _fit(ladders, more))
    remedy = (f"use {fitting}, or " if fitting is not None else "") + f"evaluate at least {enough} times"
    found = f"with {evaluations} evaluations, rungs come before the first or coincide: {remedy}"
    return [Problem("spec.earlyStopping.hyperband.resource", hyperband.resource, found)]


def _most_rungs(hyperband: Hyperband) -> int:
    """Of the bracket that starts the most episodes: s_max."""
    return int(math.log(hyperband.resource, hyperband.eta) + 1e-9)


def _fit(ladders: Sequence[Sequence[Rung]], evaluations: int) -> bool:
    return not any(check_rungs("rungs", ladder, evaluations) for ladder in ladders)
