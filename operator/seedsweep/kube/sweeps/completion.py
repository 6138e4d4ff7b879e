"""Whether a sweep is over, or an edit has given it something to do again."""

from pydantic import ValidationError

from seedsweep.api.seeds import Seeds
from seedsweep.api.status import SweepStatus
from seedsweep.kube.apiserver.client import Object


def is_over(status: SweepStatus, body: Object) -> bool:
    """Whether nothing is left to do: an edit may have given it more seeds, or has a failed hand-over tried again."""
    if not status.over or status.observed_generation == body["metadata"].get("generation"):
        return status.over
    return not (status.hand_over_failed or _has_more_seeds(status, body))


def _has_more_seeds(status: SweepStatus, body: Object) -> bool:
    """Than the episodes that the status counts; the API server lets seeds be added only to what can go on with them."""
    try:
        seeds = Seeds.model_validate(body["spec"]["seeds"])
    except ValidationError:
        return False
    counted: int = sum(number for _, number in status.counts)
    return seeds.count > counted
