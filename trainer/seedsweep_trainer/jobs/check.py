"""Whether a configuration can be trained at all, found out before anything starts."""

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, prepare_torch
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.training.loop import Timetable
from seedsweep_trainer.training.trial import try_out


def check(config: FineTuning) -> dict[str, str | int | float | None]:
    """Load everything that an attempt loads, try a step, and tell what it comes to, ready for JSON.

    Raises ConfigurationError as the attempt would.
    """
    device = prepare_torch(config)
    autocast_dtype(config, device)
    with prepare_inputs(config, storage=None) as inputs:
        data = inputs.data
        timetable = Timetable.of(config, len(data.train))
        parameters = try_out(config, inputs, device)
    return {
        "evaluations": timetable.evaluations,
        "steps": timetable.steps,
        "baseline": data.baseline,
        "data": data.digest,
        "revision": data.revision,
        "trainExamples": len(data.train),
        "validationExamples": len(data.validation),
        "testExamples": None if data.test is None else len(data.test),
        "parameters": parameters,
    }
