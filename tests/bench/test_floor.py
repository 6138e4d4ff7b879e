"""A floor, as brute force has it: who is stopped, who starts next, and what the budget carries."""

from dataclasses import replace

import numpy as np
import pytest

import floor
from floor import BUILT, CHOSEN, FixedCut, Floor, FloorThenRung, decide, gain_of, single, try_out
from host import needs
from stopping_pays import EVALUATIONS, RECIPES, Runs, cut, draw, half_kept, no_stopping, read

RULES = [
    Floor(((2, 0.5), (5, 1.5))),
    Floor(((3, 1.0),)),
    Floor(((3, 1.0),), rest=False),
    Floor(((3, 1.0),), rest=False, fallen_win=False),
]


def made_up(count=12, seed=0, failing=0.5):
    """Some answer alike to the end, others are well above from the second evaluation."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.uniform(54, 80, (count, EVALUATIONS)), 1)
    scores[rng.uniform(size=count) < failing] = 55.0
    return Runs(scores, rng.uniform(0.3, 0.9, scores.shape), rng.uniform(50, 80, count), 55.0, 4.0)


def by_hand(runs, rule, budget, order):
    """(found, evaluations spent, seeds begun), one evaluation at a time."""
    left, begun, found = budget * EVALUATIONS, 0, -np.inf
    for seed in order:
        if left < (1 if rule.rest else EVALUATIONS):
            break
        begun += 1
        best = -np.inf
        for evaluation in range(1, EVALUATIONS + 1):
            if left == 0:
                break
            left -= 1
            best = max(best, runs.scores[seed, evaluation - 1])
            margin = dict(rule.margins).get(evaluation)
            if margin is not None and best <= runs.constant + margin * runs.noise:
                best = best if rule.fallen_win else runs.constant
                break
        found = max(found, best)
    return found, budget * EVALUATIONS - left, begun


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("failing", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("budget", [1, 4])
def test_a_floor_finds_and_spends_what_one_evaluation_at_a_time_does(rule, failing, budget):
    runs = made_up(failing=failing)
    drawn = draw(12, np.random.default_rng(1), 50, 21)
    replays = rule.replay(runs, budget, drawn)
    for own, *found in zip(drawn, replays.found, replays.spent, replays.started, strict=True):
        result, spent, begun = by_hand(runs, rule, budget, own)
        assert found == [result, pytest.approx(spent / (budget * EVALUATIONS)), begun]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_floor_never_spends_more_than_its_budget(rule):
    replays = rule.replay(made_up(), 4, draw(12, np.random.default_rng(2), 500, 21))
    assert replays.spent.max() <= 1
    assert not rule.rest or replays.spent.min() == 1


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_floor_where_nothing_fails_stops_nothing(rule):
    runs = made_up(failing=0.0)
    runs.scores[:, 0] = 65.0
    drawn = draw(12, np.random.default_rng(1), 20, 40)
    assert (rule.replay(runs, 4, drawn).found == no_stopping(runs, 4, drawn)[0]).all()


def test_a_score_at_the_margin_does_not_pass():
    runs = made_up(3, failing=0.0)
    runs.scores[:] = [[59.0], [59.01], [70.0]]
    drawn = np.array([[0, 1, 2]])
    assert Floor(((3, 1.0),)).replay(runs, 1, drawn).found[0] == 59.01
    assert Floor(((3, 1.1),)).replay(runs, 1, drawn).found[0] == 70.0


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("rung", [3, 5])
def test_a_rung_after_the_floor_keeps_the_best_of_those_above_it(rung, built):
    runs, rule = made_up(), FloorThenRung((3, 1.0), rung, built)
    drawn = draw(12, np.random.default_rng(3), 200, 21)
    replays = rule.replay(runs, 4, drawn)
    for own, found, spent, started in zip(drawn, replays.found, replays.spent, replays.started, strict=True):

        def plan(count, own=own, last_stands=False):
            standing = [i for i in range(count) if runs.scores[own[i], :3].max() > 59.0]
            standing = sorted({*standing, count - 1}) if last_stands else standing
            kept = sorted(standing, key=lambda i: (-runs.scores[own[i], :rung].max(), i))[:2]
            cost = [rung if i in standing else 3 for i in range(count)]
            paid = sum(cost) + len(kept) * (EVALUATIONS - rung)
            best = [runs.scores[own[i], : EVALUATIONS if i in kept else cost[i]].max() for i in range(count)]
            best = [score if i in standing or not built else runs.constant for i, score in enumerate(best)]
            return paid, max(best)

        count = max(count for count in range(1, 22) if plan(count, last_stands=built)[0] <= 40)
        assert (spent * 40, found, started) == (pytest.approx(plan(count)[0]), plan(count)[1], count)


def test_a_fixed_cut_is_the_one_that_it_is_compared_with():
    runs = made_up()
    drawn = draw(12, np.random.default_rng(1), 50, 21)
    assert (FixedCut(5).replay(runs, 4, drawn).found == cut(runs, half_kept(4, 5), drawn)[0]).all()


def test_the_advised_margin_is_the_one_that_rte_decides(monkeypatch):
    runs = {recipe: read(needs.seed_runs("bertlarge/RTE.csv"), "RTE", recipe) for recipe in RECIPES}
    monkeypatch.setattr(floor, "SHARES", (3, 5))
    monkeypatch.setattr(floor, "MARGINS", (1.0, 1.5, 2.0, 2.5))
    assert decide([try_out(runs, rule) for rule in single()]).rule == CHOSEN


@pytest.mark.parametrize(("task", "least"), [("RTE", 1.5), ("MRPC", 0.8)])
def test_the_advised_floor_gains_where_runs_fail_and_costs_nothing_where_none_does(task, least):
    gains = {}
    for recipe in RECIPES:
        runs = read(needs.seed_runs(f"bertlarge/{task}.csv"), task, recipe)
        gains[recipe] = gain_of(CHOSEN, 4)(runs, draw(50, np.random.default_rng(0), 2_000, 21))
    assert gains.pop("not_debiased") > least
    assert all(gain == pytest.approx(0, abs=0.05) for gain in gains.values())


@pytest.mark.parametrize(("task", "least"), [("RTE", 1.0), ("MRPC", 0.6)])
def test_the_floor_as_it_is_built_gains_less_as_who_falls_cannot_win(task, least):
    gains = {}
    for recipe in RECIPES:
        runs = read(needs.seed_runs(f"bertlarge/{task}.csv"), task, recipe)
        drawn = draw(50, np.random.default_rng(0), 2_000, 21)
        gains[recipe] = [gain_of(rule, 4)(runs, drawn) for rule in (BUILT, replace(BUILT, fallen_win=True))]
    built, with_fallen = gains.pop("not_debiased")
    assert least < built < with_fallen
    assert all(gain == pytest.approx(0, abs=0.05) for pair in gains.values() for gain in pair)


def test_absent_curves_are_said_and_are_no_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["floor.py", "--seeds", str(tmp_path)])
    assert floor.main() == 0
    assert "not compared: there is no" in capsys.readouterr().out
