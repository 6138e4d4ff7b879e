"""How fast the trainer is beside a bare torch loop (bar: 0.97 of its steps a second) and transformers.Trainer (bar: 1).

    python bench/trainer_speed.py [--shape minilm|base|large] [--train N] [--validation N] [--rounds N] [--storage]

The bare loop gets batches that were collated before the clock starts, and does nothing but the same arithmetic. The
Trainer gets its fastest documented settings and the same batches. All take turns in one process, at every evaluation
and after it, and so share the trainer's setting of the allocator (see trainer_memory.py).

With --storage each also keeps its best weights and what it takes to resume within a minute (bars: 0.95 of the bare
loop's speed, 1.1 of the Trainer's). An episode counts as MINUTES minutes, more than it takes, so that there is
something to write. The bare loop saves with torch.save every minute, and its best weights at the end; the Trainer in
its own way, which is at every evaluation (load_best_model_at_end). Ours writes while its training waits, so that all
that it costs is counted as ours.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

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

import machine
from random_model import SHAPES, make
from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.checkpoints import saving
from seedsweep_trainer.checkpoints.saving import Clock
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import Part, collate, length_sorted_batches
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, fingerprint, prepare_torch
from seedsweep_trainer.determinism.seeds import order
from seedsweep_trainer.inputs import load_data
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training.batches import Batches
from seedsweep_trainer.training.loop import train
from seedsweep_trainer.training.step import build_optimizer, learning_rate
from seedsweep_trainer.training.timetable import Timetable
from turns import Turns, speed, take_turns

DATA_ORDER = 1
TRAINING, EVALUATION, END, WHOLE = "training", "evaluation", "end", "whole episode"
MINUTES = 2
BARS = (
    ("bare", TRAINING, 0.97),
    ("Trainer", TRAINING, 1.0),
    ("Trainer", EVALUATION, 1.0),
    ("Trainer", WHOLE, 1.0),
)
BARS_WITH_STORAGE = (("bare", WHOLE, 0.95), ("Trainer", WHOLE, 1.1))


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


class _AtOnce(Executor):
    def __init__(self, max_workers: int) -> None:
        """Like that of ThreadPoolExecutor."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Call while whoever asks waits."""
        done: Future[Any] = Future()
        done.set_result(call(*args, **options))
        return done


@contextmanager
def _folder(wanted: bool) -> Iterator[Path | None]:
    if not wanted:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def ours(config: FineTuning, storage: bool, turns: Turns) -> None:
    """A whole episode."""
    data = load_data(config)[1]
    timetable = Timetable.of(config, len(data.train))
    measured = _Measured(timetable, turns)

    def seconds() -> float:
        return 60 * MINUTES * measured.message.steps_done / timetable.steps

    clock = Clock(now=seconds, processor=seconds)
    with _folder(storage) as folder, patch.object(saving, "ThreadPoolExecutor", _AtOnce):
        attempt = Attempt("bench", 0, DATA_ORDER, config, checkpoints=str(folder) if folder else None)
        train(attempt, measured, Event(), clock)
        turns.ends(END)


def bare(config: FineTuning, storage: bool, turns: Turns) -> None:
    """The same steps on batches collated before the clock starts, and evaluations on the trainer's batches."""
    with _folder(storage) as folder:
        _bare(config, folder, turns)
        turns.ends(END)


def _bare(config: FineTuning, folder: Path | None, turns: Turns) -> None:
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
    labels_in_order = data.validation.labels[np.concatenate(order)]
    best, highest = {}, -1.0
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
            answers = []
            with torch.no_grad():
                for collated in validation:
                    batch = {name: tensor.to(device) for name, tensor in collated.items()}
                    batch.pop("labels")
                    with torch.autocast(device.type, dtype, enabled=dtype is not None):
                        answers.append(model(**batch).logits.float().cpu())
            turns.ends(EVALUATION)
            if folder is not None and (score := _score(answers, labels_in_order)) > highest:
                highest = score
                best = {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
        if folder is not None and (step + 1) * MINUTES % timetable.steps < MINUTES and step + 1 < timetable.steps:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, folder / "checkpoint")
    if folder is not None:
        torch.save(best, folder / "best")


def _score(answers: list[torch.Tensor], labels: np.ndarray) -> float:
    return metrics.score("accuracy", torch.cat(answers).numpy(), labels)


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


def hugging_face(config: FineTuning, storage: bool, turns: Turns) -> None:
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
            save_strategy="steps" if storage else "no",
            save_steps=timetable.steps // timetable.evaluations,
            save_total_limit=1,
            load_best_model_at_end=storage,
            metric_for_best_model="accuracy",
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
        turns.ends(END)


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


def race(config: FineTuning, rounds: int, storage: bool) -> dict[str, dict[str, list[float]]]:
    """Seconds of each round by program and kind of work; each round is set up anew."""
    draw = random.Random(0)
    programs = {
        name: partial(program, config, storage)
        for name, program in (("bare", bare), ("Trainer", hugging_face), ("ours", ours))
    }
    seconds: dict[str, dict[str, list[float]]] = {
        name: {TRAINING: [], EVALUATION: [], END: [], WHOLE: []} for name in programs
    }
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
    parser.add_argument("--storage", action="store_true", help="each keeps what it takes to resume within a minute")
    options = parser.parse_args()
    missed = False
    print(machine.described())
    with tempfile.TemporaryDirectory() as folder:
        config = make(Path(folder), options.shape, options.train, options.validation).model_copy(update={"epochs": 1})
        conditions = fingerprint(config, prepare_torch(config))
        print(f"{options.shape}, {options.train} + {options.validation} examples, {conditions}")
        # What every process pays once is paid here.
        race(config.model_copy(update={"evaluations_per_epoch": 1}), 1, options.storage)
        seconds = race(config, options.rounds, options.storage)
    for other, kind, bar in BARS_WITH_STORAGE if options.storage else BARS:
        ratio, low, high = speed(seconds["ours"][kind], seconds[other][kind])
        missed |= ratio < bar
        print(f"{other:8} {kind:14} {ratio:.3f} of its speed (95 %: {low:.3f} to {high:.3f}; bar {bar})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
