"""What an attempt starts with: the contract's variables, and the command of a trainer of one's own."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.sweep import SweepSpec, Trainer
from seedsweep.contract.protocol import Env
from seedsweep.contract.variables import config_text, episode_variables, expand

TERMINATION_LOG = "termination-log"
TRAINER = (sys.executable, "-m", "seedsweep_trainer")
"""Our own."""


@dataclass(frozen=True, slots=True)
class Start:
    """One attempt, and where it finds and leaves what is its own."""

    episode: EpisodeId
    uid: str
    rungs: tuple[int, ...]
    stop_after: int | None
    port: int
    work: Path
    """The attempt's folder."""
    checkpoints: Path
    """The episode's folder."""
    gpus: tuple[str, ...] = ()

    @property
    def termination_log(self) -> Path:
        """Where its last words are."""
        return self.work / TERMINATION_LOG


def contract_variables(spec: SweepSpec, start: Start, host: str, base: Path) -> dict[str, str]:
    """The contract's environment; relative paths of the sweep's file are resolved against `base`, its folder."""
    variables = {
        Env.ATTEMPT_UID: start.uid,
        Env.WORK_DIR: str(start.work),
        Env.CHECKPOINT_DIR: str(start.checkpoints),
        Env.METRICS_HOST: host,
        Env.METRICS_PORT: str(start.port),
        Env.CONFIG: trainer_config(spec.trainer, base),
        Env.TERMINATION_LOG: str(start.termination_log),
    }
    asked = episode_variables(spec, start.episode, start.rungs, start.stop_after)
    if start.gpus:
        asked["CUDA_VISIBLE_DEVICES"] = ",".join(start.gpus)
    return {**asked, **{str(name): value for name, value in variables.items()}}


def trainer_config(trainer: Trainer, base: Path) -> str:
    """What the trainer is told, as JSON, with paths that mean the same in any folder."""
    if trainer.fine_tuning is not None:
        trainer = trainer.evolve(fine_tuning=resolve_paths(trainer.fine_tuning, base))
    return config_text(trainer)


def resolve_paths(tuning: FineTuning, base: Path) -> FineTuning:
    """The same with absolute paths, so that it means the same in any folder.

    A model is a folder where there is one of that name beside the file, else a name on the hub.
    """
    data = tuning.dataset
    given = [(name, getattr(data, name)) for name in ("path", "train", "validation", "test")]
    files = {name: _absolute(value, base) for name, value in given if value is not None}
    model = tuning.model
    if model.startswith((".", "/", "~")) or (base / model).exists():
        model = _absolute(model, base)
    return tuning.evolve(model=model, dataset=data.evolve(**files))


def _absolute(reference: str, base: Path) -> str:
    if reference.startswith("package:"):
        return reference
    return str((base / Path(reference).expanduser()).resolve())


def launch_form(trainer: Trainer, variables: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command with arguments, and environment, with $(NAME) expanded; a variable may refer to those before it."""
    known = dict(variables)
    for entry in trainer.env:
        known[entry.name] = expand(entry.value, known)
    command = (*TRAINER, "train") if trainer.fine_tuning is not None else (*trainer.command, *trainer.args)
    return [expand(part, known) for part in command], known


def literal_environment(trainer: Trainer) -> dict[str, str]:
    """The trainer's variables before any attempt is known."""
    return {entry.name: expand(entry.value, {}) for entry in trainer.env}


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
