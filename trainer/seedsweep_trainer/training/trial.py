"""Whether a model can be trained on its data: tried by one step on the hardest examples."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from transformers import PreTrainedModel

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.tasks import Padding, Part, TaskData, collate, parts_of
from seedsweep_trainer.determinism.generators import undisturbed
from seedsweep_trainer.endings import is_out_of_resources
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.inputs import Inputs
from seedsweep_trainer.model.fit import check_fit
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.training.step import Learner
from seedsweep_trainer.training.timetable import Timetable

MOST_TO_UPDATE = 500_000_000
"""Parameters of a model up to which the step is a whole one, which takes four times the memory of the weights; a larger
model answers the examples only."""

MOST_OF_PADDING = 0.05
"""How much padding may change an answer, as a share of the largest: arithmetic accounts for less than a thousandth."""
_MASKS = (
    "use a model that masks padding, such as BERT",
    "set padding_side to right in its tokenizer_config.json, for it counts positions from the first padding token",
)

Batches = Sequence[dict[str, torch.Tensor]]

log = logging.getLogger(__name__)


def try_step(config: FineTuning, model: PreTrainedModel, padding: Padding, data: TaskData) -> None:
    """Train `model`, which is of no use afterwards, for one step on the examples that ask most of it.

    They come from all parts, test included. Draws no random numbers that anyone would miss. Raises ConfigurationError
    where the step fails or comes to nothing finite, or padding changes an answer.
    """
    batches = [collate(part, chosen, padding) for part, chosen in _hardest(data)]
    with undisturbed(model.device):
        trial = _trial(config, model, data)
        try:
            change = _change_by_padding(model, padding, data.train)
            is_finite = trial(batches)
        except Exception as error:
            if is_out_of_resources(error) or isinstance(error, ConfigurationError):
                raise
            log.warning("the trial step failed", exc_info=error)
            raise ConfigurationError(_failed(config, model, data)) from error
    if not is_finite:
        raise ConfigurationError(
            f"model {config.model!r} gives a loss that is not finite before it has been trained: "
            "check that its weights are whole and finite"
        )
    if change > MOST_OF_PADDING:
        raise ConfigurationError(
            f"model {config.model!r}: padding changes what {type(model).__name__} answers, so that scores would depend "
            f"on which examples share a batch: {_MASKS[padding.padding_side == 'left']}"
        )


def try_out(config: FineTuning, inputs: Inputs, device: torch.device) -> PreTrainedModel:
    """Load the model, judge it with its data, and try a step; returns what is left of the model, on the device.

    Raises ConfigurationError as an attempt would.
    """
    padding, data = inputs.padding, inputs.data
    model, _ = load_model(config, data, padding, weight_init=0, folder=inputs.folder)
    check_fit(config, model, data)
    try_step(config, model.to(device), padding, data)  # type: ignore[arg-type]  # of transformers' wrapper
    return model


def is_large(model: PreTrainedModel) -> bool:
    """Whether it is too large to be updated before it is to be trained."""
    return size_of(model) > MOST_TO_UPDATE


def size_of(model: PreTrainedModel) -> int:
    """Number of its parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def _change_by_padding(model: PreTrainedModel, padding: Padding, part: Part) -> float:
    """How much the answer to the shortest example changes beside the longest, as a share of the largest answer."""
    shortest, longest = int(part.lengths.argmin()), int(part.lengths.argmax())
    alone, beside = (
        _answer(model, collate(part, np.array(chosen), padding)) for chosen in ([shortest], [shortest, longest])
    )
    return float((alone[0] - beside[0]).abs().max() / beside.abs().max().clamp(min=torch.finfo(torch.float32).tiny))


def _trial(config: FineTuning, model: PreTrainedModel, data: TaskData) -> Callable[[Batches], bool]:
    """What is to be tried: a function that says whether all that comes of it is finite."""
    if is_large(model):
        return partial(_answers, model)
    return partial(_update, Learner(model, config.evolve(compile=False), Timetable.of(config, len(data.train))))


def _answers(model: PreTrainedModel, batches: Batches) -> bool:
    return all(bool(_answer(model, batch).isfinite().all()) for batch in batches)


@torch.inference_mode()
def _answer(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    model.eval()  # type: ignore[no-untyped-call]
    logits: torch.Tensor = model(
        **{name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"}
    ).logits
    return logits.float()


def _update(learner: Learner, batches: Batches) -> bool:
    learner.model.train()
    learner.update(0, batches)
    return learner.is_finite()


def _hardest(data: TaskData) -> Iterator[tuple[Part, np.ndarray]]:
    """The longest example and those with the highest token and segment of all parts; with them the shortest one of
    train, so that there is something to pad."""
    parts = list(parts_of(data).values())
    chosen: list[set[int]] = [set() for _ in parts]
    for measure in (lambda part: part.lengths, _highest_tokens, _highest_segments):
        values = [measure(part) for part in parts]
        hardest = max(range(len(parts)), key=lambda i: values[i].max())
        chosen[hardest].add(int(values[hardest].argmax()))
    chosen[0] |= {int(parts[0].lengths.argmin()), int(parts[0].lengths.argmax())}
    for part, positions in zip(parts, chosen, strict=True):
        if positions:
            yield part, np.array(sorted(positions))


def _highest_tokens(part: Part) -> np.ndarray:
    return np.maximum.reduceat(part.input_ids, part.offsets[:-1])


def _highest_segments(part: Part) -> np.ndarray:
    if part.token_type_ids is None:
        return np.zeros(len(part), dtype=np.int8)
    return np.maximum.reduceat(part.token_type_ids, part.offsets[:-1])


def _failed(config: FineTuning, model: PreTrainedModel, data: TaskData) -> str:
    parts = parts_of(data).values()
    return (
        f"model {config.model!r} cannot be trained on this data: a step of {type(model).__name__} failed on the "
        f"longest examples ({max(int(part.lengths.max()) for part in parts)} tokens) and the highest token "
        f"({max(int(part.input_ids.max()) for part in parts)}); use the tokenizer and the config.json that the model "
        "was trained with, or another model"
    )
