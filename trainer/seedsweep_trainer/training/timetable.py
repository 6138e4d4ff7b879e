"""When an episode steps and evaluates."""

import math
from dataclasses import dataclass

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Timetable:
    """S optimizer steps in whole epochs, and the steps that E evaluations follow."""

    steps_per_epoch: int
    steps: int
    """S, of all epochs."""
    evaluations: int
    """E, of all epochs."""

    @classmethod
    def of(cls, config: FineTuning, examples: int) -> "Timetable":
        """The timetable of a full episode over `examples` training examples.

        Raises ConfigurationError where there are fewer steps than evaluations.
        """
        accumulation = config.gradient_accumulation_steps
        steps_per_epoch = math.ceil(math.ceil(examples / config.batch_size) / accumulation)
        timetable = cls(steps_per_epoch, config.epochs * steps_per_epoch, config.evaluations)
        if timetable.steps < timetable.evaluations:
            raise ConfigurationError(
                f"evaluationsPerEpoch {config.evaluations_per_epoch} is more than the {steps_per_epoch} optimizer "
                f"steps of an epoch ({examples} examples, batchSize {config.batch_size}, gradientAccumulationSteps "
                f"{accumulation}): set it to at most {steps_per_epoch}, or make batches smaller"
            )
        return timetable

    def step_of(self, evaluation: int) -> int:
        """The step that this evaluation (from 1) follows."""
        return math.ceil(evaluation * self.steps / self.evaluations)
