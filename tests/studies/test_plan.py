"""`seedsweep plan`: what it advises, in words and numbers, and which options it refuses."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from host import needs
from host.commands import seedsweep
from inputs import records
from studies.plan_command import imported, planned, refusal, said, written

GOLDEN = Path(__file__).parent / "plan.txt"


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
    assert "alternative start 14 episodes, cut at evaluation 12 of 30 (40 %), keep 4 takes 8" in text
    assert "ended at a constant answer" in text
    # What it takes is told, not that it takes as much.
    assert "keep 2 takes 2.8" in " ".join(said(capsys, "--budget", 3).split())
    assert "This rests on runs of others." in text
    assert "train a few seeds fully first" in text
    assert "A floor (earlyStopping.floor with budget: 8, docs/floor.md)" in text
    assert "48 full ones: seedsweep plan --budget 8 --history RECORD" in text


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--budget: say what the sweep may cost, in full runs: for example --budget 8"),
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
