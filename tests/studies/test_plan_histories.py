"""The histories that `seedsweep plan` takes: which records are one, what is left out of them, and which are refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from inputs import records
from seedsweep.api.episode import Verdict
from seedsweep.api.status import EpisodeCounts
from studies.plan_command import imported, planned, refusal, said, with_status, written


def halves(folder: Path) -> list[Path]:
    """Two records of equal settings, each with half of the weight-init seeds."""
    found = []
    for first in (0, 3):
        record = records.fully_trained(6, 4)
        mine = [e for e in record.episodes if first <= e.spec.weight_init < first + 3]
        seeds = record.sweep.spec.seeds.model_validate(
            {"grid": {"weightInits": {"values": list(range(first, first + 3))}, "dataOrders": {"count": 4}}}
        )
        sweep = record.sweep.evolve(spec=record.sweep.spec.evolve(seeds=seeds))
        half = replace(record, sweep=sweep, episodes=mine).with_status(counts=EpisodeCounts(finished=len(mine)))
        found.append(written(folder / f"from-{first}", half))
    return found


def test_records_of_equal_settings_are_one_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = written(tmp_path / "whole", records.fully_trained(6, 4))
    one = planned(capsys, "--budget", 4, "--history", whole)
    parts = planned(capsys, "--budget", 4, "--history", *halves(tmp_path))
    assert [history["runs"] for history in parts["histories"]] == [24]
    assert parts["curve"] == one["curve"]


def test_records_of_other_settings_stay_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = records.fully_trained(6, 4)
    tuning = record.sweep.spec.trainer.fine_tuning
    assert tuning is not None
    trainer = record.sweep.spec.trainer.evolve(fine_tuning=tuning.evolve(learning_rate="5e-5"))
    other = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    folders = written(tmp_path / "one", record), written(tmp_path / "other", other)
    found = planned(capsys, "--budget", 4, "--history", folders[0], "--history", folders[1])
    assert [history["runs"] for history in found["histories"]] == [24, 24]


def test_imports_are_never_pooled_for_nobody_knows_their_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = imported(tmp_path / "a"), imported(tmp_path / "b", failing=0.0)
    found = planned(capsys, "--budget", 4, "--history", *folders)
    assert len(found["histories"]) == 2
    assert "mean over these histories" in " ".join(said(capsys, "--budget", 4, "--history", *folders).split())


def test_crashed_and_unfinished_episodes_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = records.fully_trained(6, 6)
    record = with_status(record, 0, state="Failed", scores=[0.6], verdict=Verdict(outcome="Failed", reason="lost"))
    record = with_status(record, 1, state="Running", scores=[0.6, 0.6], verdict=None)
    folder = written(tmp_path / "some", record)
    assert planned(capsys, "--budget", 4, "--history", folder)["histories"][0]["leftOut"] == ["wi0-do0", "wi0-do1"]
    assert "wi0-do0, wi0-do1" in " ".join(said(capsys, "--budget", 4, "--history", folder).split())


def test_diverged_episodes_stay_in_and_count_as_failed_where_they_have_no_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = records.fully_trained(6, 4)
    diverged = Verdict(outcome="Diverged", reason="non-finite")
    record = with_status(record, 0, state="Diverged", scores=[], best=None, verdict=diverged)
    record = with_status(record, 1, state="Diverged", scores=[0.6, None], verdict=diverged)
    [history] = planned(capsys, "--budget", 4, "--history", written(tmp_path / "some", record))["histories"]
    assert (history["runs"], history["diverged"], history["failed"]) == (24, 2, 1)


def test_a_run_without_a_score_is_left_out_only_where_no_baseline_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = records.fully_trained(6, 6)
    for place in range(len(record.episodes)):
        record = with_status(record, place, baseline=None)
    record = with_status(record, 2, scores=[None] * records.EVALUATIONS, best=None)
    best = record.status.best
    assert best is not None
    folder = written(tmp_path / "some", record.with_status(best=best.evolve(baseline=None)))
    [history] = planned(capsys, "--budget", 4, "--history", folder)["histories"]
    assert (history["runs"], history["failed"], history["leftOut"]) == (35, None, ["wi0-do2"])


def test_a_folder_without_a_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no sweep.json in it" in refusal(capsys, "--budget", 4, "--history", tmp_path)


@pytest.mark.parametrize("record", [records.finished(), records.audited({})])
def test_a_record_with_a_cut_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], record: records.Record
) -> None:
    message = refusal(capsys, "--budget", 4, "--history", written(tmp_path / "cut", record))
    assert "selected sample: give a record of a sweep without earlyStopping" in message


def test_a_record_of_which_nothing_is_finished_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = records.fully_trained(4, 4)
    for place in range(16):
        record = with_status(record, place, state="Running", scores=[0.5], verdict=None)
    message = refusal(capsys, "--budget", 2, "--history", written(tmp_path / "early", record))
    assert "none of its 16 episodes has trained to the end: wait for them" in message


def test_a_record_of_one_evaluation_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, "--budget", 2, "--history", imported(tmp_path, evaluations=1))
    assert "its runs have one evaluation, and a cut needs two" in message


def test_a_record_without_a_defined_score_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = records.fully_trained(4, 4)
    for place in range(16):
        record = with_status(record, place, scores=[None] * records.EVALUATIONS, best=None)
    message = refusal(capsys, "--budget", 2, "--history", written(tmp_path / "undefined", record))
    assert "none of its runs has a defined score" in message


def test_histories_that_do_not_agree_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours, up = written(tmp_path / "ours", records.fully_trained(4, 4)), imported(tmp_path / "up", runs=12)
    down, short = imported(tmp_path / "down", runs=12, sign=-1), imported(tmp_path / "short", runs=12, evaluations=5)
    for other, what in (
        (ours, "the metric is score in"),
        (down, "the goal is maximize in"),
        (short, "the number of evaluations is 10 in"),
    ):
        message = refusal(capsys, "--budget", 2, "--history", up, other)
        assert what in message
        assert "plan from records that agree in it" in message


def test_a_record_is_given_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = imported(tmp_path, runs=12)
    assert refusal(capsys, "--budget", 2, "--history", record, record).endswith("is given twice: give it once")
    copies = [written(tmp_path / name, records.fully_trained(4, 4)) for name in ("a", "b")]
    message = refusal(capsys, "--budget", 2, "--history", *copies)
    assert "wi0-do0 of the same settings is in" in message
