"""The pre-trained model, with the tensors that its checkpoint does not bring drawn from the weight-init seed."""

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.data.references import resolve
from seedsweep_trainer.data.tasks import Padding, TaskData
from seedsweep_trainer.determinism.seeds import stream
from seedsweep_trainer.errors import ConfigurationError, unknown_name
from seedsweep_trainer.model.pretrained import load_architecture, refuse_model

# Progress bars would fill the log, and what is newly initialised is known and recorded.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]

_NUMBER = re.compile(r"\.\d+(?=\.)")
"""Of a layer, in the name of a parameter."""

log = logging.getLogger(__name__)


def load_model_config(
    config: FineTuning, data: TaskData, padding: Padding, folder: Path | None = None
) -> PreTrainedConfig:
    """The model's architecture with an output for each class of the data, and the tokenizer's padding token.

    Raises ConfigurationError.
    """
    loaded = load_architecture(config, folder)
    if config.head == "keep":
        _check_kept_head(loaded, data)
    _check_padding(config, loaded, padding)
    loaded.id2label = dict(data.id2label)
    loaded.label2id = {name: i for i, name in data.id2label.items()}
    # Else whoever loads the winner would guess by the number of outputs what their numbers mean.
    loaded.problem_type = "regression" if data.kind == "regression" else "single_label_classification"
    # The heads of decoders look for the last token that is no padding. A model of texts and pictures has a
    # configuration of its own for texts.
    for part in (loaded, loaded.get_text_config()):
        part.pad_token_id = int(padding.pad_token_id)
    return loaded


def load_model(
    config: FineTuning, data: TaskData, padding: Padding, weight_init: int, folder: Path | None = None
) -> tuple[PreTrainedModel, str]:
    """The model in fp32 on CPU, from a copy in `folder` if given, and a digest of its freshly initialised tensors.

    These are whatever the checkpoint lacks, the output layer (unless `head: keep`), and what `reinit` names. Raises
    ConfigurationError for a model that cannot be loaded, is no safetensors file, or brings less than it has to.
    """
    path = folder or resolve(config.model)
    try:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            path,
            config=load_model_config(config, data, padding, folder),
            revision=config.model_revision,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except ConfigurationError:
        raise
    except Exception as error:
        refuse_model(config, path, error, "weights")
    theirs = load_architecture(config, folder)
    _check_counted_positions(config, model, theirs)
    mismatched = {key[0] for key in info["mismatched_keys"]}
    fresh = _fresh_tensors(model, set(info["missing_keys"]), mismatched, config)
    if config.head == "keep":
        _check_kept_order(config, theirs, data)
    log.info("initialised from the weight-init seed: %s", ", ".join(fresh) or "nothing")
    initialise(model, fresh, weight_init)
    return model, tensors_digest(model, fresh)


def position_tables(model: PreTrainedModel) -> list[torch.nn.Embedding]:
    """Of a model whose positions are learnt: its inputs have at most as many tokens."""
    return [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Embedding) and ("position" in name.rpartition(".")[2] or name.endswith(".wpe"))
    ]


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
    if holes := _holes(body, lacking):
        more = f" and {len(holes) - 1:,} more" if len(holes) > 1 else ""
        raise ConfigurationError(
            f"model {config.model!r}: its weights lack {holes[0]}{more}, which other layers have: they are not whole, "
            "or its config.json has more layers; use the files that were saved together"
        )
    if config.head == "keep" and (absent := sorted(lacking.intersection(head))):
        raise ConfigurationError(
            f"head 'keep': model {config.model!r} has no {', '.join(absent)} of the right size for "
            f"{model.config.num_labels} labels; use head: reinit"
        )
    fresh = lacking | _named(names, config.reinit)
    if config.head == "reinit":
        fresh |= _output_layer(model, head)
    return [name for name in names if name in fresh]


def _holes(body: list[str], lacking: set[str]) -> list[str]:
    """Parameters that the checkpoint lacks in some layers and has in others: no new part of the model is like that."""
    brought = {_NUMBER.sub(".*", name) for name in body if name not in lacking}
    return [name for name in body if name in lacking and "*" in (kind := _NUMBER.sub(".*", name)) and kind in brought]


def _named(names: list[str], prefixes: Sequence[str]) -> set[str]:
    """The parameters that are, or are below, what `reinit` names; raises ConfigurationError for one that is none."""
    chosen: set[str] = set()
    for prefix in prefixes:
        below = {name for name in names if name == prefix or name.startswith(f"{prefix}.")}
        if not below:
            places = {name[:i] for name in names for i, character in enumerate(name) if character == "."}
            raise unknown_name("reinit", prefix, sorted(places, key=lambda place: (place.count("."), place)), "a part")
        chosen |= below
    return chosen


def _output_layer(model: PreTrainedModel, head: list[str]) -> set[str]:
    """Of the head's parameters those of the last layer, which makes the outputs; all of them where none is found."""
    outputs = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module.out_features == model.config.num_labels
    ]
    layers = [{f"{name}.weight", f"{name}.bias"}.intersection(head) for name in outputs]
    return next((layer for layer in reversed(layers) if layer), set(head))


def _check_padding(config: FineTuning, loaded: PreTrainedConfig, padding: Padding) -> None:
    size, token = getattr(loaded.get_text_config(), "vocab_size", None), int(padding.pad_token_id)
    if isinstance(size, int) and not 0 <= token < size:
        raise ConfigurationError(
            f"model {config.model!r}: its tokenizer pads with token {token}, and its config.json has a vocab_size of "
            f"{size}: set pad_token in tokenizer_config.json to a token that the model has, such as its end of sequence"
        )


def _check_counted_positions(config: FineTuning, model: PreTrainedModel, theirs: PreTrainedConfig) -> None:
    """A model like RoBERTa counts positions from behind the padding token: with another one it would use others."""
    ours = model.config.pad_token_id
    counted = any(table.padding_idx is not None for table in position_tables(model))
    if counted and theirs.pad_token_id not in (None, ours):
        raise ConfigurationError(
            f"model {config.model!r}: its tokenizer pads with token {ours}, and its config.json has a pad_token_id of "
            f"{theirs.pad_token_id}, from which its positions are counted: set pad_token in tokenizer_config.json to "
            "that token"
        )


def _check_kept_head(loaded: PreTrainedConfig, data: TaskData) -> None:
    names: dict[int, str] = loaded.id2label  # type: ignore[assignment]  # its keys became numbers as it was read
    if sorted(names) != list(range(len(names))):
        raise ConfigurationError(
            f"head 'keep': id2label of the model's config.json has the ids {sorted(names)}, which leaves open what its "
            f"{len(names)} outputs mean: number them from 0, or use head: reinit"
        )
    ids = loaded.label2id or {}
    if any(ids.get(name, i) != i for i, name in names.items()):
        raise ConfigurationError(
            f"head 'keep': id2label {names} and label2id {ids} of the model's config.json contradict each "
            "other: correct the one that is wrong, or use head: reinit"
        )
    theirs, ours = [names[i] for i in sorted(names)], list(data.id2label.values())
    # Published heads have names in capitals, like ENTAILMENT.
    for form in (str, str.casefold):
        one, other = list(map(form, theirs)), list(map(form, ours))
        if one != other and set(one) == set(other):
            raise ConfigurationError(
                f"dataset.labels: head 'keep' has the classes in the order {theirs}, the data in the order {ours}; "
                "list them in dataset.labels in the head's order"
            )


def _check_kept_order(config: FineTuning, theirs: PreTrainedConfig, data: TaskData) -> None:
    """Refuse a head with other names than the data's, unless the order of the data's is somebody's choice: what was
    found in a file is in alphabetical order."""
    if data.kind == "regression" or config.dataset.labels is not None or config.dataset.task is not None:
        return
    names: dict[int, str] = theirs.id2label  # type: ignore[assignment]  # its keys became numbers as it was read
    ours = list(data.id2label.values())
    if {name.casefold() for name in names.values()} != {name.casefold() for name in ours}:
        raise ConfigurationError(
            f"dataset.labels: head 'keep' has the classes {[names[i] for i in sorted(names)]}, which does not tell "
            f"which output is for which class of the data, {ours}: list these in dataset.labels in the head's order, "
            "or use head: reinit"
        )
