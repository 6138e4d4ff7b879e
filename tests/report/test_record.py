"""Reading a record back from the folder of a run."""

from pathlib import Path

import pytest

import records
from seedsweep.report.record import RecordError, read_record


def test_record_reads_back_as_it_was(tmp_path: Path) -> None:
    record = records.finished()
    sweep, episodes, cuts = read_record(records.write(tmp_path, record))
    assert sweep.status == record.status
    assert episodes == record.episodes
    assert cuts == record.cuts


def test_undefined_scores_read_back(tmp_path: Path) -> None:
    record = records.finished()
    scores = [None, *record.episodes[0].status.scores[1:]]
    status = record.episodes[0].status.model_copy(update={"scores": scores})
    record.episodes[0] = record.episodes[0].model_copy(update={"status": status})
    assert read_record(records.write(tmp_path, record)).episodes[0].status.scores == scores


def test_episodes_come_in_index_order_whatever_their_files_are_called(tmp_path: Path) -> None:
    episodes = read_record(records.write(tmp_path, records.finished(12, 1))).episodes
    assert [episode.spec.index for episode in episodes] == list(range(12))


def test_folder_without_a_sweep_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no sweep\.json in it; give the folder"):
        read_record(tmp_path)


def test_damaged_file_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    folder = records.write(tmp_path, records.finished())
    (folder / "episodes" / "wi0-do0.json").write_text('{"metadata": {"name": "x"}}')
    with pytest.raises(RecordError, match=r"wi0-do0\.json: not a Episode: spec Field required"):
        read_record(folder)
