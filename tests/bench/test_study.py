"""The study: its numbers as brute force has them, and the records as their sources describe them."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from pyarrow import parquet

import study
import study_claims as claims
import study_figures as figures
import study_records as records
import study_tables as tables
from host import needs
from seedsweep.exchange.export import SCHEMA
from study_plans import printed
from study_records import Runs, best_at

NAN = float("nan")


def made_up(rows=4, columns=3, scores=None, seeds=None, tests=None):
    if seeds is None:
        seeds = list(product(range(rows), range(columns)))
    if scores is None:
        scores = np.round(np.random.default_rng(0).uniform(0.5, 0.8, (len(seeds), 10)), 2)
    return Runs("made up", np.array(scores, dtype=float), None, np.array(seeds), 0.5, (5, 10), tests)


def single(scores, tests=None):
    return made_up(scores=scores, seeds=[(seed, seed) for seed in range(len(scores))], tests=tests)


def exported(path, sweep, pairs, evaluations=10):
    rows = [
        dict.fromkeys(SCHEMA.names)
        | {"sweep": sweep, "episode": f"wi{a}-do{b}", "weight_init": a, "data_order": b, "baseline": 0.5}
        | {"evaluation": i, "score": 0.5 + i / 100, "loss": None}
        for a, b in pairs
        for i in range(1, evaluations + 1)
    ]
    parquet.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    return path


def test_the_best_of_undefined_scores_is_a_constant_answers():
    runs = single([[NAN, 0.6, 0.7], [NAN, NAN, NAN]])
    assert list(runs.best) == [0.7, 0.5]
    assert list(best_at(runs, [0, 1])) == [0.6, 0.5]
    assert list(claims.last_scores(runs)) == [0.7, 0.5]
    assert claims.best_so_far(runs).tolist() == [[0.5, 0.6, 0.7], [0.5, 0.5, 0.5]]


def test_a_grid_has_a_place_for_each_pair_of_seeds():
    runs = made_up(scores=[[0.6], [0.7], [0.8]], seeds=[(5, 1), (5, 2), (9, 1)])
    assert np.array_equal(runs.grid(), [[0.6, 0.7], [0.8, NAN]], equal_nan=True)
    assert records.by_first_seed(runs) == pytest.approx({5: 0.65, 9: 0.8})
    with pytest.raises(ValueError, match="no grid"):
        single([[0.6], [0.7]]).grid()


def test_a_resample_of_a_grid_takes_whole_seeds():
    runs, rng = made_up(), np.random.default_rng(0)
    for _ in range(50):
        chosen = claims.resample(runs, rng)
        weight = np.bincount(chosen, minlength=12).reshape(4, 3)
        assert len(chosen) == 12
        assert (np.linalg.matrix_rank(weight)) == 1


def test_an_incomplete_grid_is_resampled_until_something_is_drawn():
    corner = made_up(scores=[[0.6], [0.7], [0.8]], seeds=[(0, 0), (0, 1), (1, 0)])
    rng = np.random.default_rng(0)
    assert all(len(claims.resample(corner, rng)) for _ in range(100))


def test_an_interval_over_seeds_is_as_wide_as_seeds_are_few():
    rng = np.random.default_rng(1)
    value = rng.normal(size=400)
    widths = []
    for count in (25, 400):
        runs = single(value[:count, None])
        found = claims.estimate(runs, lambda chosen: float(value[chosen].mean()))
        low, high = found.interval
        assert found.value == pytest.approx(value[:count].mean())
        assert low < found.value < high
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.3)


def test_more_evaluations_find_what_the_others_missed():
    runs = single([[0.9, 0.6, 0.7], [0.5, 0.6, 0.6]])
    assert claims.gain_of_evaluating(runs, (3,)).value == pytest.approx(10)
    assert claims.gain_of_evaluating(runs, (1, 2, 3)).value == 0


def test_who_is_chosen_on_validation_is_scored_on_other_data():
    # The best of many draws is the second, by its last score; the first has the higher best.
    runs = single([[0.9, 0.6], [0.5, 0.8]], tests=np.array([0.7, 0.4]))
    found = claims.gain_of_choosing(runs, 30, times=20)
    assert found.validation.value == pytest.approx(10)
    assert found.test.value == pytest.approx(-15)
    assert claims.gain_of_choosing(runs, 1, times=20).test.value == pytest.approx(0, abs=1)
    with pytest.raises(ValueError, match="no test scores"):
        claims.gain_of_choosing(made_up(), 1)


def test_before_and_after_share_no_evaluation():
    runs = single([[0.9, 0.6, 0.7], [0.5, 0.8, 0.6]])
    before, after = claims.before_and_after(runs, 1)
    assert (before.tolist(), after.tolist()) == ([0.9, 0.5], [0.7, 0.8])


def test_correlations_are_of_the_best_after_i_and_after_j():
    runs = made_up()
    found = claims.correlations(runs)
    assert np.allclose(np.diag(found), 1)
    assert np.allclose(found, found.T)
    assert found[2, 7] == claims.correlation(runs.scores[:, :3].max(axis=1), runs.scores[:, :8].max(axis=1))
    assert np.isnan(claims.correlation(np.zeros(3), np.arange(3.0)))


def test_seeds_agree_where_two_tasks_rank_them_alike():
    one = {seed: seed / 10 for seed in range(8)}
    found, (low, high) = claims.agreement_between(one, {seed: seed**2 for seed in range(2, 20)})
    assert (found.correlation, low, high) == pytest.approx((1, 1, 1))
    assert found.p < 0.01
    other, _ = claims.agreement_between(one, {seed: -value for seed, value in one.items()})
    assert other.correlation == pytest.approx(-1)
    assert other.p > 0.99


@pytest.mark.parametrize(("budget", "evaluation", "keep"), list(product((2, 8, 16), (3, 5, 7), (1, 2))))
def test_a_plan_costs_no_more_than_its_budget(budget, evaluation, keep):
    plan = claims.plan_of(budget, evaluation, keep, 10)
    cost = plan.started * evaluation + plan.keep * (10 - evaluation)
    assert budget * 10 - evaluation < cost <= budget * 10


def test_a_cut_gains_where_early_scores_tell_the_end():
    quality, plan = np.linspace(0.5, 0.8, 40), claims.plan_of(4, 5, 2, 10)
    telling = single(quality[:, None] + np.linspace(0, 0.1, 10))
    gain = claims.gain_of_stopping(telling, plan, 4, times=50)
    assert 0 < gain.interval[0] < gain.value
    last = np.full((40, 10), 0.5)
    last[:, -1] = quality
    # Nobody can tell before the end, and half as many get there.
    assert claims.gain_of_stopping(single(last), plan, 4, times=50).value < -1
    with pytest.raises(ValueError, match="starts 6, and there are 3"):
        claims.gain_of_stopping(single(last[:3]), plan, 4)


def test_error_reduction_is_of_the_error_that_is_left():
    assert claims.error_reduction(2, 80) == 10
    assert claims.expected_without_stopping(single([[0.6], [0.7]]), 50) == pytest.approx(70)


def test_exports_are_added_once(tmp_path):
    first = exported(tmp_path / "a.parquet", "rte-stable-a", [(0, 0), (0, 1)])
    second = exported(tmp_path / "b.parquet", "rte-stable-b", [(1, 0)])
    other = exported(tmp_path / "c.parquet", "rte-dodge2020-a", [(0, 0)])
    to = tmp_path / "all.parquet"
    assert records.add([first, other], to) == 30
    assert records.add([second], to) == 40
    with pytest.raises(ValueError, match="twice"):
        records.add([exported(tmp_path / "d.parquet", "rte-stable-z", [(1, 0)])], to)
    found = records.own(to)
    assert [(runs.name, len(runs.scores)) for runs in found] == [("rte, dodge2020", 1), ("rte, stable", 3)]
    assert found[1].scores[0].tolist() == pytest.approx([0.5 + i / 100 for i in range(1, 11)])


def test_episodes_that_are_not_whole_are_left_out(tmp_path):
    whole = exported(tmp_path / "a.parquet", "rte-stable-a", [(0, 0), (1, 1)])
    part = exported(tmp_path / "b.parquet", "rte-stable-b", [(2, 2)], evaluations=4)
    records.add([whole, part], tmp_path / "all.parquet")
    [runs] = records.own(tmp_path / "all.parquet")
    assert runs.seeds.tolist() == [[0, 0], [1, 1]]


def test_our_own_episodes_are_whole_and_of_both_recipes():
    for runs in records.own():
        task, recipe = runs.name.split(", ")
        assert task.split()[0] in {"mrpc", "rte", "cola", "sst2", "film"}
        assert recipe in {"stable", "dodge2020"}
        assert runs.scores.shape[1] == 10
        assert runs.losses is not None
        assert np.isfinite(runs.losses).all()


def test_few_episodes_are_listed_and_stand_in_no_other_table(tmp_path):
    path = exported(tmp_path / "a.parquet", "rte-stable-a", [(0, 0), (1, 1)])
    ours = records.own(path)
    found = study.Records(None, [], [], [], ours)
    assert (found.many, found.few, found.grids) == ([], ours, {})
    assert "| rte, stable | 2 | 50.0 | 0 (0% to 84%) | 60.0, 60.0 |" in list(tables.listed(ours))


def test_a_budget_whose_plan_starts_more_runs_than_there_are_is_left_out(monkeypatch):
    monkeypatch.setattr(claims, "RESAMPLES", 40)
    found = tables.reductions_of([made_up(5, 4)])
    assert [one is None for one in found["made up"]] == [False, False, False, True]
    assert figures.draw_reductions(found, None).axes


def test_where_nobody_has_learned_yet_no_early_score_tells_anything(monkeypatch):
    monkeypatch.setattr(claims, "RESAMPLES", 40)
    scores = np.random.default_rng(0).uniform(0.5, 0.8, (20, 10))
    scores[:, :5] = 0.5
    [*_, row] = tables.early_and_late([single(scores)])
    assert row.startswith("| made up | 20 | all equal | all equal | all equal | ")
    assert row.count("all equal") == 3


def test_a_table_has_a_row_for_each_record():
    scores = {"made up": tables.Scores(np.array([0.5, 0.6, 0.7]), np.array([0.5, 0.5, 0.6]), 0.5)}
    [head, rule, row] = tables.spreads(scores)
    assert head.count("|") == rule.count("|") == row.count("|")
    assert "| made up | 3 | 50.0 | 1 (1% to 91%) | 2 (9% to 99%) | 60.0 | 10.00 | 50.0 | 70.0 |" in row


def test_the_printed_plans_are_those_of_the_sources():
    folder = needs.seed_runs("dodge2020/plans.csv").parents[1]
    for task in records.TASKS:
        plans = printed(folder, task)
        assert [plan.budget for plan in plans] == list(range(1, 31))
    ten = next(plan for plan in printed(folder, "mrpc") if plan.budget == 10)
    assert (ten.started, ten.kept, ten.evaluation, ten.stops) == (24, 4, 9, True)
    assert ten.share == pytest.approx(0.276, abs=0.001)
    # 0.9020 is 0.0036 above 0.8984, which left 0.1016 to gain.
    assert ten.reduction == pytest.approx(3.54, abs=0.01)


def test_the_records_of_others_are_as_their_sources_describe_them():
    folder = needs.seed_runs("lowres/curves.csv").parents[1]
    assert {task: records.paper_grid(folder, task).shape for task in records.TASKS} == {
        "mrpc": (25, 25),
        "rte": (25, 25),
        "sst": (15, 15),
    }
    assert all(runs.scores.shape == (50, 10) and not runs.shared for runs in records.bert_large(folder))
    assert all(runs.scores.shape == (25, 10) and runs.grid().shape == (5, 5) for runs in records.thousand(folder))
    slow, fast = records.tang_seeds(folder)
    assert len(slow.keys() & fast.keys()) == 74


def test_no_score_of_the_paper_is_below_a_constant_answers():
    folder = needs.seed_runs("dodge2020/best_validation.csv").parents[1]
    for task in records.TASKS:
        lowest = records.paper_grid(folder, task).min()
        assert lowest > records.PAPER_CONSTANT[task] - records.KNOWN_TO


def test_without_the_records_of_others_our_own_are_studied(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["study.py", "--seeds", str(tmp_path)])
    for module, name in ((claims, "RESAMPLES"), (tables, "RESAMPLES")):
        monkeypatch.setattr(module, name, 40)
    assert study.main() == 0
    out = capsys.readouterr().out
    assert "not studied: the recorded runs of others, for there is no dodge2020/best_validation.csv" in out
    assert "| quickstart, later | 100 |" in out
    assert "paper, MRPC" not in out


def test_figures_have_a_panel_for_each_record_and_equal_bytes_for_equal_records(tmp_path):
    figures.plain_style()
    runs = made_up(5, 5)
    grids = {"one": runs.grid(), "other": runs.grid().T}
    drawn: dict[str, tuple[Callable[[], Figure], int]] = {
        "grids": (lambda: figures.draw_grids(grids), 2),
        "densities": (lambda: figures.draw_densities(grids), 2),
        "curves": (lambda: figures.draw_curves([runs] * 4), 4),
        "correlations": (lambda: figures.draw_correlations([runs]), 1),
    }
    for name, (draw, panels) in drawn.items():
        suffix = ".svg" if name == "densities" else ".png"
        paths = [tmp_path / f"{name}{number}{suffix}" for number in (1, 2)]
        for path in paths:
            figure = draw()
            assert len([axes for axes in figure.axes if axes.get_title()]) == panels
            figures.save(figure, path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
