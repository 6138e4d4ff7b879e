"""What only the trainer can judge, asked before anything starts: does it have its data, its model, enough steps?"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.reading.parse import refuse
from seedsweep.api.sweep import Trainer
from seedsweep.contract.protocol import ExitCode
from seedsweep.local.processes.environment import TRAINER, variables_without_attempt
from seedsweep.local.processes.launchers import Launcher

_REFUSAL = "seedsweep: "
"""Begins the line in which our trainer says what has to be changed."""
_SHOWN_LINES = 5
_FIELDS = {field.alias or name for name, field in FineTuning.model_fields.items()}


@dataclass(frozen=True, slots=True)
class Mistyped:
    """A label that is probably a typing error, or stands for none."""

    label: str
    examples: int
    row: str
    """Of its first example, as a spreadsheet shows it."""
    meant: str | None
    """The frequent label that it is close to; None: it is what programs write where there is no value."""


@dataclass(frozen=True, slots=True)
class Trainable:
    """What a configuration comes to."""

    parameters: int
    """Of the model."""
    evaluations: int
    steps: int
    """Optimizer steps of a full episode."""
    examples: dict[str, int]
    """By part: train, validation and, where there is one, test."""
    classes: dict[str, int] | None
    """By label, how many examples of train; None for regression."""
    absent: dict[str, list[str]]
    """By part, the labels that it has no example of."""
    repeated: dict[str, int]
    """How many validation examples train has as well, and how many test examples train or validation has."""
    mistyped: list[Mistyped]
    step_seconds: float | None
    """Of one episode alone, as are those of an evaluation; None where this was not measured."""
    evaluation_seconds: float | None
    data: str
    """Digest of the examples, as the tokenizer reads them."""
    base_weights: str | None
    """Digest of the model's weights."""


async def check_trainer(
    trainer: Trainer, file: Path, launcher: Launcher, log: Path, *, timed: bool = False
) -> Trainable:
    """Let our trainer look at everything that it will train with.

    Args:
        file: the sweep's, from whose folder its relative paths start.
        log: a new file for what it says.
        timed: let it measure how long a step and an evaluation take.

    Raises:
        InvalidSweepError: what it refuses, in its words.
    """
    command = [*TRAINER, "check", *(["--timed"] if timed else [])]
    variables = variables_without_attempt(trainer, file.parent)
    running = await launcher.launch(command, variables, log)
    code = await running.wait()
    lines = _lines(log)
    if code == ExitCode.OK:
        told = json.loads(next(line for line in reversed(lines) if line.startswith("{")))
        sizes = {part: told[f"{part}Examples"] for part in ("train", "validation", "test")}
        return Trainable(
            parameters=told["parameters"],
            evaluations=told["evaluations"],
            steps=told["steps"],
            examples={part: size for part, size in sizes.items() if size is not None},
            classes=told["classes"],
            absent=told["absent"],
            repeated=told["repeated"],
            mistyped=[Mistyped(**item) for item in told["mistyped"]],
            step_seconds=told["stepSeconds"],
            evaluation_seconds=told["evaluationSeconds"],
            data=told["data"],
            base_weights=told["baseWeights"],
        )
    refusals = [line.removeprefix(_REFUSAL) for line in lines if line.startswith(_REFUSAL)]
    said = refusals or ["\n".join(lines[-_SHOWN_LINES:])]
    if code not in (ExitCode.BAD_CONFIGURATION, ExitCode.OUT_OF_MEMORY):
        said = [f"the trainer cannot start (exit code {code}): {said[-1]}"]
    raise refuse(file, list(map(problem_of, said)))


def problem_of(said: str) -> Problem:
    """A refusal begins with the field that it is about, and goes on with its value."""
    field, _, rest = said.partition(" ")
    if re.fullmatch(r"[a-z][A-Za-z]*(\.[A-Za-z]+)*:?", field) is None or field.rstrip(":").split(".")[0] not in _FIELDS:
        return Problem("spec.trainer.fineTuning", None, said)
    return Problem(f"spec.trainer.fineTuning.{field.rstrip(':')}", None, rest)


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []
