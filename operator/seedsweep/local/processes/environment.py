"""What an attempt starts with: the contract's variables, and the command of a trainer of one's own."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.sweep import SweepSpec, Trainer
from seedsweep.contract.protocol import Env
from seedsweep.contract.variables import config_text, episode_variables, expand, scoring_variables

PACKAGE = "package:"
"""What begins with it is a folder of an installed package, which is called the same anywhere."""
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
    """The same with absolute paths, so that it means the same in any folder."""
    data = tuning.dataset
    given = [(name, getattr(data, name)) for name in ("path", "train", "validation", "test")]
    files = {name: absolute(value, base) for name, value in given if value is not None}
    return tuning.evolve(model=absolute_model(tuning.model, base), dataset=data.evolve(**files))


def absolute_model(model: str, base: Path) -> str:
    """A model is a folder where there is one of that name in `base`, else a name on the hub."""
    return model if is_on_hub(model, base) else absolute(model, base)


def is_on_hub(model: str, base: Path) -> bool:
    """Whether it is the name of one on a hub."""
    if model.startswith((".", "/", "~", PACKAGE)):
        return False
    try:
        return not (base / model).exists()
    except OSError:
        # It may be in a folder that is closed to this user.
        return False


def absolute(reference: str, base: Path) -> str:
    """A file or folder as it is called anywhere; relative ones start from `base`."""
    if reference.startswith(PACKAGE):
        return reference
    try:
        return str((base / Path(reference).expanduser()).resolve())
    except RuntimeError:
        # A home folder of nobody, or links in a circle: there is nothing, which is said where it is looked for.
        return str((base / reference).absolute())


def launch_form(trainer: Trainer, variables: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command with arguments, and environment, with $(NAME) expanded; a variable may refer to those before it."""
    known = dict(variables)
    for entry in trainer.env:
        known[entry.name] = expand(entry.value, known)
    command = (*TRAINER, "train") if trainer.fine_tuning is not None else (*trainer.command, *trainer.args)
    return [expand(part, known) for part in command], known


def variables_without_attempt(trainer: Trainer, base: Path) -> dict[str, str]:
    """What our trainer gets for what it does beside the attempts: a check, a test score, an average."""
    return {**literal_environment(trainer), str(Env.CONFIG): trainer_config(trainer, base)}


def score_form(spec: SweepSpec, base: Path, work: Path) -> tuple[list[str], dict[str, str]]:
    """The command that scores an average, and its environment; `work` is a folder for it."""
    known = {**scoring_variables(spec, str(work)), str(Env.CONFIG): trainer_config(spec.trainer, base)}
    for entry in spec.trainer.env:
        known[entry.name] = expand(entry.value, known)
    return [expand(part, known) for part in spec.trainer.score_command], known


def literal_environment(trainer: Trainer) -> dict[str, str]:
    """The trainer's variables before any attempt is known."""
    return {entry.name: expand(entry.value, {}) for entry in trainer.env}
