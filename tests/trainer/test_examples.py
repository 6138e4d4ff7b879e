"""Which rows become which examples: filters, labels, splits and subsets, and what is refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seedsweep.api.finetuning import Dataset
from seedsweep_trainer.data import examples
from seedsweep_trainer.data.examples import LabelledText, load_examples
from seedsweep_trainer.data.labels import Classes
from seedsweep_trainer.data.sources import Table, read_file
from seedsweep_trainer.errors import ConfigurationError

ROWS = 40


@pytest.fixture
def train(tmp_path: Path) -> str:
    """A file whose row i reads `text i`, with alternating labels no and yes, and a source of a or b."""
    lines = [f"text {i},{('no', 'yes')[i % 2]},{'ab'[i // 30]}" for i in range(ROWS)]
    return written(tmp_path, "train.csv", ["text,label,source", *lines])


def written(folder: Path, name: str, lines: list[str]) -> str:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def load(train: str, **fields: Any) -> LabelledText:
    fields = {"split": {} if "validation" in fields else {"validation": 8}} | fields
    return load_examples(Dataset.model_validate({"train": train} | fields))


def classes(loaded: LabelledText) -> Classes:
    assert loaded.classes is not None
    return loaded.classes


def rows(loaded: LabelledText, part: str) -> list[int]:
    return [int(row) for row in loaded.parts[part].rows]


def test_row_numbers_point_into_the_source(train: str) -> None:
    loaded = load(train, where={"source": "b"}, split={"validation": 3})
    for part in loaded.parts.values():
        assert part.text == [f"text {row}" for row in part.rows]
    assert sorted(rows(loaded, "train") + rows(loaded, "validation")) == list(range(30, 40))


def test_where_keeps_only_rows_that_match_every_condition(train: str) -> None:
    loaded = load(train, where={"source": "b", "label": "yes"}, labels=["no", "yes"], split={"validation": 1})
    assert sorted(rows(loaded, "train") + rows(loaded, "validation")) == [31, 33, 35, 37, 39]


def test_same_seed_splits_alike_and_another_differently(train: str) -> None:
    split = {"validation": 8, "test": 8}
    first, again = load(train, split=split), load(train, split=split)
    other = load(train, split=split | {"seed": 1})
    assert rows(first, "validation") == rows(again, "validation") != rows(other, "validation")


def test_split_is_the_same_on_every_machine(train: str) -> None:
    loaded = load(train, split={"validation": 3, "test": 3})
    assert rows(loaded, "test") == [4, 13, 34]
    assert rows(loaded, "validation") == [9, 20, 38]


def test_test_set_stays_the_same_when_the_validation_size_changes(train: str) -> None:
    small, large = load(train, split={"validation": 2, "test": 9}), load(train, split={"validation": 20, "test": 9})
    assert rows(small, "test") == rows(large, "test")


@given(validation=st.integers(1, 19), test=st.integers(0, 20), seed=st.integers(0, 5))
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_split_loses_no_row_and_shares_none(train: str, validation: int, test: int, seed: int) -> None:
    loaded = load(train, split={"validation": validation, "test": test, "seed": seed})
    drawn = [rows(loaded, part) for part in loaded.parts]
    assert sorted(row for part in drawn for row in part) == list(range(ROWS))
    assert [len(part) for part in drawn] == [ROWS - validation - test, validation, test][: len(drawn)]
    assert all(part == sorted(part) for part in drawn)


def test_subset_is_drawn_after_the_split_by_a_seed_of_its_own(train: str) -> None:
    whole = load(train)
    cut = load(train, subset={"train": 10, "validation": 4})
    other = load(train, subset={"train": 10, "validation": 4, "seed": 1})
    assert (len(rows(cut, "train")), len(rows(cut, "validation"))) == (10, 4)
    assert set(rows(cut, "train")) < set(rows(whole, "train"))
    assert set(rows(cut, "validation")) < set(rows(whole, "validation"))
    assert rows(cut, "train") != rows(other, "train")


def test_smaller_subset_is_part_of_a_larger_one(train: str) -> None:
    small, large = load(train, subset={"train": 5}), load(train, subset={"train": 20})
    assert set(rows(small, "train")) < set(rows(large, "train"))


def test_subset_larger_than_the_data_takes_all(train: str) -> None:
    assert len(rows(load(train, subset={"train": 1000}), "train")) == ROWS - 8


def test_given_files_are_used_whole(train: str, tmp_path: Path) -> None:
    validation = written(tmp_path, "validation.csv", ["text,label", "x,yes"])
    test = written(tmp_path, "test.csv", ["text,label", "y,no", "z,no"])
    loaded = load(train, validation=validation, test=test)
    assert [len(rows(loaded, part)) for part in ("train", "validation", "test")] == [ROWS, 1, 2]
    assert loaded.parts["test"].labels.tolist() == [0, 0]


def test_labels_take_their_ids_in_the_order_given(train: str) -> None:
    given, derived = load(train, labels=["yes", "no"]), load(train)
    assert classes(given).names == ("yes", "no")
    assert classes(derived).names == ("no", "yes")
    assert (given.parts["train"].labels == 1 - derived.parts["train"].labels).all()


def test_classes_that_the_data_declares_keep_their_order(tmp_path: Path) -> None:
    label = datasets.ClassLabel(names=["yes", "no"])
    features = datasets.Features({"text": datasets.Value("string"), "label": label})
    path = str(tmp_path / "train.parquet")
    datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, 1]}, features=features).to_parquet(path)
    loaded = load(path, validation=path)
    assert classes(loaded).names == ("yes", "no")
    assert loaded.parts["train"].labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("numbers", [("1", "9", "10"), ("1.5", "9.0", "10.0"), ("-2", "-1.5", "+3")])
def test_numbers_are_ordered_by_size(tmp_path: Path, numbers: tuple[str, ...]) -> None:
    first, second, third = numbers
    path = written(tmp_path, "stars.csv", ["text,label", f"a,{third}", f"b,{second}", f"c,{first}", f"d,{third}"])
    loaded = load(path, split={"validation": 1})
    assert classes(loaded).names == numbers


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["0", "1", "1 "], r"'1' \(row 3\) and '1 ' \(row 4\) of dataset.train .* \(row 1 is the header\) look alike"),
        (["0", "1", "01"], r"'1' \(row 3\) and '01' \(row 4\) of dataset.train .* look alike"),
        (["0", "1", "1.0"], r"'1' \(row 3\) and '1.0' \(row 4\) of dataset.train .* look alike"),
        (["no", "yes", " yes"], r"'yes' \(row 3\) and ' yes' \(row 4\) of dataset.train .* look alike"),
        (["0", "1", "nan"], r"row 4 of dataset.train .* has no label but 'nan', which is not a finite number"),
        (["0", "1", "-inf"], r"row 4 of dataset.train .* has no label but '-inf', which is not a finite number"),
        (["0", "1", "NA"], r"row 4 of dataset.train .* has no label but 'NA', which is not a finite number"),
        (["0.5", "1.5", "None"], r"row 4 of dataset.train .* has no label but 'None', which is not a finite number"),
        (["no", "yes", "  "], r"row 4 of dataset.train .* has no label"),
        (["1", "-1", "\u22121"], r"'-1' \(row 3\) and '\u22121' \(row 4\) of dataset.train .* look alike"),
        (["no", "so-so", "so\u2013so"], r"'so-so' \(row 3\) and 'so\u2013so' \(row 4\) .* look alike"),
        (["True", "False", "true"], r"'True' \(row 2\) and 'true' \(row 4\) of dataset.train .* look alike"),
        (["no", "caf\u00e9", "cafe\u0301"], r"\(row 3\) and .* \(row 4\) of dataset.train .* look alike"),
        (["no", "yes", "yes\u200b"], r"'yes' \(row 3\) and 'yes\\u200b' \(row 4\) of dataset.train .* look alike"),
        (["no", "not  sure", "not sure"], r"'not  sure' \(row 3\) and 'not sure' \(row 4\) .* look alike"),
    ],
)
def test_labels_that_are_one_or_none_are_refused_unless_they_are_listed(
    tmp_path: Path, labels: list[str], says: str
) -> None:
    path = written(tmp_path, "a.csv", ["text,label", *(f"text {i},{label}" for i, label in enumerate(labels))])
    with pytest.raises(ConfigurationError, match=says):
        load(path, validation=path)
    assert classes(load(path, validation=path, labels=labels)).names == tuple(labels)


def test_long_numbers_that_differ_in_their_last_digit_are_two_classes(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", ["text,label", "a,9007199254740993", "b,9007199254740992"])
    assert classes(load(path, validation=path)).names == ("9007199254740992", "9007199254740993")


def test_words_that_look_like_numbers_are_classes_among_words(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", ["text,label", "a,inf", "b,nan", "c,word", "d,NA"])
    assert classes(load(path, validation=path)).names == ("NA", "inf", "nan", "word")


ORDER = """
import sys
from seedsweep.api.finetuning import Dataset
from seedsweep_trainer.data.examples import load_examples

print(load_examples(Dataset(train=sys.argv[1], validation=sys.argv[1])).classes.names)
"""


def test_classes_have_the_same_order_whatever_the_hash_seed(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", ["text,label", *(f"text,{label}" for label in (10, 9, -1, 0, 100, 3))])
    orders = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", ORDER, path], env=environment, capture_output=True, text=True, check=True
        )
        orders.add(done.stdout.strip())
    assert orders == {"('-1', '0', '3', '9', '10', '100')"}


def test_second_of_two_labels_is_positive_unless_one_is_named(train: str) -> None:
    loaded, named = load(train), load(train, positive_label="no")
    assert classes(loaded).positive == 1
    assert classes(named).positive == 0


def test_no_label_of_three_is_positive_unless_one_is_named(train: str) -> None:
    labels = ["no", "maybe", "yes"]
    loaded, named = load(train, labels=labels), load(train, labels=labels, positive_label="yes")
    assert classes(loaded).positive is None
    assert classes(named).positive == 2


def test_regression_reads_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", ["text,label", "a,0.5", "b,-2", "c,1e1"])
    loaded = load(path, kind="regression", validation=path)
    assert loaded.classes is None
    assert loaded.parts["train"].labels.tolist() == [0.5, -2, 10]
    assert loaded.parts["train"].labels.dtype == np.float32


def test_second_sentence_comes_from_its_column(train: str) -> None:
    loaded = load(train, columns={"text": "text", "text_pair": "source"})
    assert set(loaded.parts["train"].pair or []) == {"a", "b"}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"columns": {"text": "txt"}}, "dataset.columns.text 'txt' is not a column of .*did you mean 'text'"),
        ({"columns": {"label": "x"}}, "dataset.columns.label 'x' is not a column"),
        ({"columns": {"text_pair": "x"}}, "dataset.columns.textPair 'x' is not a column"),
        ({"where": {"sourc": "a"}}, "dataset.where.sourc 'sourc' is not a column.*did you mean 'source'"),
        ({"where": {"source": "c"}}, "no row matches dataset.where {'source': 'c'}"),
        ({"where": {"label": "no"}}, r"at least two classes, found \['no'\]"),
        (
            {"labels": ["no", "maybe"]},
            r"'yes' is not among the classes, in row 3 of dataset.train .* \(row 1 is the header\): no, maybe",
        ),
        ({"positive_label": "yess"}, "dataset.positiveLabel 'yess' is not a label: no, yes; did you mean 'yes'"),
        ({"kind": "regression"}, "'no', in row 2 of .* is not a finite number"),
        (
            {"split": {"validation": 30, "test": 10}},
            "sets 30 validation and 10 test examples aside, and dataset.train .* has 40 in all: lower them to 39",
        ),
    ],
)
def test_configuration_that_the_data_does_not_bear_out_is_refused(
    train: str, fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load(train, **fields)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["a,no", ",yes"], "columns.text 'text': row 3 of dataset.train .* has no text"),
        (
            ["a,no", ",yes", "b,no", ",yes"],
            "columns.text 'text': rows 3, 5 of dataset.train .* have no text: fill them",
        ),
        (["a,no", "   ,yes"], "columns.text 'text': row 3 of dataset.train .* has no text"),
        (["a,no", "b,", "c,yes"], "columns.label: row 3 of dataset.train .* has no label"),
    ],
)
def test_incomplete_row_is_refused_by_number(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load(written(tmp_path, "a.csv", ["text,label", *lines]))


def test_rows_of_every_column_and_file_are_refused_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", ["text,label", "a,no", ",yes", "b,"])
    test = written(tmp_path, "t.csv", ["text,label", "a,maybe"])
    with pytest.raises(ConfigurationError) as caught:
        load(path, validation=path, test=test)
    text, label, unknown = caught.value.args[0], caught.value.args[1], caught.value.args[-1]
    assert "columns.text 'text': row 3 of dataset.train" in text
    assert "columns.label: row 4 of dataset.train" in label
    assert "the label 'maybe' is not among the classes, in row 2 of dataset.test" in unknown


@pytest.mark.parametrize("label", ["nan", "inf", "5 stars", "4.2e39", "-1e20", "1e-46", "9" * 400, "3_5", "\uff13"])
def test_regression_refuses_labels_that_are_not_finite_numbers(tmp_path: Path, label: str) -> None:
    path = written(tmp_path, "a.csv", ["text,label", "a,1", f"b,{label}"])
    with pytest.raises(ConfigurationError, match=f"'{label}', in row 3 of .*is not a finite number"):
        load(path, kind="regression")


def test_regression_refuses_values_whose_differences_would_be_rounded_away(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", ["text,label", *(f"text,{1_700_000_000 + i}" for i in range(30))])
    with pytest.raises(ConfigurationError, match=r"differ by too little .*1700000000 to 1700000029\): subtract"):
        load(path, kind="regression", validation=path)
    alike = written(tmp_path, "b.csv", ["text,label", "a,0.1", "b,0.1"])
    assert len(rows(load(alike, kind="regression", validation=alike), "train")) == 2


@pytest.mark.parametrize("hidden", ["-1", ""])
def test_test_set_with_withheld_labels_is_refused_with_a_way_out(train: str, tmp_path: Path, hidden: str) -> None:
    test = written(tmp_path, "test.csv", ["text,label", f"x,{hidden}", f"y,{hidden}"])
    with pytest.raises(ConfigurationError, match=r"dataset.test .*has no labels.*dataset.split"):
        load(train, test=test)


def test_minus_one_may_be_a_class_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", ["text,label", "a,-1", "b,1"])
    loaded = load(path, validation=written(tmp_path, "v.csv", ["text,label", "c,-1"]))
    assert classes(loaded).names == ("-1", "1")
    assert loaded.parts["validation"].labels.tolist() == [0]


def test_hub_data_keeps_its_commit(train: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = read_file(train, "dataset.hub.train")
    tables: dict[str, Table] = {"train": table, "validation": table}
    monkeypatch.setattr(examples, "read_hub", lambda _: (tables, "c0ffee"))
    loaded = load_examples(Dataset.model_validate({"hub": {"name": "org/data", "validation": "validation"}}))
    assert loaded.commit == "c0ffee"
    assert len(rows(loaded, "validation")) == ROWS


def glue_folder(folder: Path) -> str:
    header = "index\tsentence1\tsentence2\tlabel"
    pairs = [f"{i}\tone {i}\ttwo {i}\t{('not_entailment', 'entailment')[i % 2]}" for i in range(10)]
    written(folder, "train.tsv", [header, *pairs])
    written(folder, "dev.tsv", [header, *pairs[:3]])
    return str(folder)


def test_glue_task_validates_on_its_dev_file(tmp_path: Path) -> None:
    loaded = load_examples(Dataset(task="rte", path=glue_folder(tmp_path)))
    assert loaded.parts["validation"].text == ["one 0", "one 1", "one 2"]
    assert loaded.parts["validation"].pair == ["two 0", "two 1", "two 2"]
    assert loaded.parts["validation"].labels.tolist() == [1, 0, 1]
    assert classes(loaded).names[classes(loaded).positive or 0] == "entailment"


def test_glue_task_can_report_on_its_dev_file_and_select_on_a_split(tmp_path: Path) -> None:
    path = glue_folder(tmp_path)
    test = str((tmp_path / "dev.tsv").rename(tmp_path / "held-out.tsv"))
    dataset = {"task": "rte", "path": path, "test": test, "split": {"validation": 4}}
    loaded = load_examples(Dataset.model_validate(dataset))
    assert [len(rows(loaded, part)) for part in ("train", "validation", "test")] == [6, 4, 3]


def test_glue_folder_without_its_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset.path '.*train.tsv': there is no such file"):
        load_examples(Dataset(task="rte", path=str(tmp_path)))


def swapped(folder: Path, rows: int = 300) -> str:
    """A file whose column of labels is a column of long texts."""
    lines = [f"{('glad', 'sad')[i % 2]},customer {i} says: {'very long ' * 20}" for i in range(rows)]
    return written(folder, "swapped.csv", ["text,label", *lines])


def test_a_column_of_texts_is_refused_as_labels_and_few_of_them_are_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is this the column of texts\? Name that of the labels") as refusal:
        load(swapped(tmp_path), split={"validation": 60, "test": 60})
    said = str(refusal.value)
    assert said.startswith("dataset.columns.label 'label' has 300 classes for 300 examples, such as 'customer 0")
    assert said.count("customer") == 3
    assert len(said) < 500


def test_classes_that_are_listed_are_meant_however_few_examples_each_has(tmp_path: Path) -> None:
    train = written(tmp_path, "train.csv", ["text,label", *(f"text {i},name {i}" for i in range(60))])
    listed = [f"name {i}" for i in range(60)]
    assert classes(load(train, labels=listed, split={"validation": 5})).names == tuple(listed)


def test_one_example_a_class_may_be_learned_from_with_a_validation_file(tmp_path: Path) -> None:
    lines = ["text,label", *(f"text {i},name {i}" for i in range(60))]
    loaded = load(written(tmp_path, "train.csv", lines), validation=written(tmp_path, "validation.csv", lines))
    assert len(classes(loaded).names) == 60


def test_a_text_that_is_no_class_is_not_shown_in_full(tmp_path: Path) -> None:
    other = written(tmp_path, "validation.csv", ["text,label", "glad," + "another customer " * 20])
    with pytest.raises(ConfigurationError, match="among the classes") as refusal:
        load(swapped(tmp_path), validation=other)
    assert len(str(refusal.value)) < 700
