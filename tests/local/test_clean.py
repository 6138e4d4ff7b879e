"""`seedsweep clean`: what only the training needed is removed, and nothing that anybody still asks for."""

import json
from pathlib import Path

import pytest

from inputs.fake_sweeps import FakeSweep
from local.conftest import Command


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def finished(seedsweep: Command, fake_sweep: FakeSweep) -> FakeSweep:
    fake_sweep.weight_inits = fake_sweep.data_orders = 2
    assert seedsweep(*fake_sweep.arguments()).code == 0
    for folder in ("work/wi0-do0", "reruns/wi1-do1/work"):
        (fake_sweep.out / folder).mkdir(parents=True, exist_ok=True)
        (fake_sweep.out / folder / "model.safetensors").write_bytes(bytes(1_000_000))
    return fake_sweep


def test_checkpoints_go_and_all_else_stays(seedsweep: Command, finished: FakeSweep) -> None:
    before = files(finished.out)
    result = seedsweep("clean", str(finished.out))
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{finished.out}: 2.0 MB removed\n"
    after = files(finished.out)
    assert {name.split("/")[0] for name in before.keys() - after.keys()} == {"work", "reruns"}
    kept = {name: content for name, content in before.items() if not name.startswith(("work/", "reruns/", ".lock"))}
    assert {name: after[name] for name in kept} == kept


def test_a_clean_folder_still_gives_its_report_and_its_episodes(seedsweep: Command, finished: FakeSweep) -> None:
    assert seedsweep("clean", str(finished.out)).code == 0
    assert seedsweep("clean", str(finished.out)).out == f"{finished.out}: nothing is left to remove\n"
    assert seedsweep("report", str(finished.out)).code == 0
    assert seedsweep(*finished.arguments("--episode", "wi0-do0")).code == 0
    assert "is over already" in seedsweep(*finished.arguments()).out


@pytest.mark.parametrize("handed_over", [True, False])
def test_what_is_still_needed_stays(seedsweep: Command, finished: FakeSweep, handed_over: bool) -> None:
    path = finished.out / "sweep.json"
    sweep = json.loads(path.read_text())
    if handed_over:
        del sweep["status"]["completionTime"]
        said = "the sweep is not over, and goes on from its checkpoints: run it to the end"
    else:
        at = sweep["status"]["completionTime"]
        failed = {"type": "Failed", "status": "True", "reason": "HandOverFailed", "lastTransitionTime": at}
        sweep["status"]["conditions"] = [{**failed, "message": "no room"}]
        said = "the winner is not handed over, and its weights are among the checkpoints: run it again first"
    path.write_text(json.dumps(sweep))
    before = files(finished.out)
    result = seedsweep("clean", str(finished.out))
    assert result.code == 2
    assert said in result.err
    assert files(finished.out) == before


def test_a_folder_without_a_record_is_left_alone(seedsweep: Command, tmp_path: Path) -> None:
    (tmp_path / "work" / "mine").mkdir(parents=True)
    result = seedsweep("clean", str(tmp_path))
    assert result.code == 2
    assert "no sweep.json in it" in result.err
    assert (tmp_path / "work" / "mine").exists()


def test_weights_that_are_to_be_kept_are_kept(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    fake_sweep.weight_inits = fake_sweep.data_orders = 1
    policy = {"persistentVolumeClaim": {"claimName": "x"}, "retentionPolicy": {"whenFinished": "KeepAll"}}
    fake_sweep.spec = {"earlyStopping": None, "storage": policy}
    assert seedsweep(*fake_sweep.arguments()).code == 0
    weights = fake_sweep.out / "work" / "wi0-do0" / "model.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(b"kept")
    assert seedsweep("clean", str(fake_sweep.out)).code == 0
    assert weights.read_bytes() == b"kept"
