"""How many episodes this machine trains at once, and where each of them runs and is read."""

import math
import os
import platform
import random
import socket
import subprocess
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.api.sweep import SweepSpec

GPU_RESOURCE = "nvidia.com/gpu"
LOOPBACK = "127.0.0.1"
FIRST_PORT, FIRST_DYNAMIC_PORT = 21_000, 32_768
"""Linux gives outgoing connections ports from the second on, macOS higher ones."""


@dataclass(frozen=True, slots=True)
class Place:
    """Room for one episode at a time."""

    number: int
    device: str
    """For the record."""
    gpus: tuple[str, ...] = ()
    """What CUDA_VISIBLE_DEVICES is set to."""
    port: int | None = None
    """Where metrics are served while it is free; None: any free port, chosen at each start."""


def find_places(spec: SweepSpec, gpus: Mapping[str, str], cores: int) -> list[Place]:
    """As many places as GPUs, or where there are none as cores for the threads of an episode; `parallelism` at most.

    Args:
        spec: its GPUs per episode (limits of nvidia.com/gpu, else 1), `threadsPerEpisode` and `parallelism`.
        gpus: names of the GPUs by what CUDA_VISIBLE_DEVICES calls them.
        cores: CPU cores that may be used.

    Returns:
        The places; none where an episode asks for more GPUs than there are.
    """
    each = gpus_per_episode(spec)
    if gpus and each:
        ids = list(gpus)
        groups = [tuple(ids[i : i + each]) for i in range(0, len(ids) - each + 1, each)]
        places = [Place(i, ", ".join(gpus[gpu] for gpu in group), group) for i, group in enumerate(groups)]
    else:
        tuning = spec.trainer.fine_tuning
        threads = tuning.threads_per_episode if tuning is not None else 1
        places = [Place(i, platform.machine()) for i in range(max(1, cores // threads))]
    places = places[: spec.parallelism]
    if "port" not in spec.scrape.model_fields_set:
        return places
    return [replace(place, port=spec.scrape.port + place.number) for place in places]


def gpus_per_episode(spec: SweepSpec) -> int:
    """What the limits say; 1 where they say nothing."""
    return int(spec.trainer.resources.limits.get(GPU_RESOURCE, 1))


def place_problems(spec: SweepSpec, gpus: Mapping[str, str], places: Sequence[Place]) -> list[Problem]:
    """Why nothing can start in these places: too few GPUs, a port that another program has."""
    if not places:
        path = f"spec.trainer.resources.limits[{GPU_RESOURCE}]"
        remedy = f"is more than the {len(gpus)} GPUs of this machine: lower it"
        return [Problem(path, gpus_per_episode(spec), remedy)]
    last = spec.scrape.port + len(places) - 1
    remedy = f"port {{}} is taken by another program: choose a port with {len(places)} free ones from it, or remove it"
    return [
        Problem("spec.scrape.port", spec.scrape.port, remedy.format(place.port))
        for place in places
        if place.port is not None and not (last <= 65535 and _is_free(place.port))
    ][:1]


def port_for(place: Place, promised: Container[int] = ()) -> int:
    """Where the next attempt in this place serves its metrics: any free port where its own is taken by now."""
    if place.port is not None and _is_free(place.port):
        return place.port
    return free_port(promised)


def free_port(promised: Container[int] = ()) -> int:
    """A port that nobody listens on now, and that is none of those that were given out already.

    The kernel gives it to no outgoing connection: one of those that it does may be gone before the trainer listens.
    """
    while True:
        port = random.randrange(FIRST_PORT, FIRST_DYNAMIC_PORT)
        if port not in promised and _is_free(port):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections of a trainer that just ended may linger there.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


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
