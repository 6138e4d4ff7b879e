"""What an episode's arithmetic depends on beside its seeds: equal fingerprints mean bit-comparable results."""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from transformers import PreTrainedModel

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.memory import keep_freed_memory
from seedsweep_trainer.errors import ConfigurationError


def prepare_torch(config: FineTuning) -> torch.device:
    """Set up deterministic arithmetic, and on a CPU memory, on the device that this process trains on."""
    # Read when CUDA starts; cuBLAS is deterministic with a workspace of this form only.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory would cost time; nothing here reads memory before it writes it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # set on its class
    # No TF32 in fp32, and no attention by cuDNN, whose choice of kernels is its own.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.enable_cudnn_sdp(False)
    torch.set_num_threads(config.threads_per_episode)
    if torch.cuda.is_available():
        return torch.device("cuda")
    keep_freed_memory()
    return torch.device("cpu")


def autocast_dtype(config: FineTuning, device: torch.device) -> torch.dtype | None:
    """bfloat16 where matrix products are to run in it, over fp32 weights; None for fp32 throughout.

    Raises ConfigurationError for bf16 on a GPU that does not have it; a CPU that is not built for it is slow.
    """
    if config.precision == "fp32":
        return None
    if _has_bf16(device) or (config.precision == "bf16" and device.type == "cpu"):
        return torch.bfloat16
    if config.precision == "bf16":
        name = torch.cuda.get_device_name(device)
        raise ConfigurationError(f"precision 'bf16': {name} does not have it; use 'auto' or 'fp32'")
    return None


def settled(config: FineTuning, device: torch.device, begun: str | None) -> FineTuning:
    """The configuration with what `precision: auto` comes to: as the episode began, where this device can; else fast.

    `begun` is the precision of the checkpoint that training goes on from, None without one.
    """
    if config.precision != "auto":
        return config
    if begun in ("fp32", "bf16") and (begun == "fp32" or device.type == "cpu" or _has_bf16(device)):
        return config.model_copy(update={"precision": begun})
    return config.model_copy(update={"precision": precision_name(autocast_dtype(config, device))})


def precision_name(dtype: torch.dtype | None) -> str:
    """As `precision` names it; None is fp32 throughout."""
    return "fp32" if dtype is None else "bf16"


def fingerprint(config: FineTuning, device: torch.device) -> dict[str, str | int]:
    """The conditions that the last bit of a result depends on."""
    dtype = autocast_dtype(config, device)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_model(),
        "threads": config.threads_per_episode,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "dtype": "float32" if dtype is None else "bfloat16",
        "mode": "compiled" if config.compile else "eager",
        "batches": "halves" if passes_in_halves(device) else "whole",
        "fp32": f"matmul {torch.get_float32_matmul_precision()}",
    }


def attention_of(model: PreTrainedModel) -> dict[str, str]:
    """What the model computes attention with: a part of the fingerprint, too."""
    return {"attention": str(model.config._attn_implementation)}


def passes_in_halves(device: torch.device) -> bool:
    """Whether batches pass through the model in halves: where padding costs more than another pass."""
    return device.type == "cpu"


def digest(value: object) -> str:
    """16 hex digits that identify a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def config_digest(config: FineTuning) -> str:
    """16 hex digits that identify what of a configuration the arithmetic follows from."""
    fields = config.model_dump(mode="json", by_alias=True)
    if not config.reinit:
        # A checkpoint of a release without this field is of the same configuration.
        del fields["reinit"]
    return digest(fields)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # AMX multiplies whole matrices of bf16. Without it, autocast takes longer than fp32.
    # Releases of torch that do not tell have fp32.
    capabilities: Callable[[], dict[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    return bool(capabilities().get("amx_bf16"))


def _cpu_model() -> str:
    # The instruction set that torch found decides which of its kernels run.
    capability = torch.backends.cpu.get_cpu_capability()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return f"{names[0] if names else platform.processor()} {capability}"
