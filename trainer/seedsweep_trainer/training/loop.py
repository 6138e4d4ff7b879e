"""The fine-tuning loop: one attempt of one episode, from its seeds or a checkpoint to its end. Reads top to bottom.

`train` is the loop; below it, in the order in which it meets them: when it steps and evaluates, the order of batches,
one step, and the two recipes' optimizers and learning rates. `stable` follows Mosbach et al. 2021. `dodge2020` follows
the code of Dodge et al. 2020 (github.com/dodgejesse/bert_on_stilts) with its BertAdam, down to what was hardly meant:
see `learning_rate`.
"""

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

import numpy as np
import torch
from torch.nn.functional import cross_entropy, mse_loss
from transformers import PreTrainedModel

from seedsweep.api.finetuning import FineTuning
from seedsweep.api.provenance import Provenance
from seedsweep.contract.protocol import Outcome
from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder, Identity
from seedsweep_trainer.checkpoints.checkpoint import Progress, restore
from seedsweep_trainer.checkpoints.saving import Saver
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import Padding, Part, TaskData, collate
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, config_digest, digest, fingerprint, prepare_torch
from seedsweep_trainer.determinism.generators import seed_all
from seedsweep_trainer.determinism.seeds import order, stream
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.model.fit import check_fit
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.model.origin import provenance
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.location import open_folders
from seedsweep_trainer.training.evaluation import Evaluation

_BETAS = (0.9, 0.999)
_EPSILON = 1e-6
"""BERT's own, and that of both papers."""
_UNBIASED_STEP = 1e6
"""So many steps in, 1 - beta^step is exactly 1 in floating point."""

log = logging.getLogger(__name__)


def train(attempt: Attempt, reporter: Reporter, terminated: Event) -> Outcome:
    """Train until the episode is done, diverged, asked to stop, or `terminated` is set.

    Raises ConfigurationError for what a person has to change, and whatever else goes wrong.
    """
    config = attempt.config
    device = prepare_torch(config)
    conditions = fingerprint(config, device)
    log.info("fingerprint: %s", json.dumps(conditions))

    with prepare_inputs(config, attempt.storage, attempt.work) as inputs:
        padding, data = inputs.padding, inputs.data
        timetable = Timetable.of(config, len(data.train))
        model, initialization = load_model(config, data, padding, attempt.weight_init, inputs.folder)
        origin = provenance(config, data, inputs.folder)
    check_fit(config, model, padding, data)
    learner = Learner(model.to(device), config, timetable)  # type: ignore[arg-type]  # of transformers' wrapper
    reporter.described(
        fingerprint=digest(conditions), data=data.digest, initialization=initialization, provenance=origin.to_text()
    )
    reporter.planned(evaluations=timetable.evaluations, steps=timetable.steps, baseline=data.baseline)

    seed_all(stream("dropout", attempt.data_order if config.dropout_seed is None else config.dropout_seed))
    folder = None
    if attempt.checkpoints is not None:
        folder = AttemptFolder(
            open_folders(attempt.checkpoints, attempt.work), attempt.uid, identity(attempt, data, origin)
        )
    progress = Progress()
    if folder is not None and (checkpoint := folder.resume()) is not None:
        restore(checkpoint, learner)
        progress = checkpoint.progress
        reporter.resumed(step=progress.step, scores=progress.scores, losses=progress.losses)

    batches = Batches(data.train, padding, config, attempt.data_order)
    validation = Evaluation(data.validation, padding, config.evaluation_batch_size)
    with Saver(attempt, data, folder, reporter) as saver:
        while progress.step < timetable.steps and not reporter.should_stop:
            if terminated.is_set():
                saver.interrupted(learner, progress)
                return Outcome.INTERRUPTED
            epoch, position = divmod(progress.step, timetable.steps_per_epoch)
            if model.training != (drops_out := _drops_out(config, position)):
                model.train(drops_out)
            learner.update(progress.step, batches.of(epoch, position))
            progress = progress.stepped()
            reporter.stepped(progress.step)
            if progress.step == timetable.step_of(progress.evaluation + 1):
                if not learner.is_finite():
                    log.warning("diverged: loss or weights are not finite at evaluation %d", progress.evaluation + 1)
                    return Outcome.DIVERGED
                outputs = validation.outputs(model, learner.autocast)
                score, loss = _scores(data, outputs)
                progress = progress.evaluated(score, loss)
                _say(progress, timetable)
                reporter.evaluated(step=progress.step, score=score, loss=loss)
                saver.evaluated(learner, progress, outputs)
    return Outcome.DONE if progress.step == timetable.steps else Outcome.STOPPED


def _drops_out(config: FineTuning, position: int) -> bool:
    """Whether dropout acts in the step at this position (from 0) of an epoch.

    In recipe dodge2020 in the first one only: the authors' loop turned it on as an epoch began, evaluated after the
    epoch's first step, and did not turn it on again.
    """
    return config.recipe == "stable" or position == 0


def _scores(data: TaskData, outputs: np.ndarray) -> tuple[float, float]:
    """The metric and the loss of a model's outputs for the validation examples."""
    labels = data.validation.labels
    return (
        metrics.score(data.metric.name, outputs, labels, data.positive),
        metrics.score("loss", outputs, labels),
    )


def identity(attempt: Attempt, data: TaskData, origin: Provenance) -> Identity:
    """What a checkpoint must agree in, to be continued by this attempt: all that the arithmetic follows from."""
    return {
        "weightInit": attempt.weight_init,
        "dataOrder": attempt.data_order,
        "config": config_digest(attempt.config),
        "data": data.digest,
        "baseWeights": origin.base_weights or "",
    }


@dataclass(frozen=True, slots=True)
class Timetable:
    """S optimizer steps in whole epochs, and the steps that E evaluations follow."""

    steps_per_epoch: int
    steps: int
    """S, of all epochs."""
    evaluations: int
    """E, of all epochs."""

    @classmethod
    def of(cls, config: FineTuning, examples: int) -> "Timetable":
        """The timetable of a full episode over `examples` training examples.

        Raises ConfigurationError where there are fewer steps than evaluations.
        """
        accumulation = config.gradient_accumulation_steps
        steps_per_epoch = math.ceil(math.ceil(examples / config.batch_size) / accumulation)
        timetable = cls(steps_per_epoch, config.epochs * steps_per_epoch, config.evaluations)
        if timetable.steps < timetable.evaluations:
            raise ConfigurationError(
                f"evaluationsPerEpoch {config.evaluations_per_epoch} is more than the {steps_per_epoch} optimizer "
                f"steps of an epoch ({examples} examples, batchSize {config.batch_size}, gradientAccumulationSteps "
                f"{accumulation}): set it to at most {steps_per_epoch}, or make batches smaller"
            )
        return timetable

    def step_of(self, evaluation: int) -> int:
        """The step that this evaluation (from 1) follows."""
        return math.ceil(evaluation * self.steps / self.evaluations)


def _say(progress: Progress, timetable: Timetable) -> None:
    score, loss = progress.scores[-1], progress.losses[-1]
    place = f"evaluation {progress.evaluation}/{timetable.evaluations}, step {progress.step}/{timetable.steps}"
    log.info("%s: score %.6g, loss %.6g", place, score, loss)


class Batches:
    """All epochs' batches; any step's can be asked for, so that an episode can resume anywhere."""

    def __init__(self, part: Part, padding: Padding, config: FineTuning, data_order: int) -> None:
        self._part = part
        self._padding = padding
        self._config = config
        self._data_order = data_order
        self._epoch = -1
        self._windows: list[list[np.ndarray]] = []

    def of(self, epoch: int, position: int) -> list[dict[str, torch.Tensor]]:
        """The batches, on CPU, of the optimizer step at this position (from 0) of this epoch (from 0)."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._windows = windows(order(self._data_order, epoch, len(self._part)), self._config)
        return [collate(self._part, indices, self._padding) for indices in self._windows[position]]


def windows(order: np.ndarray, config: FineTuning) -> list[list[np.ndarray]]:
    """One epoch's batches, grouped by the optimizer step they make up; the last of each may be short."""
    size, accumulation = config.batch_size, config.gradient_accumulation_steps
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    return [batches[start : start + accumulation] for start in range(0, len(batches), accumulation)]


class Learner:
    """A model with its optimizer. Nothing in a step waits for the device."""

    def __init__(self, model: PreTrainedModel, config: FineTuning, timetable: Timetable) -> None:
        """`model` is on its device already."""
        if config.compile:
            # Else the first shapes that a process meets, which a resumed one does not, decide on the kernels.
            model.compile(dynamic=True)
        self.model = model
        self.optimizer = build_optimizer(model, config)
        self.loss_sum = torch.zeros((), device=model.device)
        """Of all losses so far: not finite from the first one on that was not."""
        self.autocast = autocast_dtype(config, model.device)
        self._config = config
        self._timetable = timetable
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def update(self, step: int, batches: Sequence[dict[str, torch.Tensor]]) -> None:
        """Update the weights after `step` updates by the mean loss over all examples of these batches."""
        examples = sum(len(batch["labels"]) for batch in batches)
        for batch in batches:
            inputs = {name: self._to_device(tensor) for name, tensor in batch.items()}
            labels = inputs.pop("labels")
            with torch.autocast(self.model.device.type, self.autocast, enabled=self.autocast is not None):
                logits = self.model(**inputs).logits
            loss = summed_loss(logits, labels) / examples
            loss.backward()  # type: ignore[no-untyped-call]
            self.loss_sum += loss.detach()
        clip_gradients(self._config, self._parameters)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self._config, self._timetable, step)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def is_finite(self) -> bool:
        """Whether all losses so far and all weights are finite; waits for the device."""
        # Not the largest weight, which takes the CPU many times as long as the Euclidean norm.
        norm = torch.nn.utils.get_total_norm([p.detach() for p in self._parameters])
        return bool(torch.isfinite(self.loss_sum + norm))

    def _to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        if self.model.device.type == "cpu":
            return tensor
        return tensor.pin_memory().to(self.model.device, non_blocking=True)


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats, or squared error for one output, summed over a batch; in fp32."""
    if logits.shape[-1] == 1:
        return mse_loss(logits.squeeze(-1).float(), labels, reduction="sum")
    return cross_entropy(logits.float(), labels, reduction="sum")


def build_optimizer(model: torch.nn.Module, config: FineTuning) -> torch.optim.AdamW:
    """AdamW with decoupled weight decay, on all weights but biases and normalisation; lr is set at every step.

    In recipe dodge2020 without bias correction: its step count begins where the correction has become exactly 1.
    """
    decayed: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (rest if parameter.ndim < 2 or name.endswith("bias") else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": float(config.weight_decay)},
        {"params": rest, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=_BETAS, eps=_EPSILON, fused=True)
    if config.recipe == "dodge2020":
        for parameter in (*decayed, *rest):
            optimizer.state[parameter] = {
                "step": torch.tensor(_UNBIASED_STEP, dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }
    return optimizer


def learning_rate(config: FineTuning, timetable: Timetable, step: int) -> float:
    """The learning rate of the update after `step` updates, 0 <= step < S.

    stable: from 0 up over the first `warmupPercent` of S, then straight down to 0 at S.
    dodge2020: their loop and their optimizer each applied a schedule that drops by its own share when the warm-up
    ends; the two multiply, and the loop's one starts again with every epoch, still measured against all S steps.
    (Their S was rounded down to whole batches; a last step with a rate below 0 is not reproduced.)
    """
    peak, total = float(config.learning_rate), timetable.steps
    if config.recipe == "dodge2020":
        share = config.warmup_percent / 100
        return peak * _bert_adam(step / total, share) * _bert_adam(step % timetable.steps_per_epoch / total, share)
    warmup = math.ceil(total * config.warmup_percent / 100)
    rise = step / warmup if warmup else 1.0
    return peak * min(rise, (total - step) / max(1, total - warmup))


def clip_gradients(config: FineTuning, parameters: list[torch.nn.Parameter]) -> None:
    """Scale gradients down to a norm of `maxGradNorm`: in dodge2020 each tensor by itself, as BertAdam did."""
    limit = float(config.max_grad_norm)
    if config.recipe == "dodge2020":
        for parameter in parameters:
            torch.nn.utils.clip_grad_norm_(parameter, limit)
    else:
        torch.nn.utils.clip_grad_norm_(parameters, limit)


def _bert_adam(progress: float, warmup: float) -> float:
    """BertAdam's warmup_linear."""
    return progress / warmup if progress < warmup else 1.0 - progress
