"""Options of `seedsweep import`: what cannot be is refused, and so is more than a sweep may have."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from exchange.importing import GRID, UP, imported, refusal, table
from host.commands import seedsweep
from seedsweep.exchange import build
from seedsweep.exchange.importing import parse_where
from seedsweep.exchange.points import ImportProblemError


def test_one_seed_for_both_beside_two_seeds_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--seed", "weight_init", "--weight-init", "weight_init", "--data-order", "data_order")
    said = refusal(capsys, tmp_path, table(tmp_path, GRID), *options, *UP)
    assert "--seed: is one seed for both: leave it out, or --weight-init and --data-order" in said


def test_a_condition_on_rows_that_cannot_hold_is_refused() -> None:
    with pytest.raises(ImportProblemError, match="cannot be both 'x' and 'y'"):
        parse_where(["a=x", "a=y"])
    with pytest.raises(ImportProblemError, match="is not COLUMN=VALUE"):
        parse_where(["a"])


@pytest.mark.parametrize(
    ("baseline", "goal", "scores", "said"),
    [
        (
            "0.527",
            "maximize",
            (0.52708, 0.52708, 0.7),
            "2 runs share the lowest best score, just above --baseline 0.527",
        ),
        ("52.7", "maximize", (52.708, 52.708, 70), "unrounded: --baseline 52.708"),
        (
            "0.53",
            "minimize",
            (0.52708, 0.52708, 0.3),
            "2 runs share the highest best score, just below --baseline 0.53",
        ),
        ("0.9", "maximize", (0.6, 0.7), "no run is better than --baseline 0.9, so all count as failed"),
        ("60", "minimize", (70, 80), "no run is better than --baseline 60.0"),
        ("0.5", "maximize", (0.52708, 0.52708, 0.7), None),
        ("0.527", "maximize", (0.52708, 0.6, 0.7), None),
        ("0.52708", "maximize", (0.52708, 0.52708, 0.7), None),
    ],
)
def test_a_baseline_that_seems_rounded_or_wrong_is_noted(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    baseline: str,
    goal: str,
    scores: Sequence[float],
    said: str | None,
) -> None:
    text = "seed,score\n" + "".join(f"{i},{score}\n" for i, score in enumerate(scores))
    imported(tmp_path, table(tmp_path, text), "--goal", goal, "--baseline", baseline)
    out = capsys.readouterr().out
    assert said in out if said is not None else "--baseline" not in out


@pytest.mark.parametrize("baseline", ["nan", "inf"])
def test_a_baseline_that_is_no_number_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], baseline: str
) -> None:
    said = refusal(capsys, tmp_path, table(tmp_path, GRID), *UP, "--baseline", baseline)
    assert "--baseline: is no finite number: give the score of a constant answer" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--goal", "best"), "--goal: 'best' is no direction: give maximize where a higher score is better, else"),
        (("--short", "lost"), "--short: 'lost' is not known: give failed where"),
        (("--evaluations", "0"), "--evaluations: '0' is no whole number from 1: give how many to take"),
        (("--evaluations", "-1"), "--evaluations: '-1' is no whole number from 1"),
        (("--evaluations", "2.5"), "--evaluations: '2.5' is no whole number from 1"),
        (("--baseline", "abc"), "--baseline: 'abc' is no number: give the score of a constant answer"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_one_line_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert refusal(capsys, tmp_path, table(tmp_path, GRID), *UP, *options).startswith(said)


def test_without_a_folder_to_make_it_is_refused_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seedsweep("import", table(tmp_path, GRID), *UP) == 2
    assert capsys.readouterr().err == "--to: say where the record goes: give the name of a new folder\n"


def test_more_runs_than_a_sweep_may_have_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAX_EPISODES", 3)
    said = refusal(capsys, tmp_path, table(tmp_path, GRID), *UP)
    assert "has 4 runs, more than the 3 of a sweep: split it with --by or --where" in said


def test_more_runs_off_a_grid_than_a_sweep_may_list_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAX_PAIRS", 2)
    rows = "weight_init,data_order,score\n0,1,0.5\n1,2,0.6\n2,0,0.7\n"
    said = refusal(capsys, tmp_path, table(tmp_path, rows), *UP)
    assert "has 3 runs whose seeds make no grid, more than the 2 that a sweep may list: split it" in said


def test_more_evaluations_than_an_episode_may_have_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAX_EVALUATIONS", 1)
    said = refusal(capsys, tmp_path, table(tmp_path, GRID), *UP)
    assert "a run has 2 evaluations, more than 1: take fewer with --evaluations" in said


def test_a_name_of_a_metric_that_no_sweep_may_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert seedsweep("import", table(tmp_path, GRID), "--to", tmp_path / "out", *UP, "--metric", "m" * 64) == 2
    assert "spec.trainer.metric.name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", [".", "..", "/", "../here"])
def test_a_folder_that_is_no_new_one_is_refused_and_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    source = table(tmp_path, GRID)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert seedsweep("import", source, "--to", to, *UP) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"--to: {to} is ")
    assert said.endswith(": give the name of a new folder\n")
    assert Path.cwd() == tmp_path / "here"


def test_a_folder_that_cannot_be_written_is_said_and_nothing_of_it_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert seedsweep("import", table(tmp_path, GRID), "--to", tmp_path / "file" / "out", *UP) == 1
    assert "cannot be written (Not a directory): give another place" in capsys.readouterr().err


def test_a_folder_that_holds_something_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    assert "is there and not empty: give a new folder" in refusal(capsys, tmp_path, table(tmp_path, GRID), *UP)
