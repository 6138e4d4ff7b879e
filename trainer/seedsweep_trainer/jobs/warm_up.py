"""A sweep's warm-up: whatever a hub has to be asked for, and the tokenising, done once before any episode starts."""

import logging

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, prepare_torch
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.training.timetable import Timetable
from seedsweep_trainer.training.trial import size_of, try_out

log = logging.getLogger(__name__)


def warm_up(config: FineTuning, storage: str) -> int:
    """Put the model, where it is on a hub, and the tokenised data into the sweep's cache; counts its parameters.

    Raises ConfigurationError as an attempt would.
    """
    device = prepare_torch(config)
    autocast_dtype(config, device)
    with prepare_inputs(config, storage, fill_cache=True) as inputs:
        Timetable.of(config, len(inputs.data.train))
        parameters = size_of(try_out(config, inputs, device))
    log.info("warm: %d training examples", len(inputs.data.train))
    return parameters
