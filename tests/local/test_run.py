"""A sweep on this machine, end to end, with a trainer that keeps the contract and trains nothing."""

import csv
import json
import random
import re
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from host.ports import free_port
from host.runners import assert_ended, read_until, runner
from inputs.fake_sweeps import FakeSweep, outcome
from local.conftest import Command
from seedsweep.api.episode import EndReason
from seedsweep.engine.facts import retry
from seedsweep.local.directory.run_directory import RunDirectory


def test_sweep_runs_to_the_end_and_leaves_the_whole_record(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    result = seedsweep(*fake_sweep.arguments())
    assert result.code == 0, result.err
    record = fake_sweep.record
    assert record.sweep.status is not None
    assert record.sweep.status.phase == "Complete"
    assert len(record.cuts[0].data.kept) == 2
    evidence = record.cuts[0].evidence
    assert evidence is not None
    assert (evidence.summary, evidence.unknown) == ("unknown", 7), "this trainer stores no answers"
    assert {e.spec.id.name for e in record.episodes if len(e.status.scores) == 10} >= record.cuts[0].data.kept
    with (fake_sweep.out / "curves.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    recorded = {(e.spec.id.name, i): score for e in record.episodes for i, score in enumerate(e.status.scores, 1)}
    assert {(row["episode"], int(row["evaluation"])): float(row["score"]) for row in rows} == recorded
    assert rows[3]["step"] == "40"
    assert (fake_sweep.out / "report.html").stat().st_size > 0
    assert record.sweep.status.best is not None
    assert record.sweep.status.best.episode in result.out


def test_the_record_in_the_middle_has_every_evaluation_that_was_published(
    seedsweep: Command, fake_sweep: FakeSweep
) -> None:
    fake_sweep.weight_inits, fake_sweep.data_orders = 2, 1
    # Both hang before their rung, which is at evaluation 4: nothing else has anything recorded.
    fake_sweep.trouble = {name: {"at": 3, "how": "hang"} for name in ("wi0-do0", "wi1-do0")}
    fake_sweep.spec = {"earlyStopping": {"rungs": [{"atPercent": 40, "keep": 1}]}}
    with runner(*fake_sweep.arguments()):
        while (lines := _lines(fake_sweep.out / "curves.csv")) < 1 + 4:
            time.sleep(0.02)
        record = fake_sweep.record
        assert {e.spec.id.name: len(e.status.scores) for e in record.episodes} == {"wi0-do0": 2, "wi1-do0": 2}
        assert lines == 1 + 4
        assert seedsweep("report", str(fake_sweep.out)).code == 0


def _lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_floor_spends_its_budget_on_the_next_seeds_whatever_the_parallelism(
    seedsweep: Command, tmp_path: Path
) -> None:
    found = []
    for parallelism in ("1", "4"):
        sweep = FakeSweep(tmp_path / parallelism, spec={"earlyStopping": {"floor": {"margin": "1"}}, "budget": 4})
        sweep.folder.mkdir()
        result = seedsweep(*sweep.arguments("--parallelism", parallelism))
        assert result.code == 0, result.err
        record = sweep.record
        assert record.sweep.status is not None
        assert record.sweep.status.counts.unused == 9 - len(record.episodes)
        verdicts = {e.spec.id.name: e.status.verdict.outcome for e in record.episodes if e.status.verdict is not None}
        fell = [e for e in record.episodes if verdicts[e.spec.id.name] == "LostByFloor"]
        assert fell
        for episode in fell:
            assert max(score or 0 for score in episode.status.scores[:5]) <= 0.6
        # Each that falls costs half a run.
        assert 3 < len(fell) / 2 + len(verdicts) - len(fell) <= 4
        found.append(verdicts)
    assert found[0] == found[1]


def test_of_those_above_a_floor_a_rung_keeps_the_best_whatever_the_parallelism(
    seedsweep: Command, tmp_path: Path
) -> None:
    outcomes = []
    stopping = {"floor": {"margin": "1"}, "rungs": [{"atPercent": 60, "keep": 2}]}
    for parallelism in ("1", "2", "4"):
        sweep = FakeSweep(tmp_path / parallelism, spec={"earlyStopping": stopping, "budget": 4})
        sweep.folder.mkdir()
        result = seedsweep(*sweep.arguments("--parallelism", parallelism))
        assert result.code == 0, result.err
        record = sweep.record
        [cut] = [cut.data for cut in record.cuts]
        verdicts = {e.spec.id.name: e.status.verdict.outcome for e in record.episodes if e.status.verdict is not None}
        fell = [name for name, ended in verdicts.items() if ended == "LostByFloor"]
        assert fell
        assert [entry.episode for entry in cut.excluded] == fell
        assert all(entry.reason.startswith("LostByFloor: ") for entry in cut.excluded)
        assert sorted([*cut.ranked, *fell]) == sorted(verdicts)
        assert {name for name, ended in verdicts.items() if ended == "Finished"} == cut.kept
        assert len(cut.kept) == 2
        # Five of ten evaluations up to the floor, six up to the rung, and four more for each that is kept.
        assert 40 - 6 < 5 * len(fell) + 6 * len(cut.ranked) + 4 * 2 <= 40
        outcomes.append((outcome(record), fell))
    assert outcomes[0] == outcomes[1] == outcomes[2]


def test_losers_leave_no_checkpoints(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    assert seedsweep(*fake_sweep.arguments()).code == 0
    kept = fake_sweep.record.cuts[0].data.kept
    assert {folder.name for folder in (fake_sweep.out / "work").iterdir()} == kept


def test_outcome_does_not_depend_on_how_many_train_at_once(seedsweep: Command, tmp_path: Path) -> None:
    outcomes = []
    for parallelism in ("1", "2", "4"):
        sweep = FakeSweep(tmp_path / parallelism)
        sweep.folder.mkdir()
        assert seedsweep(*sweep.arguments("--parallelism", parallelism)).code == 0
        outcomes.append(outcome(sweep.record))
    assert outcomes[0] == outcomes[1] == outcomes[2]


HELD = "wi0-do1", "wi0-do2", "wi1-do0"
"""Three of the four that start first: as long as they are held, each run starts them, and some process lives."""


def test_sweep_interrupted_at_random_moments_ends_as_if_left_alone(seedsweep: Command, tmp_path: Path) -> None:
    alone, disturbed = FakeSweep(tmp_path / "a"), FakeSweep(tmp_path / "b")
    for sweep in (alone, disturbed):
        sweep.folder.mkdir()
    held = disturbed.hold(*HELD, at=3)
    alone.spec = disturbed.spec = {"trainer": trainer_of(disturbed)}
    held.unlink()
    assert seedsweep(*alone.arguments()).code == 0
    held.touch()
    moments = random.Random(0)
    for _ in range(3):
        with runner(*disturbed.arguments()) as process:
            assert read_until(process, "started", moments.randint(1, 3))
            process.send_signal(signal.SIGINT)
            said = process.communicate()[0]
            assert process.returncode == 130, said
            assert re.search(r"the same command goes on from here\. On record: .*; steps \d", said)
    held.unlink()
    last = seedsweep(*disturbed.arguments())
    assert last.code == 0
    assert re.search(r"^Going on\. On record: .*; steps \d", last.out, re.MULTILINE)
    assert outcome(disturbed.record) == outcome(alone.record)


def trainer_of(sweep: FakeSweep) -> object:
    return json.loads(sweep.write().read_text())["spec"]["trainer"]


def test_interrupted_attempts_are_on_record_with_their_scores(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    fake_sweep.seconds = 60
    fake_sweep.trouble = {}
    with runner(*fake_sweep.arguments()) as process:
        assert read_until(process, "started", 1)
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 130
    attempts = [attempt for episode in fake_sweep.record.episodes for attempt in episode.status.attempts]
    assert {attempt.reason for attempt in attempts} == {EndReason.INTERRUPTED}


def test_second_interruption_does_not_wait(fake_sweep: FakeSweep) -> None:
    fake_sweep.weight_inits = fake_sweep.data_orders = 1
    fake_sweep.spec = {"earlyStopping": None}
    fake_sweep.trouble = {"wi0-do0": {"at": 1, "how": "hang"}}
    with runner(*fake_sweep.arguments()) as process:
        assert read_until(process, "started", 1)
        # Only once it ignores SIGTERM is there anything to wait for.
        log = fake_sweep.out / "logs" / "wi0-do0-0.log"
        while not (log.exists() and "hangs" in log.read_text()):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert read_until(process, "Ctrl-C again", 1)
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 130


def test_killed_runner_leaves_no_process_and_the_same_command_ends_the_same(seedsweep: Command, tmp_path: Path) -> None:
    alone, killed = FakeSweep(tmp_path / "a"), FakeSweep(tmp_path / "b")
    for sweep in (alone, killed):
        sweep.folder.mkdir()
    held = killed.hold(*HELD, at=3)
    alone.spec = killed.spec = {"trainer": trainer_of(killed)}
    held.unlink()
    assert seedsweep(*alone.arguments()).code == 0
    held.touch()
    for times in (1, 3):
        with runner(*killed.arguments()) as process:
            assert read_until(process, "started", times)
            descendants = psutil.Process(process.pid).children(recursive=True)
            assert descendants
            process.kill()
            process.wait()
            assert_ended(descendants)
    held.unlink()
    assert seedsweep(*killed.arguments()).code == 0
    assert outcome(killed.record) == outcome(alone.record)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("crash", EndReason.FAILED),
        ("memory", EndReason.OUT_OF_MEMORY),
        ("diverge", EndReason.DIVERGED),
        ("kill", EndReason.INTERRUPTED),
        ("silent", EndReason.METRICS_UNAVAILABLE),
        ("configuration", EndReason.BAD_CONFIGURATION),
        ("hang", EndReason.STUCK),
    ],
)
def test_one_bad_episode_never_ends_a_sweep(
    seedsweep: Command, fake_sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch, how: str, reason: EndReason
) -> None:
    fake_sweep.data_orders = 1
    fake_sweep.trouble = {"wi1-do0": {"at": 1, "how": how}}
    if how == "hang":
        leap_once_all_but_one_are_done(monkeypatch, fake_sweep)
    result = seedsweep(*fake_sweep.arguments())
    assert result.code == 0, result.out + result.err
    bad = next(e for e in fake_sweep.record.episodes if e.spec.id.name == "wi1-do0")
    assert bad.status.attempts[-1].reason == reason
    assert bad.status.verdict is not None
    assert bad.status.verdict.outcome == ("Diverged" if how == "diverge" else "Failed")
    assert len(fake_sweep.record.cuts[0].data.ranked) == 2


def leap_once_all_but_one_are_done(monkeypatch: pytest.MonkeyPatch, sweep: FakeSweep) -> None:
    """Let the clock leap beyond every deadline, which no episode that is well could miss then."""
    leap = timedelta(0)

    def turn() -> datetime:
        nonlocal leap
        ended = [attempt.reason for e in sweep.record.episodes for attempt in e.status.attempts]
        if ended.count(EndReason.DONE) == sweep.weight_inits * sweep.data_orders - 1:
            leap = timedelta(days=1)
        return now()

    def now() -> datetime:
        return datetime.now(UTC) + leap

    monkeypatch.setattr("seedsweep.local.sweep._now", turn)
    monkeypatch.setattr("seedsweep.local.processes.attempts._now", now)
    # Waits are by another clock.
    monkeypatch.setattr("seedsweep.local.world.MAX_WAIT_SECONDS", 0.1)


def test_failed_attempt_is_made_again_and_ends_as_if_nothing_had_happened(
    seedsweep: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", timedelta(0))
    smooth, rough = FakeSweep(tmp_path / "a"), FakeSweep(tmp_path / "b")
    for sweep in (smooth, rough):
        sweep.folder.mkdir()
        sweep.spec = {"backoffLimitPerEpisode": 2}
    rough.trouble = {f"wi{i}-do{i}": {"at": 3, "how": "crash", "times": 2} for i in range(3)}
    assert seedsweep(*smooth.arguments()).code == 0
    assert seedsweep(*rough.arguments()).code == 0
    assert outcome(rough.record) == outcome(smooth.record)
    first = next(e.status.attempts for e in rough.record.episodes if e.spec.id.name == "wi0-do0")
    assert [attempt.reason for attempt in first][:2] == [EndReason.FAILED, EndReason.FAILED]


def test_failed_episode_is_reported_with_the_last_line_it_printed(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    fake_sweep.trouble = {"wi1-do0": {"at": 1, "how": "crash"}}
    assert "the trouble of wi1-do0" in seedsweep(*fake_sweep.arguments()).out


def test_sweep_of_which_every_episode_fails_is_failed_with_the_first_reason(
    seedsweep: Command, fake_sweep: FakeSweep
) -> None:
    fake_sweep.data_orders = 1
    fake_sweep.trouble = {f"wi{i}-do0": {"at": 1, "how": "crash"} for i in range(3)}
    result = seedsweep(*fake_sweep.arguments())
    assert result.code == 1
    assert "the trouble of wi0-do0" in result.out
    status = fake_sweep.record.sweep.status
    assert status is not None
    assert status.phase == "Failed"


def test_configuration_that_every_episode_refuses_ends_the_sweep(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    episodes = [f"wi{i}-do{j}" for i in range(3) for j in range(3)]
    fake_sweep.trouble = {name: {"at": 1, "how": "configuration"} for name in episodes}
    result = seedsweep(*fake_sweep.arguments())
    assert result.code == 1
    assert "this configuration is refused; choose another" in result.out
    assert len(fake_sweep.record.episodes) < 9


def test_command_that_does_not_exist_is_said(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    fake_sweep.weight_inits = fake_sweep.data_orders = 1
    metric = {"name": "m", "goal": "maximize"}
    fake_sweep.spec = {"trainer": {"command": ["no-such-program"], "metric": metric}, "earlyStopping": None}
    result = seedsweep(*fake_sweep.arguments())
    assert result.code == 1
    assert "cannot start 'no-such-program'" in result.out


def test_finished_sweep_says_so_and_shows_its_result_again(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    first = seedsweep(*fake_sweep.arguments())
    before = {path: path.stat().st_mtime_ns for path in fake_sweep.out.rglob("*")}
    again = seedsweep(*fake_sweep.arguments())
    assert again.code == 0
    assert "is over already" in again.out
    assert first.out.partition("✓")[2] == again.out.partition("✓")[2]
    assert {path: path.stat().st_mtime_ns for path in fake_sweep.out.rglob("*")} == before


def test_a_report_that_ctrl_c_kept_from_being_written_is_written_by_the_same_command(
    seedsweep: Command, fake_sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_folder: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("seedsweep.local.run._write_report", interrupt)
        first = seedsweep(*fake_sweep.arguments())
    report = fake_sweep.out / "report.html"
    assert (first.code, report.exists()) == (130, False)
    assert "Interrupted: the sweep is over, and the same command writes its report." in first.out
    again = seedsweep(*fake_sweep.arguments())
    assert (again.code, report.exists()) == (0, True)
    assert "is over already: its report was missing" in again.out


def test_budgets_and_parallelism_may_change_between_runs(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    held = fake_sweep.hold("wi2-do2")
    with runner(*fake_sweep.arguments()) as process:
        assert read_until(process, "started", 1)
        process.send_signal(signal.SIGINT)
        process.communicate()
    held.unlink()
    fake_sweep.spec = {"parallelism": 1, "backoffLimitPerEpisode": 3, "progressDeadlineSeconds": 100}
    assert seedsweep(*fake_sweep.arguments()).code == 0
    assert fake_sweep.record.sweep.spec.parallelism == 1


def test_two_runners_cannot_work_in_one_folder(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    directory = RunDirectory(fake_sweep.out)
    directory.make()
    with directory.lock():
        result = seedsweep(*fake_sweep.arguments())
    assert result.code == 2
    assert "another `seedsweep run` is at work in this folder" in result.err
    assert not (fake_sweep.out / "sweep.json").exists()


def test_explicit_port_is_used_from_there_on(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    fake_sweep.weight_inits = fake_sweep.data_orders = 2
    fake_sweep.spec = {"scrape": {"port": free_port(in_a_row=4)}}
    fake_sweep.seconds = 0.05
    assert seedsweep(*fake_sweep.arguments()).code == 0


def test_episode_that_is_trained_again_is_the_same_bit_for_bit(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    assert seedsweep(*fake_sweep.arguments()).code == 0
    names = {path.name for path in fake_sweep.out.iterdir()}
    record = (fake_sweep.out / "episodes" / "wi1-do1.json").read_bytes()
    result = seedsweep(*fake_sweep.arguments("--episode", "wi1-do1"))
    assert result.code == 0
    said = " ".join(result.out.split())
    assert (
        f"wi1-do1 of fake is the same bit for bit in all 4 evaluations that are on record in {fake_sweep.out}" in said
    )
    assert {path.name for path in fake_sweep.out.iterdir()} - names == {"reruns"}
    assert (fake_sweep.out / "episodes" / "wi1-do1.json").read_bytes() == record


def test_episode_that_comes_out_differently_is_said(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    assert seedsweep(*fake_sweep.arguments()).code == 0
    path = fake_sweep.out / "episodes" / "wi1-do1.json"
    episode = json.loads(path.read_text())
    episode["status"]["scores"][2] += 1e-7
    path.write_text(json.dumps(episode))
    result = seedsweep(*fake_sweep.arguments("--episode", "1,1"))
    assert result.code == 1
    assert "score of evaluation 3 was" in result.out


def test_an_episode_is_never_compared_with_the_record_of_another_sweep(
    seedsweep: Command, fake_sweep: FakeSweep
) -> None:
    assert seedsweep(*fake_sweep.arguments()).code == 0
    other = json.loads(fake_sweep.write().read_text())
    other["metadata"]["name"] = "other"
    renamed = fake_sweep.folder / "renamed.yaml"
    renamed.write_text(json.dumps(other))
    result = seedsweep("run", str(renamed), "--out", str(fake_sweep.out), "--episode", "wi1-do1")
    assert result.code == 2
    assert "metadata.name" in result.err
    assert f"is not what {fake_sweep.out} was recorded with" in result.err
    fake_sweep.evaluations = 12
    result = seedsweep(*fake_sweep.arguments("--episode", "wi1-do1"))
    assert result.code == 2
    assert "spec.trainer.config" in result.err
    assert not (fake_sweep.out / "reruns").exists()


def test_the_command_that_retrains_the_winner_names_the_file_that_was_run(
    seedsweep: Command, fake_sweep: FakeSweep
) -> None:
    result = seedsweep(*fake_sweep.arguments())
    winner = fake_sweep.record.sweep.status
    assert winner is not None
    assert winner.best is not None
    again = f"run {fake_sweep.folder / 'sweep.yaml'} --out {fake_sweep.out} --episode {winner.best.episode}"
    assert f"seedsweep {again}" in result.out
    assert seedsweep(*again.split()).code == 0


def test_only_recorded_episodes_can_be_trained_again(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    assert seedsweep(*fake_sweep.arguments()).code == 0
    for unknown in ("7,7", "wi7-do7"):
        result = seedsweep(*fake_sweep.arguments("--episode", unknown))
        assert result.code == 2
        assert "give an episode that was trained there, such as wi0-do0 (found 'wi7-do7')" in result.err
    for nonsense in ("1", "a,b", "1,-1", "wi1", "wi1-do1 "):
        result = seedsweep(*fake_sweep.arguments("--episode", nonsense))
        assert result.code == 2
        assert "is not wiI-doJ: give the name of an episode, like wi3-do7" in result.err


def test_report_is_written_again(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    assert seedsweep(*fake_sweep.arguments()).code == 0
    page = fake_sweep.out / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert seedsweep("report", str(fake_sweep.out)).code == 0
    assert page.read_bytes() == before


def test_report_of_a_folder_without_a_record_is_refused(seedsweep: Command, tmp_path: Path) -> None:
    result = seedsweep("report", str(tmp_path))
    assert result.code == 2
    assert "no sweep.json" in result.err


def test_help_tells_the_exit_codes(seedsweep: Command) -> None:
    said = " ".join(seedsweep("run", "--help").out.split())
    for code in ("0 complete", "1 the sweep failed", "2 bad input", "130 interrupted"):
        assert code in said


def test_version_is_told(seedsweep: Command) -> None:
    assert seedsweep("--version").out.startswith("seedsweep ")
