"""The pre-trained model, with the tensors that its checkpoint does not bring drawn from the weight-init seed."""

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.references import resolve
from seedsweep_trainer.seeds import stream
from seedsweep_trainer.tasks import TaskData

# Progress bars would fill the log, and what is newly initialised is known and recorded.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]

log = logging.getLogger(__name__)


def load_tokenizer(config: FineTuning, folder: Path | None = None) -> PreTrainedTokenizerBase:
    """The model's tokenizer, from a copy of the model in `folder` if given; raises ConfigurationError without one."""
    path = folder or resolve(config.model)
    try:
        return AutoTokenizer.from_pretrained(path, revision=config.model_revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _unusable(config, error) from error


def load_model_config(config: FineTuning, data: TaskData, folder: Path | None = None) -> PreTrainedConfig:
    """The model's architecture with an output for each class of the data; raises ConfigurationError."""
    path = folder or resolve(config.model)
    try:
        loaded: PreTrainedConfig = AutoConfig.from_pretrained(
            path, revision=config.model_revision, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise _unusable(config, error) from error
    if config.head == "keep":
        _check_kept_head(loaded, data)
    loaded.id2label = dict(data.id2label)
    loaded.label2id = {name: i for i, name in data.id2label.items()}
    return loaded


def load_model(
    config: FineTuning, data: TaskData, weight_init: int, folder: Path | None = None
) -> tuple[PreTrainedModel, str]:
    """The model in fp32 on CPU, from a copy in `folder` if given, and a digest of its freshly initialised tensors.

    These are the head (unless `head: keep`) and whatever else the checkpoint lacks. Raises ConfigurationError for a
    model that cannot be loaded, is no safetensors file, or brings less than it has to.
    """
    path = folder or resolve(config.model)
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            path,
            config=load_model_config(config, data, folder),
            revision=config.model_revision,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise _unusable(config, error) from error
    mismatched = {key[0] for key in info["mismatched_keys"]}
    fresh = _fresh_tensors(model, set(info["missing_keys"]), mismatched, config)
    log.info("initialised from the weight-init seed: %s", ", ".join(fresh) or "nothing")
    initialise(model, fresh, weight_init)
    return model, tensors_digest(model, fresh)


def initialise(model: PreTrainedModel, names: list[str], weight_init: int) -> None:
    """Draw the named parameters by the model's own scheme, each from a stream of its own.

    No tensor depends on which others are new. transformers initialises what is not marked as initialised, so all but
    one is marked at a time. Raises ConfigurationError for a tensor that the model's scheme leaves out.
    """
    _mark((*model.modules(), *model.parameters(), *model.buffers()), initialised=True)
    for name in names:
        parameter = model.get_parameter(name)
        path = [model.get_submodule(name[:i]) for i, character in enumerate(name) if character == "."]
        _mark((model, *path, parameter), initialised=False)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            parameter.fill_(torch.nan)
            torch.default_generator.manual_seed(stream("weight-init", weight_init, name))
            model.initialize_weights()  # type: ignore[no-untyped-call]
        _mark((parameter,), initialised=True)
        if parameter.isnan().any():
            raise ConfigurationError(
                f"model: its checkpoint lacks {name}, which {type(model).__name__} does not say how to initialise; "
                "use a checkpoint that has it"
            )


def tensors_digest(model: PreTrainedModel, names: list[str]) -> str:
    """16 hex digits over the names, shapes and values of parameters; empty for none."""
    if not names:
        return ""
    digest = hashlib.sha256()
    for name in sorted(names):
        values = model.get_parameter(name).detach().cpu().numpy()
        digest.update(f"{name} {values.shape} {values.dtype} ".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()[:16]


def _mark(owners: Iterable[Any], *, initialised: bool) -> None:
    """Tell transformers which modules and tensors to leave alone."""
    for owner in owners:
        owner._is_hf_initialized = initialised


def _fresh_tensors(model: PreTrainedModel, missing: set[str], mismatched: set[str], config: FineTuning) -> list[str]:
    """Names of the parameters to initialise; raises ConfigurationError where the checkpoint brings too little."""
    lacking = missing | mismatched
    names = [name for name, _ in model.named_parameters()]
    head = [name for name in names if not name.startswith(f"{model.base_model_prefix}.")]
    body = [name for name in names if name not in head]
    if misfits := sorted(mismatched.intersection(body)):
        raise ConfigurationError(
            f"model {config.model!r}: by its config.json other sizes than by its weights for {', '.join(misfits)}; "
            "use the config.json that it was saved with"
        )
    # A pooler or adapters may be new; another architecture's weights may share some names by chance.
    if 2 * len(lacking.intersection(body)) > len(body):
        raise ConfigurationError(
            f"model {config.model!r} lacks most weights of {type(model).__name__}: "
            "give a checkpoint of the architecture that its config.json names"
        )
    if config.head == "keep" and (absent := sorted(lacking.intersection(head))):
        raise ConfigurationError(
            f"head 'keep': model {config.model!r} has no {', '.join(absent)} of the right size for "
            f"{model.config.num_labels} labels; use head: reinit"
        )
    fresh = lacking if config.head == "keep" else lacking.union(head)
    return [name for name in names if name in fresh]


def _check_kept_head(loaded: PreTrainedConfig, data: TaskData) -> None:
    names: dict[int, str] = loaded.id2label  # type: ignore[assignment]  # its keys became numbers as it was read
    theirs, ours = [names[i] for i in sorted(names)], list(data.id2label.values())
    if theirs != ours and set(theirs) == set(ours):
        raise ConfigurationError(
            f"dataset.labels: head 'keep' has the classes in the order {theirs}, the data in the order {ours}; "
            "list them in dataset.labels in the head's order"
        )


def _unusable(config: FineTuning, error: Exception) -> ConfigurationError:
    cause = " ".join(str(error).split())
    return ConfigurationError(
        f"model {config.model!r} cannot be loaded; give a hub name or a folder with config.json, a tokenizer and "
        f"model.safetensors: {cause}"
    )
