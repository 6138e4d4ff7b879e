"""The two recipes' optimizers and learning rates.

`stable` follows Mosbach et al. 2021. `dodge2020` follows the code of Dodge et al. 2020
(github.com/dodgejesse/bert_on_stilts) with its BertAdam, down to what was hardly meant: see `learning_rate`.
"""

import math

import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.training.timetable import Timetable

_BETAS = (0.9, 0.999)
_EPSILON = 1e-6
"""BERT's own, and that of both papers."""
_UNBIASED_STEP = 1e6
"""So many steps in, 1 - beta^step is exactly 1 in floating point."""


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
