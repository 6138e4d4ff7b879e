"""The winner's hand-over: a folder that loads by itself and scores as published, scored once on the test set."""

import csv
import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from seedsweep.api import status
from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import as_published
from seedsweep_trainer import inputs
from seedsweep_trainer.data import metrics
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.inputs import load_data
from seedsweep_trainer.jobs import hand_over as hand_over_module
from seedsweep_trainer.jobs.hand_over import hand_over
from trainer.conftest import ARCHITECTURES, save_checkpoint
from trainer.episodes import Episode

Make = Callable[..., FineTuning]
LABELS = {0: "bad", 1: "good"}


@pytest.fixture
def trained(tmp_path: Path, fine_tuning: Make) -> Episode:
    episode = Episode(tmp_path / "episode", fine_tuning(), rungs=(2,))
    episode.attempt("only")
    return episode


def answers(folder: Path, file: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What anyone gets who loads the folder with transformers alone: logits one by one, and the labels of a CSV."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert model.config.id2label == LABELS
    rows = list(csv.DictReader(Path(file).read_text().splitlines()))
    with torch.inference_mode():
        logits = torch.cat([model(**tokenizer(row["text"], return_tensors="pt")).logits for row in rows])
    return logits, torch.tensor([model.config.label2id[row["label"]] for row in rows])


def rows_of(file: str | Path) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(file).read_text().splitlines()))


def kept_outputs(folder: Path, names: list[str]) -> torch.Tensor:
    """What the hand-over has kept of its answers to the test set."""
    return torch.tensor([[float(row[name]) for name in names] for row in rows_of(folder / "test-predictions.csv")])


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    return as_published(int((logits.argmax(dim=1) == labels).sum()) / len(labels))


@pytest.mark.parametrize("kept", ["best", "best-to-2"])
def test_the_folder_loads_and_scores_on_validation_as_published(
    trained: Episode, sentences: dict[str, str], tmp_path: Path, kept: str
) -> None:
    hand_over(trained.config, trained.folder / "only" / kept, tmp_path / "winner")
    logits, labels = answers(tmp_path / "winner", sentences["validation"])
    assert accuracy(logits, labels) == json.loads((trained.folder / "only" / kept / "best.json").read_text())["score"]
    rows = list(csv.DictReader((trained.folder / "only" / kept / "predictions.csv").read_text().splitlines()))
    published = torch.tensor([[float(row[name]) for name in LABELS.values()] for row in rows])
    torch.testing.assert_close(published, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_text_at_a_time_gets_what_the_test_set_got(
    architecture: str, tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    # Some are longer than what it was trained on.
    episode = Episode(tmp_path / "episode", fine_tuning(architecture, dataset={**sentences, "maxLength": 10}))
    episode.attempt("only", stop_after=1)
    hand_over(episode.config, episode.folder / "only" / "best", tmp_path / "winner")
    ask = pipeline("text-classification", model=str(tmp_path / "winner"), device="cpu", truncation=True)
    logits = kept_outputs(tmp_path / "winner", list(LABELS.values()))
    for row, shares in zip(rows_of(sentences["test"]), logits.softmax(dim=1).tolist(), strict=True):
        answered = {answer["label"]: answer["score"] for answer in ask(row["text"], top_k=None)}
        assert answered == pytest.approx(dict(zip(LABELS.values(), shares, strict=True)), abs=1e-5)


def test_one_pair_at_a_time_gets_what_the_test_set_got_though_the_model_has_one_segment(
    tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    save_checkpoint(tmp_path / "model", ARCHITECTURES["roberta"], segments=True)
    pairs = {**sentences, "maxLength": 39, "columns": {"textPair": "value"}}
    episode = Episode(tmp_path / "episode", fine_tuning(model=str(tmp_path / "model"), dataset=pairs))
    episode.attempt("only", stop_after=1)
    hand_over(episode.config, episode.folder / "only" / "best", tmp_path / "winner")
    ask = pipeline("text-classification", model=str(tmp_path / "winner"), device="cpu")
    logits = kept_outputs(tmp_path / "winner", list(LABELS.values()))
    for row, shares in zip(rows_of(sentences["test"]), logits.softmax(dim=1).tolist(), strict=True):
        answered = {
            answer["label"]: answer["score"]
            for answer in ask({"text": row["text"], "text_pair": row["value"]}, top_k=None)
        }
        assert answered == pytest.approx(dict(zip(LABELS.values(), shares, strict=True)), abs=1e-5)


def test_a_winner_that_predicts_values_answers_with_values(
    tmp_path: Path, fine_tuning: Make, sentences: dict[str, str]
) -> None:
    values = {**sentences, "maxLength": 16, "kind": "regression", "columns": {"label": "value"}}
    metric = {"name": "mse", "goal": "minimize"}
    episode = Episode(tmp_path / "episode", fine_tuning(dataset=values, metric=metric))
    episode.attempt("only", stop_after=1)
    hand_over(episode.config, episode.folder / "only" / "best", tmp_path / "winner")
    ask = pipeline("text-classification", model=str(tmp_path / "winner"), device="cpu")
    predicted = kept_outputs(tmp_path / "winner", ["value"])[:, 0].tolist()
    answered = [ask(row["text"])[0]["score"] for row in rows_of(sentences["test"])]
    assert answered == pytest.approx(predicted, abs=1e-5)
    assert any(abs(value) > 1 or value < 0 for value in answered)


def test_the_score_on_the_test_set_is_taken_on_it_alone(
    trained: Episode, sentences: dict[str, str], tmp_path: Path
) -> None:
    hand_over(trained.config, trained.folder / "only" / "best", tmp_path / "winner")
    score = json.loads((tmp_path / "winner" / "test.json").read_text())
    logits, labels = answers(tmp_path / "winner", sentences["test"])
    assert as_published(score["score"]) == accuracy(logits, labels)
    assert (score["metric"], score["n"], score["confidence"], score["baseline"]) == ("accuracy", 30, 0.95, 0.5)
    low, high = score["interval"]
    assert 0 <= low < score["score"] < high <= 1 or score["score"] in (0, 1)
    rows = list(csv.DictReader((tmp_path / "winner" / "test-predictions.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == [("bad", "good")[label] for label in labels.tolist()]


def test_without_a_test_set_there_is_no_test_score_and_the_log_says_so(
    tmp_path: Path, fine_tuning: Make, sentences: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    dataset = {"train": sentences["train"], "validation": sentences["validation"], "maxLength": 16}
    episode = Episode(tmp_path / "episode", fine_tuning(dataset=dataset))
    episode.attempt("only", stop_after=1)
    with caplog.at_level(logging.INFO):
        hand_over(episode.config, episode.folder / "only" / "best", tmp_path / "winner")
    assert not (tmp_path / "winner" / "test.json").exists()
    assert (tmp_path / "winner" / "model.safetensors").exists()
    assert "no test set" in caplog.text


def test_a_test_score_that_is_undefined_is_handed_over_as_such(
    trained: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "score", lambda *_: math.nan)
    hand_over(trained.config, trained.folder / "only" / "best", tmp_path / "winner", "# Mine\n")
    told = status.TestScore.model_validate_json((tmp_path / "winner" / "test.json").read_bytes())
    assert (told.score, told.interval, told.n) == (None, None, 30)
    assert "Undefined: accuracy has no value on the 30 test examples" in (tmp_path / "winner" / "README.md").read_text()


def test_a_failure_leaves_the_folder_as_it_was(
    trained: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("of no use")

    with monkeypatch.context() as patched:
        patched.setattr(hand_over_module, "test_score", fail)
        with pytest.raises(RuntimeError, match="of no use"):
            hand_over(trained.config, trained.folder / "only" / "best", tmp_path / "out" / "winner")
        assert list((tmp_path / "out").iterdir()) == []
    hand_over(trained.config, trained.folder / "only" / "best", tmp_path / "out" / "winner")
    before = sorted(path.name for path in (tmp_path / "out" / "winner").iterdir())
    hand_over(trained.config, trained.folder / "only" / "best", tmp_path / "out" / "winner")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["winner"]
    assert sorted(path.name for path in (tmp_path / "out" / "winner").iterdir()) == before


def test_a_folder_of_something_else_is_not_replaced(trained: Episode, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigurationError, match=r"--to .*mine holds something else: give a folder that is new"):
        hand_over(trained.config, trained.folder / "only" / "best", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_damaged_best_is_refused(trained: Episode, tmp_path: Path) -> None:
    (trained.folder / "only" / "best" / "model.safetensors").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"--best .*: model.safetensors is not what was written; give best/"):
        hand_over(trained.config, trained.folder / "only" / "best", tmp_path / "winner")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"weightDecay": "0.5"}, "is of another configuration"),
        ({}, "dataset: its examples are not those"),
    ],
)
def test_a_best_of_other_configuration_or_data_is_refused(
    trained: Episode, tmp_path: Path, fields: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FineTuning.model_validate(trained.config.model_dump(by_alias=True) | fields)
    if not fields:

        def changed(config: FineTuning, folder: Path | None = None) -> Any:
            tokenizer, data = load_data(config, folder)
            return tokenizer, replace(data, digest="0")

        monkeypatch.setattr(inputs, "load_data", changed)
        monkeypatch.setattr(inputs, "_load_once", inputs._load_once.__wrapped__)
    with pytest.raises(ConfigurationError, match=reason):
        hand_over(config, trained.folder / "only" / "best", tmp_path / "winner")
    assert not (tmp_path / "winner").exists()
