"""The GPUs and CPU cores that this process may use."""

import math
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def visible_gpus(environment: Mapping[str, str]) -> dict[str, str]:
    """Names of the GPUs by id: those in CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists, else none."""
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        ids = [part.strip() for part in chosen.split(",")]
        return {gpu: f"GPU {gpu}" for gpu in ids if gpu and gpu != "-1"}
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_gpu_list(listed)


def parse_gpu_list(listed: str) -> dict[str, str]:
    """GPUs in the output of `nvidia-smi -L`; where some are partitioned (MIG), only the parts."""
    whole: dict[str, str] = {}
    parts: dict[str, str] = {}
    for line in listed.splitlines():
        title, _, uuid = line.strip().removesuffix(")").partition(" (UUID: ")
        if title.startswith("GPU "):
            index, _, name = title.removeprefix("GPU ").partition(": ")
            whole[index] = name
        elif title.startswith("MIG ") and uuid:
            parts[uuid] = title.partition(" Device")[0].rstrip()
    # A process sees a single part, and no whole GPU beside parts.
    return parts or whole


def usable_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPU cores that this process may use: its affinity, or less where its control group limits it."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(allowed, _quota(cgroup))))


def _quota(cgroup: Path) -> float:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf
