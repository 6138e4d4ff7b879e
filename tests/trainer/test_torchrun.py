"""examples/torchrun_loop.py under a real torchrun: two processes are one episode."""

import os
import subprocess
import sys
from pathlib import Path

from host.ports import free_port
from seedsweep.contract.message import Message, Outcome, decode_message
from seedsweep.contract.protocol import Env

EXAMPLES = Path(__file__).parents[2] / "examples"


def attempt(folder: Path, uid: str, **env: str) -> Message:
    """Train until the end; its last words."""
    (folder / uid).mkdir()
    contract = {
        Env.CONTRACT: "1",
        Env.EPISODE: "wi3-do1",
        Env.ATTEMPT_UID: uid,
        Env.WEIGHT_INIT_SEED: "3",
        Env.DATA_ORDER_SEED: "1",
        Env.CHECKPOINT_DIR: str(folder / "checkpoints"),
        Env.WORK_DIR: str(folder / uid),
        Env.TERMINATION_LOG: str(folder / uid / "termination-log"),
        Env.METRICS_HOST: "127.0.0.1",
        Env.METRICS_PORT: str(free_port()),
    }
    variables = {str(name): value for name, value in contract.items()} | {"OMP_NUM_THREADS": "1", **env}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "torchrun_loop.py"]
    subprocess.run(command, cwd=EXAMPLES, env={**os.environ, **variables}, check=True, timeout=280)
    message = decode_message((folder / uid / "termination-log").read_text())
    assert message is not None
    return message


def test_two_processes_report_one_curve_stop_at_the_rung_together_and_resume(tmp_path: Path) -> None:
    whole = attempt(tmp_path, "whole")
    assert (whole.outcome, len(whole.scores), whole.steps_done) == (Outcome.DONE, 10, 250)
    rung_folder = tmp_path / "paused"
    rung_folder.mkdir()
    rung = attempt(rung_folder, "first", **{Env.STOP_AFTER: "3"})
    assert (rung.outcome, rung.scores, rung.checkpoint) == (Outcome.STOPPED, whole.scores[:3], 3)
    rest = attempt(rung_folder, "second")
    assert (rest.outcome, rest.steps_at_start) == (Outcome.DONE, 75)
    assert rest.scores == whole.scores
    # The other process leaves nothing behind: no message, no result, no checkpoint of its own.
    assert {path.name for path in (rung_folder / "checkpoints").iterdir()} == {"first", "second"}
