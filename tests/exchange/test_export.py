"""`seedsweep export`: a record as a Parquet table, the same for pandas, `datasets` and `seedsweep import`."""

from pathlib import Path

import pandas as pd
import pytest

import records
from seedsweep.cli import main
from seedsweep.report.record import read_record


def exported(folder: Path, record: records.Record) -> Path:
    (folder / "run").mkdir()
    records.write(folder / "run", record)
    main_ok("export", str(folder / "run"), "--to", str(folder / "runs.parquet"))
    return folder / "runs.parquet"


def main_ok(*arguments: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert not caught.value.code


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
    main_ok("import", str(path), "--to", str(tmp_path / "again"), "--goal", "maximize")
    again = read_record(tmp_path / "again")
    assert [e.status.scores for e in again.episodes] == [e.status.scores for e in record.episodes]
    assert again.sweep.status is not None
    assert again.sweep.status.steps == records.STEPS


@pytest.mark.parametrize(
    ("name", "said"), [("runs.csv", "does not end with .parquet"), ("there.parquet", "is there already")]
)
def test_a_file_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    (tmp_path / "there.parquet").touch()
    (tmp_path / "run").mkdir()
    records.write(tmp_path / "run", records.finished())
    with pytest.raises(SystemExit) as caught:
        main(["export", str(tmp_path / "run"), "--to", str(tmp_path / name)])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
