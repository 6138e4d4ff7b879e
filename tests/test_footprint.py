"""What storage a sweep needs, told before it starts, against what is really written."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig

import sweeps
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.parse import parse_sweep
from seedsweep.engine.layout import Layout
from seedsweep.engine.storage import in_words
from seedsweep.footprint import best_bytes, checkpoint_bytes, storage_bytes
from seedsweep_trainer.checkpoint import Progress, copy_weights, take
from seedsweep_trainer.folders import LocalFolders
from seedsweep_trainer.learner import Learner
from seedsweep_trainer.store import Best, Store
from seedsweep_trainer.timetable import Timetable


def layout(stopping: object) -> Layout:
    return Layout.of(parse_sweep(sweeps.changed("spec.earlyStopping", stopping)))


def test_cut_keeps_the_need_for_room_small() -> None:
    cut = layout({"rungs": [{"atPercent": 30, "keep": 2}]})
    # (2 kept + 2 places x 2) with optimizer, (2 kept + 2 places) best weights for end and rung, 1 handed over.
    assert storage_bytes(cut, places=2, parameters=25) == 100 * (6 * 3 + 4 * 2 + 1)


def test_sweep_without_a_cut_needs_room_for_the_best_weights_of_all() -> None:
    # 2 places x 2 with optimizer, (8 episodes + 2 places) best weights, 1 handed over.
    assert storage_bytes(layout(...), places=2, parameters=25) == 100 * (4 * 3 + 10 + 1)


@pytest.mark.parametrize(("size", "words"), [(3_600_000_000, "3.6 GB"), (20_000_000, "20.0 MB")])
def test_people_read_it_in_large_units(size: int, words: str) -> None:
    assert in_words(size) == words


def test_what_is_written_is_what_was_told(tmp_path: Path) -> None:
    """A BERT of four million parameters, after one step."""
    config = BertConfig(
        vocab_size=8000, hidden_size=256, num_hidden_layers=2, num_attention_heads=4, intermediate_size=1024
    )
    model = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    tuning = FineTuning.model_validate(
        {"model": "m", "dataset": {"task": "rte", "path": "p"}, "precision": "fp32", "epochs": 1}
    )
    learner = Learner(model, tuning, Timetable.of(tuning, 1000))
    learner.update(0, [{"input_ids": torch.ones(1, 4, dtype=torch.long), "labels": torch.zeros(1, dtype=torch.long)}])
    store = Store(LocalFolders(tmp_path), "a", {})
    store.write_best(Best(1, 1, 0.5, copy_weights(model), "row,label\n0,1\n"))
    store.write_checkpoint(take(learner, Progress(1, (0.5,), (0.5,))))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    (checkpoint,) = (tmp_path / "a").glob("evaluation-*")
    for folder, told in ((tmp_path / "a" / "best", best_bytes(parameters)), (checkpoint, checkpoint_bytes(parameters))):
        written = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        assert told <= written <= 1.02 * told
