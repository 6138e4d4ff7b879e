"""What other tools leave of runs: panels of wandb, states of transformers' Trainer, boards of TensorBoard, tables."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from exchange.importing import UP, curves, imported, refusal, status_of, table
from host import needs
from host.commands import seedsweep
from seedsweep.exchange.points import episode_in
from seedsweep.report.record import read_record

BOARDS = Path(__file__).parent / "boards"


@pytest.mark.parametrize(
    ("name", "pattern", "seeds"),
    [
        ("run-seed-3", None, (3, 3)),
        ("runs/seed_12/logs", None, (12, 12)),
        ("wi2-do9", None, (2, 9)),
        ("seed1/seed2", None, (2, 2)),
        ("bert.7", "bert.{seed}", (7, 7)),
        ("o4_i5", "o{data_order}_i{weight_init}", (5, 4)),
        ("unseed3", None, None),
        ("dazzling-fire", None, None),
    ],
)
def test_seeds_are_read_from_the_names_of_runs(name: str, pattern: str | None, seeds: Sequence[int] | None) -> None:
    assert episode_in(name, pattern) == seeds


PANEL = """"Step","run seed-1 - acc","run seed-1 - acc__MIN","run seed-1 - acc__MAX","run seed-2 - acc","run seed-2 - acc__MIN","run seed-2 - acc__MAX"
"10","0.5","0.5","0.5","0.4","0.4","0.4"
"15","","","","","",""
"20","0.7","0.7","0.7","NaN","NaN","NaN"
"""  # noqa: E501


def test_a_panel_of_wandb_is_read_with_its_gaps_and_undefined_scores(tmp_path: Path) -> None:
    record = imported(tmp_path, table(tmp_path, PANEL), "--score", "acc", *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.7], "wi2-do2": [0.4, None]}
    assert status_of(record).steps == 20


def test_a_panel_of_means_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    panel = PANEL.replace('"0.5","0.5","0.5"', '"0.5","0.4","0.6"')
    said = refusal(capsys, tmp_path, table(tmp_path, panel), "--score", "acc", *UP)
    assert "row 2: run seed-1 - acc is a mean of values from 0.4 to 0.6: export single runs, ungrouped" in said


def test_a_panel_without_the_metric_is_refused_with_those_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, PANEL), "--score", "f1", *UP)
    assert "name a metric with --score; there are acc" in said


def test_a_panel_over_something_else_than_steps_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, PANEL.replace('"10"', '"0.5"')), "--score", "acc", *UP)
    assert "Step is '0.5', and no step: export the panel with Step as its x-axis" in said


def test_a_panel_whose_runs_have_no_seeds_is_refused_with_both_remedies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, PANEL.replace("seed-", "fire-")), "--score", "acc", *UP)
    assert "--seeds-in" in said
    assert "--number-runs" in said


def trained(folder: Path, seed: int, scores: Sequence[float], checkpoint: str = "") -> Path:
    """What transformers' Trainer leaves of a run."""
    log: list[dict[str, float]] = []
    for i, score in enumerate(scores, start=1):
        log.append({"epoch": i / 2, "loss": 0.9, "learning_rate": 1e-5, "step": 10 * i})
        log.append({"epoch": i / 2, "eval_accuracy": score, "eval_loss": 1 - score, "step": 10 * i})
    path = folder / f"run-seed-{seed}" / checkpoint / "trainer_state.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"global_step": 10 * len(scores), "log_history": log}))
    return path


def test_states_of_the_trainer_are_read_a_run_a_folder(tmp_path: Path) -> None:
    trained(tmp_path / "runs", 1, [0.5, 0.6])
    trained(tmp_path / "runs", 2, [0.5, math.nan])
    record = imported(tmp_path, tmp_path / "runs", "--score", "eval_accuracy", "--loss", "eval_loss", *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.6], "wi2-do2": [0.5, None]}
    assert record.episodes[0].status.losses == [0.5, 0.4]
    assert status_of(record).steps == 20


def test_of_several_checkpoints_the_furthest_one_has_the_run(tmp_path: Path) -> None:
    trained(tmp_path / "runs", 1, [0.5], "checkpoint-10")
    trained(tmp_path / "runs", 1, [0.5, 0.6], "checkpoint-20")
    record = imported(tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.6]}


def test_a_state_without_the_score_is_refused_with_those_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trained(tmp_path / "runs", 1, [0.5])
    said = refusal(capsys, tmp_path, path, "--score", "eval_f1", *UP)
    assert "there are eval_accuracy, eval_loss" in said
    path.write_text("{")
    assert "is no JSON, or not whole" in refusal(capsys, tmp_path, path, "--score", "eval_f1", *UP)
    path.write_text("{}")
    assert "has no log_history" in refusal(capsys, tmp_path, path, "--score", "eval_f1", *UP)


def again(path: Path, step: int, **values: float) -> None:
    """One more evaluation in a state of the Trainer."""
    state = json.loads(path.read_text())
    state["log_history"].append({"epoch": 9, "step": step, **values})
    path.write_text(json.dumps(state))


def test_an_evaluation_before_the_first_step_is_none_of_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(trained(tmp_path / "runs", 1, [0.5, 0.6]), 0, eval_accuracy=0.1)
    record = imported(tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert (curves(record), status_of(record).steps) == ({"wi1-do1": [0.5, 0.6]}, 20)
    again(trained(tmp_path / "runs", 2, []), 0, eval_accuracy=0.1)
    said = refusal(capsys, tmp_path / "runs", tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert "run-seed-2/trainer_state.json: has no evaluation with 'eval_accuracy', unlike 1 other run" in said


def test_an_evaluation_that_was_recorded_again_with_the_same_score_is_one(tmp_path: Path) -> None:
    again(trained(tmp_path / "runs", 1, [0.5, 0.6]), 20, eval_accuracy=0.6)
    record = imported(tmp_path, tmp_path / "runs", "--score", "eval_accuracy", "--loss", "eval_loss", *UP)
    assert curves(record) == {"wi1-do1": [0.5, 0.6]}
    assert record.episodes[0].status.losses == [0.5, 0.4]


def test_a_score_of_a_state_that_is_true_or_false_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(trained(tmp_path / "runs", 1, [0.5, 0.6]), 30, eval_accuracy=True)
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert "eval_accuracy is 'True', and no number: name another column" in said


def test_an_evaluation_with_two_scores_is_refused_with_a_remedy_that_this_source_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again(trained(tmp_path / "runs", 1, [0.5, 0.6]), 20, eval_accuracy=0.7)
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert "wi1-do1 has step 20 twice, with the scores 0.6 and 0.7" in said
    assert ": keep the trainer_state.json of one attempt, and take out an evaluation after training" in said


def test_a_run_without_an_evaluation_beside_others_is_refused_with_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "runs", 1, [0.5, 0.6])
    path = trained(tmp_path / "runs", 2, [])
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert said == f"{path}: has no evaluation with 'eval_accuracy', unlike 1 other run: remove its folder"


def test_a_loss_that_no_run_has_is_refused_with_the_names_that_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "runs", 1, [0.5, 0.6])
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", "--loss", "eval_los", *UP)
    assert "--loss: no run has 'eval_los': name another, or leave it out; there are eval_accuracy, eval_loss" in said
    said = refusal(capsys, tmp_path, BOARDS, "--score", "eval/accuracy", "--loss", "los", *UP)
    assert "there are eval/accuracy, eval/loss, train/loss" in said
    said = refusal(capsys, tmp_path, table(tmp_path, PANEL), "--score", "acc", "--loss", "los", *UP)
    assert "there are acc" in said


def test_two_runs_with_one_seed_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path / "runs" / "a", 1, [0.5])
    trained(tmp_path / "runs" / "b", 1, [0.6])
    said = refusal(capsys, tmp_path, tmp_path / "runs", "--score", "eval_accuracy", *UP)
    assert "(wi1-do1): remove one of the two runs, or import each in a record of its own" in said


def test_folders_of_tensorboard_are_read_old_and_new_scalars_alike(tmp_path: Path) -> None:
    # Written by torch.utils.tensorboard: seed 3 with simple values, seed 7 with tensors.
    record = imported(tmp_path, BOARDS, "--score", "eval/accuracy", "--loss", "eval/loss", *UP)
    assert curves(record)["wi3-do3"] == pytest.approx([0.5, 0.7, 0.65], abs=1e-7)
    seven = curves(record)["wi7-do7"]
    assert seven[1] is None
    assert seven[2] == pytest.approx(0.71, abs=1e-7)
    assert status_of(record).steps == 30


def test_a_damaged_event_file_is_refused_and_one_that_was_cut_short_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = next((BOARDS / "run-seed-3").iterdir()).read_bytes()
    path = tmp_path / "boards" / "seed-1" / "events.out.tfevents.1"
    path.parent.mkdir(parents=True)
    path.write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
    options = (tmp_path / "boards", "--score", "eval/accuracy", *UP)
    assert "is damaged" in refusal(capsys, tmp_path, *options)
    path.write_bytes(whole[:-3])
    assert curves(imported(tmp_path, *options))["wi1-do1"] == pytest.approx([0.5, 0.7, 0.65], abs=1e-7)


def test_a_board_without_the_tag_is_refused_with_those_that_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(capsys, tmp_path, BOARDS, "--score", "accuracy", *UP)
    assert "there are eval/accuracy, eval/loss, train/loss" in said


@pytest.mark.parametrize("options", [("--by", "x"), ("--where", "x=1"), ("--seed", "x"), ("--step", "x"), ()])
def test_options_for_tables_are_refused_for_other_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    said = refusal(capsys, tmp_path, BOARDS, *(("--score", "eval/accuracy") if options else ()), *options, *UP)
    assert said.startswith("--")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_source_that_holds_no_runs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert ": give a " in refusal(capsys, tmp_path, tmp_path / name, *UP)


BY_RECIPE = ("--by", "recipe", "--loss", "val_loss", "--evaluations", "10")
SEEDS = ("--weight-init", "init_rank_best_first", "--data-order", "order_rank_worst_first")
SCORES = ("--score", "val_mcc", "--score", "val_spearmanr", "--score", "val_acc_and_f1", "--score", "val_acc")
LOWRES = ("--by", "task", "--by", "recipe", "--by", "train_size", "--weight-init", "seed", "--data-order", "subset")


@pytest.mark.parametrize(
    ("name", "options", "records", "runs"),
    [
        ("bertlarge/RTE.csv", (*BY_RECIPE, "--score", "val_acc"), 3, 150),
        ("bertlarge/MRPC.csv", (*BY_RECIPE, "--score", "val_acc_and_f1"), 3, 150),
        ("lowres/curves.csv", (*LOWRES, *SCORES, "--loss", "val_loss"), 60, 1455),
        ("dodge2020/best_validation.csv", ("--by", "task", *SEEDS, "--score", "best_val_score"), 3, 1475),
        ("tang2020/esim.csv", ("--number-runs", "--score", "dev"), 1, 300),
        ("tang2020/sse.csv", ("--number-runs", "--score", "dev"), 1, 200),
        ("tang2020/bbase-sst2-3e-05.tsv", ("--seed=--seed", "--score", "acc"), 1, 75),
        ("tang2020/blarge-sst2-3e-05.tsv", ("--seed=--seed", "--score", "acc"), 1, 75),
        ("tang2020/blarge-sst2-4e-05.tsv", ("--seed=--seed", "--score", "acc"), 1, 74),
    ],
)
def test_recorded_runs_of_others_import_with_one_command(
    tmp_path: Path, name: str, options: tuple[str, ...], records: int, runs: int
) -> None:
    source = needs.seed_runs(name)
    assert seedsweep("import", source, "--to", tmp_path / "out", *options, *UP) == 0
    found = [read_record(path.parent) for path in (tmp_path / "out").rglob("sweep.json")]
    assert len(found) == records
    assert sum(len(record.episodes) for record in found) == runs
