"""A sweep's cache: attempts that start from it are the same to the last bit, and ask no hub for anything."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import datasets
import huggingface_hub
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer import inputs
from seedsweep_trainer.data.tasks import TaskData, load_task
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.inputs import load_data, prepare_inputs
from seedsweep_trainer.jobs.hand_over import hand_over
from seedsweep_trainer.jobs.warm_up import warm_up
from seedsweep_trainer.model.pretrained import load_tokenizer
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage import cache as cache_module
from seedsweep_trainer.training.loop import train
from trainer.conftest import ARCHITECTURES, save_checkpoint
from trainer.fake_hub import COMMIT, MODEL, FakeBuilder, serving
from trainer.observed import Observed, different

Make = Callable[..., FineTuning]
ATTEMPTS = 20


@pytest.fixture(params=["path", "uri"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "path":
        yield str(tmp_path / "sweep")
        return
    yield f"memory://{uuid4()}/sweep"
    MemoryFileSystem.store.clear()


@pytest.fixture
def on_disk(tmp_path: Path) -> str:
    return str(tmp_path / "sweep")


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of which models data was read and tokenised, one entry each time."""
    counted: list[str] = []

    def load(config: FineTuning, folder: Path | None = None) -> tuple[Any, TaskData]:
        counted.append(config.model)
        return load_data(config, folder)

    monkeypatch.setattr(inputs, "load_data", load)
    return counted


def started(config: FineTuning, storage: str | None) -> TaskData:
    """The data that an attempt starts from."""
    with prepare_inputs(config, storage) as prepared:
        return prepared.data


def same(one: TaskData, other: TaskData) -> None:
    """Assert that every field is the same, of the arrays every bit."""
    for field in fields(TaskData):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name not in ("train", "validation", "test") or ours is None:
            assert ours == theirs, field.name
            continue
        for inner in fields(ours):
            left, right = getattr(ours, inner.name), getattr(theirs, inner.name)
            if isinstance(left, np.ndarray):
                assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())
            else:
                assert left == right


def folder_of(storage: str, owner: str) -> Path:
    [folder] = Path(storage, "cache", owner).iterdir()
    return folder


def test_attempt_from_the_cache_is_the_same_to_the_last_bit(
    storage: str, fine_tuning: Make, observe: Callable[..., Observed], loads: list[str]
) -> None:
    config = fine_tuning()
    warm_up(config, storage)
    cached = observe(config, storage=storage)
    assert len(loads) == 1
    plain = observe(config)
    assert cached.fed == plain.fed
    assert cached.message == plain.message
    assert cached.message.info.data
    assert not different(cached.final, plain.final)


@pytest.mark.parametrize(
    ("architecture", "fields_"),
    [
        ("bert", {}),
        ("roberta", {}),
        ("xlnet", {}),
        ("bert", {"dataset": {"kind": "regression", "columns": {"label": "value"}}, "metric": "mse"}),
        ("bert", {"dataset": {"maxLength": 8, "labels": ["good", "bad"]}}),
    ],
)
def test_data_comes_back_as_it_was(
    architecture: str,
    fields_: dict[str, Any],
    on_disk: str,
    fine_tuning: Make,
    sentences: dict[str, str],
    loads: list[str],
) -> None:
    settings: dict[str, Any] = {"dataset": {**sentences, "maxLength": 16, **fields_.get("dataset", {})}}
    if "metric" in fields_:
        settings["metric"] = {"name": fields_["metric"], "goal": "minimize"}
    config = fine_tuning(architecture, **settings)
    warm_up(config, on_disk)
    with prepare_inputs(config, on_disk) as prepared:
        tokenizer = load_tokenizer(config)
        for name in ("padding_side", "pad_token_id", "pad_token_type_id"):
            assert getattr(prepared.padding, name) == getattr(tokenizer, name)
        assert len(loads) == 1
        same(prepared.data, load_task(config, tokenizer))


def test_model_is_counted(on_disk: str, fine_tuning: Make) -> None:
    config = fine_tuning()
    assert warm_up(config, on_disk) == warm_up(config, on_disk) > 1000


def test_warming_up_again_tokenises_nothing(storage: str, fine_tuning: Make, loads: list[str]) -> None:
    for _ in range(2):
        warm_up(fine_tuning(), storage)
    assert len(loads) == 1


def test_what_does_not_decide_the_data_does_not_ask_for_another_cache(
    on_disk: str, fine_tuning: Make, loads: list[str]
) -> None:
    warm_up(fine_tuning(), on_disk)
    started(fine_tuning(learningRate="1e-5", epochs=1, batchSize=4), on_disk)
    assert len(loads) == 1


def rewritten(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("change", ["field", "data", "tokenizer", "library"])
def test_data_made_of_something_else_is_not_used(
    change: str, tmp_path: Path, on_disk: str, fine_tuning: Make, sentences: dict[str, str], loads: list[str]
) -> None:
    save_checkpoint(tmp_path / "model", ARCHITECTURES["bert"])
    shutil.copy(sentences["train"], tmp_path / "train.csv")
    settings: dict[str, Any] = {**sentences, "train": str(tmp_path / "train.csv"), "maxLength": 16}
    config = fine_tuning(model=str(tmp_path / "model"), dataset=settings)
    warm_up(config, on_disk)
    with pytest.MonkeyPatch.context() as patch:
        if change == "field":
            config = fine_tuning(model=str(tmp_path / "model"), dataset=settings | {"maxLength": 8})
        elif change == "data":
            rewritten(tmp_path / "train.csv", "word1 ", "word2 ")
        elif change == "tokenizer":
            rewritten(tmp_path / "model" / "tokenizer.json", '"word1": ', '"other1": ')
        else:
            patch.setattr(cache_module, "version", lambda _name: "0")
        data = started(config, on_disk)
        assert len(loads) == 2
        same(data, started(config, None))


def test_without_a_warm_up_the_sources_are_read_and_the_log_says_why(
    storage: str, fine_tuning: Make, caplog: pytest.LogCaptureFixture
) -> None:
    same(started(fine_tuning(), storage), started(fine_tuning(), None))
    assert "is not used" in caplog.text


@pytest.mark.parametrize("file", ["data.safetensors", "facts.json", "manifest.json"])
def test_broken_data_is_read_from_its_sources_and_the_log_says_why(
    file: str, on_disk: str, fine_tuning: Make, caplog: pytest.LogCaptureFixture, loads: list[str]
) -> None:
    warm_up(fine_tuning(), on_disk)
    path = folder_of(on_disk, "data") / file
    path.write_bytes(path.read_bytes()[:-1])
    data = started(fine_tuning(), on_disk)
    assert len(loads) == 2
    same(data, started(fine_tuning(), None))
    assert "is not used" in caplog.text


def test_foreign_data_in_the_place_of_ours_is_not_used(
    on_disk: str, fine_tuning: Make, sentences: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    warm_up(fine_tuning(), on_disk)
    ours = folder_of(on_disk, "data")
    shutil.rmtree(ours)
    warm_up(fine_tuning(dataset={**sentences, "maxLength": 9}), on_disk)
    folder_of(on_disk, "data").rename(ours)
    same(started(fine_tuning(), on_disk), started(fine_tuning(), None))
    assert "it is of other data" in caplog.text


def test_warm_up_that_dies_while_it_writes_leaves_nothing_that_is_used(
    on_disk: str, fine_tuning: Make, monkeypatch: pytest.MonkeyPatch, loads: list[str]
) -> None:
    def die(*_: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", die)
        with pytest.raises(OSError, match="no space left"):
            warm_up(fine_tuning(), on_disk)
    started(fine_tuning(), on_disk)
    assert len(loads) == 2


def test_configuration_that_cannot_be_trained_is_refused(on_disk: str, fine_tuning: Make) -> None:
    with pytest.raises(ConfigurationError, match="more than the model takes"):
        warm_up(fine_tuning(dataset={"train": "none.csv", "split": {"validation": 1}, "maxLength": 4096}), on_disk)


def test_data_set_of_a_hub_is_asked_for_once(on_disk: str, fine_tuning: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def info(_api: object, name: str, revision: str | None) -> Any:
        asked.append(name)
        return type("Info", (), {"sha": COMMIT})

    def load(name: str, _config: str | None, revision: str) -> FakeBuilder:
        asked.append(revision)
        rows = datasets.Dataset.from_dict({"text": ["word1 fine", "dull word2"] * 8, "label": [0, 1] * 8})
        return FakeBuilder(revision, {"train": rows, "validation": rows})

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(datasets, "load_dataset_builder", load)
    config = fine_tuning(dataset={"hub": {"name": "org/data", "validation": "validation"}, "maxLength": 16})
    warm_up(config, on_disk)
    assert asked == ["org/data", COMMIT]
    assert started(config, on_disk).revision == COMMIT
    assert asked == ["org/data", COMMIT]


FLEET = """
import os, shutil, sys, urllib.request
from pathlib import Path
from threading import Event
from seedsweep_trainer.reporting.attempt import Attempt, parse_config
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training.loop import train
from seedsweep_trainer.jobs.warm_up import warm_up

config, storage, count = parse_config(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def attempt(storage):
    reporter = Reporter()
    train(Attempt("only", 1, 2, config, storage=storage), reporter, Event())
    info = reporter.message.info
    line = f"{reporter.message.scores} {reporter.message.losses} {info.data} {info.initialization}"
    # In one piece: others write there too.
    os.write(1, f"{line}\\n".encode())

def at_once(count, storage):
    pids = []
    for _ in range(count):
        pids.append(os.fork())
        if pids[-1] == 0:
            code = 1
            try:
                attempt(storage)
                code = 0
            finally:
                os._exit(code)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]

def say(what):
    urllib.request.urlopen(urllib.request.Request(f"{os.environ['HF_ENDPOINT']}/{what}"), timeout=60).read()

warm_up(config, storage)
# Another pod has nothing of this.
shutil.rmtree(os.environ["HF_HOME"])
say(f"someone/tiny/resolve/main/config.json?cached")
assert at_once(count, storage) == [0] * count
say(f"someone/tiny/resolve/main/config.json?plain")
assert at_once(1, None) == [0]
"""


def test_after_a_warm_up_no_attempt_of_many_asks_the_hub_for_anything(
    tmp_path: Path, on_disk: str, checkpoints: dict[str, Path], fine_tuning: Make
) -> None:
    config = fine_tuning(model=MODEL, epochs=1, evaluationsPerEpoch=1)
    with serving(checkpoints["bert"]) as hub:
        variables = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(tmp_path / "home"),
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        command = [sys.executable, "-c", FLEET, config.model_dump_json(by_alias=True), on_disk, str(ATTEMPTS)]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    cached, plain = (next(i for i, path in enumerate(hub.asked) if path.endswith(mark)) for mark in ("cached", "plain"))
    assert cached > 0
    assert hub.asked[cached + 1 : plain] == []
    assert len(hub.asked) > plain + 1
    results = done.stdout.splitlines()
    assert len(results) == ATTEMPTS + 1
    assert len(set(results)) == 1
    kept = folder_of(on_disk, "model")
    digests = json.loads((kept / "manifest.json").read_text())
    assert digests.keys() >= {"config.json", "tokenizer.json", "model.safetensors"}


def test_after_a_warm_up_the_winner_is_handed_over_without_the_hub(
    tmp_path: Path, on_disk: str, checkpoints: dict[str, Path], fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = fine_tuning(model=MODEL, epochs=1, evaluationsPerEpoch=1)

    def download(*_: object, **__: object) -> str:
        return str(checkpoints["bert"])

    monkeypatch.setattr(inputs, "snapshot_download", download)
    warm_up(config, on_disk)
    folder = Path(on_disk, "wi1-do2")
    train(Attempt("only", 1, 2, config, checkpoints=str(folder), storage=on_disk), Reporter(), Event())
    hand_over(config, folder / "only" / "best", tmp_path / "winner", storage=on_disk)
    assert (tmp_path / "winner" / "test.json").exists()
    assert (tmp_path / "winner" / "tokenizer.json").exists()


LEAN = """
import sys
from threading import Event
from seedsweep_trainer.reporting.attempt import Attempt, parse_config
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training.loop import train

train(Attempt("only", 1, 2, parse_config(sys.argv[1]), storage=sys.argv[2]), Reporter(), Event())
print(sorted({"datasets", "pandas", "pyarrow", "sklearn", "scipy.stats"} & sys.modules.keys()))
"""


def test_attempt_from_the_cache_imports_nothing_that_reads_data(on_disk: str, fine_tuning: Make) -> None:
    config = fine_tuning(epochs=1)
    warm_up(config, on_disk)
    command = [sys.executable, "-c", LEAN, config.model_dump_json(by_alias=True), on_disk]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_missing_model_on_the_hub_is_refused_with_the_remedy(
    tmp_path: Path, on_disk: str, fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> str:
        raise huggingface_hub.errors.OfflineModeIsEnabled("offline")

    monkeypatch.setattr(inputs, "snapshot_download", offline)
    with pytest.raises(ConfigurationError, match=r"model 'someone/tiny' is not in the hub's cache.*give a folder that"):
        warm_up(fine_tuning(model=MODEL), on_disk)
