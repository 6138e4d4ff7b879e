"""Whether a sweep asks for what only a cluster can do."""

from seedsweep.api.checks import Problem
from seedsweep.api.sweep import SweepSpec


def local_problems(spec: SweepSpec) -> list[Problem]:
    """What only a cluster can do."""
    problems = []
    trainer = spec.trainer
    if spec.suspend:
        remedy = "would leave this command with nothing to do: remove it; Ctrl-C stops a sweep on one machine"
        problems.append(Problem("spec.suspend", True, remedy))
    if trainer.fine_tuning is None and not trainer.command:
        remedy = "is required on one machine, where the image's entry point is not known: add it"
        problems.append(Problem("spec.trainer.command", None, remedy))
    for i, entry in enumerate(trainer.env):
        if entry.value_from is not None:
            remedy = "exists on a cluster only: give a value"
            problems.append(Problem(f"spec.trainer.env[{i}].valueFrom", None, remedy))
    if trainer.env_from:
        problems.append(Problem("spec.trainer.envFrom", None, "exists on a cluster only: list the variables in env"))
    if trainer.config is not None and trainer.config.config_map is not None:
        problems.append(Problem("spec.trainer.config.configMap", None, "exists on a cluster only: give config.json"))
    return problems
