"""How fast the trainer is beside a bare torch loop (bar: 0.97 of its steps a second) and transformers.Trainer (bar: 1).

    python bench/trainer_speed.py [--shape minilm|base|large] [--train N] [--validation N] [--rounds N]

The bare loop gets batches that were collated before the clock starts, and does nothing but the same arithmetic. The
Trainer gets its fastest documented settings and the same batches. All take turns in one process, at every evaluation
and after it, and so share the trainer's setting of the allocator (see trainer_memory.py).
"""

import argparse
import platform
import random
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
import transformers
from torch.nn.functional import cross_entropy
from torch.utils.data import Sampler
from transformers import (
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from madeup import SHAPES, make
from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import Part, collate, length_sorted_batches
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, fingerprint, prepare_torch
from seedsweep_trainer.determinism.seeds import order
from seedsweep_trainer.inputs import load_data
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training.loop import Batches, Timetable, build_optimizer, learning_rate, train
from turns import Turns, speed, take_turns

DATA_ORDER = 1
TRAINING, EVALUATION, WHOLE = "training", "evaluation", "whole episode"
BARS = (
    ("bare", TRAINING, 0.97),
    ("Trainer", TRAINING, 1.0),
    ("Trainer", EVALUATION, 1.0),
    ("Trainer", WHOLE, 1.0),
)


class _Measured(Reporter):
    """Ends a block of an episode by what the episode reports: an evaluation, and the steps before it."""

    def __init__(self, timetable: Timetable, turns: Turns) -> None:
        super().__init__()
        self._due = _evaluated_steps(timetable)
        self._turns = turns

    def planned(self, **plan: Any) -> None:
        """The model is loaded, and the first step comes next."""
        super().planned(**plan)
        self._turns.begins()

    def stepped(self, step: int) -> None:
        """Ends a block of training where an evaluation follows."""
        super().stepped(step)
        if step in self._due:
            self._turns.ends(TRAINING)

    def evaluated(self, **evaluation: Any) -> None:
        """Ends an evaluation."""
        super().evaluated(**evaluation)
        self._turns.ends(EVALUATION)


def ours(config: FineTuning, turns: Turns) -> None:
    """A whole episode without storage."""
    data = load_data(config)[1]
    measured = _Measured(Timetable.of(config, len(data.train)), turns)
    train(Attempt("bench", 0, DATA_ORDER, config), measured, Event())


def bare(config: FineTuning, turns: Turns) -> None:
    """The same steps on batches collated before the clock starts, and evaluations on the trainer's batches."""
    device = prepare_torch(config)
    tokenizer, data = load_data(config)
    timetable = Timetable.of(config, len(data.train))
    model = load_model(config, data, tokenizer, 0)[0]
    model.to(device)  # type: ignore[arg-type]
    optimizer, parameters = build_optimizer(model, config), list(model.parameters())
    source = Batches(data.train, tokenizer, config, DATA_ORDER)
    dtype = autocast_dtype(config, device)
    steps = [source.of(*divmod(step, timetable.steps_per_epoch))[0] for step in range(timetable.steps)]
    order = length_sorted_batches(data.validation, config.evaluation_batch_size)
    validation = [collate(data.validation, indices, tokenizer) for indices in order]
    turns.begins()
    for step, collated in enumerate(steps):
        model.train()
        batch = {name: tensor.to(device) for name, tensor in collated.items()}
        labels = batch.pop("labels")
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            logits = model(**batch).logits
        cross_entropy(logits.float(), labels).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, timetable, step)
        optimizer.step()
        optimizer.zero_grad()
        if step + 1 in _evaluated_steps(timetable):
            turns.ends(TRAINING)
            model.eval()
            with torch.no_grad():
                for collated in validation:
                    batch = {name: tensor.to(device) for name, tensor in collated.items()}
                    batch.pop("labels")
                    with torch.autocast(device.type, dtype, enabled=dtype is not None):
                        model(**batch).logits.cpu()
            turns.ends(EVALUATION)


def _evaluated_steps(timetable: Timetable) -> set[int]:
    return {timetable.step_of(i) for i in range(1, timetable.evaluations + 1)}


class _Blocks(TrainerCallback):
    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """The first step comes next."""
        self._turns.begins()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ends a block of training where an evaluation follows."""
        if control.should_evaluate:
            self._turns.ends(TRAINING)

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        """Ends an evaluation."""
        self._turns.ends(EVALUATION)


class _InOrder(Sampler[int]):
    """The order that the trainer itself takes the examples in."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._epoch = -1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        self._epoch += 1
        return iter(order(DATA_ORDER, self._epoch, self._count).tolist())


class _OrderedTrainer(Trainer):
    def _get_train_sampler(self, *_: object, **__: object) -> Sampler[int]:
        return _InOrder(len(self.train_dataset))  # type: ignore[arg-type]


def hugging_face(config: FineTuning, turns: Turns) -> None:
    """The same episode by transformers.Trainer."""
    device = prepare_torch(config)
    torch.use_deterministic_algorithms(False)
    tokenizer, data = load_data(config)
    timetable = Timetable.of(config, len(data.train))
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=config.epochs,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.evaluation_batch_size,
            learning_rate=float(config.learning_rate),
            warmup_steps=timetable.steps // 10,
            weight_decay=float(config.weight_decay),
            optim="adamw_torch_fused",
            eval_strategy="steps",
            eval_steps=timetable.steps // timetable.evaluations,
            save_strategy="no",
            logging_strategy="no",
            logging_nan_inf_filter=False,
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=device.type == "cpu",
            bf16=autocast_dtype(config, device) is not None,
        )
        longest_first = np.concatenate(length_sorted_batches(data.validation, config.evaluation_batch_size))
        trainer = _OrderedTrainer(
            model=load_model(config, data, tokenizer, 0)[0],
            args=arguments,
            data_collator=DataCollatorWithPadding(tokenizer),
            train_dataset=_examples(data.train, np.arange(len(data.train))),
            eval_dataset=_examples(data.validation, longest_first),
            compute_metrics=_accuracy,
            callbacks=[_Blocks(turns)],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()


def _accuracy(found: Any) -> dict[str, float]:
    return {"accuracy": metrics.score("accuracy", found.predictions, found.label_ids)}


def _examples(part: Part, positions: np.ndarray) -> Any:
    return [
        {
            "input_ids": part.input_ids[part.offsets[i] : part.offsets[i + 1]].tolist(),
            "attention_mask": [1] * int(part.offsets[i + 1] - part.offsets[i]),
            "labels": int(part.labels[i]),
        }
        for i in positions
    ]


def race(config: FineTuning, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each round by program and kind of work; each round is set up anew."""
    draw = random.Random(0)
    programs = {"bare": partial(bare, config), "Trainer": partial(hugging_face, config), "ours": partial(ours, config)}
    seconds: dict[str, dict[str, list[float]]] = {name: {TRAINING: [], EVALUATION: [], WHOLE: []} for name in programs}
    for turn in range(rounds):
        for name, found in take_turns(programs, draw).items():
            for kind, spent in (*found.items(), (WHOLE, sum(found.values()))):
                seconds[name][kind].append(spent)
        print(f"# round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
    return seconds


def main() -> int:
    """Print the table; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), default="minilm")
    parser.add_argument("--train", type=int, default=320, help="training examples")
    parser.add_argument("--validation", type=int, default=128, help="validation examples")
    parser.add_argument("--rounds", type=int, default=30, help="a third of an episode of each, with 10 evaluations")
    options = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        config = make(Path(folder), options.shape, options.train, options.validation).model_copy(update={"epochs": 1})
        conditions = fingerprint(config, prepare_torch(config))
        print(f"{options.shape}, {options.train} + {options.validation} examples, {conditions}, {platform.platform()}")
        # What every process pays once is paid here.
        race(config.model_copy(update={"evaluations_per_epoch": 1}), 1)
        seconds = race(config, options.rounds)
    for other, kind, bar in BARS:
        ratio, low, high = speed(seconds["ours"][kind], seconds[other][kind])
        missed |= ratio < bar
        print(f"{other:8} {kind:14} {ratio:.3f} of its speed (95 %: {low:.3f} to {high:.3f}; bar {bar})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
