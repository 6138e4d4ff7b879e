"""The attention mask in a form that transformers does not look into: that would make this process wait for the GPU."""

import torch
from transformers import PreTrainedModel

_TWO_WAY = frozenset({"albert", "bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"})
"""Every token attends to all that are no padding, in every layer, and nothing else reads the mask."""


def settled_mask(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The batch, on the CPU, with a mask that is there only where something is padded, and has four dimensions then.

    transformers asks a mask of two dimensions on the device whether it is needed. The outcome is the same in every bit.
    """
    mask = batch["attention_mask"]
    if model.config.model_type not in _TWO_WAY or model.config._attn_implementation != "sdpa":
        return batch
    rest = {name: tensor for name, tensor in batch.items() if name != "attention_mask"}
    if bool(mask.all()):
        return rest
    width = mask.shape[1]
    return rest | {"attention_mask": mask.bool()[:, None, None, :].expand(-1, 1, width, -1)}
