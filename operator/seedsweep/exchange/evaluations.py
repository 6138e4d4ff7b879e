"""The evaluations of a record as one table, a row each."""

from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import step_of
from seedsweep.report.facts import may_be_result
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import known_baseline
from seedsweep.report.words import metric_name


def evaluation_rows(record: Record) -> list[dict[str, object]]:
    """Every recorded evaluation, episodes in index order; None is what is undefined or unknown.

    `step` is the optimizer step of the evaluation, `baseline` the score of a constant answer, `outcome` what became of
    the episode; `counts` says whether the evaluation can be the result.
    """
    sweep, status = record.sweep, record.sweep.status or SweepStatus()
    planned, steps = status.evaluations, status.steps
    common = {
        "sweep": sweep.metadata.name,
        "metric": metric_name(sweep.spec.trainer) or "score",
        "goal": "maximize" if sweep.spec.trainer.maximize else "minimize",
        "design": status.design,
        "baseline": known_baseline(status, record.episodes),
    }
    rows: list[dict[str, object]] = []
    for episode in record.episodes:
        own, verdict = episode.status, episode.status.verdict
        for i, score in enumerate(own.scores, start=1):
            rows.append(
                {
                    **common,
                    "episode": episode.spec.id.name,
                    "weight_init": episode.spec.weight_init,
                    "data_order": episode.spec.data_order,
                    "evaluation": i,
                    "step": step_of(i, planned, steps) if planned is not None and steps is not None else None,
                    "score": score,
                    "loss": own.losses[i - 1] if i <= len(own.losses) else None,
                    "outcome": verdict.outcome if verdict is not None else None,
                    "counts": may_be_result(episode, i),
                }
            )
    return rows
