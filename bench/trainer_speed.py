"""How fast the trainer is beside a bare torch loop (bar: 0.97 of its steps a second) and transformers.Trainer (bar: 1).

    python bench/trainer_speed.py [--shape minilm|base|large] [--train N] [--validation N] [--rounds N]

The bare loop gets batches that were collated before the clock starts, and does nothing but the same arithmetic. The
Trainer gets its fastest documented settings and the same batches. All take turns; the figures are medians of ratios.
On CPU the clock counts the process's own seconds (one thread), so that others on the machine do not count.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
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
from seedsweep_trainer import metrics
from seedsweep_trainer.attempt import Attempt
from seedsweep_trainer.batches import Batches
from seedsweep_trainer.fingerprint import autocast_dtype, fingerprint, prepare_torch
from seedsweep_trainer.model import load_model
from seedsweep_trainer.optimizer import build_optimizer, learning_rate
from seedsweep_trainer.reporter import Reporter
from seedsweep_trainer.seeds import order
from seedsweep_trainer.tasks import Part, length_sorted_batches
from seedsweep_trainer.timetable import Timetable
from seedsweep_trainer.train import prepare, train

DATA_ORDER = 1
BARE_BAR, TRAINER_BAR = 0.97, 1.0

Seconds = dict[str, float]
"""Of training, and of evaluation where there is any."""


def now() -> float:
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


class Stopwatch(Reporter):
    """Times an episode by what it reports: an evaluation lasts from the step before it to its score."""

    def __init__(self, timetable: Timetable) -> None:
        super().__init__()
        self.seconds: Seconds = {"training": 0.0, "evaluation": 0.0}
        self._due = {timetable.step_of(i) for i in range(1, timetable.evaluations + 1)}
        self._since = 0.0

    def planned(self, **plan: Any) -> None:
        """The model is loaded, and the first step comes next."""
        super().planned(**plan)
        self._since = now()

    def stepped(self, step: int) -> None:
        """Ends a stretch of training where an evaluation follows."""
        super().stepped(step)
        if step in self._due:
            self._spent("training")

    def evaluated(self, **evaluation: Any) -> None:
        """Ends an evaluation."""
        super().evaluated(**evaluation)
        self._spent("evaluation")

    def _spent(self, on: str) -> None:
        moment = now()
        self.seconds[on] += moment - self._since
        self._since = moment


def ours(config: FineTuning) -> Seconds:
    """A whole episode without storage."""
    data = prepare(config.model_dump_json(by_alias=True))[1]
    stopwatch = Stopwatch(Timetable.of(config, len(data.train)))
    train(Attempt("bench", 0, DATA_ORDER, config), stopwatch, Event())
    return stopwatch.seconds


def bare(config: FineTuning) -> Seconds:
    """The same steps, without evaluation."""
    device = prepare_torch(config)
    tokenizer, data = prepare(config.model_dump_json(by_alias=True))
    timetable = Timetable.of(config, len(data.train))
    model = load_model(config, data, 0)[0]
    model.to(device)  # type: ignore[arg-type]
    optimizer, parameters = build_optimizer(model, config), list(model.parameters())
    source = Batches(data.train, tokenizer, config, DATA_ORDER)
    dtype = autocast_dtype(config, device)
    steps = [source.of(*divmod(step, timetable.steps_per_epoch))[0] for step in range(timetable.steps)]
    model.train()
    start = now()
    for step, collated in enumerate(steps):
        batch = {name: tensor.to(device) for name, tensor in collated.items()}
        labels = batch.pop("labels")
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            logits = model(**batch).logits
        cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, timetable, step)
        optimizer.step()
        optimizer.zero_grad()
    return {"training": now() - start}


class _Times(TrainerCallback):
    def __init__(self) -> None:
        self.seconds: Seconds = {"training": 0.0, "evaluation": 0.0}
        self._since = 0.0

    def _spent(self, on: str) -> None:
        moment = now()
        self.seconds[on] += moment - self._since
        self._since = moment

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """The first step comes next."""
        self._since = now()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Ends a stretch of training where an evaluation follows."""
        if control.should_evaluate:
            self._spent("training")

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        """Ends an evaluation."""
        self._spent("evaluation")


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


def hugging_face(config: FineTuning) -> Seconds:
    """The same episode by transformers.Trainer."""
    device = prepare_torch(config)
    torch.use_deterministic_algorithms(False)
    tokenizer, data = prepare(config.model_dump_json(by_alias=True))
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
        times = _Times()
        longest_first = np.concatenate(length_sorted_batches(data.validation, config.evaluation_batch_size))
        trainer = _OrderedTrainer(
            model=load_model(config, data, 0)[0],
            args=arguments,
            data_collator=DataCollatorWithPadding(tokenizer),
            train_dataset=_examples(data.train, np.arange(len(data.train))),
            eval_dataset=_examples(data.validation, longest_first),
            compute_metrics=_accuracy,
            callbacks=[times],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return times.seconds


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


def in_turns(config: FineTuning, other: Callable[[FineTuning], Seconds], rounds: int) -> dict[str, list[float]]:
    """Seconds of the other for each second of ours: above 1, ours is the faster one."""
    ratios: dict[str, list[float]] = {}
    for turn in range(rounds):
        pair = [ours, other] if turn % 2 == 0 else [other, ours]
        seconds = {side: side(config) for side in pair}
        theirs, mine = seconds[other], seconds[ours]
        for part in theirs:
            ratios.setdefault(part, []).append(theirs[part] / mine[part])
        if len(theirs) > 1:
            ratios.setdefault("whole episode", []).append(sum(theirs.values()) / sum(mine.values()))
        print(f"# {other.__name__}: {_rounded(theirs)} s; ours: {_rounded(mine)} s", file=sys.stderr, flush=True)
    return ratios


def _rounded(seconds: Seconds) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in seconds.items())


def main() -> int:
    """Print the table; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), default="minilm")
    parser.add_argument("--train", type=int, default=320, help="training examples")
    parser.add_argument("--validation", type=int, default=128, help="validation examples")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as folder:
        config = make(Path(folder), options.shape, options.train, options.validation)
        conditions = fingerprint(config, prepare_torch(config))
        print(f"{options.shape}, {options.train} + {options.validation} examples, {conditions}, {platform.platform()}")
        ours(config.model_copy(update={"epochs": 1}))  # The first one pays for what every process pays once.
        once = config.model_copy(update={"epochs": 1, "evaluations_per_epoch": 1})
        for other, task, bar in ((bare, once, BARE_BAR), (hugging_face, config, TRAINER_BAR)):
            for part, ratios in in_turns(task, other, options.rounds).items():
                ratio = median(ratios)
                missed |= ratio < bar
                spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
                print(f"{other.__name__:13} {part:14} {ratio:.3f} of its speed ({spread}; bar {bar})", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
