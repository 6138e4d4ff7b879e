"""How many GPUs an episode holds: what its resources tell, and what only the author of the sweep can know."""

import re
from collections.abc import Iterator

from seedsweep.api.checks import Problem
from seedsweep.api.sweep import SweepSpec

SLICES = 7
"""Compute slices of a GPU that MIG divides. A few cards have four: there the author has to say."""
_MIG = re.compile(r"[^/]+/mig-([1-7])g\.[0-9a-z.+]+")


def gpus_per_episode(spec: SweepSpec) -> float:
    """GPUs, or the part of one, that an attempt holds; 1 place where it asks for none, or where nobody knows."""
    if spec.gpus_per_episode is not None:
        return float(spec.gpus_per_episode)
    held = 0.0
    for name, amount in _gpu_limits(spec):
        slices = _MIG.fullmatch(name)
        held += int(amount) * (int(slices[1]) / SLICES if slices is not None else 1) if amount.isdecimal() else 0
    return held or 1.0


def gpu_problems(spec: SweepSpec) -> Iterator[Problem]:
    """Amounts that no cluster gives, and shares that cannot be told from a name."""
    yield from amount_problems(spec)
    unknown = list(_unknown(spec))
    if unknown and spec.gpus_per_episode is None:
        remedy = f'is required: {", ".join(unknown)} does not tell the GPUs that an episode holds; say so, like "0.25"'
        yield Problem("spec.gpusPerEpisode", None, remedy)


def amount_problems(spec: SweepSpec) -> Iterator[Problem]:
    """Amounts of GPUs that are no whole numbers."""
    for name, amount in _gpu_limits(spec):
        if not amount.isdecimal():
            remedy = "must be a whole number of GPUs in plain digits, like 1"
            yield Problem(f"spec.trainer.resources.limits[{name}]", amount, remedy)


def _gpu_limits(spec: SweepSpec) -> Iterator[tuple[str, str]]:
    for name, amount in spec.trainer.resources.limits.items():
        if name.endswith(("/gpu", "/gpu.shared")) or "/mig-" in name:
            yield name, str(amount)


def _unknown(spec: SweepSpec) -> Iterator[str]:
    """What stands for a share or a number of GPUs that is settled elsewhere."""
    for name, _ in _gpu_limits(spec):
        if name.endswith(".shared") or ("/mig-" in name and _MIG.fullmatch(name) is None):
            yield f"limits[{name}]"
    if spec.trainer.resources.claims or spec.pod_template.spec.resource_claims:
        yield "a resource claim"
