"""How a table may be written that `seedsweep import` reads: separators, cells, names of columns, Parquet."""

import csv
import math
from decimal import Decimal
from pathlib import Path

import pytest

from exchange.importing import GRID, UP, curves, imported, refusal, table
from host.commands import seedsweep
from seedsweep.exchange import tables
from seedsweep.report.record import read_record


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


def test_a_misspelt_column_is_named_with_the_one_that_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, "seed,val_acc\n1,0.5\n"), "--score", "val_ac", *UP)
    assert "no column 'val_ac': did you mean val_acc?" in said


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


def test_a_table_too_large_to_be_read_whole_is_refused_unread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_BYTES", 10)
    assert "split it, or write it as Parquet" in refusal(capsys, tmp_path, table(tmp_path, GRID), *UP)
