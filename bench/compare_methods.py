"""Which methods are compared, with which settings: each as it is documented, and what it may be tuned to."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from ray.tune.schedulers import AsyncHyperBandScheduler, HyperBandScheduler, TrialScheduler

from compare_clock import Replay, Scheduler, replay
from compare_curves import Draw
from compare_optuna import Study
from compare_ours import Engine
from compare_rapidfire import MedianOfPeers
from compare_ray import Tune

OURS = "SeedSweep"
FULL = "no stopping"
Build = Callable[[Draw, int, int], Scheduler]
"""From a draw, the number of episodes and the number of workers."""


@dataclass(frozen=True)
class Setting:
    """A method with everything fixed but the number of episodes, which the budget decides."""

    method: str
    words: str
    build: Build
    most: int | None = None
    """More episodes than this are never within the budget."""
    least: int = 1
    """With fewer there would be nothing to cut."""

    def run(self, drawn: Draw, episodes: int, workers: int) -> Replay:
        """One replay."""
        return replay(self.build(drawn, episodes, workers), drawn, episodes, workers)


def documented(budget: int) -> list[Setting]:
    """Every method as its documentation has it, for a budget of so many full runs; E = 10 is made known to all.

    Of SeedSweep: a cut in the middle (f = 50 %, p = B/2), as its README has it, two early ones, three rungs that halve,
    and Hyperband's brackets.
    """
    keep = max(1, budget // 2)
    return [
        one_rung(50, keep, budget),
        one_rung(30, keep, budget),
        one_rung(25, keep, budget),
        halvings(2, max(1, budget // 4), budget),
        brackets(3, 9),
        asha(1, 4),
        hyperband(3),
        median(5, 0),
        halving("auto", 4),
        optuna_hyperband(1, 3),
        Setting(FULL, "", lambda drawn, t, _: Study(NopPruner(), drawn.curves, t, f"{drawn.number}")),
    ]


def tunable(budget: int) -> list[Setting]:
    """What the first half of the seeds may choose from, by method; about as much for every method."""
    keeps = sorted({1, max(1, budget // 4), max(1, budget // 2), max(1, 3 * budget // 4)})
    return [
        *(one_rung(10 * e, p, budget) for e, p in product((1, 2, 3, 5), keeps)),
        *(halvings(eta, p, budget) for eta, p in product((2, 3), keeps[:2])),
        _ours(FULL, None, budget, 1),
        *(asha(grace, factor) for grace, factor in product((1, 2, 3, 4), (2, 3, 4))),
        *(hyperband(eta) for eta in (2, 3, 4)),
        *(median(first, warm_up) for first, warm_up in product((1, 2, 5), (0, 1, 2, 4))),
        *(halving(least, factor) for least, factor in product((1, 2, 3, 4), (2, 3, 4))),
        *(optuna_hyperband(least, factor) for least, factor in product((1, 2), (2, 3, 4))),
    ]


def one_rung(percent: int, keep: int, budget: int) -> Setting:
    """SeedSweep with one cut of ten evaluations; t by its own arithmetic: t step(e) + p (S - step(e)) <= B S."""
    e = percent // 10
    most = keep + (budget - keep) * 10 // e
    return _ours(f"rung at {percent} %, keep {keep}", {"rungs": [{"atPercent": percent, "keep": keep}]}, most, keep)


def halvings(eta: int, last: int, budget: int) -> Setting:
    """SeedSweep with several cuts, each keeping one in eta of the one before; t by the same arithmetic."""
    percents = {2: (10, 20, 50), 3: (10, 30)}[eta]
    keeps = [last * eta**i for i in reversed(range(len(percents)))]
    rungs = [{"atPercent": percent, "keep": keep} for percent, keep in zip(percents, keeps, strict=True)]
    ends = (*percents[1:], 100)
    later = sum(keep * (end - begin) for keep, begin, end in zip(keeps, percents, ends, strict=True))
    most = (100 * budget - later) // percents[0]
    return _ours(
        "rungs " + ", ".join(f"{r['atPercent']} % keep {r['keep']}" for r in rungs), {"rungs": rungs}, most, keeps[0]
    )


def brackets(eta: int, resource: int) -> Setting:
    """SeedSweep with Hyperband's brackets."""
    return _ours(f"hyperband, eta {eta}", {"hyperband": {"eta": eta, "resource": resource}}, None, 1)


def _ours(words: str, stopping: dict[str, Any] | None, most: int | None, least: int) -> Setting:
    return Setting(OURS, words, lambda drawn, t, workers: Engine(drawn.curves, t, workers, stopping), most, least)


def asha(grace: int, factor: int) -> Setting:
    """Ray Tune's ASHA; max_t in evaluations."""
    return _ray(
        "Ray ASHA",
        f"grace_period {grace}, reduction_factor {factor}",
        lambda: AsyncHyperBandScheduler(max_t=10, grace_period=grace, reduction_factor=factor),
    )


def hyperband(eta: int) -> Setting:
    """Ray Tune's HyperBand; max_t in evaluations."""
    return _ray("Ray HyperBand", f"reduction_factor {eta}", lambda: HyperBandScheduler(max_t=10, reduction_factor=eta))


def _ray(method: str, words: str, scheduler: Callable[[], TrialScheduler]) -> Setting:
    return Setting(method, words, lambda drawn, t, _: Tune(scheduler(), drawn.curves, t))


def median(first: int, warm_up: int) -> Setting:
    """Optuna's MedianPruner."""
    return _optuna(
        "Optuna Median",
        f"n_startup_trials {first}, n_warmup_steps {warm_up}",
        lambda: MedianPruner(n_startup_trials=first, n_warmup_steps=warm_up),
    )


def halving(least: int | str, factor: int) -> Setting:
    """Optuna's SuccessiveHalvingPruner."""
    return _optuna(
        "Optuna SuccessiveHalving",
        f"min_resource {least}, reduction_factor {factor}",
        lambda: SuccessiveHalvingPruner(min_resource=least, reduction_factor=factor),
    )


def optuna_hyperband(least: int, factor: int) -> Setting:
    """Optuna's HyperbandPruner, told E as its documentation's example tells it."""
    return _optuna(
        "Optuna Hyperband",
        f"min_resource {least}, reduction_factor {factor}",
        lambda: HyperbandPruner(min_resource=least, max_resource=10, reduction_factor=factor),
    )


def rapidfire() -> Setting:
    """RapidFire AI's median rule, which has nothing to set."""
    return Setting("RapidFire AI median", "", lambda drawn, t, _: MedianOfPeers(drawn.curves, t))


def _optuna(method: str, words: str, pruner: Callable[[], BasePruner]) -> Setting:
    return Setting(method, words, lambda drawn, t, _: Study(pruner(), drawn.curves, t, f"{drawn.number}"))
