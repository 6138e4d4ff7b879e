"""What a trainer says on /metrics: the contract's metrics from its message, and some more for people."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from seedsweep.contract.message import Message
from seedsweep.contract.protocol import MetricName

LOSS = "seedsweep_validation_loss"
LEARNING_RATE = "seedsweep_learning_rate"
TOKENS = "seedsweep_tokens"
GPU_MEMORY = "seedsweep_gpu_memory_bytes"


@dataclass(frozen=True, slots=True)
class Measured:
    """How training goes; None: not measured."""

    learning_rate: float | None = None
    tokens: float | None = None
    """That this attempt has trained on, without padding."""
    gpu_memory_bytes: float | None = None
    """The most that was allocated at once."""


NOTHING = Measured()


def families(message: Message, measured: Measured = NOTHING) -> Iterator[Metric]:
    """A message as the contract's metrics, and what was measured beside it."""
    labels = asdict(message.info)
    info = GaugeMetricFamily(MetricName.INFO, "The trainer and what it runs on.", labels=list(labels))
    info.add_metric(list(labels.values()), 1)
    yield info
    for name, help_text, scores in (
        (MetricName.CURVE_SCORE, "Validation score of each evaluation.", message.scores),
        (MetricName.CURVE_LOSS, "Validation loss of each evaluation.", message.losses or ()),
    ):
        curve = GaugeMetricFamily(name, help_text, labels=["evaluation"])
        for i, score in enumerate(scores):
            curve.add_metric([str(i + 1)], score)
        yield curve
    if message.scores:
        yield GaugeMetricFamily(MetricName.SCORE, "Latest validation score.", value=message.scores[-1])
    if message.baseline is not None:
        yield GaugeMetricFamily(MetricName.BASELINE, "Score of a constant answer.", value=message.baseline)
    if message.baseline_error is not None:
        yield GaugeMetricFamily(
            MetricName.BASELINE_ERROR, "Standard error of the baseline.", value=message.baseline_error
        )
    if message.evaluations_planned:
        yield GaugeMetricFamily(
            MetricName.EVALUATIONS_PLANNED, "Evaluations of a whole episode.", value=message.evaluations_planned
        )
        yield GaugeMetricFamily(
            MetricName.STEPS_PLANNED, "Optimizer steps of a whole episode.", value=message.steps_planned
        )
    for name, help_text, count in (
        (MetricName.STEPS_DONE, "Optimizer steps done.", message.steps_done),
        (MetricName.STEPS_AT_START, "Optimizer step this attempt resumed at.", message.steps_at_start),
        (MetricName.CHECKPOINT, "Newest evaluation with a durable checkpoint.", message.checkpoint),
        (MetricName.EVALUATIONS_DONE, "Evaluations done.", len(message.scores)),
    ):
        yield GaugeMetricFamily(name, help_text, value=count)
    yield from _measured_families(message, measured)


def _measured_families(message: Message, measured: Measured) -> Iterator[Metric]:
    if message.losses:
        yield GaugeMetricFamily(LOSS, "Latest validation loss.", value=message.losses[-1])
    if measured.learning_rate is not None:
        yield GaugeMetricFamily(LEARNING_RATE, "Learning rate of the last step.", value=measured.learning_rate)
    if measured.tokens is not None:
        yield CounterMetricFamily(TOKENS, "Tokens that this attempt has trained on, without padding.", measured.tokens)
    if measured.gpu_memory_bytes is not None:
        yield GaugeMetricFamily(
            GPU_MEMORY, "Most GPU memory that this attempt has had allocated.", value=measured.gpu_memory_bytes
        )
