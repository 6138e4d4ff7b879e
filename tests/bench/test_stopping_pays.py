"""Whether stopping pays: the rules as brute force has them, at no more steps than they may spend."""

import numpy as np
import pytest

import stopping_pays
from host import needs
from seedsweep.science.stopping.plans import Plan
from stopping_pays import BUDGETS, CUTS, EVALUATIONS, Runs, cut, draw, half_kept, no_stopping, ranking


def made_up(count=12, seed=0, digits=2):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.uniform(50, 80, (count, EVALUATIONS)), digits)
    return Runs(scores, rng.uniform(0.3, 0.9, scores.shape), rng.uniform(50, 80, count), 55.0, 2.0)


@pytest.mark.parametrize("evaluation", CUTS)
@pytest.mark.parametrize("budget", BUDGETS)
def test_a_plan_spends_all_that_it_may_and_no_more(budget, evaluation):
    plan = half_kept(budget, evaluation)

    def cost(started):
        return started * evaluation + plan.keep * (EVALUATIONS - evaluation)

    assert cost(plan.started) <= budget * EVALUATIONS < cost(plan.started + 1)
    assert plan.keep == -(-budget // 2)


@pytest.mark.parametrize("evaluation", [2, 5])
def test_a_cut_finds_what_the_rule_says(evaluation):
    runs, plan = made_up(digits=-1), Plan(6, evaluation, 2)
    drawn = draw(12, np.random.default_rng(1), 50, 6)
    found, tests = cut(runs, plan, drawn)
    for own, result, test in zip(drawn, found, tests, strict=True):
        before = runs.scores[own, :evaluation].max(axis=1)
        at = runs.scores[own, :evaluation].argmax(axis=1)
        kept = sorted(range(6), key=lambda i: (-before[i], runs.losses[own[i], at[i]], i))[:2]
        whole = [runs.scores[own[i]].max() for i in kept]
        assert result == max(before.max(), *whole)
        assert test == runs.tests[own[kept[int(np.argmax(whole))]]]


def test_without_a_cut_the_first_runs_are_trained_fully():
    runs = made_up()
    drawn = draw(12, np.random.default_rng(1), 20, 8)
    found, _ = no_stopping(runs, 4, drawn)
    assert (found == runs.scores[drawn[:, :4]].max(axis=(1, 2))).all()


def test_ties_are_broken_by_the_loss_where_the_score_is_from():
    runs = made_up(3)
    runs.scores[:, :2] = [[60, 50], [50, 60], [60, 60]]
    runs.losses[:, :2] = [[0.5, 0.1], [0.9, 0.4], [0.6, 0.1]]
    assert list(np.argsort(-ranking(runs, 2, "best so far"))) == [1, 0, 2]


def test_the_recorded_runs_fail_as_often_as_is_known():
    path = needs.seed_runs("bertlarge/RTE.csv")
    failed = {}
    for recipe in stopping_pays.RECIPES:
        runs = stopping_pays.read(path, "RTE", recipe)
        assert runs.scores.shape == (50, EVALUATIONS)
        failed[recipe] = int((runs.scores[:, -1] <= runs.constant + 1e-9).sum())
    assert failed == {"not_debiased": 35, "standard_debiased": 0, "reinit_debiased": 0}


def test_a_cut_in_the_middle_pays_where_runs_fail_and_nowhere_else():
    found = {}
    for recipe in stopping_pays.RECIPES:
        runs = stopping_pays.read(needs.seed_runs("bertlarge/RTE.csv"), "RTE", recipe)
        drawn = draw(50, np.random.default_rng(0), 2_000, 20)
        found[recipe] = (cut(runs, half_kept(4, 5), drawn)[0] - no_stopping(runs, 4, drawn)[0]).mean()
    assert found.pop("not_debiased") > 1.2
    assert all(-0.8 < gain < 0.4 for gain in found.values())


def test_absent_curves_are_said_and_are_no_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["stopping_pays.py", "--seeds", str(tmp_path)])
    assert stopping_pays.main() == 0
    assert "not compared: there is no" in capsys.readouterr().out
