"""A trainer of one's own on one machine: its winner, or the average of its survivors, is handed over."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from local.conftest import Command
from seedsweep.api.status import Average, Best
from seedsweep.report.record import read_record

EXAMPLES = Path(__file__).parents[2] / "examples"
Change = Callable[[dict[str, Any]], None]
FAILS = ["python", "-c", "raise SystemExit('no validation data')"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(EXAMPLES / "own_loop.py", tmp_path)
    return tmp_path


def write(folder: Path, **spec: Any) -> Path:
    """The example made short: two episodes of one initialisation, which are both kept; fields of its spec changed."""
    yaml = YAML(typ="safe", pure=True)
    sweep = yaml.load((EXAMPLES / "own-trainer.yaml").read_text())
    trainer = {**sweep["spec"]["trainer"], "evaluations": 4, "config": {"json": '{"evaluations": 4}'}}
    trainer |= spec.pop("trainer", {})
    seeds = {"grid": {"weightInits": {"count": 1}, "dataOrders": {"count": 2}}}
    sweep["spec"] |= {"seeds": seeds, "trainer": trainer, **spec}
    text = io.StringIO()
    yaml.dump(sweep, text)
    file = folder / "sweep.yaml"
    file.write_text(text.getvalue())
    return file


def best_of(out: Path) -> Best:
    status = read_record(out).sweep.status
    assert status is not None
    assert (status.phase, status.best is None) == ("Complete", False)
    assert status.best is not None
    return status.best


def stored(out: Path, episode: str) -> dict[str, np.ndarray]:
    (file,) = out.glob(f"work/{episode}/*/best/model.safetensors")
    return load_file(file)


def test_the_example_hands_over_the_average_that_its_own_command_has_scored(seedsweep: Command, folder: Path) -> None:
    result = seedsweep("run", str(write(folder)), "--out", str(folder / "out"))
    assert result.code == 0, result.err
    best = best_of(folder / "out")
    assert best.average is not None
    assert best.average.score is not None
    assert best.average.handed_over, best.average.reason
    both = [stored(folder / "out", f"wi0-do{i}") for i in range(2)]
    found = load_file(folder / "out" / "best" / "model.safetensors")
    for name, tensor in found.items():
        assert np.array_equal(tensor, (both[0][name] + both[1][name]) / 2)
    assert best.weights == str(folder / "out" / "best")
    assert "the average of the best weights of 2 survivors" in (folder / "out" / "best" / "README.md").read_text()
    assert "See the winner's files" in result.out
    # What resumes nothing any more is gone.
    assert list((folder / "out").glob("work/*/*/state.npz")) == []
    assert not (folder / "out" / ".hand-over").exists()


def test_an_average_that_cannot_be_scored_gives_way_to_the_winner_with_the_reason(
    seedsweep: Command, folder: Path
) -> None:
    weights = {"weights": {"scoreCommand": FAILS}}
    result = seedsweep("run", str(write(folder, trainer=weights)), "--out", str(folder / "out"))
    assert result.code == 0, result.err
    best = best_of(folder / "out")
    assert best.average is not None
    assert best.average.reason == (
        "it could not be scored: the score command ended with exit code 1: no validation data"
    )
    winner = stored(folder / "out", best.episode)
    found = load_file(folder / "out" / "best" / "model.safetensors")
    assert all(np.array_equal(found[name], winner[name]) for name in winner)
    assert Average.model_validate_json((folder / "out" / "best" / "average.json").read_bytes()) == best.average


def test_the_winner_of_a_sweep_with_weights_alone_is_handed_over_and_copied(seedsweep: Command, folder: Path) -> None:
    copy = folder / "copy"
    file = write(folder, result="winner", trainer={"weights": {}}, export={"uri": str(copy)})
    result = seedsweep("run", str(file), "--out", str(folder / "out"))
    assert result.code == 0, result.err
    best = best_of(folder / "out")
    assert (best.average, best.exported) == (None, str(copy))
    name = "model.safetensors"
    (winner,) = (folder / "out").glob(f"work/{best.episode}/*/best/{name}")
    assert (folder / "out" / "best" / name).read_bytes() == winner.read_bytes() == (copy / name).read_bytes()
    assert (copy / "README.md").exists()


def test_a_hand_over_that_failed_is_made_by_the_same_command(seedsweep: Command, folder: Path) -> None:
    file = str(write(folder, result="winner", trainer={"weights": {}}))
    in_the_way = folder / "out" / "best" / "mine.txt"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("mine")
    result = seedsweep("run", file, "--out", str(folder / "out"))
    assert result.code != 0
    assert "holds something else" in result.out + result.err
    shutil.rmtree(in_the_way.parent)
    again = seedsweep("run", file, "--out", str(folder / "out"))
    assert again.code == 0, again.err
    assert best_of(folder / "out").weights == str(folder / "out" / "best")


def test_without_weights_nothing_is_handed_over(seedsweep: Command, folder: Path) -> None:
    file = write(folder, result="winner", trainer={"weights": None})
    result = seedsweep("run", str(file), "--out", str(folder / "out"))
    assert result.code == 0, result.err
    assert best_of(folder / "out").weights is None
    assert not (folder / "out" / "best").exists()


def test_a_trainer_that_stores_no_weights_though_it_declares_them_is_told_to(seedsweep: Command, folder: Path) -> None:
    file = write(folder, result="winner", trainer={"weights": {}})
    loop = (folder / "own_loop.py").read_text()
    (folder / "own_loop.py").write_text(
        loop.replace("weights=lambda", "weights=None and (lambda").replace(
            '"model.safetensors"),  # called', '"model.safetensors")),  # called'
        )
    )
    result = seedsweep("run", str(file), "--out", str(folder / "out"))
    assert result.code != 0
    assert "the trainer has to store them" in " ".join(result.out.split())
