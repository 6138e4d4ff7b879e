"""Made-up sweeps with known true curves: what every world, whatever befalls it, has to find out."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from seedsweep.api.episode import EpisodeId
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout

BASELINE, BASELINE_ERROR = 0.4, 0.1
"""What every trainer publishes of a constant answer."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What training one episode gives, each time and on every machine."""

    scores: tuple[float | None, ...]
    losses: tuple[float, ...] | None
    diverges: int | None = None
    """Loss or weights become non-finite on the way to this evaluation."""
    breaks: int | None = None
    """Every attempt fails on the way to this evaluation."""

    @property
    def end(self) -> int:
        """The last evaluation that can be reached."""
        return min(x for x in (self.diverges, self.breaks, len(self.scores) + 1) if x is not None) - 1


@dataclass(frozen=True)
class Case:
    """A sweep, its evaluations E and steps S, and the true curves."""

    sweep: SeedSweep
    evaluations: int
    steps: int
    truths: dict[EpisodeId, Truth]

    @cached_property
    def layout(self) -> Layout:
        """The sweep laid out."""
        return Layout.of(self.sweep)

    @cached_property
    def marks(self) -> tuple[tuple[int, ...], ...]:
        """Evaluation of every rung that cuts, by bracket: floor(a E / 100)."""
        return tuple(
            tuple(rung.at_percent * self.evaluations // 100 for rung in ladder) for ladder in self.layout.rungs
        )

    def step(self, evaluation: int) -> int:
        """The step that an evaluation follows: ceil(i S / E)."""
        return (evaluation * self.steps + self.evaluations - 1) // self.evaluations

    def steps_planned(self) -> int:
        """What the design costs at most: t step(e) + p (S - step(e)), rung by rung; or B S."""
        if self.sweep.spec.budget is not None:
            return self.sweep.spec.budget * self.steps
        total = 0
        for members, ladder, marks in zip(self.layout.members, self.layout.rungs, self.marks, strict=True):
            running = len(members)
            for rung, mark, before in zip(ladder, marks, (0, *marks), strict=False):
                total += running * (self.step(mark) - self.step(before))
                running = min(running, rung.keep)
            total += running * (self.steps - self.step(marks[-1] if marks else 0))
        return total


def make_sweep(
    pairs: Sequence[tuple[int, int]], evaluations: int, stopping: Mapping[str, object] | None, **options: object
) -> SeedSweep:
    """A sweep over these (WI, DO); options: `ours`, `goal`, `declared`, and any field of the spec by its wire name.

    `declared`: a trainer of one's own whose number of evaluations stands in the sweep.
    """
    goal, declared = options.pop("goal", "maximize"), options.pop("declared", False)
    if options.pop("ours", True):
        trainer: dict[str, object] = {
            "fineTuning": {
                "model": "example/tiny-encoder",
                "dataset": {"task": "rte", "path": "glue/RTE"},
                "metric": {"name": "accuracy", "goal": goal},
                "epochs": 1,
                "evaluationsPerEpoch": evaluations,
            }
        }
    else:
        trainer = {"command": ["train"], "metric": {"name": "quality", "goal": goal}}
        if declared:
            trainer["evaluations"] = evaluations
    spec: dict[str, object] = {
        "seeds": {"pairs": [{"weightInit": w, "dataOrder": d} for w, d in pairs]},
        "parallelism": 2,
        "trainer": trainer,
        **options,
    }
    if stopping is not None:
        spec["earlyStopping"] = stopping
    return SeedSweep.model_validate(
        {"apiVersion": "seedsweep.io/v1alpha1", "kind": "SeedSweep", "metadata": {"name": "study"}, "spec": spec}
    )


def percent_for(evaluation: int, evaluations: int) -> int:
    """A whole percent whose rung falls on this evaluation."""
    return -(-100 * evaluation // evaluations)


def uniform_case(t: int, evaluations: int, steps: int, rungs: Sequence[tuple[int, int]], **options: object) -> Case:
    """A sweep of t episodes whose scores are drawn once, none of which fails."""
    rng = random.Random(t)
    ladder = [{"atPercent": percent_for(e, evaluations), "keep": keep} for e, keep in rungs]
    stopping: dict[str, object] | None = {"rungs": ladder} if ladder else None
    truths = {
        EpisodeId(i, i): Truth(
            tuple(round(rng.random(), 6) for _ in range(evaluations)), tuple(1.0 for _ in range(evaluations))
        )
        for i in range(t)
    }
    return Case(make_sweep([(i, i) for i in range(t)], evaluations, stopping, **options), evaluations, steps, truths)


def random_case(rng: random.Random, *, floor: bool = False, rung: bool = False, grows: bool = False) -> Case:
    """Any small sweep: ties on plateaus, undefined scores, divergences and episodes that always fail included.

    `rung`: one beside a floor. `grows`: it may get more seeds.
    """
    t = rng.randint(1, 8)
    pairs = rng.sample([(w, d) for w in range(4) for d in range(4)], t)
    evaluations = rng.randint(2 if floor else 1, 9)
    ours = rng.random() < 0.7
    budget = rng.randint(1, t) if floor else 0
    options: dict[str, object] = {"budget": budget} if floor else {}
    if ours and rng.random() < 0.5:
        options["result"] = "average"
    sweep = make_sweep(
        pairs,
        evaluations,
        _random_floor(rng, evaluations, budget if rung else 0)
        if floor
        else _random_stopping(rng, t, evaluations, grows=grows),
        **options,
        ours=ours,
        declared=rng.random() < 0.5,
        goal=rng.choice(["maximize", "minimize"]),
        parallelism=rng.randint(1, t + 1),
        backoffLimitPerEpisode=rng.randint(0, 3),
        progressDeadlineSeconds=400,
        waitForCapacitySeconds=rng.choice([1, 30, 300]),
    )
    publishes_loss = ours or rng.random() < 0.5
    curves: list[Truth] = []
    for _ in range(t):
        curves.append(rng.choice(curves) if curves and rng.random() < 0.1 else _random_truth(rng, evaluations))
    truths = {
        EpisodeId(*pair): Truth(c.scores, c.losses if publishes_loss else None, c.diverges, c.breaks)
        for pair, c in zip(pairs, curves, strict=True)
    }
    return Case(sweep, evaluations, rng.randint(evaluations, 40), truths)


def _random_stopping(rng: random.Random, t: int, evaluations: int, *, grows: bool) -> dict[str, object] | None:
    if evaluations == 1 or rng.random() < 0.08:
        return None
    stopping: dict[str, object] = {"rankBy": rng.choice(["best", "best", "latest"]), "tieSeed": rng.randint(0, 5)}
    if grows:
        stopping |= {"rankBy": "best", "rungs": _random_rungs(rng, max(1, t // 2), evaluations, least=1)[:1]}
    elif rng.random() < 0.25 and t > 1:
        sizes = [first := rng.randint(1, t - 1), t - first]
        stopping["brackets"] = [{"episodes": n, "rungs": _random_rungs(rng, n, evaluations, least=0)} for n in sizes]
    else:
        stopping["rungs"] = _random_rungs(rng, t, evaluations, least=1)
    if rng.random() < 0.3:
        stopping["audit"] = {"percent": rng.choice([20, 50, 99]), "seed": rng.randint(0, 5)}
    return stopping


def _random_floor(rng: random.Random, evaluations: int, most_kept: int) -> dict[str, object]:
    """`most_kept`: at a rung, at the floor or after it; 0 without one."""
    at = rng.randint(1, evaluations - 1)
    floor = {"atPercent": percent_for(at, evaluations), "margin": rng.choice(["0", "1", "1.5", "2.25"])}
    stopping = {"rankBy": rng.choice(["best", "best", "latest"]), "tieSeed": rng.randint(0, 5), "floor": floor}
    if most_kept:
        later = percent_for(rng.randint(at, evaluations - 1), evaluations)
        stopping["rungs"] = [{"atPercent": later, "keep": rng.randint(1, most_kept)}]
    return stopping


def _random_rungs(rng: random.Random, t: int, evaluations: int, least: int) -> list[dict[str, int]]:
    places = sorted(rng.sample(range(1, evaluations), rng.randint(least, min(3, evaluations - 1))))
    keeps = sorted((rng.randint(1, t) for _ in places), reverse=True)
    return [{"atPercent": percent_for(e, evaluations), "keep": keep} for e, keep in zip(places, keeps, strict=True)]


def _random_truth(rng: random.Random, evaluations: int) -> Truth:
    levels = rng.choice([2, 4, 1000])
    blind = rng.choice([0.0, 0.0, 0.2, 1.0 if rng.random() < 0.2 else 0.1])
    scores = tuple(None if rng.random() < blind else rng.randint(0, levels) / levels for _ in range(evaluations))
    losses = tuple(rng.randint(1, 3) / 2 for _ in range(evaluations))
    fate = rng.random()
    diverges = rng.randint(1, evaluations) if fate < 0.1 else None
    breaks = rng.randint(1, evaluations) if 0.1 <= fate < 0.2 else None
    return Truth(scores, losses, diverges, breaks)
