"""How an attempt that went wrong ends: its exit code, and what to tell the person who has to change something."""

import errno
import traceback

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.protocol import ExitCode
from seedsweep_trainer.errors import ConfigurationError, HubError, StorageError

UNEXPECTED = 1
_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "cublas_status_alloc_failed")
TERMINATED = 128 + 15
"""What shells report for a process that SIGTERM ended."""


def explain(error: BaseException, config: FineTuning | None) -> tuple[int, str]:
    """Exit code and reason; `config` is None where it was not read yet."""
    if isinstance(error, ConfigurationError):
        return ExitCode.BAD_CONFIGURATION, str(error)
    if isinstance(error, StorageError | HubError):
        return UNEXPECTED, str(error)
    if _is_out_of_memory(error):
        return ExitCode.OUT_OF_MEMORY, f"out of memory: {_smaller(config)} ({_first_line(error)})"
    if _is_disk_full(error):
        return UNEXPECTED, f"no space left on the device: free some, or give storage more ({_first_line(error)})"
    return UNEXPECTED, _first_line(error)


def is_out_of_resources(error: BaseException) -> bool:
    """Whether memory or disk has run out, whatever was being done."""
    return _is_out_of_memory(error) or _is_disk_full(error)


def _is_out_of_memory(error: BaseException) -> bool:
    # By name: torch may not even have been imported. Its CPU allocator and CUDA's libraries raise plain RuntimeErrors.
    names = {cls.__name__ for cls in type(error).__mro__}
    text = str(error).lower()
    return (
        bool(names & {"MemoryError", "OutOfMemoryError"})
        or getattr(error, "errno", None) == errno.ENOMEM
        or any(words in text for words in _OUT_OF_MEMORY)
    )


def _is_disk_full(error: BaseException) -> bool:
    # The safetensors library has the operating system's words, but not its error number.
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error)


def _smaller(config: FineTuning | None) -> str:
    if config is None:
        return "give the trainer more memory"
    batch, accumulation = config.batch_size, config.gradient_accumulation_steps
    halve = f"halve batchSize {batch} and double gradientAccumulationSteps {accumulation}, which keeps the steps; or "
    return (
        f"{halve if batch > 1 else ''}lower evaluationBatchSize {config.evaluation_batch_size} "
        f"or dataset.maxLength {config.dataset.max_length}"
    )


def _first_line(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip().partition("\n")[0]
