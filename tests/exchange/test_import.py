"""`seedsweep import`: what a table says becomes a record, whole or not at all, or a refusal with its remedy."""

from pathlib import Path

import pytest

from exchange.importing import GRID, UP, curves, imported, refusal, status_of, table
from host.commands import seedsweep
from seedsweep.engine.layout import Layout
from seedsweep.report.record import read_record


def test_our_own_columns_need_no_options_but_the_direction(tmp_path: Path) -> None:
    record = imported(tmp_path, table(tmp_path, GRID), *UP)
    assert curves(record)["wi0-do0"] == [0.5, 0.7]
    assert record.episodes[0].status.losses == [0.7, 0.6]
    status = status_of(record)
    assert (status.evaluations, status.steps, status.design) == (2, 20, "full")
    assert record.sweep.spec.seeds.grid is not None


def test_undefined_scores_are_kept_as_undefined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = imported(tmp_path, table(tmp_path, GRID), *UP)
    assert curves(record)["wi0-do1"] == [0.6, None]
    assert curves(record)["wi1-do0"] == [0.55, None]
    assert "2 scores undefined: kept as such" in capsys.readouterr().out


def test_the_winner_has_the_best_score_in_the_direction_given_and_the_lower_loss_of_equals(tmp_path: Path) -> None:
    best = status_of(imported(tmp_path, table(tmp_path, GRID), *UP)).best
    assert best is not None
    assert (best.episode, best.score, best.evaluation) == ("wi0-do0", 0.7, 2)


def test_the_direction_minimize_picks_the_lowest(tmp_path: Path) -> None:
    best = status_of(imported(tmp_path, table(tmp_path, GRID), "--goal", "minimize")).best
    assert best is not None
    assert (best.score, best.evaluation) == (0.5, 1)


def test_of_equal_scores_and_losses_the_hash_decides_as_in_a_sweep_of_ours(tmp_path: Path) -> None:
    rows = "".join(f"{i},0,1,10,0.5,0.7\n{i},0,2,20,0.6,0.7\n" for i in range(6))
    record = imported(tmp_path, table(tmp_path, GRID.splitlines()[0] + "\n" + rows), *UP)
    best, layout = status_of(record).best, Layout.of(record.sweep)
    assert best is not None
    assert best.episode == min(layout.episodes, key=layout.tie.__getitem__).name
    assert best.episode != "wi0-do0", "an index would have decided"


def test_without_a_direction_it_is_refused_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "give --goal maximize, or --goal minimize" in refusal(capsys, tmp_path, table(tmp_path, GRID))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GRID + "1,1,2,20,0.7,0.65\n", "row 10: wi1-do1 has evaluation 2 twice (first in"),
        ("seed,step,score\n1,5,0.5\n1,5,0.6\n", "row 3: wi1-do1 has step 5 twice (first in"),
        ("seed,score\n1,0.5\n1,0.5\n", "row 3: wi1-do1 has two rows, which no evaluation or step tells apart"),
        ("", "is empty: its first line must name the columns"),
        ("seed,score\n", "no row: there is nothing to import"),
        ("seed,seed,score\n1,1,1\n", "two columns are called 'seed': rename one of them"),
        ("run,score\n1,0.5\n", "no column says which run a row is of: name it with --seed"),
        ("seed,accuracy\n1,0.5\n", "no column 'score': name the column with --score; its columns are seed, accuracy"),
        ("seed,score\n1,high\n", "row 2: score is 'high', and no number"),
        ("seed,score\n1,1e200\n", "row 2: score is 1e+200, and beyond 1e+100 no variance can be computed: correct it"),
        ("seed,score\nx,0.5\n", "row 2: seed is 'x', and no whole number: name another column, or number these"),
        ("seed,step,score\n1,x,0.5\n", "row 2: step is 'x', and no whole number: correct it, or name another column"),
        ("seed,score\n1.5,0.5\n", "row 2: seed is '1.5', and no whole number"),
        ("seed,score\n-1,0.5\n", "row 2: seed is '-1', and no whole number"),
        ("seed,score\n9999999999,0.5\n", "row 2: seed is '9999999999', and no whole number"),
        ("seed,score\n,0.5\n", "row 2: seed is '', and no whole number"),
        ("seed,score\n1,1_0\n", "row 2: score is '1_0', and no number: correct it"),
        ("seed,score\n1,\u0661\n", "row 2: score is '\u0661', and no number: correct it"),
        ("seed,score\n1,0.5,2\n", "row 2: has 3 cells, and there are 2 columns: correct it"),
        (
            "seed,score\n1,0.5\n,\n",
            "row 3: all its cells are empty: remove it, or write nan where the score of a run is undefined",
        ),
        ("seed,evaluation,score\n1,1,0.5\n1,3,0.6\n", "evaluation 3 of wi1-do1 comes without the one before it"),
        ("seed,evaluation,score\n1,4,0.5\n1,5,0.5\n", "the first evaluation is 4: count them from 0 or 1"),
    ],
)
def test_a_table_that_is_no_record_is_refused_with_its_place_and_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    assert said in refusal(capsys, tmp_path, table(tmp_path, text), *UP)


def test_runs_of_different_length_are_refused_until_it_is_said_what_became_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = table(tmp_path, GRID.replace("1,1,2,20,0.7,0.65\n", ""))
    said = refusal(capsys, tmp_path, source, *UP)
    assert "wi1-do1 ends after evaluation 1 of 2" in said
    assert "--short failed" in said
    assert "--evaluations 1" in said


@pytest.mark.parametrize(("short", "outcome"), [("failed", "Failed"), ("diverged", "Diverged")])
def test_a_short_run_is_kept_as_what_it_is_said_to_be(tmp_path: Path, short: str, outcome: str) -> None:
    source = table(tmp_path, GRID.replace("1,1,2,20,0.7,0.65\n", ""))
    last = imported(tmp_path, source, *UP, "--short", short).episodes[-1]
    assert last.status.verdict is not None
    assert (last.status.scores, last.status.verdict.outcome) == ([0.5], outcome)


def test_a_run_without_any_defined_score_is_kept(tmp_path: Path) -> None:
    record = imported(tmp_path, table(tmp_path, "seed,score\n1,\n2,0.5\n"), *UP)
    assert curves(record) == {"wi1-do1": [None], "wi2-do2": [0.5]}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "runs-b: no run has a defined score (tried: mcc, acc): name another with --score"),
        (("--skip-empty",), "runs-b: no run has a defined score (tried: mcc, acc)"),
        (
            ("--where", "task=c", "--evaluations", 1),
            "runs-c: no run has a defined score in its first 1 evaluation (tried",
        ),
    ],
)
def test_a_record_without_any_defined_score_is_refused_with_the_columns_tried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str | int, ...], said: str
) -> None:
    text = "seed,evaluation,task,mcc,acc\n1,1,a,0.5,\n1,2,a,0.5,\n1,1,b,,\n1,2,b,,\n1,1,c,nan,\n1,2,c,0.5,\n"
    scores = ("--score", "mcc", "--score", "acc", "--by", "task")
    assert said in refusal(capsys, tmp_path, table(tmp_path, text), *scores, *options, *UP)


def test_evaluations_are_numbered_by_their_steps_where_no_column_does(tmp_path: Path) -> None:
    text = "seed,global,score\n1,20,0.6\n1,10,0.5\n2,10,0.4\n2,20,0.3\n"
    record = imported(tmp_path, table(tmp_path, text), *UP, "--step", "global")
    assert curves(record) == {"wi1-do1": [0.5, 0.6], "wi2-do2": [0.4, 0.3]}
    assert status_of(record).steps == 20


def test_evaluations_may_be_counted_from_zero(tmp_path: Path) -> None:
    record = imported(tmp_path, table(tmp_path, "seed,evaluation,score\n1,0,0.5\n1,1,0.6\n"), *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.6]}


def test_steps_that_differ_between_runs_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "seed,evaluation,step,score\n1,1,10,0.5\n2,1,11,0.6\n"
    record = imported(tmp_path, table(tmp_path, text), *UP)
    assert status_of(record).steps is None
    assert "steps are left out: evaluation 1 follows step 10 in one run and 11 in wi2-do2" in capsys.readouterr().out


def with_steps(*steps: int) -> str:
    rows = (f"1,{number},{step},0.5\n" for number, step in enumerate(steps, start=1))
    return "seed,evaluation,step,score\n" + "".join(rows)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((*range(34, 341, 34), 345), "(evaluation 1 is at step 34, not 32); --evaluations 10 makes them so"),
        ((0, 10, 20, 30), "(evaluation 1 is at step 0, not 8)"),
        ((10, 30), "(evaluation 1 is at step 10, not 15)"),
    ],
)
def test_steps_that_are_not_evenly_spaced_are_left_out_and_never_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], steps: tuple[int, ...], said: str
) -> None:
    record = imported(tmp_path, table(tmp_path, with_steps(*steps)), *UP)
    assert status_of(record).steps is None
    assert f"steps are left out: evaluations are not evenly spaced {said}\n" in capsys.readouterr().out


def test_the_length_that_makes_steps_even_keeps_them(tmp_path: Path) -> None:
    source = table(tmp_path, with_steps(*range(34, 341, 34), 345))
    assert status_of(imported(tmp_path, source, "--evaluations", 10, *UP)).steps == 340


@pytest.mark.parametrize("steps", [(30, 20, 10), (10, 10, 20)])
def test_steps_that_do_not_increase_are_refused_with_both_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], steps: tuple[int, ...]
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, with_steps(*steps)), *UP)
    assert f"row 3: evaluation 2 of wi1-do1 is at step {steps[1]}, and the one before it at step {steps[0]}" in said
    assert "rename the column of steps to import without it" in said


def test_steps_that_some_evaluations_lack_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "seed,evaluation,step,score\n1,1,10,0.5\n1,2,,0.6\n"
    assert status_of(imported(tmp_path, table(tmp_path, text), *UP)).steps is None
    assert "steps are left out: evaluation 2 of wi1-do1 has none" in capsys.readouterr().out


def test_each_value_of_a_column_becomes_a_record_of_its_own(tmp_path: Path) -> None:
    source = table(tmp_path, "seed,recipe,score\n1,Old One,0.5\n1,new,0.6\n2,new,0.7\n")
    assert seedsweep("import", source, "--to", tmp_path / "out", "--by", "recipe", *UP) == 0
    assert len(read_record(tmp_path / "out" / "old-one").episodes) == 1
    record = read_record(tmp_path / "out" / "new")
    assert (len(record.episodes), record.sweep.metadata.name) == (2, "runs-new")


def test_names_of_records_are_shortened_in_what_they_share_and_never_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "x" * 50
    values = ["rte", "mrpc", "A b", "a-b", long + "1", long + "2"]
    text = "seed,task,score\n" + "".join(f"1,{value},0.5\n" for value in values)
    source = table(tmp_path, text, f"{'all-the-runs-of-' * 4}.csv")
    assert seedsweep("import", source, "--to", tmp_path / "out", "--by", "task", *UP) == 0
    names = {path.parent.name: read_record(path.parent).sweep.metadata.name for path in tmp_path.rglob("sweep.json")}
    assert names["rte"] == "all-the-runs-of-all-the-runs-of-all-rte"
    assert len(names) == len(set(names.values())) == len(values)
    assert max(len(name) for name in [*names, *names.values()]) == 40
    assert capsys.readouterr().out.endswith("(and 5 more)\n")


def test_only_rows_with_the_value_asked_for_are_read(tmp_path: Path) -> None:
    source = table(tmp_path, "seed,set,score\n1,dev,0.5\n1,test,0.6\n")
    assert curves(imported(tmp_path, source, "--where", "set=dev", *UP)) == {"wi1-do1": [0.5]}


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (("set=dve",), "no row with set=dve: name another value with --where; set has 'dev', 'test'"),
        (("set=dev", "seed=2"), "no row with set=dev, seed=2 together, though there are rows with each"),
    ],
)
def test_a_condition_that_no_row_meets_is_refused_with_the_values_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], conditions: tuple[str, ...], said: str
) -> None:
    source = table(tmp_path, "seed,set,score\n1,dev,0.5\n2,test,0.6\n")
    options = [word for condition in conditions for word in ("--where", condition)]
    assert said in refusal(capsys, tmp_path, source, *options, *UP)


def test_the_score_of_a_record_is_the_first_of_those_named_that_has_values(tmp_path: Path) -> None:
    source = table(tmp_path, "seed,task,mcc,acc\n1,a,,0.5\n1,b,0.3,0.6\n")
    options = ("--by", "task", "--score", "mcc", "--score", "acc")
    assert seedsweep("import", source, "--to", tmp_path / "out", *options, *UP) == 0
    a, b = (read_record(tmp_path / "out" / name) for name in ("a", "b"))
    assert (curves(a), curves(b)) == ({"wi1-do1": [0.5]}, {"wi1-do1": [0.3]})
    assert a.sweep.spec.trainer.metric is not None
    assert a.sweep.spec.trainer.metric.name == "acc"


def test_runs_without_seeds_are_numbered_on_request(tmp_path: Path) -> None:
    record = imported(tmp_path, table(tmp_path, "score\n0.5\n0.6\n"), "--number-runs", *UP)
    assert curves(record) == {"wi0-do0": [0.5], "wi1-do1": [0.6]}


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("run,step,score\na,1,0.5\n", (), "--number-runs: name the column that tells runs apart with --seed (columns:"),
        ("run,nr,score\na,1,0.5\n", ("--evaluation", "nr"), "--number-runs: name the column that tells runs apart"),
        ("run,score\na,0.5\n,0.6\n", ("--seed", "run"), "row 3: run is empty: correct it"),
        (GRID, (), "--number-runs: two columns of seeds tell the runs: leave it out"),
    ],
)
def test_runs_are_not_numbered_where_nothing_tells_them_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, options: tuple[str, ...], said: str
) -> None:
    assert said in refusal(capsys, tmp_path, table(tmp_path, text), "--number-runs", *options, *UP)


def test_a_table_whose_runs_have_names_is_refused_with_the_options_that_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = table(tmp_path, "run,score\namber,0.5\n")
    said = refusal(capsys, tmp_path, source, *UP)
    assert said.endswith("; with names in place of numbers: --seed COLUMN --number-runs")
    said = refusal(capsys, tmp_path, source, "--seed", "run", *UP)
    assert "run is 'amber', and no whole number: name another column, or number these names with --number-runs" in said
