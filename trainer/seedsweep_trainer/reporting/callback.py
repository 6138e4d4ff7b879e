"""Reports a Hugging Face `Trainer` to a sweep: `trainer.add_callback(SeedSweepCallback())`.

The score is `metric_for_best_model`. Checkpoints count where `output_dir` lies in SEEDSWEEP_CHECKPOINT_DIR; the whole
curve is in each, so that `train(resume_from_checkpoint=...)` publishes it at once.
"""

import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from seedsweep.contract.message import Outcome
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.reporting.attempt import asked_metric
from seedsweep_trainer.reporting.best_weights import WriteWeights
from seedsweep_trainer.reporting.reporter import Reporter

_RESUMING_LEVELS = ("L2", "L3")


class SeedSweepCallback(TrainerCallback):
    """Publishes every evaluation of a training, and stops it after the asked one.

    What a person has to change raises ConfigurationError; in a sweep it ends the process with exit code 78, so that it
    is not tried again.
    """

    def __init__(self, *, level: str = "L1", weights: bool = False) -> None:
        """`level` is L2 for a script that resumes from the newest checkpoint in SEEDSWEEP_CHECKPOINT_DIR.

        With `weights`, the model and its processing class are stored with `save_pretrained` at each evaluation that is
        the best so far, for a sweep with spec.trainer.weights. Only a model that one process holds whole can be stored.
        """
        self._reporter = Reporter.from_env(level=level)
        self._level = level
        self._weights = weights
        self._training = False
        self._evaluated_at = 0
        """Step of the last evaluation that was reported."""
        self._due_at = 0
        """Step after which the `Trainer` itself evaluates."""
        self._score: float | None = None
        """Of that evaluation; None where another attempt made it."""
        self._saved_at = 0
        """Step of the last checkpoint."""
        self._diverged = False
        self._stopped_before = False
        """Somebody asked for the end before an evaluation began, as for a preemption."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: object, **__: object) -> None:
        """Declare the training, and what it resumes; raises ConfigurationError where nothing can be reported."""
        with self._refusing():
            self._begin(args, state)

    def _begin(self, args: TrainingArguments, state: TrainerState) -> None:
        if reported := len(self._reporter.message.scores):
            raise ConfigurationError(
                f"a training begins after another has reported {reported} evaluations, as a second train() does, or "
                "auto_find_batch_size when memory runs out: give the callback to one training only, and set "
                "per_device_train_batch_size to what fits"
            )
        _metric(args)
        _check_direction(args)
        if self._level in _RESUMING_LEVELS:
            _check_saving(args)
        past = _evaluations(args, state)
        if state.global_step and _is_behind(args, state, past):
            raise ConfigurationError(
                f"the checkpoint at step {state.global_step} was saved before the evaluation of its epoch, so that the "
                f"curve would lack one: resume from another, and set save_strategy to 'epoch', as eval_strategy is"
            )
        self._reporter.planned(evaluations=_planned_evaluations(args, state), steps=state.max_steps)
        if past:
            losses = [_loss(entry, _metric(args)) for entry in past]
            self._reporter.resumed(
                step=state.global_step,
                scores=[_number(entry, _metric(args)) for entry in past],
                losses=None if None in losses else losses,  # type: ignore[arg-type]
            )
        self._evaluated_at = self._due_at = state.global_step if past else 0
        self._training = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **about: Any) -> None:
        """Stop a training that has diverged before it is evaluated."""
        self._note_due(state, control)
        self._check_weights(control, about)

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **about: Any) -> None:
        """The same; and save at the asked evaluation, if that has not been done."""
        self._note_due(state, control)
        self._check_weights(control, about)
        if self._reporter.should_stop and _outlives_attempt(args) and self._saved_at != state.global_step:
            control.should_save = True

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Note who asks for the end before the score is known."""
        self._stopped_before |= control.should_training_stop and state.global_step < state.max_steps

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **about: Any) -> None:
        """Publish an evaluation of the training; others, before its first step or after it, are the script's own.

        Of several evaluation sets, the one that holds `metric_for_best_model` counts. Raises ConfigurationError for a
        second evaluation of it after the same step, or one that is not due.
        """
        metrics = about["metrics"]
        if not self._training or state.global_step == 0 or _metric(args) not in metrics:
            # The Trainer itself refuses to go on where no set of an evaluation holds it.
            return
        with self._refusing():
            score, loss = _number(metrics, _metric(args)), _loss(metrics, _metric(args))
            if self._is_told(args, state, score):
                return
            _check_metric(args, metrics)
            write = _writer(about) if self._weights else None
            self._reporter.evaluated(step=state.global_step, score=score, loss=loss, weights=write)
        self._score, self._evaluated_at = score, state.global_step
        if self._reporter.should_stop:
            control.should_training_stop = True
            control.should_save |= _outlives_attempt(args)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **about: Any) -> None:
        """Take a loss that is not finite for the end, where the `Trainer` lets it through."""
        loss = (about.get("logs") or {}).get("loss")
        if self._training and isinstance(loss, float) and not math.isfinite(loss):
            self._diverged = True
            control.should_training_stop = True

    def on_save(self, args: TrainingArguments, state: TrainerState, *_: object, **__: object) -> None:
        """Publish a checkpoint that outlives the attempt."""
        self._saved_at = state.global_step
        if _outlives_attempt(args):
            self._reporter.checkpointed(len(self._reporter.message.scores))

    def on_train_end(self, args: TrainingArguments, state: TrainerState, *_: object, **__: object) -> None:
        """Say how it ended."""
        self._training = False
        self._reporter.finish(*self._outcome(state))

    def _outcome(self, state: TrainerState) -> tuple[Outcome, str]:
        done, planned = len(self._reporter.message.scores), self._reporter.message.evaluations_planned
        if self._diverged:
            return Outcome.DIVERGED, ""
        if done >= planned:
            return Outcome.DONE, ""
        if self._reporter.should_stop:
            return Outcome.STOPPED, ""
        if done and state.global_step == self._evaluated_at and not self._stopped_before:
            return Outcome.DONE, f"the training chose to end after evaluation {done} of {planned}"
        return Outcome.INTERRUPTED, f"the training was ended at step {state.global_step}, between two evaluations"

    def _note_due(self, state: TrainerState, control: TrainerControl) -> None:
        if control.should_evaluate:
            self._due_at = state.global_step

    def _is_told(self, args: TrainingArguments, state: TrainerState, score: float) -> bool:
        """Whether this is the evaluation that was reported; raises ConfigurationError where it is another."""
        is_told, before = state.global_step == self._evaluated_at, self._score
        is_same = before is None or score == before or (math.isnan(score) and math.isnan(before))
        if state.global_step != self._due_at or (is_told and not is_same):
            raise ConfigurationError(
                f"{_metric(args)} was evaluated after step {state.global_step} beside what eval_strategy asks for, so "
                "that it is open which score counts: give other evaluations a metric_key_prefix of their own"
            )
        return is_told

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """In a sweep, a ConfigurationError ends the process with the exit code that is never tried again."""
        try:
            yield
        except ConfigurationError as error:
            if Env.CONTRACT not in os.environ:
                raise
            print(f"seedsweep: {error}", file=sys.stderr, flush=True)
            self._reporter.finish(Outcome.FAILED, str(error))
            raise SystemExit(ExitCode.BAD_CONFIGURATION) from error

    def _check_weights(self, control: TrainerControl, about: Mapping[str, Any]) -> None:
        # Looking at every weight takes as long as part of a step: only where an evaluation comes next.
        if self._training and control.should_evaluate and not _all_finite(about["model"]):
            self._diverged = True
            control.should_evaluate = control.should_save = False
            control.should_training_stop = True


def _writer(about: Mapping[str, Any]) -> WriteWeights:
    """What writes the model as `from_pretrained` loads it."""

    def write(folder: Path) -> None:
        for part in (about["model"], about.get("processing_class")):
            if part is not None:
                part.save_pretrained(folder)

    return write


def _all_finite(model: torch.nn.Module) -> bool:
    finite = torch.stack([torch.isfinite(parameter.detach()).all() for parameter in model.parameters()]).all()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # Each rank may hold other weights, and all of them have to stop.
        shared = finite.to(torch.int32)
        torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MIN)
        finite = shared.bool()
    return bool(finite)


def _check_direction(args: TrainingArguments) -> None:
    """Raise ConfigurationError where the script and the sweep do not agree on which score is better."""
    metric = asked_metric(os.environ)
    if metric is not None and args.greater_is_better is not None:
        right = metric.goal == "maximize"
        if args.greater_is_better is not right:
            raise ConfigurationError(
                f"greater_is_better is {args.greater_is_better}, but the sweep's metric.goal is {metric.goal!r}: "
                "correct the one that is wrong"
            )


def _check_metric(args: TrainingArguments, metrics: Mapping[str, Any]) -> None:
    """Raise ConfigurationError where the sweep ranks by another metric, which the script computes as well."""
    asked = asked_metric(os.environ)
    if asked is not None and _metric(args) != (theirs := f"eval_{asked.name}") and theirs in metrics:
        raise ConfigurationError(
            f"metric_for_best_model is {args.metric_for_best_model!r}, but the sweep's metric.name is {asked.name!r}, "
            "which compute_metrics returns as well: name the same metric in both"
        )


def _check_saving(args: TrainingArguments) -> None:
    """Raise ConfigurationError where a checkpoint may lack what a training that resumes from it needs."""
    if args.save_strategy == SaveStrategy.BEST:
        raise ConfigurationError(
            "save_strategy 'best' keeps no checkpoint to resume from at the asked evaluation: "
            "set it to 'steps' or 'epoch'"
        )
    if args.save_strategy == SaveStrategy.STEPS and args.eval_strategy == IntervalStrategy.EPOCH:
        raise ConfigurationError(
            "save_strategy 'steps' saves at the end of an epoch before eval_strategy 'epoch' evaluates it, and a "
            "training that resumes from there never does: set both to 'epoch', or both to 'steps'"
        )


def _is_behind(args: TrainingArguments, state: TrainerState, past: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a checkpoint is at the end of an epoch that was not evaluated before it was saved."""
    is_end = state.global_step == state.max_steps or float(state.epoch or 0).is_integer()
    is_due = args.eval_strategy == IntervalStrategy.EPOCH and is_end and args.eval_delay <= (state.epoch or 0)
    return is_due and (not past or past[-1]["step"] != state.global_step)


def _outlives_attempt(args: TrainingArguments) -> bool:
    shared = os.environ.get(Env.CHECKPOINT_DIR)
    return bool(shared) and Path(str(args.output_dir)).resolve().is_relative_to(Path(str(shared)).resolve())


def _metric(args: TrainingArguments) -> str:
    """The score's name among the metrics; raises ConfigurationError where the script names none."""
    if args.metric_for_best_model is None:
        raise ConfigurationError("metric_for_best_model is None: name the metric that the sweep ranks episodes by")
    return f"eval_{args.metric_for_best_model.removeprefix('eval_')}"


def _number(metrics: Mapping[str, Any], name: str) -> float:
    try:
        return float(metrics[name])
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"{name} is {metrics[name]!r}: compute_metrics has to return a number for it"
        ) from None


def _loss(metrics: Mapping[str, Any], metric: str) -> float | None:
    """Of the same evaluation set: eval_matched_loss beside eval_matched_accuracy."""
    names = [name for name in metrics if name.endswith("_loss") and metric.startswith(name.removesuffix("loss"))]
    return _number(metrics, min(names, key=len)) if names else None


def _evaluations(args: TrainingArguments, state: TrainerState) -> list[dict[str, Any]]:
    """Those that the log holds: the first of each step counts."""
    found: dict[int, dict[str, Any]] = {}
    for entry in state.log_history:
        if _metric(args) in entry and entry["step"] > 0:
            found.setdefault(int(entry["step"]), entry)
    return list(found.values())


def _planned_evaluations(args: TrainingArguments, state: TrainerState) -> int:
    """How often `args` evaluates; raises ConfigurationError for never."""
    if args.eval_strategy == IntervalStrategy.STEPS:
        # The last step is evaluated even where the interval does not end with it.
        every = state.eval_steps
        return sum(step >= args.eval_delay for step in {*range(every, state.max_steps + 1, every), state.max_steps})
    if args.eval_strategy == IntervalStrategy.EPOCH:
        epochs = math.ceil(state.num_train_epochs)
        if epochs >= sys.maxsize:
            # What the Trainer takes where data has no length.
            raise ConfigurationError(
                "eval_strategy 'epoch' leaves open how often a training of max_steps on data without a length is "
                "evaluated: set it to 'steps'"
            )
        return sum(epoch >= args.eval_delay for epoch in range(1, epochs + 1))
    raise ConfigurationError("eval_strategy is 'no': set it to 'steps' or 'epoch', a sweep needs scores")
