"""`seedsweep export`: a record as a Parquet table, the same for pandas, `datasets` and `seedsweep import`."""

from pathlib import Path

import pandas as pd
import pytest

from host.commands import seedsweep
from inputs import records
from inputs.floored import FALLEN, LATER, floored, floored_and_cut
from seedsweep.api.episode import Verdict
from seedsweep.exchange.export import SCHEMA
from seedsweep.exchange.told import COLUMNS
from seedsweep.report.record import read_record
from seedsweep.report.words import metric_name


def exported(folder: Path, record: records.Record) -> Path:
    (folder / "run").mkdir()
    records.write(folder / "run", record)
    assert seedsweep("export", folder / "run", "--to", folder / "runs.parquet") == 0
    return folder / "runs.parquet"


def test_every_recorded_evaluation_is_a_row(tmp_path: Path) -> None:
    record = records.finished()
    table = pd.read_parquet(exported(tmp_path, record))
    for episode in record.episodes:
        own = table[table.episode == episode.spec.id.name].sort_values("evaluation")
        assert own.score.tolist() == episode.status.scores
        assert own.evaluation.tolist() == list(range(1, len(own) + 1))
    assert set(table.goal) == {"maximize"}
    assert set(table.design) == {"cut"}
    assert set(table.baseline) == {records.BASELINE}


def test_an_evaluation_past_the_rung_where_its_episode_lost_does_not_count(tmp_path: Path) -> None:
    record = records.finished()
    lost = next(i for i, e in enumerate(record.episodes) if e.status.state == "Lost")
    episode = record.episodes[lost]
    longer = episode.status.evolve(scores=[*episode.status.scores, 0.99])
    record.episodes[lost] = episode.evolve(status=longer)
    table = pd.read_parquet(exported(tmp_path, record))
    assert table[~table.counts].score.tolist() == [0.99]


def test_undefined_scores_are_null(tmp_path: Path) -> None:
    record = records.fully_trained()
    first = record.episodes[0]
    record.episodes[0] = first.evolve(status=first.status.evolve(scores=[None, *first.status.scores[1:]]))
    table = pd.read_parquet(exported(tmp_path, record))
    assert table.score.isna().sum() == 1


def test_datasets_reads_it(tmp_path: Path) -> None:
    from datasets import Dataset

    path = exported(tmp_path, records.finished())
    found = Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    assert found.num_rows == len(pd.read_parquet(path))
    assert "score" in found.column_names


def test_what_was_exported_imports_as_the_same_curves(tmp_path: Path) -> None:
    record = records.fully_trained()
    path = exported(tmp_path, record)
    assert seedsweep("import", path, "--to", tmp_path / "again", "--goal", "maximize") == 0
    again = read_record(tmp_path / "again")
    assert [e.status.scores for e in again.episodes] == [e.status.scores for e in record.episodes]
    assert again.sweep.status is not None
    assert again.sweep.status.steps == records.STEPS


def test_export_then_import_keeps_metric_goal_baseline_and_outcomes(tmp_path: Path) -> None:
    record = records.fully_trained()
    last = record.episodes[-1]
    cut = last.status.evolve(
        scores=last.status.scores[:-1], state="Diverged", verdict=Verdict(outcome="Diverged", reason="loss is NaN")
    )
    record.episodes[-1] = last.evolve(status=cut)
    path = exported(tmp_path, record)
    assert seedsweep("import", path, "--to", tmp_path / "again") == 0
    again = read_record(tmp_path / "again")
    assert again.sweep.spec.trainer.metric is not None
    assert again.sweep.spec.trainer.metric.name == metric_name(record.sweep.spec.trainer)
    assert again.sweep.spec.trainer.metric.goal == "maximize"
    assert again.sweep.status is not None
    assert again.sweep.status.best is not None
    assert again.sweep.status.best.baseline == records.BASELINE
    states = [episode.status.state for episode in again.episodes]
    assert (states[-1], set(states[:-1])) == ("Diverged", {"Finished"})


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert seedsweep(*arguments) == 2
    return capsys.readouterr().err


def test_a_goal_against_that_of_an_exported_table_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(tmp_path, records.fully_trained())
    said = refused(capsys, "import", path, "--to", tmp_path / "again", "--goal", "minimize")
    assert said == "--goal: is minimize, and the table says maximize: leave --goal out\n"


def test_exported_tables_in_one_are_told_apart_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = pd.read_parquet(exported(tmp_path, records.fully_trained()))
    pd.concat([one, one.assign(sweep="other", metric="loss", goal="minimize")]).to_csv(
        tmp_path / "two.csv", index=False
    )
    path, to = tmp_path / "two.csv", tmp_path / "again"
    assert "tell records apart with --by sweep" in refused(capsys, "import", path, "--to", to)
    assert seedsweep("import", path, "--to", to, "--by", "sweep") == 0
    metric = read_record(to / "other").sweep.spec.trainer.metric
    assert metric is not None
    assert (metric.name, metric.goal) == ("loss", "minimize")


def test_a_record_without_steps_imports_again(tmp_path: Path) -> None:
    record = records.fully_trained()
    path = exported(tmp_path, record)
    pd.read_parquet(path).assign(step=None).to_parquet(path)
    assert seedsweep("import", path, "--to", tmp_path / "again") == 0
    again = read_record(tmp_path / "again").sweep.status
    assert again is not None
    assert again.steps is None


def test_the_columns_that_import_knows_are_those_of_the_export() -> None:
    assert tuple(SCHEMA.names) == COLUMNS


@pytest.mark.parametrize(
    ("name", "said"), [("runs.csv", "does not end with .parquet"), ("there.parquet", "is there already")]
)
def test_a_file_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    (tmp_path / "there.parquet").touch()
    (tmp_path / "run").mkdir()
    records.write(tmp_path / "run", records.finished())
    assert seedsweep("export", tmp_path / "run", "--to", tmp_path / name) == 2
    assert said in capsys.readouterr().err


def test_no_evaluation_of_an_episode_that_fell_below_a_floor_can_be_the_result(tmp_path: Path) -> None:
    table = pd.read_parquet(exported(tmp_path, floored()))
    counting = table.groupby("episode").counts.any()
    assert counting[~counting].index.tolist() == FALLEN


def test_a_sweep_with_a_floor_is_refused_whatever_is_taken_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, to = exported(tmp_path, floored()), tmp_path / "again"
    table = pd.read_parquet(path)
    table.assign(other=table.score).to_parquet(path)
    for options in ([], ["--short", "failed"], ["--evaluations", 1], ["--score", "other", "--goal", "maximize"]):
        said = refused(capsys, "import", path, "--to", to, *options)
        assert "is of a sweep with a floor" in said
        assert "use the record it was exported from" in said
        assert not to.exists()


@pytest.mark.parametrize("options", [[], ["--short", "failed"], ["--evaluations", records.RUNG + 1]])
def test_whole_runs_of_a_sweep_with_a_cut_are_refused_with_the_evaluations_that_all_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[object]
) -> None:
    path = exported(tmp_path, records.finished())
    said = refused(capsys, "import", path, "--to", tmp_path / "again", *options)
    assert "whole runs are no sample of all" in said
    assert f"with --evaluations {records.RUNG}" in said


def test_audited_losers_do_not_make_whole_runs_of_a_cut_a_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loser = next(e.spec.id.name for e in records.finished().episodes if e.status.state == "Lost")
    path = exported(tmp_path, records.audited({loser: 0.6}))
    said = refused(capsys, "import", path, "--to", tmp_path / "again", "--short", "failed")
    assert "whole runs are no sample of all" in said


def test_up_to_its_cut_a_sweep_is_imported_as_a_sample_of_shorter_runs_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = records.finished()
    path, to = exported(tmp_path, record), tmp_path / "again"
    assert seedsweep("import", path, "--to", to, "--evaluations", records.RUNG) == 0
    assert f"of a sweep with a cut, the first {records.RUNG} evaluations: all runs have come so far" in (
        capsys.readouterr().out
    )
    again = read_record(to)
    assert again.sweep.status is not None
    assert (again.sweep.status.design, again.sweep.status.evaluations) == ("full", records.RUNG)
    states = {episode.spec.id.name: episode.status.state for episode in again.episodes}
    assert (states.pop(records.FAILED), states.pop(records.DIVERGED)) == ("Failed", "Diverged")
    assert set(states.values()) == {"Finished"}
    assert len(states) == len(record.episodes) - 2


def test_runs_of_a_cut_are_not_chosen_by_what_became_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, to = exported(tmp_path, records.finished()), tmp_path / "again"
    assert "leave it out" in refused(capsys, "import", path, "--to", to, "--where", "outcome=Finished")
    said = refused(capsys, "import", path, "--to", to, "--where", "episode=wi0-do0", "--evaluations", records.RUNG)
    assert "no loser is among its runs" in said


def test_a_design_that_no_export_writes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = exported(tmp_path, records.fully_trained())
    pd.read_parquet(path).assign(design="partial").to_parquet(path)
    said = refused(capsys, "import", path, "--to", tmp_path / "again")
    assert "design is 'partial', not one of full, cut, cut+audit, floor, floor+cut: correct it" in said


def test_of_who_lost_at_a_rung_above_a_floor_all_up_to_there_can_be_the_result(tmp_path: Path) -> None:
    record = floored_and_cut()
    table = pd.read_parquet(exported(tmp_path, record))
    counting = table[table.counts].groupby("episode").evaluation.max().to_dict()
    kept = record.cuts[0].data.kept
    lost = set(record.cuts[0].data.ranked) - kept
    assert counting == {**dict.fromkeys(kept, 20), **dict.fromkeys(lost, LATER)}
    assert set(table.design) == {"floor+cut"}
