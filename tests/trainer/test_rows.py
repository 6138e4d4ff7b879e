"""Rows in messages: numbered as a spreadsheet and an editor show them, and counted without loading a file."""

import json
from pathlib import Path

import pytest

from seedsweep.api.finetuning import Dataset
from seedsweep_trainer.data.rows import MOST_COUNTED, Rows, count_rows, too_few
from seedsweep_trainer.data.sources import read_file


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text", "numbers"),
    [
        ("a.csv", "text,label\na,1\nb,2\nc,3\n", ["2", "3", "4"]),
        ("a.csv", 'text,label\n"a\nwith\nlines",1\nb,2\nc,3\n', ["2", "3 (line 5)", "4 (line 6)"]),
        ("a.csv", "text,label\na,1\n\n \nb,2\nc,3\n", ["2", "5", "6"]),
        ("a.csv", "\ufefftext,label\r\na,1\r\nb,2\r\nc,3\r\n", ["2", "3", "4"]),
        ("a.tsv", 'text\tlabel\n"a\t1\nb"\t2\nc\t3\n', ["2", "3", "4"]),
        ("a.jsonl", '{"text": "a"}\n\n{"text": "b"}\n{"text": "c"}\n', ["1", "2 (line 3)", "3 (line 4)"]),
        ("a.json", '[{"text": "a"},\n\n\n{"text": "b"}, {"text": "c"}]', ["1", "2", "3"]),
    ],
)
def test_a_row_has_the_number_that_people_see(tmp_path: Path, name: str, text: str, numbers: list[str]) -> None:
    path = written(tmp_path, name, text)
    found = read_file(str(path), "dataset.train")
    assert [value.strip('"')[0] for value in found.strings("text", "dataset.columns.text") if value] == ["a", "b", "c"]
    assert found.rows.numbers([0, 1, 2]) == numbers


def test_a_table_without_a_header_line_is_counted_from_its_first_line(tmp_path: Path) -> None:
    rows = read_file(str(written(tmp_path, "train.tsv", "a\t1\nb\t2\n")), "dataset.path", ("text", "label")).rows
    assert rows.place(1) == f"row 2 of dataset.path '{tmp_path}/train.tsv' (rows are counted from 1)"


def test_a_row_of_a_file_that_is_gone_has_the_number_of_one_without_line_breaks(tmp_path: Path) -> None:
    assert Rows("it", tmp_path / "gone.csv").place(3) == "row 5 of it (row 1 is the header)"
    assert Rows("it", None).place(3) == "row 4 of it (rows are counted from 1)"


def test_many_rows_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    said = Rows("it", tmp_path / "gone.csv").lacking(range(3000), "text")
    assert said.startswith(
        "rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2,990 more of it (row 1 is the header) have no text:"
    )


@pytest.mark.parametrize(
    ("name", "text", "where", "count"),
    [
        ("a.csv", 'text,label\n"a\nb",1\n\nc,2\n', {}, 2),
        ("a.csv", "text,label\na,1\nb,2\nc,1\n", {"label": "1"}, 2),
        ("a.csv", "text,label\na,1\nb,2\nc,1\nd,1\n", {}, 3),
        ("a.jsonl", '{"text": "a"}\n{"text": "b"}\n', {}, 2),
        ("a.json", json.dumps([{"text": "a"}, {"text": "b"}]), {}, 2),
        ("a.jsonl", '{"text": 1}\n', {"text": "1"}, None),
        ("a.jsonl", '{"text": \n', {}, None),
        ("a.parquet", "", {}, None),
        ("a.csv", "text,label\n" + "a,1\n" * MOST_COUNTED, {"label": "2"}, None),
    ],
)
def test_rows_are_counted_up_to_what_is_asked_where_that_is_quick(
    tmp_path: Path, name: str, text: str, where: dict[str, str], count: int | None
) -> None:
    assert count_rows(written(tmp_path, name, text), None, where, 3) == count


@pytest.mark.parametrize(("has", "fits"), [(39, False), (40, False), (41, True)])
def test_a_split_leaves_something_to_train_on(has: int, fits: bool) -> None:
    assert (
        too_few(Dataset.model_validate({"train": "it", "split": {"validation": 30, "test": 10}}), has, "it") is None
    ) == fits
