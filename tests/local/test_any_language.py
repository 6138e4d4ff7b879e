"""A trainer that is no Python program and publishes two gauges takes part as it is."""

import io
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from host.needs import node_js
from local.conftest import Command
from seedsweep.api.episode import EndReason
from seedsweep.report.record import Record, read_record

EXAMPLE = Path(__file__).parents[2] / "examples" / "any-language.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example with its trainer, made short."""
    node_js()
    yaml = YAML(typ="safe", pure=True)
    sweep = yaml.load(EXAMPLE.read_text())
    sweep["spec"]["seeds"]["grid"] = {"weightInits": {"count": 2}, "dataOrders": {"count": 2}}
    sweep["spec"]["parallelism"] = 4
    sweep["spec"]["trainer"]["config"] = {"json": '{"seconds": 0.2}'}
    # An answer that comes too late is lost, and the trainer takes its last one for read.
    sweep["spec"]["scrape"]["timeoutSeconds"] = 60
    text = io.StringIO()
    yaml.dump(sweep, text)
    (tmp_path / "sweep.yaml").write_text(text.getvalue())
    shutil.copy(EXAMPLE.with_name("any_language.mjs"), tmp_path)
    return tmp_path


@pytest.fixture
def record(seedsweep: Command, folder: Path) -> Record:
    result = seedsweep("run", str(folder / "sweep.yaml"), "--out", str(folder / "out"))
    assert result.code == 0, result.err
    return read_record(folder / "out")


def test_sweep_of_it_is_cut_and_says_that_its_scores_were_sampled(
    seedsweep: Command, folder: Path, record: Record
) -> None:
    status = record.sweep.status
    assert status is not None
    assert (status.phase, status.evaluations) == ("Complete", 100)
    exact = status.condition("ExactScores")
    assert exact is not None
    assert (exact.status, exact.reason) == ("False", "ScoresSampled")
    assert len(record.cuts[0].data.kept) == 2
    for episode in record.episodes:
        assert [score.sampled for score in episode.status.rung_scores] == [True]
        if episode.spec.id.name in record.cuts[0].data.kept:
            assert len(episode.status.scores) == 100
            assert episode.status.attempts[-1].reason == EndReason.DONE
    again = seedsweep("run", str(folder / "sweep.yaml"), "--out", str(folder / "out"), "--episode", "0,0")
    assert again.code == 2
    assert "only published curves can be compared" in again.err
