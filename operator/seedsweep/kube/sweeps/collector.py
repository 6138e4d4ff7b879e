"""What the operator knows about sweeps and watches, as Prometheus's metrics, collected when they are asked for.

The number of series of a sweep depends on its cuts and conditions, never on its number of episodes.
"""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from seedsweep.api.recorded import Timestamp
from seedsweep.api.status import CutSummary, EpisodeCounts, SweepStatus
from seedsweep.kube.pods.facts import moment_or_none
from seedsweep.kube.sweeps.fleet import Fleet
from seedsweep.kube.watching.freshness import Freshness
from seedsweep.kube.watching.watches import Watches

_OF_SWEEP = ("namespace", "sweep")
_SPENT = ("useful", "overshoot", "wasted", "audit")


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"seedsweep_{name}", meaning, labels=[*_OF_SWEEP, *labels])


class _Families:
    """The metrics of all sweeps, which are filled sweep by sweep."""

    def __init__(self) -> None:
        self.phase = _gauge("sweep_phase", "1 for the phase that the sweep is in.", "phase")
        self.condition = _gauge(
            "sweep_condition", "1 for each condition as it stands, with its reason.", "type", "status", "reason"
        )
        self.start = _gauge("sweep_start_timestamp_seconds", "When the first attempt started, in Unix time.")
        self.completion = _gauge("sweep_completion_timestamp_seconds", "When the sweep was over, in Unix time.")
        self.claim = _gauge(
            "sweep_storage_claim_info", "1 for the claim that a sweep under way stores in.", "persistentvolumeclaim"
        )
        self.episodes = _gauge("episodes", "Episodes by state.", "state")
        self.interruptions = CounterMetricFamily(
            "seedsweep_interruptions", "Interrupted attempts, by kind of interruption.", labels=[*_OF_SWEEP, "kind"]
        )
        self.best = _gauge("best_score", "The best validation score so far.")
        self.steps = _gauge("steps", "Optimizer steps that were trained, each in one kind.", "kind")
        self.saved_steps = _gauge("saved_steps", "Optimizer steps that losers did not train.")
        self.planned_steps = _gauge("planned_steps", "Optimizer steps that the design costs at most.")
        self.full_steps = _gauge("full_steps", "Optimizer steps if every episode trained to the end.")
        self.gpu_seconds = _gauge("gpu_seconds", "GPU seconds that all attempts have held in total.")
        self.saved_gpu_seconds = _gauge(
            "saved_gpu_seconds", "GPU seconds that the saved steps would have taken at the rate of those trained."
        )
        cut = ("bracket", "rung")
        self.threshold = _gauge("cut_threshold_score", "Score of the last episode that a cut kept.", *cut)
        self.kept = _gauge("cut_kept_episodes", "Episodes that a cut kept.", *cut)
        self.lost = _gauge("cut_lost_episodes", "Episodes that a cut stopped or left out.", *cut)
        self.evaluation = _gauge("cut_evaluation", "Evaluation at which a cut compared episodes, from 1.", *cut)

    def add(self, where: Sequence[str], status: SweepStatus) -> None:
        """One sweep's samples."""
        self.phase.add_metric([*where, status.phase], 1)
        for condition in status.conditions:
            self.condition.add_metric([*where, condition.type, condition.status, condition.reason], 1)
        _add_moment(self.start, where, status.start_time)
        _add_moment(self.completion, where, status.completion_time)
        for state in EpisodeCounts.model_fields:
            self.episodes.add_metric([*where, state], getattr(status.counts, state))
        for count in status.interruptions:
            self.interruptions.add_metric([*where, count.kind], count.attempts)
        if status.best is not None:
            self.best.add_metric(where, status.best.score)
        self._add_cost(where, status)
        for cut in status.cuts:
            self._add_cut(where, cut)

    def _add_cost(self, where: Sequence[str], status: SweepStatus) -> None:
        cost = status.cost
        for kind in _SPENT:
            self.steps.add_metric([*where, kind], getattr(cost, f"{kind}_steps"))
        self.saved_steps.add_metric(where, cost.saved_steps)
        if cost.planned_steps is not None:
            self.planned_steps.add_metric(where, cost.planned_steps)
        if cost.full_steps is not None:
            self.full_steps.add_metric(where, cost.full_steps)
        self.gpu_seconds.add_metric(where, cost.gpu_seconds)
        self.saved_gpu_seconds.add_metric(where, cost.saved_gpu_seconds)

    def _add_cut(self, where: Sequence[str], cut: CutSummary) -> None:
        at = [*where, str(cut.bracket), str(cut.rung)]
        if cut.threshold is not None:
            self.threshold.add_metric(at, cut.threshold)
        self.kept.add_metric(at, cut.kept)
        self.lost.add_metric(at, cut.of - cut.kept)
        self.evaluation.add_metric(at, cut.evaluation)


class SweepsCollector(Collector):
    """All sweeps that exist; one that is over keeps its last samples until it is deleted."""

    def __init__(self, sweeps: Fleet) -> None:
        self._sweeps = sweeps

    def collect(self) -> Iterable[Metric]:
        """A family per metric, with the samples of all sweeps."""
        families = _Families()
        for home, status in self._sweeps.statuses():
            families.add([home.namespace, home.name], status)
        for home, claim in self._sweeps.claims():
            families.claim.add_metric([home.namespace, home.name, claim], 1)
        return vars(families).values()


class WatchesCollector(Collector):
    """Whether watches still tell the truth."""

    def __init__(self, freshness: Freshness, watches: Watches) -> None:
        self._freshness = freshness
        self._watches = watches

    def collect(self) -> Iterable[Metric]:
        """Two gauges that are 0 on a good day."""
        return (
            GaugeMetricFamily(
                "seedsweep_operator_watch_overdue_objects",
                "Objects that lists have shown twice but a watch has not.",
                value=self._freshness.overdue(),
            ),
            GaugeMetricFamily(
                "seedsweep_operator_watch_failures",
                "Watches that the API server does not serve at the moment.",
                value=len(self._watches.troubles),
            ),
        )


def _add_moment(family: GaugeMetricFamily, where: Sequence[str], text: Timestamp | None) -> None:
    moment = moment_or_none(text)
    if moment is not None:
        family.add_metric(where, moment.timestamp())
