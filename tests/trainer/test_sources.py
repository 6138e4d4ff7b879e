"""Reading files, packages and the hub: what a file says is what arrives, and every refusal names its remedy."""

import errno
import json
import math
import os
import socket
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.exceptions import DataFilesNotFoundError
from huggingface_hub.errors import OfflineModeIsEnabled

from seedsweep.api.finetuning import HubDataset
from seedsweep_trainer.data.hub_data import read_hub
from seedsweep_trainer.data.references import resolve
from seedsweep_trainer.data.sources import Table, read_file
from seedsweep_trainer.errors import ConfigurationError, HubError
from trainer.fake_hub import FakeBuilder

CLIENTS_ERROR = type("ConnectError", (Exception,), {"__module__": "httpx2"})
"""As the hub's client raises it: no kind of OSError."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def column(table: Table, name: str) -> list[str | None]:
    return table.strings(name, "dataset.columns.text")


def test_reference_without_package_is_a_path_as_it_stands() -> None:
    assert resolve("../data/train.csv") == "../data/train.csv"


def test_package_reference_is_a_path_inside_the_installed_package() -> None:
    assert Path(resolve("package:seedsweep_trainer/errors.py")).name == "errors.py"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("package:no_such_package/train.csv", "install it"),
        ("package:seedsweep_trainer/no/such.csv", "package 'seedsweep_trainer' has no 'no/such.csv'"),
        ("package:", "install it"),
    ],
)
def test_missing_package_or_file_is_named_with_its_field(reference: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"dataset.train '{reference}'.*{says}"):
        resolve(reference, "dataset.train")


def test_csv_values_stay_the_text_they_are(tmp_path: Path) -> None:
    content = '\ufefftext,label\n"one, ""two""\nthree",007\nNA,null\n'
    table = read_file(written(tmp_path, "a.csv", content), "dataset.train")
    assert column(table, "text") == ['one, "two"\nthree', "NA"]
    assert column(table, "label") == ["007", "null"]


def test_quotes_in_tsv_are_plain_characters(tmp_path: Path) -> None:
    content = 'text\tlabel\n" opened\t1\nclosed"\t0\n'
    assert column(read_file(written(tmp_path, "a.tsv", content), "dataset.train"), "text") == ['" opened', 'closed"']


def test_file_without_header_line_keeps_its_first_row(tmp_path: Path) -> None:
    table = read_file(written(tmp_path, "a.tsv", "x\t1\ny\t0\n"), "dataset.path", header=("text", "label"))
    assert column(table, "text") == ["x", "y"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_json_numbers_and_booleans_become_text(tmp_path: Path, name: str) -> None:
    rows = [{"text": "x", "label": 1, "ok": True}, {"text": "y", "label": 0, "ok": None}]
    content = json.dumps(rows) if name == "a.json" else "\n".join(map(json.dumps, rows))
    table = read_file(written(tmp_path, name, content), "dataset.train")
    assert column(table, "label") == ["1", "0"]
    assert column(table, "ok") == ["true", None]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("numbers", [[2**63 + 5, 2**63 + 6], [2**53 + 1, 2**53 + 2, 0.5, None]])
def test_whole_json_numbers_keep_all_their_digits(tmp_path: Path, name: str, numbers: list[float | None]) -> None:
    rows = [{"label": number} for number in numbers]
    content = json.dumps(rows) if name == "a.json" else "\n".join(map(json.dumps, rows))
    labels = read_file(written(tmp_path, name, content), "dataset.train").strings("label", "dataset.columns.label")
    assert labels == [None if number is None else str(number) for number in numbers]


@pytest.mark.parametrize(
    ("name", "other"), [("a.json", ["", ""]), ("a.json", [1, "x"]), ("a.jsonl", [1, "x"]), ("a.jsonl", [[1], {"a": 1}])]
)
@pytest.mark.parametrize("before", ["", "\n "])
def test_json_numbers_keep_their_decimals_whatever_is_beside_them(
    tmp_path: Path, name: str, other: list[Any], before: str
) -> None:
    values = [0.12345678901234, 1.234567890123e-9]
    rows = [{"text": "x", "label": value, "other": beside} for value, beside in zip(values, other, strict=True)]
    content = json.dumps(rows) if name == "a.json" else "\n".join(map(json.dumps, rows))
    table = read_file(written(tmp_path, name, before + content), "dataset.train")
    assert [float(label or "nan") for label in column(table, "label")] == values


def test_parquet_class_numbers_become_class_names(tmp_path: Path) -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    data.to_parquet(tmp_path / "a.parquet")
    table = read_file(str(tmp_path / "a.parquet"), "dataset.train")
    assert column(table, "label") == ["yes", "no", "-1"]
    assert table.class_names("label") == ["no", "yes"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "text,label\nx,1\ny,0,surplus\n", "line 3 has 3 fields, and there are 2 columns; put quotes around"),
        ("a.csv", "text,label\nx,1,surplus\n", "line 2 has 3 fields, and there are 2 columns; put quotes around"),
        ("a.tsv", "text\tlabel\nx\t1\t2\n", "line 2 has 3 fields, and there are 2 columns; remove what is too much"),
        ("a.csv", "text,text\nx,1\n", "column 'text' appears more than once; rename one of them"),
        ("a.csv", "text\tlabel\na, b\t1\n", "its columns are separated by tabs: write it with commas, or name the"),
        ("a.csv", "text;label\na, b;1\n", "its columns are separated by semicolons: write it with commas"),
        ("a.csv", "", "it is empty; give a file with examples"),
        ("a.jsonl", "", "it is empty; give a file with examples"),
        ("a.json", " \n", "it is empty; give a file with examples"),
        ("a.csv", "text,label\n", "it has a header line and no rows; add some"),
        ("a.csv", 'text,label\nx,0\n"y,1\nz,0\n', "a quote in line 3 is not closed"),
        # What reads tables would make one row of two.
        ("a.csv", 'text,label\n"good,1\n"bad,0\nfine,1\n', "a quote in line 2 is not closed, or goes on after its end"),
        ("a.csv", 'text,label\n"Yes" he said,1\nno,0\n', "a quote in line 2 is not closed, or goes on after its end"),
        ("a.csv", "\ntext,label\nx,1\n", "line 1 is empty; remove it, for the first line names the columns"),
        ("a.csv", "# mine\ntext,label\nx,1\n", "line 2 has 2 fields, and the first line names one column; name all"),
        ("a.csv", "text,label\nx,1\n".encode("utf-16-le"), "it is UTF-16; save the file as UTF-8"),
        ("a.csv", b"PAR1 and more", "it is a Parquet file; name it .parquet"),
        ("a.csv", b"text,label\n\xff\xfe,1\n", r"line 2 is not UTF-8 \(byte 0xff at its position 1\); save the file"),
        (
            "a.tsv",
            "text\tlabel\ncaf\u00e9\t1\n".encode("latin-1"),
            r"line 2 is not UTF-8 \(byte 0xe9 at its position 4\)",
        ),
        ("a.csv", "text,label\nx,1\n".encode("utf-16"), "line 1 is not UTF-8"),
        ("a.jsonl", '{"text": "x"}\n{"text": "caf\u00e9"}\n'.encode("latin-1"), "line 2 is not UTF-8"),
        ("a.json", '[{"text": "caf\u00e9"}]'.encode("latin-1"), "line 1 is not UTF-8"),
        ("a.jsonl", '{"text": "x"}\n{"text":', "line 2 is no valid JSON; each line has to be one whole object"),
        ("a.json", '[{"text": "x"},\n{"text"]', "line 2 is no valid JSON; correct it"),
        ("a.jsonl", '{"text": "x", "text": "y"}\n', "line 1 has 'text' more than once; remove one of them"),
        ("a.json", '[{"text": "x", "text": "y"}]', "element 1 has 'text' more than once; remove one of them"),
        ("a.jsonl", "5\n", "line 1 is a number; make it an object"),
        ("a.jsonl", '["x"]\n["y"]\n', "line 1 is a list; make it an object"),
        ("a.json", "[" * 100_000, "line 1 is no valid JSON; correct it"),
        ("a.jsonl", "null\n", "line 1 is nothing; make it an object with a value for each column"),
        ("a.jsonl", '\nnull\n{"text": "x"}\n', "line 2 is nothing; make it an object"),
        ("a.json", "null", "line 1 is nothing; make it an object"),
        ("a.jsonl", '{"text": "x", "label": 1e400}\n', "line 1, 'label': a number that is too large; correct it"),
        ("a.jsonl", '{"text": "\\ud83d"}\n', "line 1, 'text': half of a character"),
        ("a.parquet", "not parquet", "it is no whole Parquet file"),
        ("a.xlsx", "x", "must end in one of .csv, .tsv, .json"),
    ],
)
def test_file_that_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(ConfigurationError, match=f"^dataset.train '{path}'.*{says}"):
        read_file(path, "dataset.train")


def test_file_that_the_trainer_may_not_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    path = written(tmp_path, "a.csv", "text\nx\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigurationError, match="cannot be read: Permission denied; let the trainer's user read it"):
        read_file(path, "dataset.train")


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, "Permission denied; let the trainer's user read it"),
        (errno.ENAMETOOLONG, "File name too long; let"),
    ],
)
def test_file_that_cannot_even_be_looked_at_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def refuse(path: Path, **_: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    path = written(tmp_path, "a.csv", "text\nx\n")
    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(ConfigurationError, match=f"cannot be read: {says}.*, or correct the path"):
        read_file(path, "dataset.train")


def test_full_disk_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(datasets.Dataset, "from_csv", fill)
    with pytest.raises(OSError, match="No space left"):
        read_file(written(tmp_path, "a.csv", "text\nx\n"), "dataset.train")


def test_missing_file_is_named_with_its_field(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"dataset.test '.*/none.csv': there is no such file"):
        read_file(str(tmp_path / "none.csv"), "dataset.test")


def test_misspelt_column_is_refused_with_the_likeliest_meant(tmp_path: Path) -> None:
    table = read_file(written(tmp_path, "a.csv", "sentence,label\nx,1\n"), "dataset.train")
    with pytest.raises(
        ConfigurationError, match=r"'sentense' is not a column of dataset.train.*did you mean 'sentence'"
    ):
        column(table, "sentense")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([["x"], ["y"]], "holds a list in every row: name a column of plain text"),
        ([{"a": 1}], "holds an object in every row: name a column of plain text"),
        ([None, None], "holds nothing in every row: name a column of plain text"),
        (
            [None, 1, "x"],
            r"\(rows are counted from 1\) holds a number in row 2, text in row 3: write all of its values as the same",
        ),
        ([True, "x"], "holds true or false in row 1, text in row 2: write all"),
    ],
)
def test_column_that_is_not_plain_is_refused_with_what_it_holds(tmp_path: Path, values: list[Any], says: str) -> None:
    lines = "\n".join(json.dumps({"text": value}) for value in values)
    table = read_file(written(tmp_path, "a.jsonl", lines), "dataset.train")
    with pytest.raises(ConfigurationError, match=rf"columns.text 'text' of dataset.train '.*{says}"):
        column(table, "text")


def test_nan_among_texts_is_no_text(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"text": value}) for value in ("x", math.nan, "y", None))
    table = read_file(written(tmp_path, "a.jsonl", lines), "dataset.train")
    assert column(table, "text") == ["x", None, "y", None]
    assert table.strings("text", "dataset.columns.text", np.array([2, 1])) == ["y", None]


@pytest.mark.parametrize(
    "values",
    [("1", math.nan, "0"), ("null", '"quoted"', math.nan), ("2020-01-01", "2020-01-02")],
    ids=["numbers", "json", "dates"],
)
def test_texts_of_json_that_look_like_other_values_stay_what_they_are(tmp_path: Path, values: Sequence[Any]) -> None:
    lines = "\n".join(json.dumps({"text": value}) for value in values)
    table = read_file(written(tmp_path, "a.jsonl", lines), "dataset.train")
    assert column(table, "text") == [value if isinstance(value, str) else None for value in values]


@pytest.mark.parametrize(
    ("early", "late", "texts"),
    [
        ({"other": None}, {"other": {"a": [1]}}, None),
        ({}, {"label": 1}, (None, "1")),
        ({"label": None}, {"label": "x"}, (None, "x")),
        ({"label": 1}, {"label": 0.5}, ("1", "0.5")),
        ({"label": 1}, {"label": math.nan}, ("1", None)),
        ({"label": "2020-01-01"}, {"label": "x"}, ("2020-01-01", "x")),
    ],
)
def test_values_far_down_in_json_may_be_of_another_type_than_the_first(
    tmp_path: Path, early: dict[str, Any], late: dict[str, Any], texts: tuple[str | None, str | None] | None
) -> None:
    # `datasets` looks at the first ten megabytes.
    lines = [json.dumps({"text": "x" * 1_000_000} | values) for values in [early] * 12 + [late]]
    table = read_file(written(tmp_path, "a.jsonl", "\n".join(lines)), "dataset.train")
    assert len(column(table, "text")) == 13
    if texts is not None:
        assert column(table, "label") == [texts[0]] * 12 + [texts[1]]


def test_a_number_among_texts_that_look_like_numbers_is_told_apart(tmp_path: Path) -> None:
    table = read_file(written(tmp_path, "a.jsonl", '{"text": "5"}\n{"text": 5}\n'), "dataset.train")
    with pytest.raises(ConfigurationError, match="holds text in row 1, a number in row 2: write all"):
        column(table, "text")


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        # As polars and as old releases of Spark write texts, and as databases write whole numbers.
        (pa.array(["x", "y"], pa.string_view()), ["x", "y"]),
        (pa.array([b"x", b"caf\xc3\xa9"], pa.binary()), ["x", "caf\u00e9"]),
        (pa.array([Decimal(0), None, Decimal(7)], pa.decimal128(38, 0)), ["0", None, "7"]),
        (pa.array([Decimal("0.5")], pa.decimal128(4, 2)), ["0.50"]),
    ],
    ids=["view", "binary", "whole", "decimal"],
)
def test_parquet_text_and_numbers_may_have_any_type_of_their_kind(
    tmp_path: Path, values: pa.Array, texts: list[str | None]
) -> None:
    pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet")
    table = read_file(str(tmp_path / "a.parquet"), "dataset.train")
    assert table.strings("text", "dataset.columns.text", np.arange(len(texts))) == texts


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (pa.table({"text": pa.array([], pa.string())}), "it has no rows; add some"),
        (pa.table([["x"], ["y"]], names=["text", "text"]), "column 'text' appears more than once; rename one"),
    ],
)
def test_parquet_that_holds_no_table_of_examples_is_refused_with_the_reason(
    tmp_path: Path, table: pa.Table, says: str
) -> None:
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ConfigurationError, match=rf"cannot be read: {says}"):
        read_file(str(tmp_path / "a.parquet"), "dataset.train")


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_nan_is_no_value(tmp_path: Path, name: str) -> None:
    rows = [{"text": "x", "label": 0.5}, {"text": "y", "label": math.nan}]
    path = written(tmp_path, name, "\n".join(map(json.dumps, rows)))
    if name == "a.parquet":
        datasets.Dataset.from_list(rows).to_parquet(path)
    assert column(read_file(path, "dataset.train"), "label") == ["0.5", None]


def test_parquet_text_that_is_not_utf8_is_refused_with_its_row(tmp_path: Path) -> None:
    buffers = [None, pa.array([0, 1, 5], pa.int32()).buffers()[1], pa.py_buffer(b"xcaf\xe9")]
    texts = pa.Array.from_buffers(pa.string(), 2, buffers)
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")
    table = read_file(str(tmp_path / "a.parquet"), "dataset.train")
    with pytest.raises(
        ConfigurationError,
        match=r"columns.text 'text': row 2 of dataset.train .* \(rows are counted from 1\) is not UTF-8",
    ):
        column(table, "text")


def test_local_file_needs_neither_network_nor_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a local file must not reach for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    # /proc takes no new folders, whoever asks.
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", "/proc/no-cache-here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    table = read_file(written(tmp_path, "a.csv", "text\nx\n"), "dataset.train")
    assert column(table, "text") == ["x"]
    assert not list((tmp_path / "temporary").iterdir())


class Hub:
    """A hub with one data set; remembers what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Any] = []
        monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", self.dataset_info)
        monkeypatch.setattr(datasets, "load_dataset_builder", self.load_dataset_builder)

    def dataset_info(self, name: str, revision: str | None) -> SimpleNamespace:
        self.asked.append((name, revision))
        return SimpleNamespace(sha=COMMIT)

    def load_dataset_builder(self, name: str, config: str | None, revision: str) -> FakeBuilder:
        self.asked.append((name, config, revision))
        rows = datasets.Dataset.from_dict({"text": ["x"], "label": [0]})
        return FakeBuilder(revision, {"train": rows, "dev": rows})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    return Hub(monkeypatch)


def test_hub_data_is_loaded_at_the_commit_behind_its_revision(hub: Hub) -> None:
    tables, commit = read_hub(HubDataset(name="org/data", config="small", revision="main", validation="dev"))
    assert commit == COMMIT
    assert hub.asked == [("org/data", "main"), ("org/data", "small", COMMIT)]
    assert sorted(tables) == ["train", "validation"]


def test_commit_that_is_given_in_full_is_not_looked_up(hub: Hub) -> None:
    read_hub(HubDataset(name="org/data", revision="f" * 40))
    assert hub.asked == [("org/data", None, "f" * 40)]


@pytest.mark.parametrize(("offline", "kind"), [(True, ConfigurationError), (False, HubError)])
def test_a_copy_of_another_commit_in_the_cache_is_not_taken_for_the_one_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool, kind: type[Exception]
) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OfflineModeIsEnabled("offline") if offline else ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "hf_hub_download", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    cached = tmp_path / "org___data" / "default" / "0.0.0" / COMMIT
    rows = datasets.Dataset.from_dict({"text": ["x"], "label": [0]})
    datasets.DatasetDict({"train": rows}).save_to_disk(tmp_path / "saved")
    info = {"config_name": "default", "dataset_name": "data", "splits": {"train": {"name": "train", "num_examples": 1}}}
    cached.mkdir(parents=True)
    (cached / "dataset_info.json").write_text(json.dumps(info))
    next((tmp_path / "saved" / "train").glob("*.arrow")).rename(cached / "data-train.arrow")
    assert read_hub(HubDataset(name="org/data", revision=COMMIT))[1] == COMMIT
    with pytest.raises(kind, match=f"copy in the cache on this machine is of commit {COMMIT}, not {'f' * 40}"):
        read_hub(HubDataset(name="org/data", revision="f" * 40))


def test_a_folder_is_not_taken_for_a_data_set_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "data").mkdir(parents=True)
    written(tmp_path / "org" / "data", "train.csv", "text,label\nx,0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"'org/data': a folder of this name in .* would be read in its place"):
        read_hub(HubDataset(name="org/data", revision=COMMIT))


def test_unknown_hub_split_is_refused_with_those_that_exist(hub: Hub) -> None:
    with pytest.raises(
        ConfigurationError, match=r"dataset.hub.validation 'val' is not a split of 'org/data': train, dev"
    ):
        read_hub(HubDataset(name="org/data", validation="val"))


def test_revision_that_cannot_be_resolved_offline_asks_for_the_commit(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise OfflineModeIsEnabled("offline")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", offline)
    with pytest.raises(ConfigurationError, match=r"dataset.hub.revision 'main'.*full commit hash"):
        read_hub(HubDataset(name="org/data", revision="main"))


@pytest.mark.parametrize("revision", [None, "f" * 40], ids=["resolved", "loaded"])
@pytest.mark.parametrize(
    "error", [ConnectionError("Couldn't reach it"), TimeoutError("slow"), CLIENTS_ERROR("Name not known")]
)
def test_hub_that_is_not_reached_is_told_with_what_works_without_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, revision: str | None, error: Exception
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", away)
    monkeypatch.setattr(datasets, "load_dataset_builder", away)
    says = r"^dataset.hub.name 'org/data'.*: the hub was not reached: .*; without a network, name files of this machine"
    with pytest.raises(HubError, match=says) as raised:
        read_hub(HubDataset(name="org/data", revision=revision))
    assert str(error) not in str(raised.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            ValueError("BuilderConfig 'x' not found. Available: ['small', 'large']"),
            "config 'smal' .*: small, large; did",
        ),
        (
            ValueError("Config name is missing.\nPlease pick one: ['small', 'large']"),
            "dataset.hub.config 'smal' is not",
        ),
        (DataFilesNotFoundError("No (supported) data files found"), "has no data files that can be read"),
        (RuntimeError("Dataset scripts are no longer supported"), "its files cannot be read as a data set"),
    ],
)
def test_data_set_that_the_hub_has_in_another_form_is_refused(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset_builder", fail)
    with pytest.raises(ConfigurationError, match=says):
        read_hub(HubDataset(name="org/data", config="smal"))
