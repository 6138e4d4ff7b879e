"""One trainer's /metrics becomes one Reading. The only reader of trainers' metrics, and it trusts nothing in them.

Whatever a body holds, the outcome is a whole Reading or a ScrapeError, within a bounded time and memory.
"""

import math
from dataclasses import dataclass

from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import Metric
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.api.sweep import GaugeNames
from seedsweep.contract.consistency import Limits, contradiction
from seedsweep.contract.exposition import CountError, Samples, ScrapeError, count, defined, parse_samples, single
from seedsweep.contract.foreign import recordable
from seedsweep.contract.message import Message, Outcome, TrainerInfo
from seedsweep.contract.protocol import CONTRACT_VERSION, MAX_LABEL, MetricName
from seedsweep.contract.sampling import sample
from seedsweep.engine.observation import Reading

_LEVELS = frozenset({"L0", "L1", "L2", "L3"})
_CONTRACT = frozenset(name.value for name in MetricName)
_CONTRACTS_NAMES = GaugeNames()
_AT_MOST = f"an episode has at most {MAX_EVALUATIONS} evaluations; evaluate less often"
_ANY = Limits()


class NeverUsableError(ScrapeError):
    """What this trainer publishes can never count, however long it goes on: what is wrong with it cannot change."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Whose metrics these have to be, and the values a score can take."""

    episode: str
    uid: str
    limits: Limits = _ANY

    @classmethod
    def of(cls, metric: Metric | None, episode: EpisodeId, uid: str) -> "Expected":
        """What an attempt must publish; `metric` has the range."""
        return cls(episode.name, uid, Limits.of(metric))


def parse_reading(
    body: bytes, expected: Expected, names: GaugeNames = _CONTRACTS_NAMES, before: Reading | None = None
) -> Reading:
    """The Reading in a body of the Prometheus text format.

    Args:
        names: where it gives any, a body without the contract's info metric is taken as a sample of two gauges. The
            caller vouches for whose it is.
        before: what the same attempt published last; it cannot go back behind that.

    Raises:
        ScrapeError: not the expected trainer's metrics, or none that can be.
    """
    given = {name for name in (names.score, names.progress) if name is not None}
    samples = parse_samples(body, _CONTRACT | given if given else _CONTRACT)
    if given and MetricName.INFO not in samples and (before is None or before.sampled):
        reading = sample(before, samples, names)
        _check(reading, expected, ScrapeError)
    else:
        info = _info(samples)
        _check_identity(info, expected)
        reading = _published(samples, info)
        _check(reading, expected, NeverUsableError)
    if before is not None:
        _refuse_going_back(before, reading)
    return reading


def reading_of(message: Message, expected: Expected) -> Reading:
    """The Reading in a termination message, held to the same rules; raises ScrapeError."""
    _check_identity(message.info, expected)
    reading = Reading(
        scores=_known(message.scores),
        losses=None if message.losses is None else _known(message.losses),
        # 0: it ended before it knew.
        evaluations_planned=message.evaluations_planned or None,
        steps_done=message.steps_done,
        steps_planned=message.steps_planned or None,
        steps_at_start=message.steps_at_start,
        checkpoint=message.checkpoint,
        diverged_at=message.diverged_at,
        baseline=defined(message.baseline, "the baseline"),
        baseline_error=defined(message.baseline_error, "the baseline's standard error"),
        level=message.info.level,
        fingerprint=message.info.fingerprint,
        data=message.info.data,
        initialization=message.info.initialization,
        provenance=message.info.provenance,
        done=message.outcome is Outcome.DONE,
    )
    _check(reading, expected, NeverUsableError)
    return reading


def _published(samples: Samples, info: TrainerInfo) -> Reading:
    scores, losses = _curve(samples, MetricName.CURVE_SCORE), _curve(samples, MetricName.CURVE_LOSS)
    if losses and abs(len(scores) - len(losses)) > 1:
        raise ScrapeError(f"{len(scores)} scores but {len(losses)} losses: publish a loss for each or none")
    # An evaluation may end between the reading of two gauges: it counts once both are there.
    known = min(len(scores), len(losses)) if losses else len(scores)
    return Reading(
        scores=scores[:known],
        losses=losses[:known] if losses else None,
        evaluations_planned=_planned(samples),
        steps_done=_count(samples, MetricName.STEPS_DONE) or 0,
        steps_planned=_count(samples, MetricName.STEPS_PLANNED) or None,
        steps_at_start=_count(samples, MetricName.STEPS_AT_START) or 0,
        checkpoint=_count(samples, MetricName.CHECKPOINT) or 0,
        baseline=defined(single(samples, MetricName.BASELINE), MetricName.BASELINE),
        baseline_error=defined(single(samples, MetricName.BASELINE_ERROR), MetricName.BASELINE_ERROR),
        level=info.level,
        fingerprint=info.fingerprint,
        data=info.data,
        initialization=info.initialization,
        provenance=info.provenance,
    )


def _count(samples: Samples, name: MetricName) -> int | None:
    try:
        return count(samples, name)
    except CountError as error:
        raise NeverUsableError(str(error)) from None


def _planned(samples: Samples) -> int | None:
    planned = _count(samples, MetricName.EVALUATIONS_PLANNED) or None
    if planned is not None and planned > MAX_EVALUATIONS:
        raise NeverUsableError(f"{MetricName.EVALUATIONS_PLANNED} is {planned}: {_AT_MOST}")
    return planned


def _curve(samples: Samples, name: MetricName) -> tuple[float | None, ...]:
    """Values of evaluation 1, 2, ... without a gap."""
    points: dict[str, float] = {}
    for labels, value in samples.get(name, ()):
        evaluation = labels.get("evaluation", "")
        if evaluation in points:
            raise ScrapeError(f"{name} is there twice for evaluation {evaluation[:40]!r}")
        points[evaluation] = value
    if len(points) > MAX_EVALUATIONS:
        raise NeverUsableError(f"{name} has too many samples: {_AT_MOST}")
    try:
        values = [points[str(i)] for i in range(1, len(points) + 1)]
    except KeyError as missing:
        raise ScrapeError(
            f"{name} has {len(points)} evaluations, but not evaluation {missing}: label them from 1 up"
        ) from None
    try:
        return tuple(defined(value, f"{name} of evaluation {i}") for i, value in enumerate(values, start=1))
    except ScrapeError as error:
        raise NeverUsableError(str(error)) from None


def _known(values: tuple[float, ...]) -> tuple[float | None, ...]:
    return tuple(value if math.isfinite(value) else None for value in values)


def _info(samples: Samples) -> TrainerInfo:
    found = samples.get(MetricName.INFO, ())
    if len(found) != 1:
        raise ScrapeError(f"{MetricName.INFO} is there {len(found)} times instead of once: is this a trainer?")
    labels = found[0][0]
    # One character more than may be tells that there are too many.
    wanted = {key: recordable(labels[key], MAX_LABEL + 1) for key in TrainerInfo.__dataclass_fields__ if key in labels}
    return TrainerInfo(**{"episode": "", "uid": "", **wanted})


def _check_identity(info: TrainerInfo, expected: Expected) -> None:
    """Raise ScrapeError for the wrong trainer."""
    for name, found, wanted in (
        ("episode", info.episode, expected.episode),
        ("uid", info.uid, expected.uid),
    ):
        if found != wanted:
            raise ScrapeError(f"these are the metrics of {name} {found[:80]!r}, not of {wanted!r}")
    if info.contract != str(CONTRACT_VERSION):
        raise NeverUsableError(f"this trainer speaks contract {info.contract[:80]!r}, not {str(CONTRACT_VERSION)!r}")
    if info.level not in _LEVELS:
        raise NeverUsableError(f"level {info.level[:80]!r} is none of {', '.join(sorted(_LEVELS))}")
    for name, text in (
        ("fingerprint", info.fingerprint),
        ("data", info.data),
        ("initialization", info.initialization),
        ("provenance", info.provenance),
    ):
        if len(text) > MAX_LABEL:
            raise NeverUsableError(f"the label {name} is longer than {MAX_LABEL} characters: give a digest")


def _check(reading: Reading, expected: Expected, of_curves: type[ScrapeError]) -> None:
    """Raise ScrapeError for values that cannot be: `of_curves` for those that no later reading takes back."""
    reason = expected.limits.excess(reading.scores) or contradiction(reading)
    if reason is None and reading.baseline_error is not None and reading.baseline_error < 0:
        reason = f"{MetricName.BASELINE_ERROR} is {reading.baseline_error}: a standard error is never below 0"
    if reason is not None:
        raise of_curves(reason)


def _refuse_going_back(before: Reading, now: Reading) -> None:
    for what, old, new in (
        ("step", before.steps_done, now.steps_done),
        ("evaluation", len(before.scores), len(now.scores)),
    ):
        if new < old:
            raise ScrapeError(f"went back from {what} {old} to {new}")
