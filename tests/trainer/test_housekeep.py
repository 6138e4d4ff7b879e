"""A housekeeping pod's work: what it frees, what it hands over, what it answers, and that it may be done again."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest
from fsspec.core import url_to_fs
from transformers import AutoModelForSequenceClassification

from host.s3 import S3Server
from seedsweep.api.comparison import ALIKE, APART, UNKNOWN, Comparison, Sought
from seedsweep.api.episode import BestEvaluation
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.housekeeping import HandOver, HousekeepingAnswer, HousekeepingTask, Member, Pruning
from seedsweep.api.status import Average
from seedsweep.api.sweep import Export
from seedsweep.contract import for_reports, predictions
from seedsweep.contract.for_reports import ATTEMPTS
from seedsweep.contract.message import MESSAGE_BYTES
from seedsweep.contract.predictions import Predictions, predictions_path
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep_trainer.__main__ import main
from seedsweep_trainer.jobs import export as export_module
from seedsweep_trainer.storage.folders import LocalFolders, Stored, find_best
from seedsweep_trainer.storage.location import join, open_folders
from trainer.episodes import Episode

Make = Callable[..., FineTuning]
EPISODE = "wi1-do2"
CARD = "# The winner\n\nWhat it is worth.\n"


class House:
    """A sweep's storage, and housekeeping pods at work in it."""

    def __init__(self, place: str, episode: Episode, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.place = place
        self.episode = episode
        self._folder = folder
        self._patch = patch

    def fill(self, episode: str = EPISODE) -> int:
        """Put what the episode has left into the storage; the evaluation of its best."""
        name = join(self.place, episode)
        if "://" in name:
            self._upload(name)
        else:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            fsspec.filesystem("file").put(str(self.episode.folder), name, recursive=True)
        facts = json.loads((self.episode.folder / "only" / "best" / "best.json").read_text())
        return int(facts["evaluation"])

    def _upload(self, name: str) -> None:
        folders = open_folders(name, self._folder / "uploading")
        prepared = folders.claim("only")
        fsspec.filesystem("file").put(f"{self.episode.folder}/only/", str(prepared), recursive=True)
        for kept in LocalFolders(self.episode.folder).listed():
            folders.commit(kept)

    def keep(self, task: HousekeepingTask, **variables: str) -> tuple[int, HousekeepingAnswer]:
        """Exit code and answer of one pod."""
        log = self._folder / "termination-log"
        environment = {
            Env.TASK: task.model_dump_json(by_alias=True),
            Env.STORAGE_DIR: self.place,
            Env.CONFIG: self.episode.config.model_dump_json(by_alias=True),
            Env.WORK_DIR: str(self._folder / str(uuid4())),
            Env.TERMINATION_LOG: str(log),
            **variables,
        }
        for name, value in environment.items():
            self._patch.setenv(name, value)
        code = main(["housekeep"])
        line = log.read_bytes()
        assert len(line) <= MESSAGE_BYTES
        assert line.count(b"\n") == 1
        return code, HousekeepingAnswer.model_validate_json(line)

    def kept(self) -> list[str]:
        return [kept.name for kept in open_folders(join(self.place, EPISODE), self._folder / "looking").listed()]

    def read(self, file: str) -> bytes:
        with fsspec.open(join(self.place, file), "rb") as stream:
            content: bytes = stream.read()
        return content

    def exists(self, file: str) -> bool:
        filesystem, path = fsspec.core.url_to_fs(join(self.place, file), use_listings_cache=False)
        return bool(filesystem.exists(path))


@pytest.fixture
def trained(tmp_path: Path, fine_tuning: Make) -> Episode:
    # With these seeds it learns something.
    episode = Episode(tmp_path / "episode", fine_tuning(), rungs=(2,), seeds=(1, 1))
    episode.attempt("only")
    return episode


@pytest.fixture(params=["path", "s3"])
def house(request: pytest.FixtureRequest, tmp_path: Path, trained: Episode, monkeypatch: pytest.MonkeyPatch) -> House:
    place = str(tmp_path / "sweep")
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        place = server.uri(str(uuid4()))
    return House(place, trained, tmp_path, monkeypatch)


@pytest.fixture
def at_home(tmp_path: Path, trained: Episode, monkeypatch: pytest.MonkeyPatch) -> House:
    """Its storage is a path."""
    return House(str(tmp_path / "sweep"), trained, tmp_path, monkeypatch)


def hand_over(evaluation: int, export: dict[str, Any] | None = None) -> HousekeepingTask:
    to = Export.model_validate(export) if export is not None else None
    return HousekeepingTask(hand_over=HandOver(episode=EPISODE, evaluation=evaluation, card=CARD, export=to))


def test_an_episode_that_nobody_wants_leaves_nothing(house: House) -> None:
    house.fill()
    for _ in range(2):
        assert house.keep(HousekeepingTask(prune=[Pruning(episode=EPISODE)])) == (0, HousekeepingAnswer())
        assert house.kept() == []


def test_best_weights_that_are_wanted_stay_alone(house: House) -> None:
    best = house.fill()
    for _ in range(2):
        assert house.keep(HousekeepingTask(prune=[Pruning(episode=EPISODE, keep=best)]))[0] == 0
        (kept,) = house.kept()
        assert kept.startswith("best")


def test_where_the_weights_that_are_asked_for_are_not_stored_it_tells_which_are(house: House) -> None:
    best = house.fill()
    facts = json.loads((house.episode.folder / "only" / "best" / "best.json").read_text())
    asked = HandOver(episode=EPISODE, evaluation=best, score=facts["score"] + 0.25, card=CARD)
    code, answer = house.keep(HousekeepingTask(prune=[Pruning(episode=EPISODE, keep=best, score=2)], hand_over=asked))
    assert (code, answer.error, answer.weights) == (0, "", None)
    assert BestEvaluation(evaluation=best, score=facts["score"]) in answer.instead
    assert len(answer.instead) <= 2, "the best, and that up to the rung"
    (found,) = [one for one in answer.instead if one.evaluation == best]
    again = house.keep(HousekeepingTask(hand_over=asked.model_copy(update={"score": found.score})))[1]
    assert (again.instead, again.weights) == ([], f"{house.place}/best")


def test_the_winner_is_handed_over_with_its_card_and_its_test_score(house: House, tmp_path: Path) -> None:
    best = house.fill()
    task = hand_over(best)
    # As when what the episode has left is freed in the same go.
    task = task.evolve(prune=[Pruning(episode=EPISODE, keep=best)])
    for _ in range(2):
        code, answer = house.keep(task)
        assert (code, answer.error, answer.weights) == (0, "", f"{house.place}/best")
        assert answer.test is not None
        assert answer.test.n == 30
        card = house.read("best/README.md").decode()
        assert card.startswith(CARD)
        assert f"**{answer.test.score:.4f}** (95 % interval" in card
        assert "n = 30 examples). A constant answer scores 0.5000" in card
        assert json.loads(house.read("best/test.json"))["score"] == answer.test.score
    whole = tmp_path / "fetched"
    whole.mkdir()
    for file in json.loads(house.read("best/manifest.json")):
        (whole / file).write_bytes(house.read(f"best/{file}"))
    AutoModelForSequenceClassification.from_pretrained(whole)


def test_the_average_of_survivors_is_handed_over_in_the_winners_place(house: House) -> None:
    best = house.fill()
    score = json.loads((house.episode.folder / "only" / "best" / "best.json").read_text())["score"]
    house.fill("wi0-do0")
    members = [Member(episode=name, evaluation=best, score=score) for name in ("wi0-do0", EPISODE)]
    asked = HandOver(episode=EPISODE, evaluation=best, score=score, average=members, card=CARD)
    for _ in range(2):
        code, answer = house.keep(HousekeepingTask(hand_over=asked))
        assert (code, answer.error, answer.weights) == (0, "", f"{house.place}/best")
        assert answer.average == Average(members=2, score=score, members_score=score, handed_over=True)
        assert answer.test is not None
    assert "average of the best weights of 2 survivors" in house.read("best/README.md").decode()


def test_the_winner_is_handed_over_with_the_reason_where_a_survivor_has_no_weights(house: House) -> None:
    best = house.fill()
    score = json.loads((house.episode.folder / "only" / "best" / "best.json").read_text())["score"]
    members = [Member(episode=name, evaluation=best, score=score) for name in (EPISODE, "wi9-do9")]
    asked = HandOver(episode=EPISODE, evaluation=best, score=score, average=members, card=CARD)
    code, answer = house.keep(HousekeepingTask(hand_over=asked))
    assert (code, answer.error, answer.weights) == (0, "", f"{house.place}/best")
    assert answer.average == Average(members=2, reason=f"no weights of evaluation {best} of wi9-do9 are stored")
    assert answer.test is not None


def test_the_winner_is_handed_over_where_a_checkpoint_alone_holds_it(house: House, tmp_path: Path) -> None:
    house.fill()
    (inside,) = house.episode.folder.glob("only/evaluation-*/best/best.json")
    folders = open_folders(join(house.place, EPISODE), tmp_path / "removing")
    for kept in folders.listed():
        if not kept.is_checkpoint:
            folders.remove(kept)
    task = hand_over(json.loads(inside.read_text())["evaluation"])
    for _ in range(2):
        code, answer = house.keep(task)
        assert (code, answer.error, answer.weights) == (0, "", f"{house.place}/best")


def test_a_copy_goes_where_the_sweep_says(house: House, tmp_path: Path, s3: S3Server) -> None:
    best = house.fill()
    for place in (str(tmp_path / "copy"), s3.uri(str(uuid4()))):
        code, answer = house.keep(hand_over(best, {"uri": place}))
        assert (code, answer.exported) == (0, place)
        with fsspec.open(f"{place}/model.safetensors", "rb") as stream:
            assert stream.read() == house.read("best/model.safetensors")


def test_a_copy_that_cannot_be_made_loses_nothing_of_the_result(at_home: House, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    code, answer = at_home.keep(hand_over(at_home.fill(), {"uri": str(tmp_path / "mine")}))
    assert code == ExitCode.BAD_CONFIGURATION
    assert "mine holds something else: give a folder that is new or empty" in answer.error
    assert answer.weights == f"{at_home.place}/best"
    assert answer.test is not None
    assert answer.exported is None
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_copy_behind_a_uri_does_not_replace_what_was_there(at_home: House, s3: S3Server) -> None:
    name = str(uuid4())
    (s3.bucket / name).mkdir()
    (s3.bucket / name / "thesis.txt").write_text("years of work")
    code, answer = at_home.keep(hand_over(at_home.fill(), {"uri": s3.uri(name)}))
    assert (code, answer.exported) == (ExitCode.BAD_CONFIGURATION, None)
    assert [path.name for path in (s3.bucket / name).iterdir()] == ["thesis.txt"]


def test_a_copy_that_was_interrupted_is_made_anew(at_home: House, s3: S3Server) -> None:
    best, name = at_home.fill(), str(uuid4())
    task = hand_over(best, {"uri": s3.uri(name)})
    assert at_home.keep(task)[0] == 0
    (s3.bucket / name / "manifest.json").unlink()
    (s3.bucket / name / "model.safetensors").write_bytes(b"half")
    assert at_home.keep(task)[0] == 0
    assert (s3.bucket / name / "model.safetensors").read_bytes() == at_home.read("best/model.safetensors")
    assert (s3.bucket / name / "manifest.json").exists()


def test_the_hub_is_asked_with_the_folder_and_whether_it_is_private(
    at_home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    class Hub:
        def create_repo(self, repository: str, **options: Any) -> str:
            asked.append((repository, options))
            return f"https://hub.example/{repository}"

        def upload_folder(self, *, folder_path: Path, repo_id: str, **_: Any) -> None:
            asked.append((repo_id, {"files": sorted(path.name for path in folder_path.iterdir())}))

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    code, answer = at_home.keep(hand_over(at_home.fill(), {"hub": {"repository": "me/winner"}}))
    assert (code, answer.exported) == (0, "https://hub.example/me/winner")
    assert asked[0] == ("me/winner", {"private": True, "exist_ok": True})
    assert {"README.md", "model.safetensors", "tokenizer.json"} <= set(asked[1][1]["files"])


def test_weights_that_are_not_there_are_told(house: House) -> None:
    house.fill()
    code, answer = house.keep(hand_over(99))
    assert code == 1
    assert answer.error == f"no weights of evaluation 99 of {EPISODE} are in {house.place}"
    assert answer.weights is None


def test_a_sweep_that_was_deleted_leaves_nothing(house: House) -> None:
    house.fill()
    for _ in range(2):
        assert house.keep(HousekeepingTask(remove_all=True))[0] == 0
        assert not house.exists(EPISODE)


def test_a_task_of_another_release_is_refused(at_home: House) -> None:
    code, answer = at_home.keep(HousekeepingTask(), **{Env.TASK: '{"polish": true}'})
    assert code == ExitCode.BAD_CONFIGURATION
    assert "SEEDSWEEP_TASK is no task: use an image of the operator's release" in answer.error


def test_an_error_without_end_fits_into_the_message(at_home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("again " * 5000)

    monkeypatch.setattr(export_module, "export", fail)
    code, answer = at_home.keep(hand_over(at_home.fill(), {"uri": "/copy"}))
    assert code == 1
    assert answer.error.startswith("RuntimeError: again again")
    assert answer.weights is not None


def test_freeing_space_loads_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from seedsweep_trainer.__main__ import main; code = main(['housekeep']);"
        "sys.exit(code or ('torch' in sys.modules or 's3fs' in sys.modules))"
    )
    task = HousekeepingTask(prune=[Pruning(episode=EPISODE), Pruning(episode="wi0-do0", keep=3)], remove_all=True)
    environment = {
        str(Env.TASK): task.model_dump_json(by_alias=True),
        str(Env.STORAGE_DIR): str(tmp_path / "sweep"),
        "PYTHONPATH": ":".join(sys.path),
    }
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_best_weights_are_found_whole_where_one_attempt_left_them_damaged(trained: Episode) -> None:
    fsspec.filesystem("file").put(f"{trained.folder}/only", f"{trained.folder}/other", recursive=True)
    facts = json.loads((trained.folder / "only" / "best" / "best.json").read_text())
    (trained.folder / "only" / "best" / "model.safetensors").write_bytes(b"")
    found = find_best(LocalFolders(trained.folder), Stored(facts["evaluation"]))
    assert found is not None
    assert (found.owner, found.name) != ("only", "best")


# --- evidence of a cut

ONES = [1, 1, 0, 0] * 50


def said(right: int) -> Predictions:
    """Of one who answers so many of the first examples right, and the others wrong."""
    answers = [float(label if i < right else 1 - label) for i, label in enumerate(ONES)]
    return Predictions(3, "accuracy", None, list(range(len(ONES))), list(map(float, ONES)), answers)


def leave(house: House, uid: str, content: bytes) -> Sought:
    """Put a file with answers where an attempt leaves it; who is sought by its score of 0.9."""
    path = join(house.place, ATTEMPTS, uid, predictions_path(3))
    file_system, at = url_to_fs(path, use_listings_cache=False)
    file_system.makedirs(at.rpartition("/")[0], exist_ok=True)
    file_system.pipe_file(at, content)
    return Sought(episode=uid, evaluation=3, score=0.9, attempts=[uid])


def test_losers_are_compared_with_the_last_one_kept_by_what_attempts_left(house: House) -> None:
    kept = leave(house, "kept", said(180).to_bytes())
    near = leave(house, "near", said(178).to_bytes()).evolve(score=0.89)
    far = leave(house, "far", said(120).to_bytes()).evolve(score=0.6)
    gone = Sought(episode="gone", evaluation=3, score=0.5, attempts=["gone"])
    damaged = leave(house, "damaged", said(180).to_bytes()[:200])
    nothing = leave(house, "nothing", b"")
    asked = Comparison(
        cut="demo-b0-r0", metric="accuracy", against=kept, losers=[near, far, gone, damaged, nothing, None]
    )
    for _ in range(2):
        code, answer = house.keep(HousekeepingTask(compare=asked))
        assert (code, answer.error) == (0, "")
        assert answer.compared is not None
        assert answer.compared.letters == ALIKE + APART + UNKNOWN * 4
        assert (answer.compared.examples, answer.compared.exact) == (200, True)
        assert answer.compared.why == "no answers of gone at evaluation 3 are stored"


def test_a_file_that_is_too_large_is_not_read_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(for_reports, "PREDICTIONS_BYTES", 1_000)
    monkeypatch.setattr(predictions, "MAX_BYTES", 1_000)
    kept = leave(house, "kept", b"[" * 5_000)
    _, answer = house.keep(HousekeepingTask(compare=Comparison(cut="demo-b0-r0", against=kept, losers=[kept])))
    assert answer.compared is not None
    assert (answer.compared.letters, answer.compared.examples) == (UNKNOWN, 0)
    assert "is larger than" in answer.compared.why


def test_a_storage_that_cannot_be_read_is_no_evidence(at_home: House) -> None:
    kept = leave(at_home, "kept", said(180).to_bytes())
    path = Path(at_home.place) / ATTEMPTS / "kept" / predictions_path(3)
    path.unlink()
    path.mkdir()
    code, answer = at_home.keep(HousekeepingTask(compare=Comparison(cut="demo-b0-r0", against=kept, losers=[kept])))
    assert code != 0
    assert answer.error
    assert answer.compared is None
