"""Places: how many episodes this machine trains at once, on which GPUs, and where their metrics are read."""

import platform
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace

from seedsweep.api.checks import Problem
from seedsweep.api.gpus import amount_problems
from seedsweep.api.sweep import SweepSpec
from seedsweep.local.machine.ports import free_port, is_free

GPU_RESOURCE = "nvidia.com/gpu"


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
    each = gpus_per_place(spec)
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


def gpus_per_place(spec: SweepSpec) -> int:
    """What the limits say; 1 where they say nothing, or no whole number."""
    amount = str(spec.trainer.resources.limits.get(GPU_RESOURCE, 1))
    return int(amount) if amount.isdecimal() else 1


def place_problems(spec: SweepSpec, gpus: Mapping[str, str], places: Sequence[Place]) -> list[Problem]:
    """Why nothing can start in these places: no number of GPUs, too few, a port that another program has."""
    if problems := list(amount_problems(spec)):
        return problems
    if not places:
        path = f"spec.trainer.resources.limits[{GPU_RESOURCE}]"
        remedy = f"is more than the {len(gpus)} GPUs of this machine: lower it"
        return [Problem(path, gpus_per_place(spec), remedy)]
    last = spec.scrape.port + len(places) - 1
    remedy = f"port {{}} is taken by another program: choose a port with {len(places)} free ones from it, or remove it"
    return [
        Problem("spec.scrape.port", spec.scrape.port, remedy.format(place.port))
        for place in places
        if place.port is not None and not (last <= 65535 and is_free(place.port))
    ][:1]


def port_for(place: Place, promised: Container[int] = ()) -> int:
    """Where the next attempt in this place serves its metrics: any free port where its own is taken by now."""
    if place.port is not None and is_free(place.port):
        return place.port
    return free_port(promised)
