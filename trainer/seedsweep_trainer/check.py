"""Whether a configuration can be trained at all, found out before anything starts."""

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.fingerprint import autocast_dtype, prepare_torch
from seedsweep_trainer.model import load_model, load_tokenizer
from seedsweep_trainer.tasks import load_task
from seedsweep_trainer.timetable import Timetable


def check(config: FineTuning) -> dict[str, str | int | float | None]:
    """Load everything that an attempt loads, and tell what it comes to, ready for JSON.

    Raises ConfigurationError as the attempt would.
    """
    autocast_dtype(config, prepare_torch(config))
    tokenizer = load_tokenizer(config)
    data = load_task(config, tokenizer)
    timetable = Timetable.of(config, len(data.train))
    model, _ = load_model(config, data, weight_init=0)
    return {
        "evaluations": timetable.evaluations,
        "steps": timetable.steps,
        "baseline": data.baseline,
        "data": data.digest,
        "revision": data.revision,
        "trainExamples": len(data.train),
        "validationExamples": len(data.validation),
        "testExamples": None if data.test is None else len(data.test),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
