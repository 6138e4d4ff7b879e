"""What a training process does with memory that it no longer needs."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, torch
from seedsweep_trainer.determinism.memory import keep_freed_memory
if {kept}:
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):
    torch.zeros(64 * 2**20, dtype=torch.uint8).fill_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_a_large_tensor_gets_the_memory_of_one_before_it() -> None:
    assert _faults(kept=True) < _faults(kept=False) / 2


def _faults(*, kept: bool) -> int:
    """Pages that a process fetched for tensors of which it held one at a time."""
    command = [sys.executable, "-c", _FAULTS.format(kept=kept)]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
