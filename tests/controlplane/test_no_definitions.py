"""An operator on a cluster that its chart's definitions were not applied to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.controlplane import ControlPlane
from cluster.operator import Operator, OperatorError
from host.ports import free_port


@pytest.fixture
def bare(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A control plane of its own: the session's has the definitions."""
    del control_plane  # what it needs is there, or the test is skipped
    with ControlPlane() as bare:
        yield bare


async def test_the_operator_ends_and_says_what_is_missing(bare: ControlPlane, tmp_path: Path):
    log = tmp_path / "operator.log"
    operator = Operator(bare.kubeconfig(), ["default"], free_port(), log)
    with pytest.raises(OperatorError, match="it ended with code 1"):
        await operator.start()
    assert "this cluster knows no SeedSweeps: apply the chart's definitions" in log.read_text()
