"""What is found out about a sweep, and the condition that says so."""

from datetime import datetime
from typing import Literal, NamedTuple

from seedsweep.api.core.objects import Condition
from seedsweep.api.recorded import MAX_MESSAGE, reason_word, shortened
from seedsweep.engine.draft import recorded_or_now


class Finding(NamedTuple):
    """One condition, but for when it began to hold."""

    kind: str
    """Type of the condition."""
    holds: bool
    reason: str
    message: str = ""


def condition_of(finding: Finding, before: Condition | None, generation: int | None, now: datetime) -> Condition:
    """The condition as it is now; `before`: the one of this type on record, whose time stays while its status does."""
    status: Literal["True", "False"] = "True" if finding.holds else "False"
    since = before.last_transition_time if before is not None and before.status == status else None
    return Condition(
        type=finding.kind,
        status=status,
        reason=reason_word(finding.reason),
        message=shortened(finding.message, MAX_MESSAGE),
        last_transition_time=recorded_or_now(since, now),
        observed_generation=generation,
    )
