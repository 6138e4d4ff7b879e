"""A sweep as a person names it, whichever release its operator was."""

import pytest

from inputs.pod_sweeps import sweep_with
from inputs.sweeps import as_resource
from seedsweep.cluster.lookup import accepted
from seedsweep.cluster.refusal import refused
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import ApiError, Object


def body() -> Object:
    found: Object = as_resource(sweep_with())
    return found


def test_a_status_of_a_newer_operator_does_not_keep_a_sweep_from_being_found():
    status = {"phase": "Exploring", "newInV2": 1, "startTime": "2026-01-01T00:00:00Z"}
    sweep = accepted({**body(), "status": status})
    assert sweep.status is not None
    assert sweep.status.start_time == "2026-01-01T00:00:00Z"


def test_a_sweep_that_asks_for_what_nobody_knows_is_told_with_its_field():
    asked = body()
    asked["spec"]["newInV2"] = 1
    with pytest.raises(CommandError, match=r"spec\.newInV2: is not a field"):
        accepted(asked)


@pytest.mark.parametrize(
    ("status", "code"), [(None, Exit.FAILED), (503, Exit.FAILED), (403, Exit.BAD_INPUT), (404, Exit.BAD_INPUT)]
)
def test_only_what_the_api_server_refuses_for_good_is_bad_input(status: int | None, code: Exit):
    assert refused(ApiError(status, "Reason", "why")).code is code
