"""The average of weights that a custom trainer stores: every *.safetensors file, and the winner's other files.

What is made here is scored by the trainer's own command, and judged by the same rule as an average of our trainer's.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from seedsweep.api.finetuning import Metric
from seedsweep.api.status import Average
from seedsweep.contract.protocol import Env
from seedsweep.contract.scoring import not_scored
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.jobs.average import Survivors, judged, not_made, opened_best
from seedsweep_trainer.jobs.hand_over_folder import copy_files
from seedsweep_trainer.jobs.scoring import NotScoredError, read_score, run_command
from seedsweep_trainer.model.averaging import NotAveragedError, Weights, average
from seedsweep_trainer.reporting.attempt import asked_metric, required

_SUFFIX = ".safetensors"
_ADAPTER = "adapter_config.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trial:
    """Where an average is made and its score is left, and what the score is of."""

    weights: Path
    score_file: Path
    metric: Metric

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """As the contract's variables say; raises ConfigurationError."""
        metric = asked_metric(environ)
        if metric is None:
            raise ConfigurationError(f"{Env.METRIC} is not set: use an image of the operator's release")
        weights, score_file = (Path(required(environ, name)) for name in (Env.WEIGHTS_DIR, Env.SCORE_FILE))
        return cls(weights, score_file, metric)


def make_average(survivors: Survivors, best: Path, trial: Trial) -> Average | None:
    """Make the folder with the average; `best` is the winner's. Returns why there is none, None where there is one."""
    for place in (trial.weights, trial.score_file.parent):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    # In a pod, the command may run as another user.
    trial.score_file.parent.chmod(0o777)
    try:
        files = _averaged(survivors, best)
    except NotAveragedError as error:
        return not_made(survivors.members, error)
    copy_files(best, trial.weights)
    for name, tensors in files.items():
        with safe_open(best / name, framework="pt") as file:
            # It names the framework, without which transformers does not load the file.
            metadata = file.metadata()
        save_file(tensors, trial.weights / name, metadata)
    return None


def try_average(survivors: Survivors, best: Path, trial: Trial, command: Sequence[str]) -> Average:
    """Make the average, have it scored by a command on this machine, and judge it; the winner is in `best`."""
    refused = make_average(survivors, best, trial)
    if refused is not None:
        return refused
    try:
        run_command(command, os.environ, trial.score_file.with_name("score.log"))
    except NotScoredError as error:
        return _unscored(survivors, error)
    return judge_average(survivors, trial)


def judge_average(survivors: Survivors, trial: Trial) -> Average:
    """Whether the average is handed over, by the score that its command has left."""
    try:
        scored = read_score(trial.score_file, trial.metric)
    except NotScoredError as error:
        return _unscored(survivors, error)
    scores = [member.score for member in survivors.members]
    found = judged(scored.score, scores, scored.baseline, maximize=trial.metric.goal == "maximize")
    if found.reason:
        log.warning("the winner is handed over: the average is not, for %s", found.reason)
    return found


def _unscored(survivors: Survivors, error: NotScoredError) -> Average:
    found = not_scored(survivors.members, str(error))
    log.warning("the winner is handed over: the average is not, for %s", found.reason)
    return found


def _averaged(survivors: Survivors, best: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The mean of each tensor, by file. Raises NotAveragedError."""
    if (best / _ADAPTER).exists():
        raise NotAveragedError("adapters are not averaged")
    names = _tensor_files(best)
    if not names:
        raise NotAveragedError(f"the winner's weights are in no *{_SUFFIX} file")
    members = {member.episode: partial(_opened, survivors, member.episode, best) for member in survivors.members}
    means = average(members)
    return {
        name: {key.removeprefix(prefix): tensor for key, tensor in means.items() if key.startswith(prefix)}
        for name in names
        for prefix in [_prefix(name, names)]
    }


@contextmanager
def _opened(survivors: Survivors, episode: str, best: Path) -> Iterator[Weights]:
    """The tensors of all of a member's files."""
    member = next(member for member in survivors.members if member.episode == episode)
    with opened_best(survivors, member, best) as folder:
        names = _tensor_files(folder)
        if lacking := sorted(set(names) ^ set(_tensor_files(best))):
            raise NotAveragedError(f"{lacking[0]} is among the files of only one of {episode} and the winner")
        yield {_prefix(name, names) + key: tensor for name in names for key, tensor in load_file(folder / name).items()}


def _prefix(file: str, files: list[str]) -> str:
    """Of the names of a file's tensors: two files may have tensors of one name."""
    return f"{file}: " if len(files) > 1 else ""


def _tensor_files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name.endswith(_SUFFIX))
