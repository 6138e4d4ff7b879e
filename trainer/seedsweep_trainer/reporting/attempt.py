"""What one attempt is asked to do, read once from the contract's environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from seedsweep.api.finetuning import FineTuning, Metric
from seedsweep.contract.protocol import Env
from seedsweep_trainer.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of an episode."""

    uid: str
    weight_init: int
    data_order: int
    config: FineTuning
    rungs: tuple[int, ...] = ()
    """Evaluations at which a cut is made."""
    stop_after: int | None = None
    checkpoints: str | None = None
    """The episode's folder, a path or a URI, which its attempts share; None: nothing outlives the attempt."""
    work: Path | None = None
    """A folder of this attempt alone."""
    storage: str | None = None
    """The sweep's folder, a path or a URI, which its episodes share; None: there is no cache."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Attempt":
        """Parse the environment; raises ConfigurationError for a variable that is missing or malformed."""
        stop_after = environ.get(Env.STOP_AFTER)
        work = environ.get(Env.WORK_DIR)
        return cls(
            uid=required(environ, Env.ATTEMPT_UID),
            weight_init=whole_number(required(environ, Env.WEIGHT_INIT_SEED), Env.WEIGHT_INIT_SEED),
            data_order=whole_number(required(environ, Env.DATA_ORDER_SEED), Env.DATA_ORDER_SEED),
            config=parse_config(required(environ, Env.CONFIG)),
            rungs=tuple(whole_number(rung, Env.RUNGS) for rung in environ.get(Env.RUNGS, "").split(",") if rung),
            stop_after=whole_number(stop_after, Env.STOP_AFTER) if stop_after else None,
            checkpoints=environ.get(Env.CHECKPOINT_DIR) or None,
            work=Path(work) if work else None,
            storage=environ.get(Env.STORAGE_DIR) or None,
        )


def parse_config(text: str) -> FineTuning:
    """Parse JSON of `spec.trainer.fineTuning`; raises ConfigurationError with every problem in it."""
    try:
        return FineTuning.model_validate_json(text, by_name=False)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])) or 'JSON'}: {item['msg']}" for item in error.errors()]
        raise ConfigurationError(f"{Env.CONFIG} is no valid fineTuning: {'; '.join(problems)}") from None


def asked_metric(environ: Mapping[str, str]) -> Metric | None:
    """The metric that the sweep ranks by; None where it does not say. Raises ConfigurationError."""
    text = environ.get(Env.METRIC)
    try:
        return Metric.model_validate_json(text) if text else None
    except ValidationError:
        raise ConfigurationError(
            f"{Env.METRIC} {text!r} is no metric: use an image of the operator's release"
        ) from None


def required(environ: Mapping[str, str], name: Env) -> str:
    """The value of a variable that every attempt needs; raises ConfigurationError where it is missing."""
    value = environ.get(name)
    if not value:
        raise ConfigurationError(f"{name} is not set: attempts are started by `seedsweep run` or the operator")
    return value


def whole_number(text: str, name: Env) -> int:
    """The value of a variable that counts something; raises ConfigurationError."""
    if not text.isdecimal():
        raise ConfigurationError(f"{name} {text!r} is not a whole number from 0 up")
    return int(text)
