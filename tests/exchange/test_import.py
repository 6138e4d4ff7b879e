"""`seedsweep import`: what others recorded becomes a record, whole or not at all, or a refusal with its remedy."""

import csv
import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from host import needs
from seedsweep.api.status import SweepStatus
from seedsweep.cli import main
from seedsweep.engine.layout import Layout
from seedsweep.exchange import build, tables
from seedsweep.exchange.importing import parse_where
from seedsweep.exchange.points import ImportProblemError, episode_in
from seedsweep.report.page import build_report
from seedsweep.report.record import Record, read_record

BOARDS = Path(__file__).parent / "boards"
UP = ("--goal", "maximize")


def seedsweep(*arguments: object) -> int:
    """The exit code of the command."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def table(folder: Path, text: str, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def imported(folder: Path, source: Path, *options: object) -> Record:
    assert seedsweep("import", source, "--to", folder / "out", *options) == 0
    return read_record(folder / "out")


def refusal(capsys: pytest.CaptureFixture[str], folder: Path, source: Path, *options: object) -> str:
    """What a refused import says; nothing was written."""
    before = sorted(folder.rglob("*"))
    assert seedsweep("import", source, "--to", folder / "out", *options) == 2
    assert sorted(folder.rglob("*")) == before
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


def curves(record: Record) -> dict[str, list[float | None]]:
    return {episode.spec.id.name: episode.status.scores for episode in record.episodes}


def status_of(record: Record) -> SweepStatus:
    assert record.sweep.status is not None
    return record.sweep.status


GRID = """weight_init,data_order,evaluation,step,score,loss
0,0,1,10,0.5,0.7
0,0,2,20,0.7,0.6
0,1,1,10,0.6,0.7
0,1,2,20,,0.5
1,0,1,10,0.55,0.8
1,0,2,20,nan,0.9
1,1,1,10,0.5,0.7
1,1,2,20,0.7,0.65
"""


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


@pytest.mark.parametrize("to", [".", "..", "/", "../here"])
def test_a_folder_that_is_no_new_one_is_refused_and_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    source = table(tmp_path, GRID)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert seedsweep("import", source, "--to", to, *UP) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"--to: {to} is ")
    assert said.endswith(": give the name of a new folder\n")
    assert Path.cwd() == tmp_path / "here"


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


@pytest.mark.parametrize(("name", "sign"), [("RUNS.CSV", ","), ("runs.Tsv", "\t")])
def test_the_case_of_a_suffix_does_not_matter(tmp_path: Path, name: str, sign: str) -> None:
    source = table(tmp_path, "seed,score\n1,0.5\n".replace(",", sign), name)
    assert curves(imported(tmp_path, source, *UP)) == {"wi1-do1": [0.5]}


@pytest.mark.parametrize(
    ("name", "sign", "said"),
    [
        ("runs.csv", ";", "semicolons separate its columns: save it with commas"),
        ("runs.csv", "\t", "tabs separate its columns: save it with commas, or name it .tsv"),
        ("runs.tsv", ",", "commas separate its columns: save it with tabs, or name it .csv"),
    ],
)
def test_a_table_with_another_separator_is_refused_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, sign: str, said: str
) -> None:
    source = table(tmp_path, "seed,score\n1,0.5\n".replace(",", sign), name)
    assert said in refusal(capsys, tmp_path, source, *UP)


def test_cells_may_hold_line_breaks_and_names_of_columns_blanks_around_them(tmp_path: Path) -> None:
    text = 'seed, evaluation ,score,note\n1,1,0.5,a\u2028b\x0cc\n1,2,0.6,"d\ne"\n'
    assert curves(imported(tmp_path, table(tmp_path, text), *UP)) == {"wi1-do1": [0.5, 0.6]}


def test_a_column_may_begin_with_a_hash(tmp_path: Path) -> None:
    source = table(tmp_path, "# made by hand\n#seed,score\n1,0.5\n")
    assert curves(imported(tmp_path, source, "--seed", "#seed", *UP)) == {"wi1-do1": [0.5]}


def test_the_score_of_a_record_is_the_first_of_those_named_that_has_values(tmp_path: Path) -> None:
    source = table(tmp_path, "seed,task,mcc,acc\n1,a,,0.5\n1,b,0.3,0.6\n")
    options = ("--by", "task", "--score", "mcc", "--score", "acc")
    assert seedsweep("import", source, "--to", tmp_path / "out", *options, *UP) == 0
    a, b = (read_record(tmp_path / "out" / name) for name in ("a", "b"))
    assert (curves(a), curves(b)) == ({"wi1-do1": [0.5]}, {"wi1-do1": [0.3]})
    assert a.sweep.spec.trainer.metric is not None
    assert a.sweep.spec.trainer.metric.name == "acc"


def test_a_misspelt_column_is_named_with_the_one_that_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, "seed,val_acc\n1,0.5\n"), "--score", "val_ac", *UP)
    assert "no column 'val_ac': did you mean val_acc?" in said


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


def test_one_seed_for_both_beside_two_seeds_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--seed", "weight_init", "--weight-init", "weight_init", "--data-order", "data_order")
    said = refusal(capsys, tmp_path, table(tmp_path, GRID), *options, *UP)
    assert "--seed: is one seed for both: leave it out, or --weight-init and --data-order" in said


def test_rows_between_evaluations_are_passed_over_on_request(tmp_path: Path) -> None:
    source = table(tmp_path, "run,_step,acc\na,1,\na,2,0.5\nb,1,\nb,2,0.6\n")
    options = ("--seed", "run", "--number-runs", "--step", "_step", "--score", "acc", "--skip-empty")
    assert curves(imported(tmp_path, source, *options, *UP)) == {"wi0-do0": [0.5], "wi1-do1": [0.6]}


def test_a_parquet_table_says_the_same_as_its_csv(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import csv, parquet

    source = table(tmp_path, GRID)
    parquet.write_table(csv.read_csv(source), tmp_path / "runs.parquet")
    assert isinstance(pa.table({"a": [1]}), pa.Table)
    expected = curves(imported(tmp_path, source, *UP))
    assert seedsweep("import", tmp_path / "runs.parquet", "--to", tmp_path / "again", *UP) == 0
    assert curves(read_record(tmp_path / "again")) == expected


@pytest.mark.parametrize("scores", [(-math.inf, 0.5), (None, Decimal("0.50"))], ids=["infinite", "decimal"])
def test_scores_of_a_parquet_table_may_be_numbers_of_any_kind(
    tmp_path: Path, scores: tuple[float | Decimal | None, ...]
) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"seed": [0, 1], "score": list(scores)}), tmp_path / "runs.parquet")
    assert curves(imported(tmp_path, tmp_path / "runs.parquet", *UP)) == {"wi0-do0": [None], "wi1-do1": [0.5]}


def test_cells_may_be_of_any_length(tmp_path: Path) -> None:
    # As a process starts with.
    csv.field_size_limit(131_072)
    source = table(tmp_path, f"seed,score,config\n0,0.5,{'x' * 200_000}\n")
    assert curves(imported(tmp_path, source, *UP)) == {"wi0-do0": [0.5]}


def test_a_quote_that_is_not_closed_does_not_fill_the_refusal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, 'seed,"score\n' + "0,0.5\n" * 1000), *UP)
    assert "no column 'score'" in said
    assert len(said) < 500


def test_what_is_no_parquet_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, "seed,score\n", "runs.parquet"), *UP)
    assert "is no Parquet file, or not whole: write it again" in said


@pytest.mark.parametrize(
    ("baseline", "goal", "scores", "said"),
    [
        (
            "0.527",
            "maximize",
            (0.52708, 0.52708, 0.7),
            "2 runs share the lowest best score, just above --baseline 0.527",
        ),
        ("52.7", "maximize", (52.708, 52.708, 70), "unrounded: --baseline 52.708"),
        (
            "0.53",
            "minimize",
            (0.52708, 0.52708, 0.3),
            "2 runs share the highest best score, just below --baseline 0.53",
        ),
        ("0.9", "maximize", (0.6, 0.7), "no run is better than --baseline 0.9, so all count as failed"),
        ("60", "minimize", (70, 80), "no run is better than --baseline 60.0"),
        ("0.5", "maximize", (0.52708, 0.52708, 0.7), None),
        ("0.527", "maximize", (0.52708, 0.6, 0.7), None),
        ("0.52708", "maximize", (0.52708, 0.52708, 0.7), None),
    ],
)
def test_a_baseline_that_seems_rounded_or_wrong_is_noted(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    baseline: str,
    goal: str,
    scores: Sequence[float],
    said: str | None,
) -> None:
    text = "seed,score\n" + "".join(f"{i},{score}\n" for i, score in enumerate(scores))
    imported(tmp_path, table(tmp_path, text), "--goal", goal, "--baseline", baseline)
    out = capsys.readouterr().out
    assert said in out if said is not None else "--baseline" not in out


@pytest.mark.parametrize("baseline", ["nan", "inf"])
def test_a_baseline_that_is_no_number_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], baseline: str
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, GRID), *UP, "--baseline", baseline)
    assert "--baseline: is no finite number: give the score of a constant answer" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--goal", "best"), "--goal: 'best' is no direction: give maximize where a higher score is better, else"),
        (("--short", "lost"), "--short: 'lost' is not known: give failed where"),
        (("--evaluations", "0"), "--evaluations: '0' is no whole number from 1: give how many to take"),
        (("--evaluations", "-1"), "--evaluations: '-1' is no whole number from 1"),
        (("--evaluations", "2.5"), "--evaluations: '2.5' is no whole number from 1"),
        (("--baseline", "abc"), "--baseline: 'abc' is no number: give the score of a constant answer"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_one_line_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert refusal(capsys, tmp_path, table(tmp_path, GRID), *UP, *options).startswith(said)


def test_without_a_folder_to_make_it_is_refused_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seedsweep("import", table(tmp_path, GRID), *UP) == 2
    assert capsys.readouterr().err == "--to: say where the record goes: give the name of a new folder\n"


def test_a_table_too_large_to_be_read_whole_is_refused_unread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 10)
    assert "split it, or write it as Parquet" in refusal(capsys, tmp_path, table(tmp_path, GRID), *UP)


def test_more_runs_than_a_sweep_may_have_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAX_EPISODES", 3)
    said = refusal(capsys, tmp_path, table(tmp_path, GRID), *UP)
    assert "has 4 runs, more than the 3 of a sweep: split it with --by or --where" in said


def test_more_runs_off_a_grid_than_a_sweep_may_list_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAX_PAIRS", 2)
    rows = "weight_init,data_order,score\n0,1,0.5\n1,2,0.6\n2,0,0.7\n"
    said = refusal(capsys, tmp_path, table(tmp_path, rows), *UP)
    assert "has 3 runs whose seeds make no grid, more than the 2 that a sweep may list: split it" in said


def test_more_evaluations_than_an_episode_may_have_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAX_EVALUATIONS", 1)
    said = refusal(capsys, tmp_path, table(tmp_path, GRID), *UP)
    assert "a run has 2 evaluations, more than 1: take fewer with --evaluations" in said


def test_a_name_of_a_metric_that_no_sweep_may_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seedsweep("import", table(tmp_path, GRID), "--to", tmp_path / "out", *UP, "--metric", "m" * 64) == 2
    assert "spec.trainer.metric.name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_said_and_nothing_of_it_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert seedsweep("import", table(tmp_path, GRID), "--to", tmp_path / "file" / "out", *UP) == 1
    assert "cannot be written (Not a directory): give another place" in capsys.readouterr().err


def test_a_folder_that_holds_something_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    assert "is there and not empty: give a new folder" in refusal(capsys, tmp_path, table(tmp_path, GRID), *UP)


def test_a_report_of_an_imported_record_says_where_it_is_from(tmp_path: Path) -> None:
    record = imported(tmp_path, table(tmp_path, GRID), *UP, "--baseline", "0.5")
    page = build_report(*record)
    assert "imported from runs.csv" in page
    assert "Not over yet" not in page


def page_of(folder: Path, text: str, *options: object) -> str:
    return " ".join(build_report(*imported(folder, table(folder, text), *UP, *options)).split())


def keys(page: str) -> set[str]:
    """The words in a page's figures."""
    return set(re.findall(r"<text[^>]*>([^<]*)</text>", page))


def test_a_page_of_an_imported_record_tells_nothing_that_did_not_happen(tmp_path: Path) -> None:
    page = page_of(tmp_path, "seed,evaluation,score\n1,1,0.5\n1,2,0.6\n2,1,0.4\n2,2,0.7\n")
    for words in ("not yet", "Started", "published", "bit-exact", "The sweep file", 'id="cost"', "constant baseline"):
        assert words not in page
    assert not {"diverged", "failed", "a constant answer"} & keys(page)
    assert "<dt>Imported</dt>" in page
    assert "import again with --baseline" in page


def test_a_page_shows_the_key_of_every_mark_that_occurs_and_of_no_other(tmp_path: Path) -> None:
    text = "seed,evaluation,score\n1,1,0.5\n1,2,0.6\n2,1,0.45\n"
    page = page_of(tmp_path, text, "--short", "diverged", "--baseline", 0.5)
    assert {"diverged", "a constant answer"} <= keys(page)
    assert "failed" not in keys(page)


def test_the_cost_of_an_imported_record_with_steps_is_told(tmp_path: Path) -> None:
    assert 'id="cost"' in page_of(tmp_path, GRID)


@pytest.mark.parametrize(
    ("name", "pattern", "seeds"),
    [
        ("run-seed-3", None, (3, 3)),
        ("runs/seed_12/logs", None, (12, 12)),
        ("wi2-do9", None, (2, 9)),
        ("seed1/seed2", None, (2, 2)),
        ("bert.7", "bert.{seed}", (7, 7)),
        ("o4_i5", "o{data_order}_i{weight_init}", (5, 4)),
        ("unseed3", None, None),
        ("dazzling-fire", None, None),
    ],
)
def test_seeds_are_read_from_the_names_of_runs(name: str, pattern: str | None, seeds: Sequence[int] | None) -> None:
    assert episode_in(name, pattern) == seeds


def test_a_condition_on_rows_that_cannot_hold_is_refused() -> None:
    with pytest.raises(ImportProblemError, match="cannot be both 'x' and 'y'"):
        parse_where(["a=x", "a=y"])
    with pytest.raises(ImportProblemError, match="is not COLUMN=VALUE"):
        parse_where(["a"])


PANEL = """"Step","run seed-1 - acc","run seed-1 - acc__MIN","run seed-1 - acc__MAX","run seed-2 - acc","run seed-2 - acc__MIN","run seed-2 - acc__MAX"
"10","0.5","0.5","0.5","0.4","0.4","0.4"
"15","","","","","",""
"20","0.7","0.7","0.7","NaN","NaN","NaN"
"""  # noqa: E501


def test_a_panel_of_wandb_is_read_with_its_gaps_and_undefined_scores(tmp_path: Path) -> None:
    record = imported(tmp_path, table(tmp_path, PANEL), "--score", "acc", *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.7], "wi2-do2": [0.4, None]}
    assert status_of(record).steps == 20


def test_a_panel_of_means_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel = PANEL.replace('"0.5","0.5","0.5"', '"0.5","0.4","0.6"')
    said = refusal(capsys, tmp_path, table(tmp_path, panel), "--score", "acc", *UP)
    assert "row 2: run seed-1 - acc is a mean of values from 0.4 to 0.6: export single runs, ungrouped" in said


def test_a_panel_without_the_metric_is_refused_with_those_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, PANEL), "--score", "f1", *UP)
    assert "name a metric with --score; there are acc" in said


def test_a_panel_over_something_else_than_steps_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, PANEL.replace('"10"', '"0.5"')), "--score", "acc", *UP)
    assert "Step is '0.5', and no step: export the panel with Step as its x-axis" in said


def test_a_panel_whose_runs_have_no_seeds_is_refused_with_both_remedies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, PANEL.replace("seed-", "fire-")), "--score", "acc", *UP)
    assert "--seeds-in" in said
    assert "--number-runs" in said


def trained(folder: Path, seed: int, scores: Sequence[float], checkpoint: str = "") -> Path:
    """What transformers' Trainer leaves of a run."""
    log: list[dict[str, float]] = []
    for i, score in enumerate(scores, start=1):
        log.append({"epoch": i / 2, "loss": 0.9, "learning_rate": 1e-5, "step": 10 * i})
        log.append({"epoch": i / 2, "eval_accuracy": score, "eval_loss": 1 - score, "step": 10 * i})
    path = folder / f"run-seed-{seed}" / checkpoint / "trainer_state.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"global_step": 10 * len(scores), "log_history": log}))
    return path


def test_states_of_the_trainer_are_read_a_run_a_folder(tmp_path: Path) -> None:
    trained(tmp_path / "runs", 1, [0.5, 0.6])
    trained(tmp_path / "runs", 2, [0.5, math.nan])
    record = imported(tmp_path, tmp_path / "runs", "--score", "eval_accuracy", "--loss", "eval_loss", *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.6], "wi2-do2": [0.5, None]}
    assert record.episodes[0].status.losses == [0.5, 0.4]
    assert status_of(record).steps == 20


def test_of_several_checkpoints_the_furthest_one_has_the_run(tmp_path: Path) -> None:
    trained(tmp_path / "runs", 1, [0.5], "checkpoint-10")
    trained(tmp_path / "runs", 1, [0.5, 0.6], "checkpoint-20")
    record = imported(tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.6]}


def test_a_state_without_the_score_is_refused_with_those_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trained(tmp_path / "runs", 1, [0.5])
    said = refusal(capsys, tmp_path, path, "--score", "eval_f1", *UP)
    assert "there are eval_accuracy, eval_loss" in said
    path.write_text("{")
    assert "is no JSON, or not whole" in refusal(capsys, tmp_path, path, "--score", "eval_f1", *UP)
    path.write_text("{}")
    assert "has no log_history" in refusal(capsys, tmp_path, path, "--score", "eval_f1", *UP)


def again(path: Path, step: int, **values: float) -> None:
    """One more evaluation in a state of the Trainer."""
    state = json.loads(path.read_text())
    state["log_history"].append({"epoch": 9, "step": step, **values})
    path.write_text(json.dumps(state))


def test_an_evaluation_before_the_first_step_is_none_of_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(trained(tmp_path / "runs", 1, [0.5, 0.6]), 0, eval_accuracy=0.1)
    record = imported(tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert (curves(record), status_of(record).steps) == ({"wi1-do1": [0.5, 0.6]}, 20)
    again(trained(tmp_path / "runs", 2, []), 0, eval_accuracy=0.1)
    said = refusal(capsys, tmp_path / "runs", tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert "run-seed-2/trainer_state.json: has no evaluation with 'eval_accuracy', unlike 1 other run" in said


def test_an_evaluation_that_was_recorded_again_with_the_same_score_is_one(tmp_path: Path) -> None:
    again(trained(tmp_path / "runs", 1, [0.5, 0.6]), 20, eval_accuracy=0.6)
    record = imported(tmp_path, tmp_path / "runs", "--score", "eval_accuracy", "--loss", "eval_loss", *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.6]}
    assert record.episodes[0].status.losses == [0.5, 0.4]


def test_a_score_of_a_state_that_is_true_or_false_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(trained(tmp_path / "runs", 1, [0.5, 0.6]), 30, eval_accuracy=True)
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert "eval_accuracy is 'True', and no number: name another column" in said


def test_an_evaluation_with_two_scores_is_refused_with_a_remedy_that_this_source_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(trained(tmp_path / "runs", 1, [0.5, 0.6]), 20, eval_accuracy=0.7)
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert "wi1-do1 has step 20 twice, with the scores 0.6 and 0.7" in said
    assert ": keep the trainer_state.json of one attempt, and take out an evaluation after training" in said


def test_a_run_without_an_evaluation_beside_others_is_refused_with_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "runs", 1, [0.5, 0.6])
    path = trained(tmp_path / "runs", 2, [])
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert said == f"{path}: has no evaluation with 'eval_accuracy', unlike 1 other run: remove its folder"


def test_a_loss_that_no_run_has_is_refused_with_the_names_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "runs", 1, [0.5, 0.6])
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", "--loss", "eval_los", *UP)
    assert "--loss: no run has 'eval_los': name another, or leave it out; there are eval_accuracy, eval_loss" in said
    said = refusal(capsys, tmp_path, BOARDS, "--score", "eval/accuracy", "--loss", "los", *UP)
    assert "there are eval/accuracy, eval/loss, train/loss" in said
    said = refusal(capsys, tmp_path, table(tmp_path, PANEL), "--score", "acc", "--loss", "los", *UP)
    assert "there are acc" in said


def test_two_runs_with_one_seed_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path / "runs" / "a", 1, [0.5])
    trained(tmp_path / "runs" / "b", 1, [0.6])
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert "(wi1-do1): remove one of the two runs, or import each in a record of its own" in said


def test_folders_of_tensorboard_are_read_old_and_new_scalars_alike(tmp_path: Path) -> None:
    # Written by torch.utils.tensorboard: seed 3 with simple values, seed 7 with tensors.
    record = imported(tmp_path, BOARDS, "--score", "eval/accuracy", "--loss", "eval/loss", *UP)
    assert curves(record)["wi3-do3"] == pytest.approx([0.5, 0.7, 0.65], abs=1e-7)
    seven = curves(record)["wi7-do7"]
    assert seven[1] is None
    assert seven[2] == pytest.approx(0.71, abs=1e-7)
    assert status_of(record).steps == 30


def test_a_damaged_event_file_is_refused_and_one_that_was_cut_short_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = next((BOARDS / "run-seed-3").iterdir()).read_bytes()
    path = tmp_path / "boards" / "seed-1" / "events.out.tfevents.1"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
    options = (tmp_path / "boards", "--score", "eval/accuracy", *UP)
    assert "is damaged" in refusal(capsys, tmp_path, *options)
    path.write_bytes(whole[:-3])
    assert curves(imported(tmp_path, *options))["wi1-do1"] == pytest.approx([0.5, 0.7, 0.65], abs=1e-7)


def test_a_board_without_the_tag_is_refused_with_those_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, BOARDS, "--score", "accuracy", *UP)
    assert "there are eval/accuracy, eval/loss, train/loss" in said


@pytest.mark.parametrize("options", [("--by", "x"), ("--where", "x=1"), ("--seed", "x"), ("--step", "x"), ()])
def test_options_for_tables_are_refused_for_other_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    said = refusal(capsys, tmp_path, BOARDS, *(("--score", "eval/accuracy") if options else ()), *options, *UP)
    assert said.startswith("--")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_source_that_holds_no_runs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert ": give a " in refusal(capsys, tmp_path, tmp_path / name, *UP)


BY_RECIPE = ("--by", "recipe", "--loss", "val_loss", "--evaluations", "10")
SEEDS = ("--weight-init", "init_rank_best_first", "--data-order", "order_rank_worst_first")
SCORES = ("--score", "val_mcc", "--score", "val_spearmanr", "--score", "val_acc_and_f1", "--score", "val_acc")
LOWRES = ("--by", "task", "--by", "recipe", "--by", "train_size", "--weight-init", "seed", "--data-order", "subset")


@pytest.mark.parametrize(
    ("name", "options", "records", "runs"),
    [
        ("bertlarge/RTE.csv", (*BY_RECIPE, "--score", "val_acc"), 3, 150),
        ("bertlarge/MRPC.csv", (*BY_RECIPE, "--score", "val_acc_and_f1"), 3, 150),
        ("lowres/curves.csv", (*LOWRES, *SCORES, "--loss", "val_loss"), 60, 1455),
        ("dodge2020/best_validation.csv", ("--by", "task", *SEEDS, "--score", "best_val_score"), 3, 1475),
        ("tang2020/esim.csv", ("--number-runs", "--score", "dev"), 1, 300),
        ("tang2020/sse.csv", ("--number-runs", "--score", "dev"), 1, 200),
        ("tang2020/bbase-sst2-3e-05.tsv", ("--seed=--seed", "--score", "acc"), 1, 75),
        ("tang2020/blarge-sst2-3e-05.tsv", ("--seed=--seed", "--score", "acc"), 1, 75),
        ("tang2020/blarge-sst2-4e-05.tsv", ("--seed=--seed", "--score", "acc"), 1, 74),
    ],
)
def test_recorded_runs_of_others_import_with_one_command(
    tmp_path: Path, name: str, options: tuple[str, ...], records: int, runs: int
) -> None:
    source = needs.seed_runs(name)
    assert seedsweep("import", source, "--to", tmp_path / "out", *options, *UP) == 0
    found = [read_record(path.parent) for path in (tmp_path / "out").rglob("sweep.json")]
    assert len(found) == records
    assert sum(len(record.episodes) for record in found) == runs


def test_a_page_of_an_imported_record_names_its_source_as_the_reason_whatever_its_metric(tmp_path: Path) -> None:
    page = page_of(tmp_path, "seed,evaluation,score\n1,1,0.5\n1,2,0.6\n2,1,0.4\n2,2,0.7\n", "--metric", "mine")
    assert "imported curves hold no answers to single examples" in page
    assert "Rank by one of these" not in page
