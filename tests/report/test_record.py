"""Reading a record back from the folder of a run."""

import json
from pathlib import Path
from typing import Any

import pytest

from inputs import records
from seedsweep.api.status import EpisodeCounts
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


def test_episodes_of_a_sweep_that_got_more_seeds_come_in_the_order_that_it_has_now(tmp_path: Path) -> None:
    """Of the second axis: who was the third of four is the fifth of eight."""
    record = records.finished(2, 4)
    before = {(0, 0): 0, (0, 1): 1, (1, 0): 2, (1, 1): 3}
    for i, episode in enumerate(record.episodes):
        index = before.get(episode.spec.id, episode.spec.index)
        record.episodes[i] = episode.evolve(spec=episode.spec.evolve(index=index))
    episodes = read_record(records.write(tmp_path, record)).episodes
    assert [tuple(episode.spec.id) for episode in episodes] == [(init, order) for init in (0, 1) for order in range(4)]


def test_folder_without_a_sweep_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"no sweep\.json in it; give the folder"):
        read_record(tmp_path)


def test_an_episode_in_two_files_is_refused(tmp_path: Path) -> None:
    records.write(tmp_path, records.finished())
    one = min(tmp_path.glob("episodes/*.json"))
    (tmp_path / "episodes" / "copy.json").write_bytes(one.read_bytes())
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'episodes'}: holds {one.stem} in two files: remove the copy"


def test_episodes_that_the_sweep_counts_but_have_no_file_are_missed(tmp_path: Path) -> None:
    record = records.finished()
    many = len(record.episodes)
    records.write(tmp_path, record.with_status(counts=EpisodeCounts(finished=many)))
    read_record(tmp_path)
    min(tmp_path.glob("episodes/*.json")).unlink()
    said = (
        f"holds {many - 1} of the {many} episodes that the sweep counts as trained, lost or given up: "
        "restore the files that are missing"
    )
    with pytest.raises(RecordError, match=said):
        read_record(tmp_path)


def test_a_cut_that_the_sweep_names_but_has_no_file_is_missed(tmp_path: Path) -> None:
    records.write(tmp_path, records.finished())
    next(tmp_path.glob("cuts/*.json")).unlink()
    with pytest.raises(RecordError, match="holds 0 of the 1 cuts that the sweep"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("file", "before", "after", "said"),
    [
        ("episodes/wi1-do0.json", '"weightInit":1,', '"weightInit":77,', "holds wi77-do0, which is no episode of this"),
        ("episodes/wi1-do0.json", '"scores":[', '"scores":[-1e200,', "wi1-do0 has a score of -1e.200, and beyond"),
        ("cuts/rte-b0-r0.json", '"wi1-do0"', '"wi77-do0"', "rte-b0-r0 ranks wi77-do0, which is no episode of this"),
    ],
)
def test_what_no_sweep_of_ours_writes_is_refused_with_its_place(
    tmp_path: Path, file: str, before: str, after: str, said: str
) -> None:
    records.write(tmp_path, records.finished())
    path = tmp_path / file
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(RecordError, match=f"{said}.*: restore the file that the sweep wrote"):
        read_record(tmp_path)


def test_a_folder_of_several_records_is_refused_with_one_of_them(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).mkdir()
        records.write(tmp_path / name, records.finished())
    with pytest.raises(RecordError) as caught:
        read_record(tmp_path)
    said = f"{tmp_path}: no sweep.json in it; it holds records below it: give {tmp_path / 'a'} or one of 2 more"
    assert str(caught.value) == said


def replaced(document: Any, path: str, value: Any) -> bytes:
    """The JSON of a document with another value in one place; `...` removes what is there."""
    *parents, last = path.split(".")
    place = document
    for step in parents:
        place = place[int(step)] if step.isdigit() else place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("file", "path", "value", "said"),
    [
        ("episodes/wi0-do0", "spec", ..., "spec: is missing"),
        (
            "episodes/wi0-do0",
            "status.state",
            "Averaged",
            "status.state: is not known to this release (found 'Averaged')",
        ),
        ("episodes/wi0-do0", "status.scores", 5, "status.scores: is not known to this release (found 5)"),
        ("episodes/wi0-do0", "status.attempts.0.reason", "Sold", "status.attempts[0].reason: is not known"),
        ("sweep", "status.phase", "Exploring", "status.phase: is not known to this release (found 'Exploring')"),
        ("sweep", "spec.newInV2", 1, "spec.newInV2: is not known to this release (found 1)"),
        ("sweep", "spec.parallelism", "many", "spec.parallelism: is not known to this release (found 'many')"),
        ("cuts/*", "data.excluded.0.reason", 7, "data.excluded[0].reason: is not known to this release"),
    ],
)
def test_a_file_that_this_release_cannot_read_is_named_with_its_field_and_the_remedy(
    tmp_path: Path, file: str, path: str, value: Any, said: str
) -> None:
    folder = records.write(tmp_path, records.finished())
    found = sorted(folder.glob(f"{file}.json"))[0]
    found.write_bytes(replaced(json.loads(found.read_bytes()), path, value))
    with pytest.raises(RecordError) as caught:
        read_record(folder)
    message = str(caught.value)
    assert message.startswith(f"{found}: {said}")
    assert message.endswith("; run the release that wrote it, or restore the file")
    for word in ("Input", "Field", "Extra", "valid", "\n"):
        assert word not in message


@pytest.mark.parametrize("content", [b"", b"{", b"5", b"null", b"\xff\xfe", b"[" * 2_000])
def test_a_file_that_holds_something_else_is_named(tmp_path: Path, content: bytes) -> None:
    folder = records.write(tmp_path, records.finished())
    (folder / "episodes" / "wi0-do0.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"wi0-do0\.json: the file: holds no Episode in JSON; run the release"):
        read_record(folder)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = records.write(tmp_path, records.finished())
    (folder / "episodes" / "wi9-do9.json").mkdir()
    with pytest.raises(RecordError, match=r"wi9-do9\.json: cannot be read: Is a directory; run the release"):
        read_record(folder)
