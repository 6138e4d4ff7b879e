"""The tokenizer and the configuration that a model comes with, read from a folder or a hub and made to agree."""

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NoReturn

from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_ETAG_TIMEOUT
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

from seedsweep.api.finetuning import FineTuning
from seedsweep.parts import QUICKSTART_MODEL
from seedsweep_trainer.data.hub import hub_failure
from seedsweep_trainer.data.references import resolve
from seedsweep_trainer.endings import is_out_of_resources
from seedsweep_trainer.errors import ConfigurationError

OFFLINE = f"give a folder that holds the model, or {QUICKSTART_MODEL}, the quickstart's"
"""What works without a hub."""
WEIGHTS = "model.safetensors"
Part = Literal["config.json", "tokenizer", "weights"]
_SEGMENTS = "token_type_ids"
_PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE)
"""What a disk, a network file system or a busy machine says, and takes back."""


def load_tokenizer(config: FineTuning, folder: Path | None = None) -> PreTrainedTokenizerBase:
    """The model's tokenizer, from a copy of the model in `folder` if given.

    It pads with the end of a sequence where it has no padding token, and tells no segments to a model that has one
    only. Raises ConfigurationError where there is none, or an empty one.
    """
    architecture = load_architecture(config, folder)
    path = folder or resolve(config.model)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            path, revision=config.model_revision, trust_remote_code=False
        )
    except Exception as error:
        refuse_model(config, path, error, "tokenizer")
    if not _words(tokenizer):
        # transformers makes up an empty one where the files are missing.
        raise ConfigurationError(
            f"model {config.model!r} has no tokenizer: put the files of its tokenizer beside its weights, "
            f"as {type(tokenizer).__name__}.save_pretrained writes them"
        )
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ConfigurationError(
                f"model {config.model!r}: its tokenizer has neither a padding token nor an end of sequence: "
                "set pad_token in tokenizer_config.json to a token that the model has"
            )
        tokenizer.pad_token = tokenizer.eos_token
    if getattr(architecture.get_text_config(), "type_vocab_size", None) == 1:
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != _SEGMENTS]
    return tokenizer


def load_architecture(config: FineTuning, folder: Path | None = None) -> PreTrainedConfig:
    """What the model's config.json says, from a copy in `folder` if given; raises ConfigurationError."""
    path = folder or resolve(config.model)
    try:
        if not Path(path).exists():
            _reach_hub(config)
        loaded: PreTrainedConfig = AutoConfig.from_pretrained(
            path, revision=config.model_revision, trust_remote_code=False
        )
    except Exception as error:
        refuse_model(config, path, error, "config.json")
    quantized = getattr(loaded, "quantization_config", None)
    if quantized is not None:
        method = quantized.get("quant_method") if isinstance(quantized, dict) else None
        raise ConfigurationError(
            f"model {config.model!r}: its weights are quantized (quantization_config of its config.json: {method!r}), "
            "which cannot be fine-tuned: use the model that it was made from"
        )
    return loaded


def _reach_hub(config: FineTuning) -> None:
    """Raise the client's error at once where the hub cannot be reached: it would try each file for half a minute."""
    if try_to_load_from_cache(config.model, "config.json", revision=config.model_revision) is not None:
        # What is cached is read without the hub, too.
        return
    try:
        HfApi().model_info(config.model, revision=config.model_revision, timeout=HF_HUB_ETAG_TIMEOUT)
    except HfHubHTTPError:
        # It answers. What it refuses is said, and what may pass is tried again, where files are asked for.
        return


def refuse_model(config: FineTuning, path: str | Path, error: Exception, part: Part) -> NoReturn:
    """Raise what is wrong with a model of which this part cannot be loaded, and the remedy; an error that may pass as
    it is."""
    if is_out_of_resources(error) or getattr(error, "errno", None) in _PASSING:
        raise error
    raise _unusable(config, path, error, part) from error


def _unusable(config: FineTuning, path: str | Path, error: Exception, part: Part) -> Exception:
    what = f"model {config.model!r}"
    folder = Path(path)
    if isinstance(error, PermissionError):
        return ConfigurationError(f"{what} cannot be read: {error.strerror}; let the trainer's user read it")
    if folder.is_dir():
        reason = next(_damages(folder), None) or _mismatch(folder, part)
        return ConfigurationError(f"{what} cannot be loaded: {reason}")
    failure = hub_failure(what if not config.model_revision else f"{what} at {config.model_revision!r}", error, OFFLINE)
    if failure is not None:
        return failure
    return ConfigurationError(
        f"{what} cannot be loaded; give a hub name or a folder with config.json, a tokenizer and model.safetensors, "
        "all of an architecture that transformers can classify sequences with"
    )


def _words(tokenizer: PreTrainedTokenizerBase) -> set[str]:
    """The vocabulary without special and added tokens."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    return set(tokenizer.get_vocab()) - added - set(tokenizer.all_special_tokens)


def _damages(folder: Path) -> Iterator[str]:
    """What is missing or broken among the files of a model."""
    if not (folder / WEIGHTS).exists() and (folder / "adapter_config.json").is_file():
        yield "it is an adapter alone; merge it into its model (merge_and_unload of peft) and save that"
    if not (folder / "config.json").is_file():
        yield f"{folder} has no config.json; give a folder that save_pretrained has written"
    for file in sorted(folder.glob("*.json")):
        try:
            json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            yield f"{file.name} cannot be read: {error.strerror}; let the trainer's user read it"
        except ValueError:
            yield f"{file.name} is not whole JSON; copy it anew"
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        yield f"{folder} has no model.safetensors; save the model with save_pretrained, as safetensors"
    for file in weights:
        try:
            with safe_open(file, framework="pt"):
                pass
        except (OSError, SafetensorError):
            yield f"{file.name} is not a whole safetensors file; copy it anew"
    yield from _missing_shards(folder)


def _mismatch(folder: Path, part: Part) -> str:
    """Of files that are whole, but of which one part is not of a model that we can train."""
    theirs = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind = theirs.get("model_type") if isinstance(theirs, dict) else None
    if "auto_map" in theirs:
        return f"its config.json (model_type {kind!r}) asks for code of its own, which is not run; use another model"
    match part:
        case "config.json":
            return (
                f"its config.json names model_type {kind!r}, which transformers does not know, or has a value that "
                "cannot be: use the one that it was saved with, or another model"
            )
        case "tokenizer":
            return (
                f"its tokenizer is of another kind than its tokenizer_config.json, or its model_type {kind!r}, says, "
                "or a file of it is missing: use the files that were saved together"
            )
    return (
        f"its config.json names model_type {kind!r}, which transformers cannot classify sequences with, or has a value "
        "that does not fit its weights: use the files that were saved together, or another model"
    )


def _missing_shards(folder: Path) -> Iterator[str]:
    """What the index of weights in several files names, and is not there."""
    index = folder / f"{WEIGHTS}.index.json"
    if index.is_file():
        files = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values()
        for name in sorted({str(file) for file in files}):
            if not (folder / name).is_file():
                yield f"{name} is missing, and {index.name} names it; copy it too"
    elif not (folder / WEIGHTS).is_file():
        yield f"{folder} has neither {WEIGHTS} nor {index.name}; save the model with save_pretrained"
