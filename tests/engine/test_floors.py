"""A floor: whatever befalls a sweep, its seeds' own scores and their order decide, and its budget is never exceeded."""

import random
from itertools import product

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
from seedsweep.api.status import SweepStatus
from seedsweep.engine.facts.budget import Budget, Prices

pytestmark = pytest.mark.timeout(1800)
alone = seeds.map(lambda seed: random_case(random.Random(seed), floor=True))
with_rung = seeds.map(lambda seed: random_case(random.Random(seed), floor=True, rung=True))
cases = st.one_of(alone, with_rung)


def verdict_of(world, number):
    verdict = world.records[EpisodeId(number, number)].verdict
    assert verdict is not None
    return verdict


def outcomes_of(world):
    return [verdict_of(world, number).outcome for number in range(len(world.records))]


def failure_of(world):
    failed = world.status.condition("Failed")
    assert failed is not None
    return failed.status, failed.reason, failed.message


def case_of(levels, budget, *, evaluations=4, margin="1", goal="maximize", rung=None, breaks=None, **options):
    """A sweep whose episodes have these scores at every evaluation, ten steps apart; the floor is half-way.

    `rung`: evaluation, and how many it keeps. `breaks`: evaluations that no attempt reaches, by number.
    """
    stopping: dict[str, object] = {"floor": {"atPercent": percent_for(evaluations // 2, evaluations), "margin": margin}}
    if rung is not None:
        stopping["rungs"] = [{"atPercent": percent_for(rung[0], evaluations), "keep": rung[1]}]
    pairs = [(i, i) for i in range(len(levels))]
    sweep = make_sweep(pairs, evaluations, stopping, budget=budget, goal=goal, **options)
    losses, breaks = (1.0,) * evaluations, breaks or {}
    truths = {
        EpisodeId(i, i): Truth((level,) * evaluations, losses, breaks=breaks.get(i)) for i, level in enumerate(levels)
    }
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
    assert outcomes_of(world) == ["LostByFloor", "Finished", "LostByFloor", "Finished"]
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
    assert outcomes_of(world) == ["Finished"] * 3
    assert world.status.cost.useful_steps == 3 * 40
    assert world.status.design == "floor"


@pytest.mark.parametrize("rung", [None, (2, 1), (3, 1)])
@pytest.mark.parametrize("lacking", ["BASELINE", "BASELINE_ERROR"])
def test_a_trainer_that_publishes_no_baseline_ends_the_sweep_with_a_reason(monkeypatch, lacking, rung):
    monkeypatch.setattr(f"engine.trainees.{lacking}", None)
    monkeypatch.setattr("engine.invariants.Watch._is_carried", lambda *_: False)
    world = simulate(case_of([0.9, 0.9], 1, rung=rung), Hazards(), seed=1)
    status, reason, message = failure_of(world)
    assert (status, reason) == ("True", "NoBaseline")
    assert "publish seedsweep_baseline_score and seedsweep_baseline_error" in message


def test_without_storage_an_interruption_is_what_costs_for_nobody_makes_room():
    layout = study(4, stopping={"floor": {}}, budget=2)
    kept = look(layout, running(0, 0.5), resumable=False).condition("CheckpointsKept")
    assert kept.reason == "NoStorage"
    assert kept.message.endswith("interrupted episodes start again from their seeds")


def test_of_those_above_the_floor_the_rung_keeps_the_best_and_those_that_fall_pay_for_more():
    # Of 160 steps, two that fall take 20 each, three that stand 30 each up to the rung, and the one kept 10 more.
    world = simulate(case_of([0.4, 0.7, 0.4, 0.8, 0.9, 0.6, 0.9], 4, rung=(3, 1)), Hazards(), seed=1)
    assert [verdict_of(world, number).rung for number in range(len(world.records))] == [0, 1, 0, 1, None]
    [cut] = world.cuts.values()
    assert (cut.name, cut.evaluation, cut.keep) == ("study-b0-r1", 3, 1)
    assert cut.ranked == ["wi4-do4", "wi3-do3", "wi1-do1"]
    cost = world.status.cost
    assert (world.status.design, cost.planned_steps, cost.useful_steps) == ("floor+cut", 160, 140)
    assert world.status.message.endswith("; 1 kept and finished; 2 fell below the floor; 2 unused")


def test_the_cut_names_who_fell_and_who_failed_before_the_rung_with_the_reason():
    world = simulate(case_of([0.4, 0.9, 0.8, 0.7], 3, rung=(3, 1), breaks={1: 3}), Hazards(), seed=1)
    [cut] = world.cuts.values()
    assert cut.ranked == ["wi2-do2", "wi3-do3"]
    assert [entry.episode for entry in cut.excluded] == ["wi0-do0", "wi1-do1"]
    assert cut.excluded[0].reason.startswith("LostByFloor: 0.4000 is not better")
    assert cut.excluded[1].reason.startswith("Failed: ")
    assert verdict_of(world, 1).rung == 1
    # It stood above the floor, and what it scored before it failed counts.
    assert world.status.best is not None
    assert world.status.best.episode == "wi1-do1"


def test_where_fewer_are_above_the_floor_than_the_rung_keeps_all_of_them_go_on():
    world = simulate(case_of([0.4, 0.9, 0.4, 0.4], 3, rung=(3, 3)), Hazards(), seed=1)
    assert outcomes_of(world) == ["LostByFloor", "Finished", "LostByFloor", "LostByFloor"]
    [cut] = world.cuts.values()
    assert cut.ranked == ["wi1-do1"]


def test_a_floor_and_a_rung_at_one_evaluation_are_decided_together():
    world = simulate(case_of([0.9, 0.4, 0.8, 0.7, 0.6], 2, rung=(2, 1)), Hazards(), seed=1)
    # Each takes 20 steps up to there, and who is kept 20 more.
    assert [verdict_of(world, number).rung for number in range(len(world.records))] == [None, 0, 1]
    scores = world.records[EpisodeId(0, 0)].rung_scores
    assert [(score.rung, score.evaluation, score.score) for score in scores] == [(0, 2, 0.9), (1, 2, 0.9)]


def test_where_all_fall_nothing_is_cut():
    world = simulate(case_of([0.4] * 4, 2, rung=(3, 1)), Hazards(), seed=1)
    assert failure_of(world)[1] == "NoEpisodeFinished"
    assert failure_of(world)[2].startswith("3 fell below the floor")
    assert not world.cuts


def test_a_failure_before_the_floor_pays_for_more_as_a_fall_does_and_one_after_it_does_not():
    def carried(fails_at):
        breaks = dict.fromkeys(range(4), fails_at)
        case = case_of([0.9] * 8, 4, rung=(3, 1), breaks=breaks, backoffLimitPerEpisode=0)
        return len(simulate(case, Hazards(), seed=1).records)

    assert (carried(2), carried(3)) == (6, 5)


def test_who_is_carried_does_not_depend_on_which_fate_is_known_first():
    layout = case_of([0.9] * 9, 4, rung=(3, 2)).layout
    prices = Prices.of(layout, 4, 40)
    for fates in product([True, False], repeat=len(layout.episodes)):
        counts = []
        for known in range(len(fates) + 1):
            budget, carried = Budget(prices, layout.budget), 0
            while carried < len(fates) and budget.carries_another():
                budget.pay(early=fates[carried] and carried < known)
                carried += 1
            counts.append(carried)
            assert budget.used <= layout.budget
        # As the first fates come to be known, more are carried and nobody is taken back.
        assert counts == sorted(counts)


def test_the_length_of_an_episode_makes_room_for_more_than_full_runs_and_takes_nobody_back():
    # By evaluations six would be carried, and by steps, of which 51 come before the rung, five.
    layout = study(8, (5, 2), stopping={"floor": {"atPercent": 30}}, budget=4, parallelism=8)
    assert [i for i, _ in look(layout, status=SweepStatus()).starts] == [0, 1, 2, 3]
    known = SweepStatus(evaluations=10, steps=101)
    assert [i for i, _ in look(layout, status=known).starts] == [0, 1, 2, 3, 4]


def test_where_more_are_about_to_be_carried_than_there_are_places_the_first_stop_at_the_rung_too():
    layout = study(8, (5, 2), stopping={"floor": {"atPercent": 30}}, budget=4, parallelism=4)
    assert look(layout, status=SweepStatus()).starts == [(0, 5), (1, 5), (2, 5), (3, 5)]
    roomy = study(8, (5, 2), stopping={"floor": {"atPercent": 30}}, budget=4, parallelism=6)
    assert look(roomy, status=SweepStatus()).starts == [(0, None), (1, None), (2, None), (3, None)]


def test_rungs_that_fall_before_the_first_evaluation_are_refused_once_their_number_is_known():
    stopping = {"floor": {"atPercent": 5}, "rungs": [{"atPercent": 6, "keep": 1}]}
    layout = study(4, stopping=stopping, budget=2, ours=False)
    failed = look(layout, running(0, 0.5), status=SweepStatus()).condition("Failed")
    assert failed.reason == "InvalidRungs"
    assert "spec.earlyStopping.floor.atPercent: falls before the first of 10 evaluations" in failed.message
    assert "spec.earlyStopping.rungs[0].atPercent: falls before" in failed.message


def test_without_storage_who_made_room_at_the_rung_starts_again():
    layout = study(8, (5, 2), stopping={"floor": {"atPercent": 30}}, budget=4)
    kept = look(layout, running(0, 0.5), resumable=False).condition("CheckpointsKept")
    assert kept.message.endswith("survivors that made room start again from their seeds, up to 100 steps more")
