"""What a simulated trainer publishes, in the Prometheus text format: written directly, for thousands of targets."""

import math
from dataclasses import asdict

from seedsweep.contract.message import Message
from seedsweep.contract.protocol import MetricName


def metrics_body(message: Message) -> bytes:
    """All metrics of the contract."""
    labels = ",".join(f'{name}="{value}"' for name, value in asdict(message.info).items())
    lines = [f"{MetricName.INFO}{{{labels}}} 1"]
    lines += _curve(MetricName.CURVE_SCORE, message.scores)
    lines += _curve(MetricName.CURVE_LOSS, message.losses or ())
    if message.scores:
        lines.append(f"{MetricName.SCORE} {message.scores[-1]}")
    if message.baseline is not None:
        lines.append(f"{MetricName.BASELINE} {message.baseline}")
    if message.baseline_error is not None:
        lines.append(f"{MetricName.BASELINE_ERROR} {message.baseline_error}")
    lines += (
        f"{MetricName.EVALUATIONS_PLANNED} {message.evaluations_planned}",
        f"{MetricName.STEPS_PLANNED} {message.steps_planned}",
        f"{MetricName.STEPS_DONE} {message.steps_done}",
        f"{MetricName.STEPS_AT_START} {message.steps_at_start}",
        f"{MetricName.CHECKPOINT} {message.checkpoint}",
        f"{MetricName.EVALUATIONS_DONE} {len(message.scores)}",
    )
    return ("\n".join(lines) + "\n").encode()


def gauges_body(names: tuple[str, str], message: Message, progress: float) -> bytes:
    """A score gauge, NaN until there is a score, and a progress gauge: all that an L0 trainer publishes."""
    score, done = names
    return f"{score} {message.scores[-1] if message.scores else math.nan}\n{done} {progress:.6f}\n".encode()


def _curve(name: MetricName, values: tuple[float, ...]) -> list[str]:
    return [f'{name}{{evaluation="{i}"}} {value}' for i, value in enumerate(values, 1)]
