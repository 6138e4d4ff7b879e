"""One attempt, whose failure is told from a configuration that fails every time."""

from threading import Event

from seedsweep.contract.message import Outcome
from seedsweep_trainer.checkpoints.saving import CLOCK, Clock
from seedsweep_trainer.endings import is_out_of_resources
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.training.loop import train
from seedsweep_trainer.training.trial import try_step


def train_attempt(attempt: Attempt, reporter: Reporter, terminated: Event, clock: Clock = CLOCK) -> Outcome:
    """Train; raises ConfigurationError for what a person has to change, and whatever else goes wrong."""
    try:
        return train(attempt, reporter, terminated, clock)
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
        if not is_out_of_resources(error):
            _blame_configuration(attempt)
        raise


def _blame_configuration(attempt: Attempt) -> None:
    """Raise ConfigurationError if a fresh model fails on the data too, so that trying again would change nothing.

    Only a trial before the first episode has tried that, and where there is no storage on a cluster there is none. On
    the CPU: a GPU that has failed once fails at everything.
    """
    config = attempt.config
    with prepare_inputs(config, attempt.storage, attempt.work) as inputs:
        model, _ = load_model(config, inputs.data, inputs.padding, attempt.weight_init, inputs.folder)
        try_step(config, model, inputs.padding, inputs.data)
