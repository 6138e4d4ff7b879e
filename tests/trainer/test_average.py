"""The average of the survivors handed over: judged on validation, and the winner in its place with the reason."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from seedsweep.api.card import plain
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.housekeeping import Member
from seedsweep.api.status import Average
from seedsweep_trainer.errors import StorageError
from seedsweep_trainer.jobs import average as average_module
from seedsweep_trainer.jobs.average import Survivors, judged
from seedsweep_trainer.jobs.hand_over import hand_over
from seedsweep_trainer.storage.durable import whole_folder
from trainer.episodes import Episode

Make = Callable[..., FineTuning]
NAMES = ("wi1-do1", "wi1-do2")


class House:
    """A sweep's storage with two survivors; the first is the winner."""

    def __init__(self, root: Path, config: FineTuning) -> None:
        self.root, self.config = root, config
        self.members: list[Member] = []
        for name, seeds in zip(NAMES, ((1, 1), (1, 2)), strict=True):
            Episode(root / name, config, seeds=seeds).attempt("only")
            facts = json.loads((self.best(name) / "best.json").read_text())
            self.members.append(Member(episode=name, evaluation=facts["evaluation"], score=facts["score"]))

    def best(self, name: str) -> Path:
        return self.root / name / "only" / "best"

    def forget(self, name: str) -> None:
        shutil.rmtree(self.root / name)

    def rewrite(self, name: str, weights: dict[str, torch.Tensor] | None = None, **facts: object) -> None:
        """Other weights or facts, in a folder that is whole."""
        was = self.best(name)
        told = {**json.loads((was / "best.json").read_text()), **facts}
        tensors = {key: tensor.clone() for key, tensor in (weights or load_file(was / "model.safetensors")).items()}
        with whole_folder(was) as folder:
            save_file(tensors, folder / "model.safetensors")
            (folder / "best.json").write_text(json.dumps(told))

    def hand_over(self, to: Path, members: list[Member] | None = None) -> Average:
        survivors = Survivors(members if members is not None else self.members, str(self.root))
        hand_over(self.config, self.best(NAMES[0]), to, "# Card\n", survivors=survivors)
        return Average.model_validate_json((to / "average.json").read_bytes())

    def handed_over(self, to: Path) -> str:
        """Whose weights are in a folder."""
        found = AutoModelForSequenceClassification.from_pretrained(to).state_dict()
        own = [load_file(self.best(name) / "model.safetensors") for name in NAMES if self.best(name).exists()]
        if all(torch.equal(found[key], own[0][key]) for key in own[0]):
            return "winner"
        mean = {key: ((own[0][key].double() + own[1][key].double()) / 2).float() for key in own[0]}
        return "average" if all(torch.equal(found[key], mean[key]) for key in mean) else "neither"


@pytest.fixture
def house(tmp_path: Path, fine_tuning: Make) -> House:
    return House(tmp_path / "sweep", fine_tuning())


@pytest.fixture
def alike(house: House) -> House:
    """The second survivor answers as the winner does, with slightly other weights: there is no barrier."""
    weights = load_file(house.best(NAMES[0]) / "model.safetensors")
    near = {key: tensor + 1e-6 if key.startswith("classifier") else tensor for key, tensor in weights.items()}
    winner = house.members[0]
    house.rewrite(NAMES[1], near, evaluation=winner.evaluation, score=winner.score)
    house.members[1] = winner.model_copy(update={"episode": NAMES[1]})
    return house


def test_the_average_is_handed_over_and_scored_in_the_winners_place(alike: House, tmp_path: Path) -> None:
    to = tmp_path / "best"
    found = alike.hand_over(to)
    score = alike.members[0].score
    assert found == Average(members=2, episodes=[*NAMES], score=score, members_score=score, handed_over=True)
    assert alike.handed_over(to) == "average"
    card = (to / "README.md").read_text()
    assert "the average of the best weights of 2 survivors" in card
    assert card.count("## Test score") == 1
    assert json.loads((to / "test.json").read_text())["n"] == 30


def test_the_order_of_the_survivors_changes_no_byte(alike: House, tmp_path: Path) -> None:
    alike.hand_over(tmp_path / "one")
    alike.hand_over(tmp_path / "other", alike.members[::-1])
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes(), file.name


def spoil_nothing_stored(house: House) -> None:
    house.forget(NAMES[1])


def spoil_damaged(house: House) -> None:
    file = house.best(NAMES[1]) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4] + b"abcd")


def spoil_not_finite(house: House) -> None:
    weights = load_file(house.best(NAMES[1]) / "model.safetensors")
    house.rewrite(NAMES[1], {**weights, "classifier.bias": weights["classifier.bias"] * torch.nan})


def spoil_vocabulary(house: House) -> None:
    weights = load_file(house.best(NAMES[1]) / "model.safetensors")
    words = "bert.embeddings.word_embeddings.weight"
    house.rewrite(NAMES[1], {**weights, words: weights[words][1:]})


def spoil_base(house: House) -> None:
    house.rewrite(NAMES[1], baseWeights="others")


def spoil_score(house: House) -> None:
    house.rewrite(NAMES[1], score=-7.0)


def spoil_constant(house: House) -> None:
    weights = load_file(house.best(NAMES[0]) / "model.safetensors")
    mirrored = {key: -tensor if key.startswith("classifier") else tensor for key, tensor in weights.items()}
    house.rewrite(NAMES[1], mirrored)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_nothing_stored, "no weights of evaluation"),
        (spoil_score, "no weights of evaluation"),
        (spoil_damaged, "the weights of wi1-do2 are damaged: model.safetensors is not what was written"),
        (spoil_not_finite, "classifier.bias of wi1-do2 is not finite"),
        (spoil_vocabulary, "bert.embeddings.word_embeddings.weight has the shape"),
        (spoil_base, "wi1-do2 was trained with other base weights than the winner"),
        (spoil_constant, "is no better than a constant answer's"),
    ],
)
def test_the_winner_is_handed_over_where_the_average_cannot_be(
    house: House, tmp_path: Path, spoil: Callable[[House], None], reason: str
) -> None:
    spoil(house)
    found = house.hand_over(tmp_path / "best")
    assert (found.handed_over, found.members) == (False, 2)
    assert reason in found.reason
    assert house.handed_over(tmp_path / "best") == "winner"
    assert (tmp_path / "best" / "test.json").exists()
    card = (tmp_path / "best" / "README.md").read_text()
    assert f"the winner, not the average of the 2 survivors that was declared: {plain(found.reason)}" in card


@pytest.mark.parametrize("error", [OSError("no route to host"), StorageError("no route to host")])
def test_the_winner_is_handed_over_where_the_storage_fails_in_the_middle(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    read = load_file

    def fails_at_the_second(path: Path) -> dict[str, torch.Tensor]:
        if NAMES[1] in str(path):
            raise error
        return read(path)

    monkeypatch.setattr(average_module, "load_file", fails_at_the_second)
    found = house.hand_over(tmp_path / "best")
    assert found == Average(
        members=2, episodes=[*NAMES], reason="the weights of wi1-do2 cannot be read: no route to host"
    )
    assert house.handed_over(tmp_path / "best") == "winner"


def judge(score: float, *members: float, baseline: float = 0.5, maximize: bool = True) -> Average:
    return judged(score, members, baseline, maximize=maximize)


@pytest.mark.parametrize(
    ("score", "baseline", "maximize"),
    [(0.75, 0.5, True), (0.875, 0.5, True), (0.75, math.nan, True), (0.75, 0.875, False), (0.5, 0.875, False)],
)
def test_an_average_no_worse_than_its_members_takes_the_winners_place(
    score: float, baseline: float, maximize: bool
) -> None:
    found = judge(score, 0.625, 0.875, baseline=baseline, maximize=maximize)
    assert found == Average(members=2, score=score, members_score=0.75, handed_over=True)


@pytest.mark.parametrize(
    ("score", "baseline", "maximize", "reason"),
    [
        (0.7, 0.5, True, "its validation score 0.7000 is worse than the 0.7500 of its members on average"),
        (0.8, 0.9, False, "its validation score 0.8000 is worse than the 0.7500 of its members on average"),
        (0.5, 0.5, True, "its validation score 0.5000 is no better than a constant answer's 0.5000"),
        (0.9, 0.9, False, "its validation score 0.9000 is no better than a constant answer's 0.9000"),
    ],
)
def test_one_that_is_worse_or_constant_gives_way(score: float, baseline: float, maximize: bool, reason: str) -> None:
    found = judge(score, 0.625, 0.875, baseline=baseline, maximize=maximize)
    assert (found.handed_over, found.score, found.reason) == (False, score, reason)


def test_an_undefined_score_gives_way() -> None:
    found = judge(math.nan, 0.625, 0.875)
    assert (found.handed_over, found.score, found.reason) == (False, None, "its validation score is undefined")


def test_the_members_mean_does_not_depend_on_their_order() -> None:
    scores = (0.1, 0.7, 1e-9, 0.3)
    assert judge(0.9, *scores) == judge(0.9, *scores[::-1])
