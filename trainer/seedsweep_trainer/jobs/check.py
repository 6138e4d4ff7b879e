"""Whether a configuration can be trained at all, found out before anything starts."""

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, prepare_torch
from seedsweep_trainer.training.fit import load_data, try_out
from seedsweep_trainer.training.timetable import Timetable


def check(config: FineTuning) -> dict[str, str | int | float | None]:
    """Load everything that an attempt loads, try a step, and tell what it comes to, ready for JSON.

    Raises ConfigurationError as the attempt would.
    """
    device = prepare_torch(config)
    autocast_dtype(config, device)
    tokenizer, data = load_data(config)
    timetable = Timetable.of(config, len(data.train))
    parameters = try_out(config, tokenizer, data, device, folder=None)
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
