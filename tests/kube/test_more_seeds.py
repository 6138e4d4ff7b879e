"""When a sweep that is over is taken up again: more seeds, or another try of its hand-over, and no other edit."""

from typing import Any

import pytest

from inputs.growing import SINCE, failed
from seedsweep.api.status import HAND_OVER_FAILED, EpisodeCounts, SweepStatus
from seedsweep.kube.sweeps.completion import is_over


def body(count: int, generation: int) -> dict[str, Any]:
    return {"metadata": {"generation": generation}, "spec": {"seeds": {"single": {"count": count}}}}


def over(*conditions: Any) -> SweepStatus:
    counts = EpisodeCounts(finished=2, lost=3, failed=1)
    return SweepStatus(completion_time=SINCE, observed_generation=1, counts=counts, conditions=list(conditions))


def test_an_edit_of_a_sweep_that_is_over_changes_nothing_unless_it_adds_seeds() -> None:
    assert is_over(over(), body(6, generation=1))
    assert is_over(over(), body(6, generation=2))
    assert not is_over(over(), body(7, generation=2))


def test_a_sweep_that_goes_on_is_not_over() -> None:
    assert not is_over(SweepStatus(observed_generation=1), body(6, generation=1))


@pytest.mark.parametrize(("reason", "tried_again"), [(HAND_OVER_FAILED, True), ("NoScore", False)])
def test_of_those_that_failed_only_the_hand_over_is_tried_again(reason: str, tried_again: bool) -> None:
    status = over(failed(reason))
    assert is_over(status, body(6, generation=1))
    assert is_over(status, body(6, generation=2)) is not tried_again
