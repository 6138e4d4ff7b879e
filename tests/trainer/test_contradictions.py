"""What contradicts itself in a recipe is told whatever the data holds."""

from typing import Any

import pytest

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.contradictions import contradictions

FILES = {"train": "a.csv", "validation": "v.csv"}
TASK = {"task": "rte", "path": "glue"}


def found(dataset: dict[str, Any], name: str = "accuracy", goal: str = "maximize") -> list[str]:
    recipe = {"model": "m", "dataset": dataset, "metric": {"name": name, "goal": goal}}
    return list(contradictions(FineTuning.model_validate(recipe)))


@pytest.mark.parametrize("name", ["accuracy", "f1", "accuracyAndF1", "mcc"])
def test_a_recipe_without_any_has_none(name: str) -> None:
    assert found(FILES, name) == []
    assert found(TASK, name) == []


@pytest.mark.parametrize(
    ("name", "goal", "kind", "says"),
    [
        (
            "mcc",
            "maximize",
            "regression",
            "metric.name 'mcc' does not fit dataset.kind 'regression': use one of pearson",
        ),
        ("pearson", "maximize", "classification", "does not fit dataset.kind 'classification': use one of accuracy"),
        ("accuracy", "minimize", "classification", "metric.goal 'minimize' would keep the worst by accuracy: say 'max"),
        ("loss", "maximize", "classification", "metric.goal 'maximize' would keep the worst by loss: say 'minimize'"),
    ],
)
def test_a_metric_that_cannot_rank_is_told_with_the_remedy(name: str, goal: str, kind: str, says: str) -> None:
    (said,) = found({**FILES, "kind": kind}, name, goal)
    assert says in said


@pytest.mark.parametrize(
    ("name", "goal", "limits", "says"),
    [
        ("accuracy", "maximize", {"min": "0", "max": "100"}, "max '100' is not the highest value of accuracy: say '1'"),
        ("f1", "maximize", {"min": "0.5", "max": "1"}, "min '0.5' is not the lowest value of f1: say '0'"),
        ("mcc", "maximize", {"min": "0", "max": "1"}, "min '0' is not the lowest value of mcc: say '-1'"),
        ("loss", "minimize", {"min": "0", "max": "0.5"}, "max '0.5': loss has no highest value: remove it"),
    ],
)
def test_limits_that_a_metric_has_not_are_told(name: str, goal: str, limits: dict[str, str], says: str) -> None:
    recipe = {"model": "m", "dataset": FILES, "metric": {"name": name, "goal": goal, "range": limits}}
    assert list(contradictions(FineTuning.model_validate(recipe))) == [f"metric.range.{says}"]


@pytest.mark.parametrize(
    ("name", "goal", "limits"),
    [("mcc", "maximize", {"min": "-1.0", "max": "1"}), ("loss", "minimize", {"min": "0"}), ("f1", "maximize", {})],
)
def test_a_metric_may_be_given_its_limits(name: str, goal: str, limits: dict[str, str]) -> None:
    recipe = {"model": "m", "dataset": FILES, "metric": {"name": name, "goal": goal, "range": limits}}
    assert list(contradictions(FineTuning.model_validate(recipe))) == []


@pytest.mark.parametrize(
    "fields", [{"columns": {"text": "x"}}, {"labels": ["entailment", "not_entailment"]}, {"kind": "regression"}]
)
def test_what_follows_from_a_glue_task_cannot_be_set_beside_it(fields: dict[str, Any]) -> None:
    assert f"dataset.{next(iter(fields))} follows from dataset.task 'rte': remove it" in found(TASK | fields)[0]


@pytest.mark.parametrize("texts", [{"text": "a"}, {"text": "b", "textPair": "a"}])
def test_the_labels_are_no_texts(texts: dict[str, str]) -> None:
    (said,) = found(FILES | {"columns": {**texts, "label": "a"}})
    assert said == "dataset.columns.label 'a' is the column of the texts too: name the column with the labels"


def test_the_second_texts_are_others_than_the_first() -> None:
    (said,) = found(FILES | {"columns": {"text": "a", "textPair": "a"}})
    assert said == "dataset.columns.textPair 'a' is dataset.columns.text too: name the column with the second"


def test_a_part_comes_from_a_file_or_from_the_split() -> None:
    assert found({**FILES, "test": "t.csv", "split": {"validation": 3, "test": 4}}) == [
        "dataset.split.validation 3: dataset.validation 'v.csv' is given too; keep one of them",
        "dataset.split.test 4: dataset.test 't.csv' is given too; keep one of them",
    ]
    hub = {"hub": {"name": "a/b", "validation": "dev"}, "split": {"validation": 3}}
    assert found(hub) == ["dataset.split.validation 3: dataset.hub.validation 'dev' is given too; keep one of them"]


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ({"train": "a.csv", "validation": "a.csv"}, "dataset.validation 'a.csv' is what episodes are trained on, too"),
        (
            {"hub": {"name": "a/b", "validation": "train"}},
            "dataset.hub.validation 'train' is what episodes are trained",
        ),
        (FILES | {"test": "v.csv"}, "dataset.test 'v.csv' is what episodes are selected by, too: name other data"),
        (FILES | {"test": "a.csv"}, "dataset.test 'a.csv' is what episodes are trained on, too: name other data"),
        (
            {"hub": {"name": "a/b", "validation": "dev", "test": "dev"}},
            "dataset.hub.test 'dev' is what episodes are selected by, too: name other data",
        ),
        (TASK | {"test": "glue/dev.tsv"}, "dataset.test 'glue/dev.tsv' is what episodes are selected by, too: name"),
    ],
)
def test_what_models_are_judged_by_is_other_data(dataset: dict[str, Any], said: str) -> None:
    (told,) = found(dataset)
    assert told.startswith(said)


def test_a_task_may_be_tested_on_its_dev_file_if_another_set_selects() -> None:
    assert found(TASK | {"test": "glue/dev.tsv", "split": {"validation": 5}}) == []
