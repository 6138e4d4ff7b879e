"""What storage a sweep needs, told before it starts, against what is really written."""

from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, BertConfig

from seedsweep.api.finetuning import FineTuning
from seedsweep.engine.questions.footprint import CHECKPOINT_BYTES, WEIGHTS_BYTES
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder, Best
from seedsweep_trainer.checkpoints.checkpoint import Checkpoint, Progress, state_of, weights_of
from seedsweep_trainer.storage.folders import LocalFolders
from seedsweep_trainer.training.step import Learner
from seedsweep_trainer.training.timetable import Timetable


def test_what_is_written_is_what_was_told(tmp_path: Path) -> None:
    """A BERT of four million parameters, after one step."""
    config = BertConfig(
        vocab_size=8000, hidden_size=256, num_hidden_layers=2, num_attention_heads=4, intermediate_size=1024
    )
    model = AutoModelForSequenceClassification.from_config(config)
    tuning = FineTuning.model_validate(
        {"model": "m", "dataset": {"task": "rte", "path": "p"}, "precision": "fp32", "epochs": 1}
    )
    learner = Learner(model, tuning, Timetable.of(tuning, 1000))
    learner.update(0, [{"input_ids": torch.ones(1, 4, dtype=torch.long), "labels": torch.zeros(1, dtype=torch.long)}])
    store = AttemptFolder(LocalFolders(tmp_path), "a", {})
    store.write_best(Best(1, 1, 0.5, weights_of(model), "row,label\n0,1\n"))
    with torch.no_grad():
        store.write_checkpoint(Checkpoint(Progress(1, (0.5,), (0.5,)), weights_of(model), state_of(learner)))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    (checkpoint,) = (tmp_path / "a").glob("evaluation-*")
    for folder, size in ((tmp_path / "a" / "best", WEIGHTS_BYTES), (checkpoint, CHECKPOINT_BYTES)):
        told = parameters * size
        written = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        assert told <= written <= 1.02 * told
