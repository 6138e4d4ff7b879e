"""Whatever befalls a sweep, its outcome is the one that brute force works out from the true curves.

Every simulated world also asserts, in each of its turns, what engine/invariants.py lists.
"""

import os
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.cases import make_sweep, random_case, uniform_case
from engine.fate import Autoscaler, Hazards, Tempo
from engine.outcome import (
    assert_cost_bounded,
    assert_exact_cost,
    assert_gpus_are_used,
    assert_little_waste,
    assert_one_story,
    assert_right_outcome,
)
from engine.simulator import simulate

# Derandomized: what passes once passes always; the seeds spread over the cases by themselves.
settings.register_profile(
    "engine",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
bounded = settings.get_profile("engine")
# Their work is fixed, and takes minutes on a busy machine.
pytestmark = pytest.mark.timeout(1800)
TIMES = int(os.environ.get("SEEDSWEEP_SCHEDULES", "1"))
"""So many times as many schedules, for a long night."""

seeds = st.integers(0, 2**32)
cases = seeds.map(lambda seed: random_case(random.Random(seed)))
chance = st.sampled_from([0.0, 0.1, 0.3])
gpus = st.sampled_from([None, None, 1, 2, 3])
quiet = st.builds(Hazards, gpus=gpus, resumable=st.booleans(), obedient=st.sampled_from([True, True, False]))
told = st.builds(
    Hazards,
    mishap=st.sampled_from([0.2, 0.6]),
    clumsy=chance,
    unwritten=chance,
    denied=chance,
    turmoil=st.integers(0, 6),
    gpus=gpus,
    resumable=st.booleans(),
)
# A loop that is never in the way: what is left is what it decides.
steady = Tempo(gated=0.0)
scarce = st.builds(
    Hazards,
    preempted=chance,
    gpus=st.integers(1, 4),
    spread=st.sampled_from([0.0, 0.2]),
    resumable=st.sampled_from([True, True, False]),
    tempo=st.just(steady),
)
changing = st.builds(
    Hazards,
    mishap=chance,
    preempted=chance,
    lost=chance,
    reclaimed=st.integers(0, 4),
    autoscaler=st.sampled_from([None, Autoscaler(1), Autoscaler(4)]),
    vanish=chance,
    mute=chance,
    crash=st.sampled_from([0.0, 0.0, 0.1]),
    unwritten=chance,
    turmoil=st.integers(0, 3),
    gpus=st.integers(1, 4),
    spread=st.sampled_from([0.0, 0.2, 0.5]),
    resumable=st.booleans(),
)
wild = st.builds(
    Hazards,
    mishap=chance.map(lambda x: 2 * x),
    vanish=chance,
    mute=chance.map(lambda x: 1.5 * x),
    crash=chance,
    unwritten=chance,
    denied=chance,
    clumsy=chance,
    turmoil=st.integers(0, 6),
    gpus=gpus,
    resumable=st.booleans(),
    obedient=st.sampled_from([True, True, False]),
    exact=st.booleans(),
)


@settings(bounded, max_examples=150 * TIMES)
@given(case=cases, hazards=quiet, seed=seeds)
def test_outcome_depends_on_neither_parallelism_nor_scarcity_nor_order_of_arrival(case, hazards, seed):
    world = simulate(case, hazards, seed)
    assert_right_outcome(world)
    assert_exact_cost(world)


@settings(bounded, max_examples=150 * TIMES)
@given(case=cases, hazards=told, seed=seeds)
def test_retried_failures_pauses_and_suspensions_change_the_cost_but_not_the_outcome(case, hazards, seed):
    world = simulate(case, hazards, seed)
    assert_right_outcome(world)
    assert_exact_cost(world)


@settings(bounded, max_examples=450 * TIMES)
@given(case=cases, hazards=wild, seed=seeds)
def test_crashes_lost_records_lost_readings_and_vanished_attempts_do_not_change_the_outcome(case, hazards, seed):
    world = simulate(case, hazards, seed)
    assert_right_outcome(world)
    assert_cost_bounded(world)


@settings(bounded, max_examples=150 * TIMES)
@given(case=cases, hazards=wild, seed=seeds)
def test_a_trainer_that_is_not_deterministic_still_gets_final_scores_and_one_cut(case, hazards, seed):
    world = simulate(case, replace(hazards, wobble=True), seed)
    assert_one_story(world)
    assert_cost_bounded(world)


@settings(bounded, max_examples=300 * TIMES)
@given(case=cases, hazards=scarce, seed=seeds)
def test_on_few_gpus_none_idles_while_work_is_ready_and_little_is_trained_twice(case, hazards, seed):
    world = simulate(case, hazards, seed)
    assert_right_outcome(world)
    assert_exact_cost(world)
    assert_little_waste(world)
    assert_gpus_are_used(world)


@settings(bounded, max_examples=300 * TIMES)
@given(case=cases, hazards=changing, seed=seeds)
def test_nodes_that_vanish_die_and_come_back_change_neither_the_outcome_nor_what_is_kept(case, hazards, seed):
    world = simulate(case, hazards, seed)
    assert_right_outcome(world)
    assert_cost_bounded(world)
    assert_little_waste(world)


@pytest.mark.parametrize("limit", [1, 2, 5])
@settings(bounded, max_examples=50 * TIMES)
@given(case=cases, hazards=wild, seed=seeds)
def test_more_news_than_one_turn_records_does_not_change_the_outcome(limit, case, hazards, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seedsweep.engine.draft.MAX_WRITES", limit)
        assert_right_outcome(simulate(case, hazards, seed))


@pytest.mark.parametrize("parallelism", [1, 4, 16])
def test_checkpoints_stay_few_whatever_the_number_of_episodes(parallelism):
    keep = 3
    case = uniform_case(80, 10, 100, [(3, keep)], parallelism=parallelism)
    world = simulate(case, Hazards(), seed=1)
    assert_right_outcome(world)
    assert world.watch.peak_checkpoints <= keep + parallelism


def test_where_all_run_past_the_rung_at_once_only_overshoot_is_lost():
    case = uniform_case(12, 10, 100, [(3, 2)], parallelism=12)
    world = simulate(case, Hazards(), seed=1)
    assert_exact_cost(world)
    cost = world.status.cost
    assert cost.useful_steps == 12 * 30 + 2 * 70
    assert cost.wasted_steps == 0


def test_one_place_trains_exactly_what_the_design_costs():
    case = uniform_case(12, 7, 50, [(2, 3), (5, 1)], parallelism=1)
    world = simulate(case, Hazards(), seed=1)
    cost = world.status.cost
    assert cost.useful_steps == cost.planned_steps == 12 * 15 + 3 * (36 - 15) + 1 * (50 - 36)
    assert (cost.overshoot_steps, cost.wasted_steps, cost.audit_steps) == (0, 0, 0)


def test_without_storage_survivors_train_their_way_to_the_rung_twice_and_no_one_else_does():
    case = uniform_case(12, 10, 100, [(3, 2)], parallelism=1)
    world = simulate(case, Hazards(resumable=False), seed=1)
    assert_right_outcome(world)
    cost = world.status.cost
    assert (cost.useful_steps, cost.wasted_steps) == (12 * 30 + 2 * 70, 2 * 30)


def test_two_gpus_instead_of_six_still_come_to_the_end_and_are_remembered():
    case = uniform_case(12, 10, 100, [(3, 2)], parallelism=6, waitForCapacitySeconds=30)
    world = simulate(case, Hazards(gpus=2), seed=1)
    assert_right_outcome(world)
    assert world.status.observed_places is None or world.status.observed_places <= 6


def test_an_audited_sweep_with_hyperband_comes_out_right():
    case = uniform_case(40, 12, 60, [], parallelism=7)
    stopping = {"hyperband": {"eta": 3, "resource": 9}, "audit": {"percent": 10}}
    pairs = [(e.weight_init, e.data_order) for e in case.truths]
    case = replace(case, sweep=make_sweep(pairs, 12, stopping, parallelism=7))
    assert len(case.layout.rungs) == 3
    world = simulate(case, Hazards(mishap=0.1, crash=0.02), seed=3)
    assert_right_outcome(world)
