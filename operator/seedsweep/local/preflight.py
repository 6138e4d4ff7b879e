"""What only the trainer can judge, asked before anything starts: does it have its data, its model, enough steps?"""

import json
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.api.reading.parse import InvalidSweepError
from seedsweep.api.sweep import Trainer
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep.local.environment import TRAINER, literal_environment, trainer_config
from seedsweep.local.processes import Launcher

_REFUSAL = "seedsweep: "
"""Begins the line in which our trainer says what has to be changed."""
_SHOWN_LINES = 5


async def check_trainer(trainer: Trainer, source: str, base: Path, launcher: Launcher, log: Path) -> int:
    """Let our trainer look at everything that it will train with.

    Args:
        source: the sweep's file, for errors.
        base: the folder that its relative paths start from.
        log: a new file for what it says.

    Returns:
        Parameters of the model.

    Raises:
        InvalidSweepError: what it refuses, in its words.
    """
    variables = {**literal_environment(trainer), str(Env.CONFIG): trainer_config(trainer, base)}
    running = await launcher.launch([*TRAINER, "check"], variables, log)
    code = await running.wait()
    lines = _lines(log)
    if code == ExitCode.OK:
        answer = next(line for line in reversed(lines) if line.startswith("{"))
        return int(json.loads(answer)["parameters"])
    refusals = [line.removeprefix(_REFUSAL) for line in lines if line.startswith(_REFUSAL)]
    said = refusals[-1] if refusals else "\n".join(lines[-_SHOWN_LINES:])
    if code not in (ExitCode.BAD_CONFIGURATION, ExitCode.OUT_OF_MEMORY):
        said = f"the trainer cannot start (exit code {code}; is seedsweep[trainer] installed?): {said}"
    raise InvalidSweepError(source, [Problem("spec.trainer.fineTuning", None, said)])


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []
