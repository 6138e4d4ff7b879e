"""A sweep on this machine that gets more seeds: the same command goes on with it."""

import signal
from pathlib import Path

import pytest

from host.runners import read_until, runner
from inputs.fake_sweeps import FakeSweep, outcome
from local.conftest import Command


def whole(folder: Path, seedsweep: Command) -> FakeSweep:
    """The sweep of all nine seeds, run at once."""
    sweep = FakeSweep(folder / "whole")
    sweep.folder.mkdir()
    assert seedsweep(*sweep.arguments()).code == 0
    return sweep


def same(sweep: FakeSweep, other: FakeSweep) -> bool:
    """Same ranking, scores and result, however often cuts were made."""
    found = []
    for each in (sweep, other):
        of = outcome(each.record)
        of["cuts"] = [{**cut, "growth": None, "replaces": None} for cut in of["cuts"]]
        found.append(of)
    return bool(found[0] == found[1])


@pytest.mark.parametrize("first", [(1, 3), (2, 2)])
def test_a_finished_sweep_that_gets_more_seeds_has_the_result_of_all_and_trains_nothing_twice(
    seedsweep: Command, tmp_path: Path, first: tuple[int, int]
) -> None:
    sweep = FakeSweep(tmp_path / "grown", *first)
    sweep.folder.mkdir()
    assert seedsweep(*sweep.arguments()).code == 0
    before = {e.spec.id: e.status for e in sweep.record.episodes}
    sweep.weight_inits, sweep.data_orders = 3, 3
    grown = seedsweep(*sweep.arguments())
    assert grown.code == 0, grown.err
    assert "over already" not in grown.out
    after = {e.spec.id: e.status for e in sweep.record.episodes}
    assert len(after) == 9
    for episode, status in before.items():
        assert after[episode].attempts == status.attempts
        assert after[episode].verdict == status.verdict
    (cut,) = sweep.record.cuts
    assert (cut.data.growth, cut.data.replaces, cut.data.size) == (1, "fake-b0-r0", 9)
    assert {path.name for path in (sweep.out / "cuts").iterdir()} == {"fake-b0-r0.json", "fake-b0-r0-g1.json"}
    found = sweep.record.sweep.status
    assert found is not None
    assert (found.counts.finished, found.counts.lost) == (2, 7)
    assert same(sweep, whole(tmp_path, seedsweep))
    assert "over already" in seedsweep(*sweep.arguments()).out


def test_an_interrupted_sweep_goes_on_with_more_seeds(seedsweep: Command, tmp_path: Path) -> None:
    sweep = FakeSweep(tmp_path / "grown", 2, 2)
    sweep.folder.mkdir()
    held = sweep.hold("wi1-do0", at=3)
    with runner(*sweep.arguments()) as process:
        assert read_until(process, "started", 3)
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 130
    held.unlink()
    sweep.weight_inits, sweep.data_orders = 3, 3
    assert seedsweep(*sweep.arguments()).code == 0
    assert same(sweep, whole(tmp_path, seedsweep))


@pytest.mark.parametrize(
    ("stopping", "why"),
    [
        ({"rungs": [{"atPercent": 20, "keep": 3}, {"atPercent": 40, "keep": 2}]}, "one rung and rankBy best"),
        ({"rungs": [{"atPercent": 40, "keep": 2}]}, "may only get more"),
    ],
)
def test_what_cannot_grow_is_refused_and_its_record_stays(
    seedsweep: Command, fake_sweep: FakeSweep, stopping: dict[str, object], why: str
) -> None:
    fake_sweep.spec = {"earlyStopping": stopping}
    assert seedsweep(*fake_sweep.arguments()).code == 0
    before = fake_sweep.record
    fake_sweep.data_orders = 4 if "one rung" in why else 2
    refused = seedsweep(*fake_sweep.arguments())
    assert refused.code == 2
    assert "spec.seeds" in refused.err
    assert why in refused.err
    assert "--out" in refused.err
    assert fake_sweep.record == before
