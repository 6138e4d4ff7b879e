"""The files that `seedsweep plan` writes: a sweep that carries out the plan, and a figure of all budgets."""

from dataclasses import replace
from pathlib import Path

import pytest

from host.commands import seedsweep
from inputs import records
from seedsweep.api.reading.parse import load_sweep
from seedsweep.api.sweep import Trainer
from seedsweep.engine.layout import Layout
from seedsweep.studies.plan.answer import answer
from seedsweep.studies.plan.histories import read_histories
from seedsweep.studies.plan.sweep_file import sweep_text
from studies.plan_command import imported, planned, refusal, said, written


@pytest.mark.parametrize("failing", [0.0, 0.6])
def test_a_sweep_is_written_that_the_parser_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failing: float
) -> None:
    path = tmp_path / "sweep.yaml"
    found = planned(capsys, "--budget", 4, "--history", imported(tmp_path, failing=failing), "--write", path)
    sweep = load_sweep(path)
    assert sweep.spec.seeds.count == found["plan"]["started"]
    assert sweep.spec.trainer.evaluations == 10
    assert sweep.spec.trainer.metric is not None
    assert (sweep.spec.trainer.metric.name, sweep.spec.trainer.metric.goal) == ("score", "maximize")
    stopping = sweep.spec.early_stopping
    assert (stopping is not None) == found["stopsEarly"]
    if stopping is not None and stopping.rungs is not None:
        [rung] = stopping.rungs
        assert rung.keep == found["plan"]["keep"]
        assert Layout.of(sweep).rung_evaluations(10) == ((found["plan"]["evaluation"],),)


def test_without_a_history_a_skeleton_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = planned(capsys, "--budget", 8, "--gpus", 4, "--write", tmp_path / "sweep.yaml")
    sweep = load_sweep(tmp_path / "sweep.yaml")
    assert (sweep.spec.seeds.count, sweep.spec.parallelism) == (found["plan"]["started"], 4)
    assert Layout.of(sweep).rung_evaluations(30) == ((15,),)
    assert "your model" in (tmp_path / "sweep.yaml").read_text()


def test_of_a_history_of_ones_own_the_sweep_keeps_all_but_seeds_and_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = records.fully_trained(6, 4)
    folder = written(tmp_path / "trained", record)
    found = planned(capsys, "--budget", 4, "--history", folder, "--write", tmp_path / "sweep.yaml")
    sweep = load_sweep(tmp_path / "sweep.yaml")
    assert sweep.metadata.name == "rte-planned"
    assert sweep.spec.trainer == record.sweep.spec.trainer
    episodes = Layout.of(sweep).episodes
    assert len(episodes) == found["plan"]["started"]
    used = Layout.of(record.sweep).episodes
    for axis in (0, 1):
        assert not {episode[axis] for episode in episodes} & {episode[axis] for episode in used}
        assert len({episode[axis] for episode in episodes}) == len(episodes)


def test_a_head_that_is_kept_keeps_its_one_weight_init_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = records.fully_trained(1, 24)
    tuning = record.sweep.spec.trainer.fine_tuning
    assert tuning is not None
    trainer = record.sweep.spec.trainer.evolve(fine_tuning=tuning.evolve(head="keep"))
    record = replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(trainer=trainer)))
    folder = written(tmp_path / "kept", record)
    found = planned(capsys, "--budget", 4, "--history", folder, "--write", tmp_path / "sweep.yaml")
    episodes = Layout.of(load_sweep(tmp_path / "sweep.yaml")).episodes
    assert {episode.weight_init for episode in episodes} == {0}
    assert len(episodes) == found["plan"]["started"]
    assert min(episode.data_order for episode in episodes) == 24
    assert "all have weight-init seed 0" in " ".join(said(capsys, "--budget", 4, "--history", folder).split())


@pytest.mark.parametrize("metric", ["accuracy", 'a "b"', "yes", "{}", "loss: x # y"])
def test_a_metric_of_any_name_can_be_written(metric: str, tmp_path: Path) -> None:
    record = imported(tmp_path)
    [history] = read_histories([record])
    trainer = Trainer.model_validate({"metric": {"name": metric, "goal": "maximize"}, "evaluations": 10})
    renamed = replace(history, sweep=history.sweep.evolve(spec=history.sweep.spec.evolve(trainer=trainer)))
    path = tmp_path / "sweep.yaml"
    path.write_text(sweep_text(answer(2, [renamed])))
    written_metric = load_sweep(path).spec.trainer.metric
    assert written_metric is not None
    assert written_metric.name == metric


@pytest.mark.parametrize("option", ["--write", "--figure"])
def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    path = tmp_path / "old.svg"
    path.write_text("precious")
    message = refusal(capsys, "--budget", 2, "--history", imported(tmp_path, runs=12), option, path)
    assert message == f"{option}: {path} is there already: give another name, or remove it"
    assert path.read_text() == "precious"


@pytest.mark.parametrize("option", ["--write", "--figure"])
def test_a_place_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    record = imported(tmp_path, runs=12)
    capsys.readouterr()
    assert seedsweep("plan", "--budget", 2, "--history", record, option, tmp_path / "no" / "x.svg") == 1
    assert "cannot be written (No such file or directory): give another place" in capsys.readouterr().err


@pytest.mark.parametrize(("suffix", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("PDF", b"%PDF")])
def test_the_curve_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str, begins: bytes) -> None:
    path = tmp_path / f"curve.{suffix}"
    said(capsys, "--budget", 4, "--history", imported(tmp_path), "--figure", path, "--best-value", 1)
    assert path.read_bytes().startswith(begins)


def test_the_figure_says_what_it_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = imported(tmp_path)
    for name, best in (("a", ()), ("b", ("--best-value", 1))):
        said(capsys, "--budget", 4, "--history", record, "--figure", tmp_path / f"{name}.svg", *best)
    assert "gain in score" in (tmp_path / "a.svg").read_text()
    drawn = (tmp_path / "b.svg").read_text()
    for words in ("relative error reduction, %", "budget, in full runs", "a cut is sure to pay"):
        assert words in drawn


def test_one_budget_of_one_run_has_no_curve_to_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = imported(tmp_path, runs=8)
    message = refusal(capsys, "--budget", 1, "--history", record, "--figure", tmp_path / "x.svg")
    assert message == "--figure: there is no cut to draw for budgets of 1 full run: give a history of more runs"
