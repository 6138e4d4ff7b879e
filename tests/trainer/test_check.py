"""`check` tells before anything starts whether a configuration can be trained, as the attempts would find out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSequenceClassification

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep_trainer.__main__ import main

Make = Callable[..., FineTuning]


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str, str]]:
    """Runs the command: its exit code, stdout and stderr."""

    def run(config: str) -> tuple[int, str, str]:
        monkeypatch.setenv(Env.CONFIG, config)
        code = main(["check"])
        return code, *capsys.readouterr()

    return run


def test_it_prints_what_a_configuration_comes_to(
    check: Callable[[str], tuple[int, str, str]], fine_tuning: Make
) -> None:
    config = fine_tuning()
    code, out, err = check(config.model_dump_json(by_alias=True))
    assert (code, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    model = AutoModelForSequenceClassification.from_pretrained(config.model)
    assert (len(told.pop("data")), len(told.pop("baseWeights"))) == (16, 16)
    assert told == {
        "evaluations": 4,
        "steps": 16,
        "baseline": 0.5,
        "revision": None,
        "trainExamples": 60,
        "validationExamples": 30,
        "testExamples": 30,
        "classes": {"bad": 30, "good": 30},
        "absent": {"train": [], "validation": [], "test": []},
        "repeated": {"validation": 0, "test": 0},
        "mistyped": [],
        "parameters": sum(tensor.numel() for tensor in model.parameters()),
        "stepSeconds": None,
        "evaluationSeconds": None,
    }


def test_it_tells_which_examples_are_seen_before_they_are_asked_about(
    check: Callable[[str], tuple[int, str, str]], fine_tuning: Make, sentences: dict[str, str], tmp_path: Path
) -> None:
    header, *lines = Path(sentences["train"]).read_text().splitlines()
    validation, *_ = Path(sentences["validation"]).read_text().splitlines()[1:]
    _, *unseen = Path(sentences["test"]).read_text().splitlines()
    test = tmp_path / "test.csv"
    test.write_text("\n".join([header, *lines[:3], validation, *unseen]) + "\n")
    files = {**sentences, "test": str(test), "maxLength": 16}
    _, out, _ = check(fine_tuning(dataset=files).model_dump_json(by_alias=True))
    assert json.loads(out)["repeated"] == {"validation": 0, "test": 4}


def test_it_tells_what_train_cannot_teach(
    check: Callable[[str], tuple[int, str, str]], fine_tuning: Make, sentences: dict[str, str]
) -> None:
    dataset = {**sentences, "maxLength": 16, "labels": ["bad", "good", "so-so"]}
    _, out, _ = check(fine_tuning(dataset=dataset).model_dump_json(by_alias=True))
    assert json.loads(out)["absent"] == {"train": ["so-so"], "validation": ["so-so"], "test": ["so-so"]}


def test_asked_for_it_tells_how_long_a_step_and_an_evaluation_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fine_tuning: Make
) -> None:
    monkeypatch.setenv(Env.CONFIG, fine_tuning().model_dump_json(by_alias=True))
    assert main(["check", "--timed"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["stepSeconds"] > 0
    assert told["evaluationSeconds"] > 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"evaluationsPerEpoch": 20}, ["evaluationsPerEpoch 20", "at most 8"]),
        ({"model": "/no/such/folder"}, ["model", "'/no/such/folder'"]),
        (
            {"dataset": {"train": "/no/such.csv", "split": {"validation": 5}, "maxLength": 16}},
            ["dataset.train", "'/no/such.csv'"],
        ),
    ],
    ids=lambda value: next(iter(value)),
)
def test_it_refuses_what_attempts_would_refuse(
    check: Callable[[str], tuple[int, str, str]], fine_tuning: Make, fields: dict[str, Any], words: list[str]
) -> None:
    code, out, err = check(fine_tuning(**fields).model_dump_json(by_alias=True))
    assert (code, out) == (ExitCode.BAD_CONFIGURATION, "")
    assert all(word in err for word in words)
    assert "Traceback" not in err


def test_it_refuses_what_is_no_configuration(check: Callable[[str], tuple[int, str, str]]) -> None:
    code, _, err = check('{"model": "x", "dataset": {"task": "rte", "path": "p"}, "batchSize": 0}')
    assert code == ExitCode.BAD_CONFIGURATION
    assert "SEEDSWEEP_CONFIG is no valid fineTuning: batchSize: " in err
