"""A floor: whatever befalls a sweep, its seeds' own scores and their order decide, and its budget is never exceeded."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cases import BASELINE, BASELINE_ERROR, Case, Truth, make_sweep, percent_for, random_case
from engine.fate import Hazards, Tempo
from engine.outcome import assert_cost_bounded, assert_exact_cost, assert_right_outcome
from engine.simulator import simulate
from engine.situations import look, running, study
from engine.test_properties import TIMES, bounded, quiet, seeds, told, wild
from seedsweep.api.episode import EpisodeId, Fall

pytestmark = pytest.mark.timeout(1800)
alone = seeds.map(lambda seed: random_case(random.Random(seed), floor=True))
with_rung = seeds.map(lambda seed: random_case(random.Random(seed), floor=True, rung=True))
cases = st.one_of(alone, with_rung)


def verdict_of(world, number):
    verdict = world.records[EpisodeId(number, number)].verdict
    assert verdict is not None
    return verdict


def failure_of(world):
    failed = world.status.condition("Failed")
    assert failed is not None
    return failed.status, failed.reason, failed.message


def case_of(levels, budget, *, evaluations=4, margin="1", goal="maximize"):
    """A sweep whose episodes have these scores at every evaluation, ten steps apart; the floor is half-way."""
    floor = {"atPercent": percent_for(evaluations // 2, evaluations), "margin": margin}
    pairs = [(i, i) for i in range(len(levels))]
    sweep = make_sweep(pairs, evaluations, {"floor": floor}, budget=budget, goal=goal)
    losses = (1.0,) * evaluations
    truths = {EpisodeId(i, i): Truth((level,) * evaluations, losses) for i, level in enumerate(levels)}
    return Case(sweep, evaluations, 10 * evaluations, truths)


@settings(bounded, max_examples=30 * TIMES)
@given(case=cases, hazards=quiet, seed=seeds)
def test_outcome_depends_on_neither_parallelism_nor_scarcity_nor_order_of_arrival(case, hazards, seed):
    world = simulate(case, hazards, seed)
    assert_right_outcome(world)
    assert_exact_cost(world)
    assert world.status.cost.useful_steps <= case.sweep.spec.budget * case.steps


@settings(bounded, max_examples=30 * TIMES)
@given(case=cases, hazards=told, seed=seeds)
def test_retried_failures_pauses_and_suspensions_change_the_cost_but_not_the_outcome(case, hazards, seed):
    world = simulate(case, hazards, seed)
    assert_right_outcome(world)
    assert_exact_cost(world)


@settings(bounded, max_examples=50 * TIMES)
@given(case=cases, hazards=wild, seed=seeds)
def test_crashes_lost_records_lost_readings_and_vanished_attempts_do_not_change_the_outcome(case, hazards, seed):
    world = simulate(case, hazards, seed)
    assert_right_outcome(world)
    assert_cost_bounded(world)


@settings(bounded, max_examples=15 * TIMES)
@given(case=cases, hazards=wild, seed=seeds, limit=st.sampled_from([1, 2, 5]))
def test_more_news_than_one_turn_records_does_not_change_the_outcome(case, hazards, seed, limit):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seedsweep.engine.draft.MAX_WRITES", limit)
        assert_right_outcome(simulate(case, hazards, seed))


def test_the_next_seeds_start_in_the_places_of_those_that_fall():
    # Each that falls costs half a run: two of them pay for one more.
    world = simulate(case_of([0.4, 0.9, 0.4, 0.8, 0.9, 0.9], 3), Hazards(), seed=1)
    outcomes = [verdict_of(world, number).outcome for number in range(len(world.records))]
    assert outcomes == ["LostByFloor", "Finished", "LostByFloor", "Finished"]
    assert (world.status.counts.unused, world.status.counts.waiting) == (2, 0)
    assert world.status.cost.planned_steps == 3 * 40
    assert world.status.best is not None
    assert world.status.best.episode == "wi1-do1"


@pytest.mark.parametrize(
    ("score", "goal", "falls"),
    [(0.5, "maximize", True), (0.501, "maximize", False), (0.3, "minimize", True), (0.299, "minimize", False)],
)
def test_an_episode_must_be_better_than_the_margin(score, goal, falls):
    world = simulate(case_of([score, score], 1, goal=goal), Hazards(), seed=1)
    assert (verdict_of(world, 0).outcome == "LostByFloor") == falls


def test_who_falls_trains_less_than_an_evaluation_past_the_floor_however_rarely_others_are_read():
    tempo = Tempo(pace=(10, 10), warm=(0, 0), lag=(0,), grace=(0, 0), scrape=(30, 30), doze=0, gated=0.0)
    world = simulate(case_of([0.4] * 6, 3, evaluations=10), Hazards(tempo=tempo), seed=1)
    assert world.status.counts.lost == 5
    assert 0 < world.status.cost.overshoot_steps < 5 * 10


def test_who_falls_has_its_reasons_on_record():
    world = simulate(case_of([0.45, 0.9], 1, margin="1.5"), Hazards(), seed=1)
    verdict = verdict_of(world, 0)
    assert verdict.rung == 0
    assert verdict.fall == Fall(score=0.45, baseline=BASELINE, standard_error=BASELINE_ERROR, margin="1.5")
    assert verdict.reason == (
        "0.4500 is not better than a constant answer (0.4000) by more than 1.5 standard errors of 0.1000"
    )


def test_a_sweep_of_which_all_fall_has_failed_and_says_so():
    world = simulate(case_of([0.4, 0.4, 0.4], 2), Hazards(), seed=1)
    status, reason, message = failure_of(world)
    assert (status, reason) == ("True", "NoEpisodeFinished")
    assert message.startswith("3 fell below the floor")
    # No better than a constant answer: none of them is a result, whatever of it was stored when it was stopped.
    assert world.status.best is None
    assert all(status.best is None for status in world.records.values())


def test_where_none_falls_the_budget_is_what_it_buys_without_a_floor():
    world = simulate(case_of([0.9] * 5, 3), Hazards(), seed=1)
    assert [verdict_of(world, number).outcome for number in range(len(world.records))] == ["Finished"] * 3
    assert world.status.cost.useful_steps == 3 * 40
    assert world.status.design == "floor"


@pytest.mark.parametrize("lacking", ["BASELINE", "BASELINE_ERROR"])
def test_a_trainer_that_publishes_no_baseline_ends_the_sweep_with_a_reason(monkeypatch, lacking):
    monkeypatch.setattr(f"engine.trainees.{lacking}", None)
    monkeypatch.setattr("engine.invariants.Watch._is_carried", lambda *_: False)
    world = simulate(case_of([0.9, 0.9], 1), Hazards(), seed=1)
    status, reason, message = failure_of(world)
    assert (status, reason) == ("True", "NoBaseline")
    assert "publish seedsweep_baseline_score and seedsweep_baseline_error" in message


def test_without_storage_an_interruption_is_what_costs_for_nobody_makes_room():
    layout = study(4, stopping={"floor": {}}, budget=2)
    kept = look(layout, running(0, 0.5), resumable=False).condition("CheckpointsKept")
    assert kept.reason == "NoStorage"
    assert kept.message.endswith("interrupted episodes start again from their seeds")
