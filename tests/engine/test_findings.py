"""Conditions made from findings: when they began to hold, and what the API server takes."""

import pytest

from engine.trainees import moment
from seedsweep.api.core.objects import Condition
from seedsweep.api.recorded import MAX_MESSAGE, timestamp
from seedsweep.engine.status.findings import Finding, condition_of

FINDING = Finding("Stalled", True, "Forbidden", "cannot create pods")


def before(status: str, second: int) -> Condition:
    return Condition(type="Stalled", status=status, reason="Other", last_transition_time=timestamp(moment(second)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "since"),
    [(None, 100), (before("True", 40), 40), (before("False", 40), 100), (before("True", 7300), 100)],
    ids=["new", "as before", "changed", "written before the clock was set back"],
)
def test_a_condition_holds_since_its_status_changed(known: Condition | None, since: int) -> None:
    found = condition_of(FINDING, known, 3, moment(100))
    assert (found.status, found.reason, found.observed_generation) == ("True", "Forbidden", 3)
    assert found.last_transition_time == timestamp(moment(since))


def test_what_the_api_server_would_refuse_is_made_to_fit() -> None:
    found = condition_of(Finding("Failed", False, "no word", "x" * 5_000), None, None, moment(100))
    assert " " not in found.reason
    assert len(found.message) <= MAX_MESSAGE
