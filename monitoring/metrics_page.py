"""docs/metrics.md, from what the operator and a trainer export."""

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase

from seedsweep.api.early_stopping import MAX_BRACKETS, MAX_RUNGS
from seedsweep.api.status import EpisodeCounts, SweepStatus
from seedsweep.contract.message import Message, Outcome, TrainerInfo
from seedsweep.contract.protocol import MetricName
from seedsweep.kube.process import metrics as of_operator
from seedsweep.kube.sweeps.collector import SweepsCollector, WatchesCollector
from seedsweep.kube.watching.freshness import Freshness
from seedsweep_trainer.reporting.exposition import Measured
from seedsweep_trainer.reporting.exposition import families as trainer_families

UNITS = {
    "_timestamp_seconds": "Unix time in seconds",
    "_gpu_seconds": "GPU seconds",
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_tokens": "tokens",
    "_score": "of the sweep's metric",
    "_error": "of the sweep's metric",
    "_loss": "of the loss",
    "_steps": "optimizer steps",
    "_evaluation": "number of an evaluation",
}
"""By the longest ending that fits; all else is counted or 1."""
CURVES = (MetricName.CURVE_SCORE, MetricName.CURVE_LOSS)
DROPPED = (*CURVES, MetricName.BASELINE, MetricName.BASELINE_ERROR, MetricName.STEPS_AT_START, MetricName.STEPS_PLANNED)
"""What the chart's PodMonitor of trainers drops by default."""

OF_A_TARGET = 5
"""Series that Prometheus makes of every target itself, such as `up`."""

HEAD = """\
# Metrics

The operator and every trainer serve `/metrics` in Prometheus's text format. [monitoring.md](monitoring.md) explains
how to scrape them, and has the dashboards and alerts. `make monitoring` generates this page.

"""


_OWN = [metric for metric in vars(of_operator).values() if isinstance(metric, MetricWrapperBase)]


class _Sweeps:
    """Stands for the fleet."""

    def __init__(self, *statuses: SweepStatus) -> None:
        self._statuses = statuses

    def statuses(self) -> list[tuple[Any, SweepStatus]]:
        """As Fleet has it."""
        return [(SimpleNamespace(namespace="nlp", name=f"rte-{i}"), status) for i, status in enumerate(self._statuses)]

    def claims(self) -> list[tuple[Any, str]]:
        """As Fleet has it."""
        return [(home, "checkpoints") for home, _ in self.statuses()]


def collector_of(*statuses: SweepStatus) -> SweepsCollector:
    """The operator's own, of sweeps that stand so."""
    return SweepsCollector(cast("Any", _Sweeps(*statuses)))


def of_sweeps(*statuses: SweepStatus) -> list[Metric]:
    """What the operator exports of sweeps that stand so."""
    return list(collector_of(*statuses).collect())


def of_the_operator() -> list[Metric]:
    """What the operator exports of its own work."""
    watches = WatchesCollector(Freshness(patience=30), cast("Any", SimpleNamespace(troubles=[])))
    return [*(family for metric in _OWN for family in metric.collect()), *watches.collect()]


def of_a_trainer() -> list[Metric]:
    """What a trainer exports that has something to say of everything."""
    told = Message(
        info=TrainerInfo("wi0-do0", "uid"),
        outcome=Outcome.RUNNING,
        evaluations_planned=2,
        steps_done=10,
        steps_planned=20,
        scores=(0.5,),
        losses=(0.7,),
        baseline=0.5,
        baseline_error=0.01,
    )
    return list(trainer_families(told, Measured(learning_rate=2e-5, tokens=4096, gpu_memory_bytes=2**30)))


def labels_of(family: Metric) -> Sequence[str]:
    """Names of its labels, as it was declared; `le` of a histogram is not named."""
    declared = getattr(family, "_labelnames", None)
    if declared is None:
        declared = next((metric._labelnames for metric in _OWN if metric._name == family.name), ())
    return cast("Sequence[str]", declared)


def unit_of(family: Metric) -> str:
    """What it counts in, by its name."""
    return next((unit for ending, unit in UNITS.items() if family.name.endswith(ending)), "")


def table(families: Iterable[Metric]) -> str:
    """One row for each metric."""
    lines = ["| metric | type | labels | unit | meaning |", "| --- | --- | --- | --- | --- |"]
    for family in sorted(families, key=lambda family: family.name):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = ", ".join(f"`{label}`" for label in labels_of(family))
        lines.append(f"| `{name}` | {family.type} | {labels} | {unit_of(family)} | {family.documentation} |")
    return "\n".join(lines) + "\n"


def series_of_a_sweep() -> int:
    """Series of a sweep without cuts, conditions and interruptions: all else is counted apart."""
    fixed = {family.name: len(family.samples) for family in of_sweeps(SweepStatus())}
    absent_so_far = ("best_score", "planned_steps", "full_steps", "start_timestamp", "completion_timestamp")
    return sum(fixed.values()) + len(absent_so_far)


def page() -> str:
    """The whole page."""
    states = ", ".join(f"`{state}`" for state in EpisodeCounts.model_fields)
    return f"""{HEAD}## Sweeps

Exported by the operator. A sweep that is over keeps its last samples until it is deleted.

{table(of_sweeps())}
| label | values |
| --- | --- |
| `state` | {states} |
| `kind` of steps | `useful`, `overshoot`, `wasted`, `audit` |
| `type`, `status`, `reason` | those of the sweep's conditions: `type="Stalled"`, `status="True"` shows why it waits |

## The operator itself

{table(of_the_operator())}
The operator also exports Prometheus's usual `process_*` and `python_*`.

## Trainers

Exported by our own trainer; [trainer-contract.md](trainer-contract.md) says what another one must export. The chart's
PodMonitor adds the labels `namespace`, `sweep`, `episode`, `weight_init` and `data_order` from the pod.

{table(of_a_trainer())}
{_series()}"""


def _series() -> str:
    dropped = ", ".join(f"`{name}`" for name in DROPPED)
    of_sweep = series_of_a_sweep()
    of_episode = sum(len(family.samples) for family in of_a_trainer() if family.name not in DROPPED)
    of_many = 100 * (of_episode + OF_A_TARGET) + of_sweep + 20
    kept = "metrics.podMonitors.evaluations"
    of_part = "4 more for each cut, 1 for each condition and kind of interruption"
    return f"""## How many series

| for | series | until |
| --- | --- | --- |
| a sweep, whatever its number of episodes | {of_sweep}; {of_part} | it is deleted |
| a running episode | {of_episode}, and {OF_A_TARGET} that Prometheus adds for every target | its pod ends |
| the same with `{kept}` | {len(DROPPED) - len(CURVES)} more, and 1 or 2 for each evaluation | its pod ends |

A sweep of 2,100 episodes of which 100 train at once takes about {of_many:,} series at a time, because episodes that
wait or have ended take none. A sweep has at most {MAX_BRACKETS * MAX_RUNGS} cuts, usually one.

By default the PodMonitor drops the series that only the operator needs, because it reads the pods itself:
{dropped}.
The curve is also `seedsweep_validation_score` over time.
"""
