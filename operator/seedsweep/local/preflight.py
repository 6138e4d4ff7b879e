"""What only the trainer can judge, asked before anything starts: does it have its data, its model, enough steps?"""

import json
import os
import subprocess
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.api.parse import InvalidSweepError
from seedsweep.api.sweep import Trainer
from seedsweep.local.environment import TRAINER, literal_environment, trainer_config
from seedsweep_trainer.contract import Env, ExitCode

_SHOWN_LINES = 5


def check_trainer(trainer: Trainer, source: str, base: Path) -> int:
    """Let our trainer look at everything that it will train with.

    Args:
        source: the sweep's file, for errors.
        base: the folder that its relative paths start from.

    Returns:
        Bytes of the model's weights in fp32.

    Raises:
        InvalidSweepError: what it refuses, in its words.
    """
    variables = {**literal_environment(trainer), str(Env.CONFIG): trainer_config(trainer, base)}
    command = [*TRAINER, "check"]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    if done.returncode == ExitCode.OK:
        return int(json.loads(done.stdout)["weightsBytes"])
    said = "\n".join(done.stderr.strip().splitlines()[-_SHOWN_LINES:])
    if done.returncode != ExitCode.BAD_CONFIGURATION:
        said = f"the trainer does not start (exit code {done.returncode}): {said}"
    raise InvalidSweepError(source, [Problem("spec.trainer.fineTuning", None, said)])
