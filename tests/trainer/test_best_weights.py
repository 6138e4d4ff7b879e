"""The Reporter stores a custom trainer's best weights where the hand-over finds them, before it tells the score."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from seedsweep.contract.message import decode_message
from seedsweep.contract.protocol import Env
from seedsweep_trainer.reporting.best_weights import BestWeights
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.durable import broken
from seedsweep_trainer.storage.folders import Stored, find_best, keep_best_only, stored_bests
from seedsweep_trainer.storage.location import open_folders
from seedsweep_trainer.storage.uri import UriFiles

MAXIMIZE = '{"name": "accuracy", "goal": "maximize"}'
MINIMIZE = '{"name": "error", "goal": "minimize"}'


@pytest.fixture(params=["file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An episode's folder."""
    return str(tmp_path / "episode") if request.param == "file" else f"memory://{uuid4()}/episode"


class Attempt:
    """One attempt of the episode, which reports evaluation after evaluation."""

    def __init__(self, place: str, uid: str, work: Path, rungs: str = "", metric: str = MAXIMIZE) -> None:
        self.environ: Mapping[str, str] = {
            Env.ATTEMPT_UID: uid,
            Env.CHECKPOINT_DIR: place,
            Env.WORK_DIR: str(work / uid),
            Env.RUNGS: rungs,
            Env.METRIC: metric,
        }
        self.weights = BestWeights.from_env(self.environ)
        assert self.weights is not None

    def train(self, *scores: float, past: int = 0) -> "Attempt":
        """Evaluate with these scores; the first `past` of them are those of the checkpoint that it resumes from."""
        assert self.weights is not None
        for done in range(past + 1, len(scores) + 1):
            self.weights.keep(scores[:done], writes(f"weights of {done}"), {"step": 10 * done})
        return self


def writes(text: str, name: str = "model.safetensors") -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def stored(place: str, work: Path) -> dict[str, str]:
    """What is stored, by folder: the contents of each."""
    folders = open_folders(place, work / "reading")
    found = {}
    for kept in folders.listed():
        with folders.opened(kept) as folder:
            assert broken(folder) is None
            found[str(kept)] = (folder / "model.safetensors").read_text()
    return found


def test_the_first_of_the_best_evaluations_is_stored_and_what_is_best_at_each_rung(place: str, tmp_path: Path) -> None:
    Attempt(place, "a", tmp_path, rungs="2,4").train(0.5, 0.4, 0.7, 0.7, 0.9, 0.1)
    assert stored(place, tmp_path) == {
        "a/best": "weights of 5",
        "a/best-to-2": "weights of 1",
        "a/best-to-4": "weights of 3",
    }
    folders = open_folders(place, tmp_path / "reading")
    kept = find_best(folders, Stored(3, 0.7))
    assert kept is not None
    assert json.loads(folders.read(kept, "best.json")) == {"evaluation": 3, "score": 0.7, "step": 30}


def test_the_lowest_is_the_best_where_the_sweep_minimizes_and_an_undefined_score_never_is(
    place: str, tmp_path: Path
) -> None:
    Attempt(place, "a", tmp_path, metric=MINIMIZE).train(float("nan"), 0.5, 0.6, float("nan"), 0.4)
    assert stored(place, tmp_path) == {"a/best": "weights of 5"}


def test_without_a_defined_score_nothing_is_stored(place: str, tmp_path: Path) -> None:
    Attempt(place, "a", tmp_path, rungs="1").train(float("nan"), float("nan"))
    assert stored(place, tmp_path) == {}


def test_an_attempt_that_resumes_has_the_best_weights_of_its_past(place: str, tmp_path: Path) -> None:
    Attempt(place, "a", tmp_path, rungs="2").train(0.7, 0.6, 0.5)
    Attempt(place, "b", tmp_path, rungs="2,4").train(0.7, 0.6, 0.5, 0.6, past=3)
    found = stored(place, tmp_path)
    assert found["b/best"] == found["b/best-to-2"] == found["b/best-to-4"] == "weights of 1"


def test_weights_of_a_future_that_an_attempt_does_not_resume_from_are_left_and_not_taken(
    place: str, tmp_path: Path
) -> None:
    Attempt(place, "a", tmp_path).train(0.7, 0.6, 0.9)
    Attempt(place, "b", tmp_path).train(0.7, 0.6, 0.65, past=2)
    assert stored(place, tmp_path) == {"a/best": "weights of 3"}


def test_freeing_leaves_the_best_weights_alone_whatever_the_trainer_has_left_beside_them(tmp_path: Path) -> None:
    place = tmp_path / "episode"
    Attempt(str(place), "a", tmp_path, rungs="1").train(0.5, 0.7)
    Attempt(str(place), "b", tmp_path).train(0.5, 0.7, 0.6, past=2)
    for name in ("a/state.npz", "b/state.npz", "a/checkpoint-7/model.bin"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("state")
    folders = open_folders(str(place), None)
    assert keep_best_only(folders, Stored(2, 0.7))
    assert [path.name for path in place.iterdir()] == ["a"]
    assert [path.name for path in (place / "a").iterdir()] == ["best"]


def test_freeing_behind_a_uri_leaves_the_best_weights_alone(tmp_path: Path) -> None:
    place = f"memory://{uuid4()}/episode"
    Attempt(place, "a", tmp_path, rungs="1").train(0.5, 0.7)
    files = UriFiles(place)
    before = len(files.find())
    for name in ("a/state.npz", "a/state.json", "b/state.npz"):
        files.write(name, b"state")
    assert keep_best_only(open_folders(place, tmp_path / "reading"), Stored(2, 0.7))
    assert stored(place, tmp_path) == {"a/best": "weights of 2"}
    # Of best-to-1, its list, weights, facts and manifest are gone too.
    assert len(files.find()) == before - 4


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda folder: (folder / "part").mkdir(), "made the folder 'part': write files without subfolders"),
        (writes("", "best.json"), "wrote 'best.json': use a name"),
        (writes("", "average.json"), "wrote 'average.json': use a name"),
        (writes("", "model 1.bin"), "wrote 'model 1.bin': use a name"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_changes_nothing(
    tmp_path: Path, write: Callable[[Path], object], said: str
) -> None:
    place = str(tmp_path / "episode")
    weights = Attempt(place, "a", tmp_path).train(0.5).weights
    assert weights is not None
    with pytest.raises(ValueError, match=said):
        weights.keep([0.5, 0.6], write, {})
    assert stored(place, tmp_path) == {"a/best": "weights of 1"}
    assert stored_bests(open_folders(place, None))[0].evaluation == 1


def reporting(tmp_path: Path, **variables: str) -> Reporter:
    """A Reporter of a sweep's attempt, whose last words are in a file."""
    reporter = Reporter.from_env(
        {
            Env.CONTRACT: "1",
            Env.EPISODE: "wi0-do0",
            Env.ATTEMPT_UID: "a",
            Env.METRICS_HOST: "127.0.0.1",
            Env.METRICS_PORT: "0",
            Env.METRIC: MAXIMIZE,
            Env.TERMINATION_LOG: str(tmp_path / "words"),
            **variables,
        }
    )
    reporter.planned(evaluations=9, steps=90)
    return reporter


def test_a_score_is_told_only_once_its_weights_are_durable(tmp_path: Path) -> None:
    place = tmp_path / "episode"
    reporter = reporting(tmp_path, SEEDSWEEP_CHECKPOINT_DIR=str(place))

    def write(folder: Path) -> None:
        message = decode_message((tmp_path / "words").read_text())
        assert message is not None
        assert message.scores == ()
        (folder / "model.safetensors").write_text("weights")

    reporter.described(data="abc")
    reporter.evaluated(step=10, score=0.1, weights=write)
    assert json.loads((place / "a" / "best" / "best.json").read_text()) == {
        "evaluation": 1,
        "score": 0.1,
        "step": 10,
        "data": "abc",
    }


def test_weights_that_cannot_be_written_keep_the_score_from_being_told(tmp_path: Path) -> None:
    reporter = reporting(tmp_path, SEEDSWEEP_CHECKPOINT_DIR=str(tmp_path / "episode"))

    def write(folder: Path) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        reporter.evaluated(step=10, score=0.5, weights=write)
    assert reporter.message.scores == ()


def test_without_a_storage_no_weights_are_written(tmp_path: Path) -> None:
    reporter = reporting(tmp_path)
    reporter.evaluated(step=10, score=0.5, weights=lambda _: pytest.fail("nothing outlives the attempt"))
    assert reporter.message.scores == (0.5,)
