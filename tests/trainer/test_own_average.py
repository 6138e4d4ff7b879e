"""A custom trainer's weights handed over: as they were stored, or averaged and scored by its own command."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load, load_file, save_file

from seedsweep.api.card import plain
from seedsweep.api.finetuning import Metric
from seedsweep.api.housekeeping import HandOver, HousekeepingAnswer, HousekeepingTask, Member
from seedsweep.api.status import Average
from seedsweep.contract.protocol import Env
from seedsweep_trainer.__main__ import main
from seedsweep_trainer.jobs.scoring import NotScoredError, read_score, run_command
from seedsweep_trainer.reporting.best_weights import BestWeights
from seedsweep_trainer.reporting.scoring import leave_score, weights_to_score
from seedsweep_trainer.storage.folders import Stored, find_best
from seedsweep_trainer.storage.location import open_folders

Tensors = dict[str, Any]
METRIC = '{"name": "accuracy", "goal": "maximize", "range": {"min": "0", "max": "1"}}'
NAMES = ("wi0-do0", "wi0-do1")
SCORES = (0.75, 0.5)
GOOD = 'import json, os; json.dump({"score": 0.625, "baseline": 0.5}, open(os.environ["SEEDSWEEP_SCORE_FILE"], "w"))'
FILE = "model.safetensors"
MADE = Average(members=2, episodes=list(NAMES), score=0.625, members_score=0.625, handed_over=True)


class House:
    """A sweep's storage with two survivors; the first is the winner."""

    def __init__(self, root: Path, work: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.work, self._patch = root, work, patch
        self.members = [Member(episode=n, evaluation=1, score=s) for n, s in zip(NAMES, SCORES, strict=True)]
        for i, name in enumerate(NAMES):
            self.store(name, {FILE: {"w": np.full(3, i, np.float32)}})
        self.to = work / "best"

    def store(
        self, name: str, files: dict[str, Tensors], data: str = "same", texts: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        shutil.rmtree(self.root / name, ignore_errors=True)

        def write(folder: Path) -> None:
            for file, tensors in files.items():
                save_file(tensors, folder / file, {"format": "pt"})
            told = f'"{name}"'
            for file, text in {"config.json": told, "README.md": told, **texts}.items():
                (folder / file).write_text(text)

        weights = BestWeights(lambda: open_folders(str(self.root / name), None), "uid", (), maximize=True)
        weights.keep([SCORES[NAMES.index(name)]], write, {"data": data})

    def best(self, name: str = NAMES[0]) -> Path:
        return self.root / name / "uid" / "best"

    def environ(self) -> dict[str, str]:
        variables = {
            Env.STORAGE_DIR: self.root,
            Env.WORK_DIR: self.work,
            Env.WEIGHTS_DIR: self.work / "average" / "weights",
            Env.SCORE_FILE: self.work / "average" / "score" / "score.json",
            Env.METRIC: METRIC,
            Env.TERMINATION_LOG: self.work / "answer",
        }
        return {str(name): str(value) for name, value in variables.items()}

    def hand_over(self, program: str | None = None) -> int:
        """As on one machine; the program is Python."""
        for name, value in self.environ().items():
            self._patch.setenv(name, value)
        card, members = self.work / "card.md", self.work / "members.json"
        card.write_text("# Card\n")
        members.write_text(json.dumps([member.model_dump(by_alias=True) for member in self.members]))
        arguments = ["hand-over", "--best", str(self.best()), "--to", str(self.to), "--card", str(card)]
        if program is not None:
            arguments += ["--average", str(members), "--episodes", str(self.root)]
            arguments += ["--", sys.executable, "-c", program]
        return main(arguments)

    def average(self) -> Average:
        return Average.model_validate_json((self.to / "average.json").read_bytes())

    def keep_house(self, command: str = "housekeep", storage: str = "", **asked: Any) -> tuple[int, HousekeepingAnswer]:
        """As in a pod."""
        score, task = SCORES[0], HandOver(episode=NAMES[0], evaluation=1, own=True, card="# Card\n")
        task = task.evolve(**{"score": score, "average": self.members, **asked})
        variables = {**self.environ(), str(Env.TASK): HousekeepingTask(hand_over=task).model_dump_json(by_alias=True)}
        for name, value in (variables | ({str(Env.STORAGE_DIR): storage} if storage else {})).items():
            self._patch.setenv(name, value)
        code = main([command])
        return code, HousekeepingAnswer.model_validate_json((self.work / "answer").read_bytes())


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    (tmp_path / "work").mkdir()
    return House(tmp_path / "sweep", tmp_path / "work", monkeypatch)


def files_of(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_the_winners_files_are_handed_over_as_they_were_stored_with_the_card(house: House) -> None:
    house.store(NAMES[0], {FILE: {"w": np.ones(3, np.float32)}}, texts={"vocab.txt": "a"})
    assert house.hand_over() == 0
    assert files_of(house.to) == {FILE, "config.json", "vocab.txt", "README.md", "manifest.json"}
    assert (house.to / FILE).read_bytes() == (house.best() / FILE).read_bytes()
    assert (house.to / "README.md").read_text().startswith("# Card\n\n## Test score\n\nNone")


def test_what_another_language_has_written_as_the_contract_says_is_found_and_handed_over(house: House) -> None:
    best = house.best()
    shutil.rmtree(best)
    best.mkdir()
    # A float32 in as many digits as its language likes.
    facts = '{"evaluation": 3, "score": 0.10000000149011612}'
    contents = {"weights.bin": "weights", "best.json": facts}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()}
    for name, text in {**contents, "manifest.json": json.dumps(hashes)}.items():
        (best / name).write_text(text)
    found = find_best(open_folders(str(house.root / NAMES[0]), None), Stored(3, 0.1))
    assert found is not None
    assert house.hand_over() == 0
    assert files_of(house.to) == {"weights.bin", "README.md", "manifest.json"}


def test_handing_over_a_winner_loads_no_torch(house: House) -> None:
    program = (
        "import sys; from seedsweep_trainer.__main__ import main; "
        f"code = main(['hand-over', '--best', {str(house.best())!r}, '--to', {str(house.to)!r}]); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_average_is_handed_over_with_the_winners_other_files(house: House) -> None:
    assert house.hand_over(GOOD) == 0
    assert house.average() == MADE
    assert load_file(house.to / FILE)["w"].tolist() == [0.5, 0.5, 0.5]
    assert (house.to / "config.json").read_text() == '"wi0-do0"'
    with safe_open(house.to / FILE, framework="np") as file:
        assert file.metadata() == {"format": "pt"}
    assert "the average of the best weights of 2 survivors" in (house.to / "README.md").read_text()


def test_the_order_of_the_survivors_changes_no_byte(house: House) -> None:
    house.hand_over(GOOD)
    one = {file.name: file.read_bytes() for file in house.to.iterdir()}
    house.members.reverse()
    house.hand_over(GOOD)
    assert one == {file.name: file.read_bytes() for file in house.to.iterdir()}


def test_tensors_of_one_name_in_two_files_are_averaged_each_with_its_own(house: House) -> None:
    for i, name in enumerate(NAMES):
        parts = {
            "a.safetensors": {"w": np.array([i], np.float32)},
            "b.safetensors": {"w": np.array([10 * i], np.float32)},
        }
        house.store(name, dict(parts))
    house.hand_over(GOOD)
    means = [load_file(house.to / file)["w"].tolist() for file in ("a.safetensors", "b.safetensors")]
    assert means == [[0.5], [5.0]]


LORA = {"peft_type": "LORA", "r": 1, "lora_alpha": 1, "init_lora_weights": True, "target_modules": ["q"]}


def store_adapter(house: House, name: str, a: float, b: float, **config: object) -> None:
    tensors = {"q.lora_A.weight": np.full((1, 2), a, np.float32), "q.lora_B.weight": np.full((2, 1), b, np.float32)}
    texts = {"adapter_config.json": json.dumps({**LORA, **config})}
    house.store(name, {"adapter_model.safetensors": tensors}, texts=texts)


def test_adapters_become_one_whose_product_is_the_mean_of_theirs(house: House) -> None:
    store_adapter(house, NAMES[0], 1, 2)
    store_adapter(house, NAMES[1], 3, 4)
    assert house.hand_over(GOOD) == 0
    assert house.average().handed_over
    found = load_file(house.to / "adapter_model.safetensors")
    config = json.loads((house.to / "adapter_config.json").read_text())
    assert config["r"] == 2
    delta = config["lora_alpha"] / config["r"] * found["q.lora_B.weight"] @ found["q.lora_A.weight"]
    assert delta.tolist() == [[7.0, 7.0], [7.0, 7.0]]
    assert files_of(house.to) >= {"config.json", "README.md"}


def test_adapters_that_cannot_be_merged_give_way_to_the_winner(house: House) -> None:
    store_adapter(house, NAMES[0], 1, 2)
    store_adapter(house, NAMES[1], 3, 4, lora_alpha=8)
    assert house.hand_over(GOOD) == 0
    assert "lora_alpha in adapter_config.json is" in house.average().reason
    house.store(NAMES[1], {"adapter_model.safetensors": {"w": np.zeros(3, np.float32)}})
    assert house.hand_over(GOOD) == 0
    assert house.average().reason == "adapter_config.json is not among the files of wi0-do1"


def spoil_nothing_stored(house: House) -> None:
    shutil.rmtree(house.root / NAMES[1])


def spoil_damaged(house: House) -> None:
    file = house.best(NAMES[1]) / FILE
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def spoil_not_safetensors(house: House) -> None:
    def write(folder: Path) -> None:
        (folder / FILE).write_text("no tensors")

    shutil.rmtree(house.root / NAMES[1])
    weights = BestWeights(lambda: open_folders(str(house.root / NAMES[1]), None), "uid", (), maximize=True)
    weights.keep([SCORES[1]], write, {"data": "same"})


def spoil_not_finite(house: House) -> None:
    house.store(NAMES[1], {FILE: {"w": np.full(3, np.nan, np.float32)}})


def spoil_shape(house: House) -> None:
    house.store(NAMES[1], {FILE: {"w": np.zeros(4, np.float32)}})


def spoil_files(house: House) -> None:
    house.store(NAMES[1], {"other.safetensors": {"w": np.zeros(3, np.float32)}})


def spoil_no_tensors(house: House) -> None:
    for name in NAMES:
        house.store(name, {})


def spoil_data(house: House) -> None:
    house.store(NAMES[1], {FILE: {"w": np.zeros(3, np.float32)}}, data="others")


NOT_AVERAGED = [
    (spoil_nothing_stored, "no weights of evaluation 1 of wi0-do1 are stored"),
    (spoil_damaged, "the weights of wi0-do1 are damaged: model.safetensors is not what was written"),
    (spoil_not_safetensors, "the weights of wi0-do1 are damaged"),
    (spoil_not_finite, "w of wi0-do1 is not finite"),
    (spoil_shape, "w has the shape [3] in wi0-do0 and [4] in wi0-do1"),
    (spoil_files, "model.safetensors is among the files of only one of wi0-do1 and the winner"),
    (spoil_no_tensors, "the winner's weights are in no *.safetensors file"),
    (spoil_data, "wi0-do1 was trained with other data than the winner"),
]


@pytest.mark.parametrize(("spoil", "reason"), NOT_AVERAGED)
def test_the_winner_is_handed_over_where_no_average_can_be_made(
    house: House, spoil: Callable[[House], None], reason: str
) -> None:
    spoil(house)
    assert house.hand_over("raise SystemExit('there is nothing to score')") == 0
    found = house.average()
    assert (found.handed_over, found.members, found.episodes) == (False, 2, list(NAMES))
    assert found.reason.startswith(reason)
    assert (house.to / "config.json").read_text() == '"wi0-do0"'
    assert plain(found.reason) in (house.to / "README.md").read_text()


def leaves(text: str) -> str:
    return f'import os; open(os.environ["SEEDSWEEP_SCORE_FILE"], "w").write({text!r})'


UNSCORED = "it could not be scored: the score command"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise ValueError('no data')", f"{UNSCORED} ended with exit code 1: ValueError: no data"),
        ("pass", f"{UNSCORED} wrote no SEEDSWEEP_SCORE_FILE"),
        (leaves("0.7"), f'{UNSCORED} wrote a SEEDSWEEP_SCORE_FILE that is not {{"score": NUMBER}}'),
        (leaves("{"), f"{UNSCORED} wrote a SEEDSWEEP_SCORE_FILE that is not JSON"),
        (leaves('{"score": "0.7"}'), f"{UNSCORED} told a score that is no number"),
        (leaves('{"score": true}'), f"{UNSCORED} told a score that is no number"),
        (leaves('{"score": 70}'), f"{UNSCORED} told the score 70, outside the metric's range 0 to 1"),
        (leaves('{"score": 1e300}'), f"{UNSCORED} told a score that does not fit into a float32"),
        (leaves('{"score": null}'), "its validation score is undefined"),
        (leaves('{"score": NaN}'), "its validation score is undefined"),
        (leaves('{"score": 0.5}'), "its validation score 0.5000 is worse than the 0.6250 of its members on average"),
        (
            leaves('{"score": 0.7, "baseline": 0.7}'),
            "its validation score 0.7000 is no better than a constant answer's 0.7000",
        ),
    ],
)
def test_the_winner_is_handed_over_where_the_score_does_not_bear_the_average_out(
    house: House, program: str, reason: str
) -> None:
    assert house.hand_over(program) == 0
    assert (house.average().reason, house.average().episodes) == (reason, list(NAMES))
    assert load_file(house.to / FILE)["w"].tolist() == [0.0, 0.0, 0.0]


def test_a_score_command_that_cannot_be_started_or_never_ends_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotScoredError, match="cannot be started: 'no-such-program': No such file"):
        run_command(["no-such-program"], {}, tmp_path / "log")
    sleeps = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(NotScoredError, match="took longer than 0 s"):
        run_command(sleeps, {}, tmp_path / "log", seconds=0.1)


def test_damaged_weights_of_the_winner_are_not_handed_over(house: House) -> None:
    file = house.best() / FILE
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert house.hand_over() == 1
    assert not house.to.exists()


# --- in pods


def score(house: House, text: str) -> None:
    Path(house.environ()[Env.SCORE_FILE]).write_text(text)


def test_pods_make_an_average_and_hand_it_over_by_the_score_that_was_left(house: House) -> None:
    code, answer = house.keep_house("average")
    assert (code, answer) == (0, HousekeepingAnswer())
    assert load_file(Path(house.environ()[Env.WEIGHTS_DIR]) / FILE)["w"].tolist() == [0.5, 0.5, 0.5]
    score(house, '{"score": 0.7}')
    code, answer = house.keep_house()
    assert code == 0
    # Who asks knows the names, for which an answer has no room.
    assert answer.average == MADE.evolve(score=0.7, episodes=[])
    assert answer.weights == f"{house.root}/best"
    assert load_file(house.root / "best" / FILE)["w"].tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(("spoil", "reason"), NOT_AVERAGED)
def test_a_pod_without_an_average_tells_why_and_nothing_is_scored(
    house: House, spoil: Callable[[House], None], reason: str
) -> None:
    spoil(house)
    code, answer = house.keep_house("average")
    assert code != 0
    assert answer.only_tried
    assert answer.average is not None
    assert answer.average.reason.startswith(reason)


def test_the_next_pod_hands_the_winner_over_with_what_became_of_the_average(house: House) -> None:
    reason = "it could not be scored: the score command ended with exit code 3"
    tried = Average(members=2, episodes=list(NAMES), reason=reason)
    code, answer = house.keep_house(average=[], tried=tried)
    assert (code, answer.average, answer.weights) == (0, tried.evolve(episodes=[]), f"{house.root}/best")
    assert Average.model_validate_json((house.root / "best" / "average.json").read_bytes()) == tried
    assert "ended with exit code 3" in (house.root / "best" / "README.md").read_text()


@pytest.mark.parametrize("command", ["average", "housekeep"])
def test_weights_that_are_not_there_are_told_with_those_that_are(house: House, command: str) -> None:
    _, answer = house.keep_house(command, score=0.875)
    assert [(best.evaluation, best.score) for best in answer.instead] == [(1, 0.75)]
    assert not (house.root / "best").exists()


def test_a_storage_that_has_nothing_of_the_winner_fails_and_may_be_tried_again(house: House) -> None:
    shutil.rmtree(house.root / NAMES[0])
    for command in ("average", "housekeep"):
        code, answer = house.keep_house(command)
        assert code == 1
        assert answer.error.startswith("no weights of evaluation 1 of wi0-do0 are in")
        assert "the trainer has to store them" in answer.error


def write_model(tensor: Any, folder: Path) -> None:
    save_file({"w": tensor}, folder / FILE)


def test_an_average_behind_a_uri_is_made_scored_and_handed_over(house: House) -> None:
    place = f"memory://{uuid4()}/sweep"
    for i, name in enumerate(NAMES):
        folders = partial(open_folders, f"{place}/{name}", house.work / name)
        weights = BestWeights(folders, "uid", (), maximize=True)
        weights.keep([SCORES[i]], partial(write_model, np.full(3, i, np.float32)), {})
    assert house.keep_house("average", storage=place)[0] == 0
    score(house, '{"score": 0.7}')
    code, answer = house.keep_house(storage=place)
    assert (code, answer.weights) == (0, f"{place}/best")
    assert answer.average is not None
    assert answer.average.handed_over
    files = fsspec.filesystem("memory")
    found = load(files.cat(f"{place}/best/{FILE}"))
    assert found["w"].tolist() == [0.5, 0.5, 0.5]
    assert files.exists(f"{place}/best/README.md")


# --- what a score command uses


def test_a_score_is_left_as_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "score.json"
    metric = Metric.model_validate_json(METRIC)
    leave_score(np.float64(0.1), baseline=0.05, environ={Env.SCORE_FILE: str(file)})
    read = read_score(file, metric)
    assert (read.score, read.baseline) == (0.1, 0.05)
    leave_score(float("nan"), environ={Env.SCORE_FILE: str(file)})
    assert np.isnan(read_score(file, metric).score)


def test_only_a_score_command_has_weights_to_score() -> None:
    assert weights_to_score({}) is None
    assert weights_to_score({Env.WEIGHTS_DIR: "/w"}) == Path("/w")
