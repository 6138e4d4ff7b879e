"""The average of weights that a custom trainer stores: made, scored and judged.

The trainer's own command scores it; the rule is that of an average of our trainer's.
"""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from seedsweep.api.finetuning import Metric
from seedsweep.api.status import Average
from seedsweep.contract.protocol import Env
from seedsweep.contract.scoring import not_scored
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.jobs.average import Survivors, judge, not_made
from seedsweep_trainer.jobs.averaged_files import write_average
from seedsweep_trainer.jobs.scoring import NotScoredError, read_score, run_command
from seedsweep_trainer.model.averaging import NotAveragedError
from seedsweep_trainer.reporting.attempt import asked_metric, required

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
        write_average(survivors, best, trial.weights)
    except NotAveragedError as error:
        return not_made(survivors.members, error)
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
    return judge(survivors, scored.score, scored.baseline, maximize=trial.metric.goal == "maximize")


def _unscored(survivors: Survivors, error: NotScoredError) -> Average:
    found = not_scored(survivors.members, str(error))
    log.warning("the winner is handed over: the average is not, for %s", found.reason)
    return found
