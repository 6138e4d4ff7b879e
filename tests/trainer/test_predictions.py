"""What an attempt leaves behind for reports: in its own folder, or in the sweep's storage."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import fsspec
import numpy as np
import pytest

from host.ports import free_port
from host.s3 import S3Server
from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Outcome
from seedsweep.contract.predictions import Predictions
from seedsweep.contract.training import Interval, parse_training
from seedsweep.science.examples.answers import Answers, scores
from seedsweep_trainer.checkpoints import report_files
from seedsweep_trainer.checkpoints.answers import LATEST, AnswerFiles
from seedsweep_trainer.checkpoints.checkpoint import Progress
from seedsweep_trainer.checkpoints.report_files import ReportFiles
from seedsweep_trainer.checkpoints.training_file import TrainingFile
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import TaskData
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training import loop
from trainer.episodes import Episode

Make = Callable[..., FineTuning]


def files_at(place: str, pattern: str) -> dict[str, bytes]:
    """Content by path from `place` on, a folder or a URI."""
    filesystem, root = fsspec.core.url_to_fs(place, use_listings_cache=False)
    found = filesystem.glob(f"{root}/{pattern}")
    return {path.removeprefix(f"{root}/"): filesystem.cat_file(path) for path in found}


def left(place: str | Path) -> dict[int, Predictions]:
    found = map(Predictions.parse, files_at(str(place), "*/predictions/*.json").values())
    return {each.evaluation: each for each in found}


@pytest.fixture(params=["folder", "storage", "s3"])
def episode(request: pytest.FixtureRequest, tmp_path: Path, fine_tuning: Make) -> Episode:
    """One whose attempts leave something in folders of their own, or in a sweep's storage."""
    work, storage = tmp_path / "work", None
    if request.param == "storage":
        storage = str(tmp_path / "storage")
    elif request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        storage = server.uri(str(uuid4()))
    return Episode(tmp_path / "e", fine_tuning(), work=work, storage=storage)


def place_of(episode: Episode) -> str:
    """Where the attempts' folders are."""
    return str(episode.work) if episode.storage is None else f"{episode.storage}/attempts"


def test_answers_at_the_best_evaluations_up_to_the_rung_and_of_all_are_left_behind(episode: Episode) -> None:
    episode.rungs = (2,)
    episode.attempt("a", stop_after=2)
    _, message = episode.attempt("b")
    found = left(place_of(episode))
    for upto in (2, len(message.scores)):
        best = int(np.argmax(message.scores[:upto])) + 1
        those = found[best]
        answers = Answers("accuracy", np.array(those.labels), np.array([those.answers]))
        assert scores(answers)[0, 0] == pytest.approx(message.scores[best - 1])
    assert len({tuple(each.rows) for each in found.values()}) == 1
    conditions = files_at(place_of(episode), "*/conditions.json")
    assert conditions.keys() == {"a/conditions.json", "b/conditions.json"}
    assert all("torch" in json.loads(content) for content in conditions.values())


def test_answers_at_a_rung_are_there_before_its_score_is_told(
    episode: Episode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever loses by the score is ended at once."""
    episode.rungs = (3,)
    there: list[set[int]] = []
    told: list[float] = []
    tell = Reporter.evaluated

    def watched(self: Reporter, *, step: int, score: float, loss: float | None = None) -> None:
        there.append(set(left(place_of(episode))))
        told.append(score)
        tell(self, step=step, score=score, loss=loss)

    monkeypatch.setattr(Reporter, "evaluated", watched)
    episode.attempt("a", stop_after=3)
    assert there[2] >= {int(np.argmax(told[:3])) + 1, 3}


def test_of_an_evaluation_at_a_rung_without_a_score_no_answers_are_left(
    tmp_path: Path, fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "score", lambda *_: float("nan"))
    episode = Episode(tmp_path / "e", fine_tuning(), rungs=(2,), work=tmp_path / "work")
    episode.attempt("a", stop_after=2)
    assert left(tmp_path / "work") == {}


@pytest.mark.parametrize("away", ["folder", "s3"])
def test_a_storage_that_takes_none_costs_no_training_and_the_last_words_say_so(
    tmp_path: Path, fine_tuning: Make, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    whole = Episode(tmp_path / "whole", fine_tuning(), rungs=(2,))
    expected = whole.attempt("only")[1]
    assert expected.reason == ""
    place = str(tmp_path / "storage")
    if away == "folder":
        Path(place).mkdir()
        (Path(place) / "attempts").write_text("in the way")
    else:
        place = "s3://bucket/sweep"
        for name, value in {"ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "ACCESS_KEY_ID": "x"}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        monkeypatch.setattr(report_files, "PATIENCE_SECONDS", 0.0)
    # Nothing else is in its way: the checkpoints lie elsewhere, and no inputs are looked for there.
    monkeypatch.setattr(loop, "prepare_inputs", lambda config, *_: prepare_inputs(config, None))
    episode = Episode(tmp_path / "e", fine_tuning(), rungs=(2,), storage=place)
    outcome, message = episode.attempt("a")
    assert outcome is Outcome.DONE
    assert (message.scores, message.checkpoint) == (expected.scores, expected.checkpoint)
    assert message.reason.startswith("not all that reports are made from could be written: ")


def test_what_went_wrong_beside_it_is_not_told_for_an_interruption_nor_in_place_of_a_failure() -> None:
    for outcome, reason, told in (
        (Outcome.DONE, "", "no room"),
        (Outcome.INTERRUPTED, "", ""),
        (Outcome.FAILED, "out of memory", "out of memory"),
    ):
        reporter = Reporter()
        reporter.noted("no room")
        reporter.noted("no room again")
        reporter.finish(outcome, reason)
        assert reporter.message.reason == told


def test_what_could_not_be_written_at_a_rung_is_tried_again_and_stays(tmp_path: Path, fine_tuning: Make) -> None:
    with prepare_inputs(fine_tuning(), None) as inputs:
        data: TaskData = inputs.data
    attempt = Attempt("a", 1, 2, fine_tuning(), rungs=(2,), work=tmp_path)
    files = AnswerFiles(ReportFiles(attempt, Reporter()), data, attempt.rungs)
    outputs, in_the_way = np.zeros((len(data.validation), 2)), tmp_path / "predictions"
    in_the_way.write_text("")
    progress = Progress()
    for score in (0.1, 0.2):
        progress = progress.evaluated(score, 0.5, 0.0)
        files.scored(progress, outputs)
    in_the_way.unlink()
    for evaluation in range(2, 7):
        files.write_best(evaluation, outputs)
    assert {path.name for path in in_the_way.iterdir()} == {f"evaluation-{at}.json" for at in (2, 4, 5, 6)}


def test_training_losses_that_could_not_be_written_are_tried_again(tmp_path: Path, fine_tuning: Make) -> None:
    work = tmp_path / "work"
    work.write_text("in the way")
    file = TrainingFile(ReportFiles(Attempt("a", 1, 2, fine_tuning(), work=work), Reporter()))
    file.add(Interval(1, 10, 0.5, 2.0, 1.0))
    file.write()
    work.unlink()
    file.write()
    assert parse_training((work / "training.csv").read_bytes()) == [Interval(1, 10, 0.5, 2.0, 1.0)]


def test_however_often_the_best_changes_few_answers_stay(tmp_path: Path, fine_tuning: Make) -> None:
    with prepare_inputs(fine_tuning(), None) as inputs:
        data: TaskData = inputs.data
    attempt = Attempt("a", 1, 2, fine_tuning(), rungs=(3, 8), work=tmp_path)
    files = AnswerFiles(ReportFiles(attempt, Reporter()), data, attempt.rungs)
    outputs, progress = np.zeros((len(data.validation), 2)), Progress()
    for evaluation in range(1, 31):
        # Better each time, but for the rungs themselves.
        progress = progress.evaluated(0.0 if evaluation in attempt.rungs else evaluation / 100, 0.5, 0.0)
        files.scored(progress, outputs)
        if evaluation not in attempt.rungs:
            files.write_best(evaluation, outputs)
    paths = (tmp_path / "predictions").iterdir()
    assert {Predictions.parse(path.read_bytes()).evaluation for path in paths} == {2, 3, 7, 8, 28, 29, 30}
    assert LATEST == 3
