"""`seedsweep plan`: what is printed, drawn and written, and what is refused."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host import needs
from inputs import records
from seedsweep.api.episode import Verdict
from seedsweep.api.reading.parse import load_sweep
from seedsweep.api.status import EpisodeCounts
from seedsweep.api.sweep import Trainer
from seedsweep.cli import main
from seedsweep.engine.layout import Layout
from seedsweep.studies.plan.answer import answer
from seedsweep.studies.plan.histories import read_histories
from seedsweep.studies.plan.sweep_file import sweep_text

GOLDEN = Path(__file__).parent / "plan.txt"


def seedsweep(*arguments: object) -> int:
    """The exit code of the command."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def planned(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """The JSON that it prints."""
    capsys.readouterr()
    assert seedsweep("plan", *arguments, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The text that it prints."""
    capsys.readouterr()
    assert seedsweep("plan", *arguments) == 0
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What it says when it plans nothing."""
    capsys.readouterr()
    assert seedsweep("plan", *arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.strip().count("\n") == 0
    return error.strip()


def imported(folder: Path, *, runs: int = 24, failing: float = 0.6, sign: int = 1, evaluations: int = 10) -> Path:
    """A record of runs that something else trained; those that fail stay where they began."""
    rows = ["seed,evaluation,score"]
    for seed in range(runs):
        chance = random.Random(seed)
        height = 0.0 if chance.random() < failing else 0.2
        for e in range(1, evaluations + 1):
            score = 0.5 + height * (1 - 0.6**e) + (chance.gauss(0, 0.01) if height else 0)
            rows.append(f"{seed},{e},{sign * score:.4f}")
    folder.mkdir(exist_ok=True)
    (folder / "runs.csv").write_text("\n".join(rows) + "\n")
    goal = ("--goal", "maximize" if sign > 0 else "minimize")
    baseline = f"--baseline={sign * 0.5}"
    assert (
        seedsweep("import", folder / "runs.csv", "--to", folder / "record", *goal, baseline, "--name", "made-up") == 0
    )
    return folder / "record"


def written(folder: Path, record: records.Record) -> Path:
    folder.mkdir()
    return records.write(folder, record)


def with_status(record: records.Record, place: int, **changes: object) -> records.Record:
    """One episode has come to something else."""
    record.episodes[place] = record.episodes[place].evolve(status=record.episodes[place].status.evolve(**changes))
    return record


def test_the_text_is_the_same_for_the_same_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = imported(tmp_path)
    text = said(capsys, "--budget", 4, "--history", record, "--gpus", 2, "--best-value", 1)
    assert text == GOLDEN.read_text()


@pytest.mark.parametrize("failing", [0.0, 0.6])
def test_every_line_fits_into_80_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str], failing: float) -> None:
    record = imported(tmp_path, failing=failing, runs=60)
    texts = [said(capsys, "--budget", budget) for budget in (1, 2, 6000)]
    texts += [
        said(capsys, "--budget", budget, "--history", record, "--best-value", 1, "--gpus", 3) for budget in (1, 10)
    ]
    assert max(len(line) for text in texts for line in text.splitlines()) <= 80


def test_where_runs_fail_it_stops_early_and_where_none_does_it_trains_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = planned(capsys, "--budget", 4, "--history", imported(tmp_path / "failing"))
    stable = planned(capsys, "--budget", 4, "--history", imported(tmp_path / "stable", failing=0.0))
    assert failing["stopsEarly"]
    assert failing["plan"]["keep"] < failing["plan"]["started"]
    assert not stable["stopsEarly"]
    assert stable["plan"] == {"started": 4, "evaluation": None, "atPercent": None, "keep": 4}


def test_the_text_has_the_numbers_of_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--budget", 4, "--history", imported(tmp_path), "--best-value", 1)
    found, text = planned(capsys, *arguments), said(capsys, *arguments)
    [own] = [entry for entry in found["curve"] if entry["budget"] == 4]
    cut = max((own["tuned"], own["middle"]), key=lambda one: one["gain"]["low"])
    assert own["plan"] == found["plan"] == cut["plan"]
    gain = cut["gain"]
    assert f"gain        {gain['mean']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})" in text
    assert f"{cut['score']['mean']:.4f}" in text
    assert f"{100 * cut['errorReduction']['mean']:.1f} % less than of full runs" in text
    assert cut["score"]["mean"] == pytest.approx(own["fullRuns"]["mean"] + gain["mean"])


def test_the_curve_has_every_budget_that_the_history_can_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = planned(capsys, "--budget", 2, "--history", imported(tmp_path, runs=50))
    # A quarter of 50 is 12, and the cut in the middle starts 12 for a budget of 8.
    assert [entry["budget"] for entry in found["curve"]] == list(range(1, 9))
    assert found["mostStarted"] == 12


def test_a_metric_to_be_minimized_is_the_mirror_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    up = planned(capsys, "--budget", 4, "--history", imported(tmp_path / "up"), "--best-value", 1)
    down = planned(capsys, "--budget", 4, "--history", imported(tmp_path / "down", sign=-1), "--best-value=-1")
    assert down["goal"] == "minimize"
    for one, other in zip(up["curve"], down["curve"], strict=True):
        assert other["fullRuns"]["mean"] == pytest.approx(-one["fullRuns"]["mean"])
        assert other["plan"] == one["plan"]
    assert down["curve"][3]["middle"]["errorReduction"] == pytest.approx(up["curve"][3]["middle"]["errorReduction"])


def test_without_a_history_it_is_the_rule_of_thumb_with_what_it_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(said(capsys, "--budget", 8).split())
    assert "Start 12 episodes, cut at evaluation 15 of 30 (50 %), keep 4 (rule of thumb)" in text
    assert "start 14 episodes, cut at evaluation 12 of 30 (40 %), keep 4 takes 8" in text
    assert "ended at a constant answer" in text
    # What it takes is told, not that it takes as much.
    assert "keep 2 takes 2.8" in " ".join(said(capsys, "--budget", 3).split())
    assert "This rests on runs of others." in text
    assert "train a few seeds fully first" in text
    assert "48 full ones: seedsweep plan --budget 8 --history DIR" in text


def test_as_many_full_runs_as_it_asks_for_are_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The promise of the rule of thumb, and of a history that is too small.
    found = planned(capsys, "--budget", 8, "--history", imported(tmp_path / "enough", runs=48))
    assert found["basis"] == "history"
    few = imported(tmp_path / "few", runs=47)
    assert "48 runs would do" in refusal(capsys, "--budget", 8, "--history", few)
    assert "a budget of at most 7" in refusal(capsys, "--budget", 8, "--history", few)
    assert planned(capsys, "--budget", 7, "--history", few)["basis"] == "history"


def test_a_budget_beyond_what_is_ever_valued_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, "--budget", 300, "--history", imported(tmp_path))
    assert "starts 450 runs, and plans of more than 400 are not valued: give a budget of at most 4, or" in message


def test_a_grid_that_a_split_leaves_too_little_of_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "narrow", records.fully_trained(3, 8))
    message = refusal(capsys, "--budget", 4, "--history", folder)
    assert "valued on 24 whole runs (rte), which share seeds: a split by seed leaves one side" in message
    assert "24 runs would do, each with seeds of its own" in message


def test_one_full_run_has_no_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "One full run leaves nothing to compare" in said(capsys, "--budget", 1)
    text = said(capsys, "--budget", 1, "--history", imported(tmp_path))
    assert text.startswith("Train 1 episode fully\n")
    assert "One full run leaves nothing to compare" in text


def test_a_record_without_a_best_value_says_how_to_get_error_reductions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = imported(tmp_path)
    assert "give it with --best-value" in " ".join(said(capsys, "--budget", 4, "--history", record).split())
    assert "% less than of full runs" in said(capsys, "--budget", 4, "--history", record, "--best-value", 1)


def test_hours_follow_from_what_the_records_runs_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = records.fully_trained(6, 4)
    cost = record.status.cost.evolve(
        useful_steps=24 * records.STEPS, full_steps=24 * records.STEPS, gpu_seconds=24 * 1800.0
    )
    folder = written(tmp_path / "trained", record.with_status(cost=cost))
    found = planned(capsys, "--budget", 4, "--history", folder, "--gpus", 3)
    assert found["histories"][0]["runSeconds"] == pytest.approx(1800)
    # Two waves of full runs on three GPUs, half an hour each.
    assert found["timeOfFullRuns"] == {"fullRuns": 2.0, "hours": pytest.approx(1.0)}
    started, keep = found["plan"]["started"], found["plan"]["keep"]
    share = (found["plan"]["evaluation"] or found["evaluations"]) / found["evaluations"]
    waves = -(-started // 3) * share + -(-keep // 3) * (1 - share)
    assert found["time"] == {"fullRuns": pytest.approx(waves), "hours": pytest.approx(waves / 2)}


def test_an_episode_of_several_gpus_leaves_fewer_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = records.fully_trained(6, 4)
    spec = record.sweep.spec.evolve(gpus_per_episode="2")
    folder = written(tmp_path / "trained", replace(record, sweep=record.sweep.evolve(spec=spec)))
    found = planned(capsys, "--budget", 4, "--history", folder, "--gpus", 5)
    assert found["timeOfFullRuns"]["fullRuns"] == 2
    assert "--gpus: 1 is fewer than the 2 that an episode holds" in refusal(
        capsys, "--budget", 4, "--history", folder, "--gpus", 1
    )


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--budget: say what the sweep may cost: give a number of full runs"),
        (
            ("--budget", "0"),
            "--budget: '0' is no whole number from 1 to 999999999: give what the sweep may cost, in full runs",
        ),
        (("--budget=-3",), "--budget: '-3' is no whole number from 1"),
        (("--budget", "2.5"), "--budget: '2.5' is no whole number from 1"),
        (("--budget", "many"), "--budget: 'many' is no whole number from 1"),
        (("--budget", "nan"), "--budget: 'nan' is no whole number from 1"),
        (("--budget", "9" * 30), "is no whole number from 1 to 999999999"),
        (("--budget", "999999999"), "more than the 10,000 of a sweep: give a smaller budget"),
        (
            ("--budget", "4", "--gpus", "0"),
            "--gpus: '0' is no whole number from 1 to 999999999: give how many there are",
        ),
        (("--budget", "4", "--best-value", "high"), "--best-value: 'high' is no number"),
        (("--budget", "4", "--best-value", "inf"), "--best-value: 'inf' is no number"),
        (("--budget", "4", "--best-value", "1"), "--best-value: says nothing without --history"),
        (("--budget", "4", "--figure", "x.svg"), "--figure: the rule of thumb has no curve: give --history, too"),
        (("--budget", "4", "--figure", "x.gif"), "--figure: 'x.gif' is none of .svg, .png and .pdf"),
    ],
)
def test_bad_options_are_refused_with_the_remedy(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], message: str
) -> None:
    assert message in refusal(capsys, *arguments)


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


def test_a_best_value_that_a_run_exceeds_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, "--budget", 2, "--history", imported(tmp_path, runs=12), "--best-value", 0.6)
    assert message.startswith("--best-value: 0.6 is worse than the 0.7")


def bert_large(folder: Path, task: str, recipe: str) -> Path:
    """Its 50 runs."""
    score = {"RTE": "val_acc", "MRPC": "val_acc_and_f1"}[task]
    columns = ("--score", score, "--loss", "val_loss", "--evaluation", "eval_index", "--where", f"recipe={recipe}")
    source = needs.seed_runs(f"bertlarge/{task}.csv")
    options = ("--seed", "seed", "--goal", "maximize", "--evaluations", 10, "--name", "bert")
    assert seedsweep("import", source, *columns, *options, "--to", folder / "record") == 0
    return folder / "record"


@pytest.mark.parametrize("task", ["RTE", "MRPC"])
@pytest.mark.parametrize(
    ("recipe", "stops"), [("not_debiased", True), ("standard_debiased", False), ("reinit_debiased", False)]
)
def test_of_bert_large_only_the_recipe_that_fails_is_stopped_early(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str, recipe: str, stops: bool
) -> None:
    found = planned(capsys, "--budget", 8, "--history", bert_large(tmp_path, task, recipe))
    assert {entry["budget"]: entry["plan"]["evaluation"] is not None for entry in found["curve"]} == {
        budget: stops and budget > 1 for budget in range(1, 9)
    }
