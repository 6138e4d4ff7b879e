"""What our own trainer refuses is refused before anything starts, and leaves no folder of a run."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.conftest import Command, Result
from local.tiny_sweeps import write_sweep
from seedsweep.local.processes.environment import TRAINER
from seedsweep_trainer import __main__ as trainer


class _Ended:
    """A process that was over before anyone could look."""

    def __init__(self, code: int) -> None:
        self._code = code

    async def wait(self) -> int | None:
        return self._code

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class InThisProcess:
    """Launches our trainer's commands here, without the seconds that a server's imports take."""

    def __init__(self, *_: object) -> None: ...

    async def launch(self, command: Sequence[str], variables: Mapping[str, str], log: Path) -> _Ended:
        return _Ended(await asyncio.to_thread(self._run, command[len(TRAINER) :], variables, log))

    async def close(self) -> None: ...

    @staticmethod
    def _run(arguments: Sequence[str], variables: Mapping[str, str], log: Path) -> int:
        assert arguments == ["check"], "nothing but the check may be started"
        with pytest.MonkeyPatch.context() as patch, log.open("w") as output:
            for name, value in variables.items():
                patch.setenv(name, value)
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                return trainer.main(arguments)


@pytest.fixture
def check_here(monkeypatch: pytest.MonkeyPatch, seedsweep: Command) -> Command:
    monkeypatch.setattr("seedsweep.local.sweep.ForkLauncher", InThisProcess)
    return seedsweep


def dataset(**changes: Any) -> dict[str, Any]:
    given = {"train": "reviews.csv", "split": {"validation": 50, "test": 50}, "maxLength": 16, **changes}
    return {"dataset": given}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (dataset(train="none.csv"), ("dataset.train", "none.csv", "there is no such file")),
        (dataset(columns={"label": "stars"}), ("dataset.columns.label", "'stars'", "text, label")),
        (dataset(columns={"text": "labell"}), ("dataset.columns.text", "'labell'", "did you mean 'label'?")),
        (dataset(labels=["yes", "no"]), ("dataset.labels", "neg")),
        ({"model": "reviews.csv"}, ("model", "reviews.csv")),
        ({"evaluationsPerEpoch": 50}, ("evaluationsPerEpoch: 50 is more than the 13 optimizer steps",)),
    ],
)
def test_what_the_trainer_refuses_is_refused_before_anything_starts(
    check_here: Command, material: Path, tmp_path: Path, settings: dict[str, Any], said: tuple[str, ...]
) -> None:
    result = check_here("run", str(write_sweep(material, **settings)), "--out", str(tmp_path / "out"))
    assert_refused(result, said)
    assert not (tmp_path / "out").exists()


def renamed_tokenizer(model: Path) -> None:
    for file in model.glob("tokenizer*"):
        file.rename(file.with_name(f"old-{file.name}"))


def fewer_positions(model: Path) -> None:
    from transformers import BertConfig, BertModel

    config = BertConfig.from_pretrained(model, max_position_embeddings=9)
    BertModel(config).save_pretrained(model)
    limits = json.loads((model / "tokenizer_config.json").read_text()) | {"model_max_length": int(1e30)}
    (model / "tokenizer_config.json").write_text(json.dumps(limits))


def fewer_tokens(model: Path) -> None:
    from transformers import BertConfig, BertModel

    BertModel(BertConfig.from_pretrained(model, vocab_size=10)).save_pretrained(model)


def other_words(model: Path) -> None:
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {word if word.startswith("[") else f"x{word}": i for word, i in vocabulary.items()}
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (renamed_tokenizer, ("has no tokenizer", "put the files of its tokenizer beside its weights")),
        (fewer_positions, ("dataset.maxLength: 16", "at most 9")),
        (fewer_tokens, ("gives token", "vocab_size of 10", "use the tokenizer")),
        (other_words, ("does not know most words", "use the tokenizer that the model was trained with")),
    ],
)
def test_model_tokenizer_and_data_that_do_not_fit_are_refused_before_anything_starts(
    check_here: Command, material: Path, tmp_path: Path, spoil: Callable[[Path], None], said: tuple[str, ...]
) -> None:
    shutil.copytree(material, tmp_path / "material")
    spoil(tmp_path / "material" / "model")
    result = check_here("run", str(write_sweep(tmp_path / "material")), "--out", str(tmp_path / "out"))
    assert_refused(result, said)
    assert "cannot start" not in result.err
    assert not (tmp_path / "out").exists()


def test_a_hub_that_is_not_reached_is_told_with_what_works_offline(
    check_here: Command, material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("the library's own words")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", away)
    data = {"hub": {"name": "org/data", "validation": "validation"}, "maxLength": 16}
    result = check_here("run", str(write_sweep(material, dataset=data)), "--out", str(tmp_path / "out"))
    assert_refused(result, ("'org/data': the hub was not reached", "name files of this machine in dataset.train"))
    assert "own words" not in result.err


def assert_refused(result: Result, said: Sequence[str]) -> None:
    assert result.code == 2, result.out + result.err
    for words in ("spec.trainer.fineTuning", *said):
        assert words in result.err
    assert "Traceback" not in result.err


def test_folder_without_a_model_is_refused(check_here: Command, material: Path, tmp_path: Path) -> None:
    (material / "empty").mkdir(exist_ok=True)
    file = write_sweep(material, model="empty")
    assert_refused(check_here("run", str(file), "--out", str(tmp_path / "out")), ["empty"])


def test_disk_without_room_is_refused(
    check_here: Command, material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    result = check_here("run", str(write_sweep(material)), "--out", str(tmp_path / "out"))
    assert result.code == 2
    assert "--out" in result.err
    assert "free some" in result.err
    assert not (tmp_path / "out").exists()
