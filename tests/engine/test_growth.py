"""A sweep that gets more seeds comes to the result that a sweep of all of them would have given."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.brute import work_out
from engine.cases import Case, Truth, make_sweep, random_case, uniform_case
from engine.fate import Hazards
from engine.outcome import SAME, assert_cost_bounded, assert_exact_cost
from engine.simulator import World, run
from engine.test_properties import bounded, quiet, seeds, wild
from seedsweep.api.episode import EpisodeId

# Their work is fixed, and takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(1800)

cases = seeds.map(lambda seed: random_case(random.Random(seed), grows=True))
turns = st.one_of(st.integers(1, 60), st.none())
"""Before more seeds come; None: the sweep has come to its end."""


def of_first(case: Case, count: int) -> Case:
    """The same sweep with its first seeds only, as many as it keeps at least."""
    spec = case.sweep.spec
    assert spec.seeds.pairs is not None
    keep = case.layout.rungs[0][0].keep if case.layout.rungs[0] else 1
    pairs = spec.seeds.pairs[: max(count, keep)]
    episodes = [EpisodeId(pair.weight_init, pair.data_order) for pair in pairs]
    sweep = case.sweep.evolve(spec=spec.evolve(seeds=spec.seeds.evolve(pairs=pairs)))
    return Case(sweep, case.evaluations, case.steps, {e: case.truths[e] for e in episodes})


def assert_same_result(world: World) -> None:
    """Ranking, survivors, fates and winner are those of all seeds together; what has ended stays as it was."""
    expected = work_out(world.case)
    rankings = {
        key: [(name, score) for name, score in zip(cut.ranked, cut.scores, strict=True)]
        for key, cut in world.cuts.items()
    }
    assert rankings == {k: [(e.name, score) for e, score in ranked] for k, ranked in expected.rankings.items()}
    for episode, (how, rung) in expected.verdicts.items():
        status = world.records[episode]
        assert status.verdict is not None
        found = SAME.get(status.verdict.outcome, status.verdict.outcome)
        if how == "Lost" and found != "Lost":
            # It came to its end before those that outrank it began.
            assert status.verdict.rung is None
            assert found != "Finished" or status.state in ("Lost", "Audited")
            assert status.best is None or status.best.evaluation <= expected.limits[episode]
        else:
            assert (found, status.verdict.rung) == (how, rung)
    best = world.status.best
    found_best = None if best is None else (EpisodeId(best.weight_init, best.data_order), best.score, best.evaluation)
    assert found_best == expected.best
    if best is not None and best.weights is not None and world.case.sweep.spec.result == "average":
        survivors = {e.name for e, (_, rung) in expected.verdicts.items() if rung is None}
        assert best.average is not None
        assert {*best.average.episodes} == survivors


def grown(case: Case, hazards: Hazards, seed: int, first: int, after: int | None) -> World | None:
    """The world of a sweep that began with so many seeds; None where it had failed before it got the others."""
    world = World(of_first(case, first), hazards, seed)
    run(world, after)
    if world.status.failed:
        return None
    world.grow(case)
    run(world)
    return world


@settings(bounded, max_examples=150)
@given(case=cases, hazards=quiet, seed=seeds, first=st.integers(1, 7), after=turns)
def test_seeds_that_come_late_change_nothing_of_the_result(case, hazards, seed, first, after):
    world = grown(case, hazards, seed, first, after)
    if world is not None:
        assert_same_result(world)
        if not case.layout.audited:
            # What an audited one trained while it was kept counts as audit, and only if it came to its end.
            assert_exact_cost(world)


@settings(bounded, max_examples=150)
@given(case=cases, hazards=wild, seed=seeds, first=st.integers(1, 7), after=turns)
def test_crashes_and_lost_records_on_the_way_do_not_change_it_either(case, hazards, seed, first, after):
    world = grown(case, hazards, seed, first, after)
    if world is not None:
        assert_same_result(world)
        assert_cost_bounded(world)


def test_the_time_for_which_a_sweep_was_over_does_not_count_for_its_deadline() -> None:
    case = uniform_case(4, 10, 100, [(3, 2)], activeDeadlineSeconds=100_000)
    world = World(of_first(case, 3), Hazards(), seed=1)
    run(world)
    world.now += 1_000_000
    over = world.status.completion_time
    world.grow(case)
    run(world)
    assert_same_result(world)
    assert world.status.completion_time != over
    assert 1_000_000 <= world.status.suspended_seconds < 1_100_000


def test_where_the_winner_is_outranked_at_its_rung_another_survivors_weights_are_still_there() -> None:
    """The first is the best of three, and only the third best of four at the rung: the second wins then."""
    curves = [(0.5, 0.9), (0.6, 0.8), (0.1, 0.2), (0.7, 0.7)]
    sweep = make_sweep([(i, i) for i in range(4)], 2, {"rungs": [{"atPercent": 50, "keep": 2}]})
    truths = {EpisodeId(i, i): Truth(curve, (1.0, 1.0)) for i, curve in enumerate(curves)}
    case = Case(sweep, 2, 20, truths)
    world = World(of_first(case, 3), Hazards(), seed=1)
    run(world)
    assert world.status.best is not None
    assert world.status.best.episode == "wi0-do0"
    world.grow(case)
    run(world)
    assert_same_result(world)
    assert world.status.best.episode == "wi1-do1"
    assert world.status.best.weights is not None
    assert world.records[EpisodeId(0, 0)].state == "Lost"
    assert world.status.cost.overshoot_steps == 10
