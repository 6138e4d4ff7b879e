"""Training losses and times that attempts leave to reports."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Outcome
from seedsweep.contract.training import FILE, Interval, parse_training
from seedsweep_trainer.storage.durable import MANIFEST, file_digest
from trainer.episodes import Episode, Watched

Make = Callable[..., FineTuning]


def left(episode: Episode, *attempts: str) -> dict[int, Interval]:
    """By evaluation, what the first of these attempts tells of it."""
    assert episode.work is not None
    found: dict[int, Interval] = {}
    for attempt in attempts:
        for line in parse_training((episode.work / attempt / FILE).read_bytes()):
            found.setdefault(line.evaluation, line)
    return found


def test_a_line_has_the_mean_loss_of_its_steps_and_the_time_they_took(tmp_path: Path, fine_tuning: Make) -> None:
    episode = Episode(tmp_path / "e", fine_tuning(), work=tmp_path / "work", step_seconds=2.0)
    sums = {0: 0.0}

    def look(_: Watched, step: int) -> None:
        sums[step] = float(episode.learners[-1].loss_sum)

    _, message = episode.attempt("a", at_step=look)
    lines = left(episode, "a")
    assert list(lines) == list(range(1, len(message.scores) + 1))
    before = 0
    for line in lines.values():
        steps = line.step - before
        assert line.loss == pytest.approx((sums[line.step] - sums[before]) / steps, rel=1e-5)
        assert (line.training_seconds, line.evaluation_seconds) == (2.0 * steps, 0.0)
        before = line.step
    assert before == message.steps_planned


def test_losses_are_the_same_however_often_an_episode_is_interrupted(tmp_path: Path, fine_tuning: Make) -> None:
    whole = Episode(tmp_path / "whole", fine_tuning(), rungs=(2,), work=tmp_path / "one")
    whole.attempt("only")
    broken = Episode(tmp_path / "broken", fine_tuning(), rungs=(2,), work=tmp_path / "many")
    assert broken.attempt("a", sigterm_at={3})[0] is Outcome.INTERRUPTED
    assert not (tmp_path / "many" / "a" / FILE).exists(), "it made no evaluation"
    assert broken.attempt("b", stop_after=2)[0] is Outcome.STOPPED
    assert broken.attempt("c", sigterm_at={13})[0] is Outcome.INTERRUPTED
    assert broken.attempt("d")[0] is Outcome.DONE
    expected, found = left(whole, "only"), left(broken, "b", "c", "d")
    assert {at: (line.step, line.loss) for at, line in found.items()} == {
        at: (line.step, line.loss) for at, line in expected.items()
    }


def test_after_a_checkpoint_of_an_earlier_release_one_loss_is_not_known(tmp_path: Path, fine_tuning: Make) -> None:
    episode = Episode(tmp_path / "e", fine_tuning(), work=tmp_path / "work")
    episode.attempt("a", sigterm_at={5})
    (state,) = episode.folder.glob("a/evaluation-*/state.json")
    facts = json.loads(state.read_text())
    del facts["lossSum"]
    state.write_text(json.dumps(facts))
    manifest = state.with_name(MANIFEST)
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {state.name: file_digest(state)}))
    assert episode.attempt("b")[1].steps_at_start == 5
    losses = [line.loss for line in left(episode, "b").values()]
    assert losses[0] is None
    assert None not in losses[1:]
