"""Reports a Hugging Face `Trainer` to a sweep: `trainer.add_callback(SeedSweepCallback())`.

The score is `metric_for_best_model`. Checkpoints count where `output_dir` lies in SEEDSWEEP_CHECKPOINT_DIR; the whole
curve is in each, so that `train(resume_from_checkpoint=...)` publishes it at once.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from seedsweep.contract.protocol import Env, Outcome
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.reporter import Reporter


class SeedSweepCallback(TrainerCallback):
    """Publishes every evaluation of a training, and stops it after the asked one."""

    def __init__(self, *, level: str = "L1") -> None:
        """`level` is L2 for a script that resumes from the newest checkpoint in SEEDSWEEP_CHECKPOINT_DIR."""
        self._reporter = Reporter.from_env(level=level)
        self._training = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: object, **__: object) -> None:
        """Declare the training, and what it resumes; raises ConfigurationError where nothing can be reported."""
        past = [(_value(entry, _metric(args)), entry.get("eval_loss")) for entry in _evaluations(args, state)]
        self._reporter.planned(evaluations=_planned_evaluations(args, state), steps=state.max_steps)
        if past:
            scores, losses = zip(*past, strict=True)
            self._reporter.resumed(step=state.global_step, scores=scores, losses=None if None in losses else losses)
        self._training = True

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **about: Any) -> None:
        """Publish an evaluation of the training; others, before its first step or after it, are the script's own."""
        if self._training and state.global_step > 0:
            metrics = about["metrics"]
            score = _value(metrics, _metric(args))
            self._reporter.evaluated(step=state.global_step, score=score, loss=metrics.get("eval_loss"))
            control.should_training_stop |= self._reporter.should_stop

    def on_save(self, args: TrainingArguments, *_: object, **__: object) -> None:
        """Publish a checkpoint that outlives the attempt."""
        shared = os.environ.get(Env.CHECKPOINT_DIR)
        if shared and Path(str(args.output_dir)).resolve().is_relative_to(Path(shared).resolve()):
            self._reporter.checkpointed(len(self._reporter.message.scores))

    def on_train_end(self, *_: object, **__: object) -> None:
        """Say how it ended."""
        self._training = False
        message = self._reporter.message
        paused = self._reporter.should_stop and len(message.scores) < message.evaluations_planned
        self._reporter.finish(Outcome.STOPPED if paused else Outcome.DONE)


def _metric(args: TrainingArguments) -> str:
    if args.metric_for_best_model is None:
        raise ConfigurationError("metric_for_best_model is None: name the metric that the sweep ranks episodes by")
    return f"eval_{args.metric_for_best_model.removeprefix('eval_')}"


def _value(metrics: Mapping[str, Any], name: str) -> float:
    if name not in metrics:
        raise ConfigurationError(f"metric_for_best_model {name!r} is not among the metrics: {', '.join(metrics)}")
    return float(metrics[name])


def _evaluations(args: TrainingArguments, state: TrainerState) -> list[dict[str, Any]]:
    return [entry for entry in state.log_history if _metric(args) in entry and entry["step"] > 0]


def _planned_evaluations(args: TrainingArguments, state: TrainerState) -> int:
    """How often `args` evaluates; raises ConfigurationError for never."""
    if args.eval_strategy == IntervalStrategy.STEPS:
        # The last step is evaluated even where the interval does not end with it.
        every = state.eval_steps
        return sum(step >= args.eval_delay for step in {*range(every, state.max_steps + 1, every), state.max_steps})
    if args.eval_strategy == IntervalStrategy.EPOCH:
        return sum(epoch >= args.eval_delay for epoch in range(1, math.ceil(state.num_train_epochs) + 1))
    raise ConfigurationError("eval_strategy is 'no': set it to 'steps' or 'epoch', a sweep needs scores")
