"""An answer as JSON for scripts, with the numbers of the text."""

from typing import Any

from seedsweep.science.stopping.planning import SPLITS, Estimate, Planned
from seedsweep.science.stopping.plans import Plan, at_percent
from seedsweep.studies.plan.answer import Answer, Time


def json_of(answer: Answer) -> dict[str, Any]:
    """Scores in the metric's unit, gains positive where the cut is better."""
    planned = answer.planned
    return {
        "budget": answer.budget,
        "evaluations": len(answer.shares),
        "plan": _plan_json(answer.plan, len(answer.shares)),
        "stopsEarly": answer.plan.evaluation is not None,
        "basis": "history" if planned is not None else "rule of thumb",
        "goal": "maximize" if answer.maximize else "minimize",
        "bestValue": answer.best_possible,
        "splits": SPLITS if planned is not None else None,
        "mostStarted": answer.most if planned is not None else None,
        "gpus": answer.gpus,
        "time": _time_json(answer.time),
        "timeOfFullRuns": _time_json(answer.time_of_full),
        "curve": [_planned_json(one, answer) for one in answer.curve],
        "histories": [
            {
                "name": history.name,
                "runs": len(history.runs),
                "failed": history.failed,
                "diverged": history.diverged,
                "leftOut": list(history.left_out),
                "runSeconds": history.run_seconds,
            }
            for history in answer.histories
        ],
    }


def _plan_json(plan: Plan, evaluations: int) -> dict[str, Any]:
    percent = at_percent(plan.evaluation, evaluations) if plan.evaluation is not None else None
    return {"started": plan.started, "evaluation": plan.evaluation, "atPercent": percent, "keep": plan.keep}


def _time_json(time: Time | None) -> dict[str, Any] | None:
    return {"fullRuns": time.full_runs, "hours": time.hours} if time is not None else None


def _planned_json(planned: Planned, answer: Answer) -> dict[str, Any]:
    evaluations = len(answer.shares)
    found: dict[str, Any] = {
        "budget": planned.budget,
        "plan": _plan_json(planned.plan, evaluations),
        "fullRuns": _score_json(planned.full, answer),
    }
    for name, cut in (("tuned", planned.tuned), ("middle", planned.rule)):
        found[name] = None
        if cut is not None:
            found[name] = {
                "plan": _plan_json(cut.plan, evaluations),
                "score": _score_json(cut.result, answer),
                "gain": _estimate_json(cut.gain),
                "errorReduction": _estimate_json(cut.reduction) if cut.reduction is not None else None,
                "pays": cut.pays,
            }
    return found


def _score_json(estimate: Estimate, answer: Answer) -> dict[str, float]:
    low, high = sorted(answer.turned(value) for value in (estimate.low, estimate.high))
    return {"mean": answer.turned(estimate.mean), "low": low, "high": high}


def _estimate_json(estimate: Estimate) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}
