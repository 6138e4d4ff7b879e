"""What a process that is gone still tells, and what was told while it lived."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inputs import sweeps
from seedsweep.api.episode import Attempt, EndReason, EpisodeId, EpisodeStatus
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.contract.consistency import Limits
from seedsweep.contract.exits import LastWords
from seedsweep.contract.message import Message, Outcome, TrainerInfo, encode_message
from seedsweep.contract.scrape import Expected
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.processes.endings import ending_of, last_words, left_over

EPISODE = EpisodeId(1, 2)
EXPECTED = Expected("wi1-do2", "u1", Limits(0.0, 1.0))
MESSAGE = Message(TrainerInfo("wi1-do2", "u1"), Outcome.RUNNING, 10, 20, 100, scores=(0.25, 0.5))
NOW = datetime(2026, 5, 4, tzinfo=UTC)
SPEC = parse_sweep(sweeps.FINE_TUNING).spec


def write(folder: Path, message: Message) -> Path:
    path = folder / "termination-log"
    path.write_bytes(encode_message(message))
    return path


def test_whole_message_is_read(tmp_path: Path) -> None:
    words = last_words(write(tmp_path, MESSAGE), EXPECTED)
    assert words.message == MESSAGE
    assert words.reading is not None
    assert words.reading.scores == (0.25, 0.5)


@pytest.mark.parametrize("content", [b"", b"Killed", encode_message(MESSAGE)[:-20], b"\xff" * 5000, b"x" * 10_000_000])
def test_anything_else_tells_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log").write_bytes(content)
    assert last_words(tmp_path / "log", EXPECTED) == LastWords()


def test_missing_message_tells_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path / "log", EXPECTED) == LastWords()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"scores": (0.25, 1.5)}, "outside the metric's range"),
        ({"steps_done": -1}, "steps_done is -1, not a whole number"),
        ({"info": TrainerInfo("wi1-do2", "other")}, "uid 'other'"),
        ({"info": TrainerInfo("wi1-do2", "u1", fingerprint="f" * 257)}, "longer than 256"),
    ],
)
def test_message_that_cannot_be_is_refused_with_its_reason(
    tmp_path: Path, changes: dict[str, object], reason: str
) -> None:
    words = last_words(write(tmp_path, replace(MESSAGE, **changes)), EXPECTED)  # type: ignore[arg-type]
    assert words.reading is None
    assert words.message is None
    assert reason in words.refused


def test_failure_without_a_reason_is_explained_by_the_last_line_of_output(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("starting\nModuleNotFoundError: No module named 'x'\n\n")
    ending = ending_of(1, LastWords(), tmp_path / "log", NOW)
    assert (ending.reason, ending.message) == (EndReason.FAILED, "ModuleNotFoundError: No module named 'x'")


def test_reason_of_its_own_comes_before_the_output(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Traceback")
    words = LastWords(replace(MESSAGE, outcome=Outcome.FAILED, reason="out of memory"))
    assert ending_of(79, words, tmp_path / "log", NOW).message == "out of memory"


def test_clean_end_without_usable_metrics_says_why(tmp_path: Path) -> None:
    ending = ending_of(0, LastWords(refused="level 'L9'"), tmp_path / "log", NOW)
    assert ending.message == "its metrics cannot be used: level 'L9'"


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    directory.make()
    (directory.attempts / "u1").mkdir()
    return directory


def record(**fields: object) -> dict[EpisodeId, EpisodeStatus]:
    entry = Attempt.model_validate({"uid": "u1", "startTime": "2026-05-04T00:00:00+00:00", **fields})
    return {EPISODE: EpisodeStatus(attempts=[entry])}


def test_attempt_that_ended_with_its_runner_is_interrupted_and_keeps_what_it_published(
    directory: RunDirectory,
) -> None:
    write(directory.attempts / "u1", MESSAGE)
    (left,) = left_over(SPEC, directory, record())
    assert left.ending is not None
    assert left.ending.reason == EndReason.INTERRUPTED
    assert left.reading is not None
    assert left.reading.scores == (0.25, 0.5)


def test_attempt_that_ended_with_its_runner_without_a_word_is_interrupted(directory: RunDirectory) -> None:
    (left,) = left_over(SPEC, directory, record(stop_after=4))
    assert left.ending is not None
    assert (left.ending.reason, left.reading, left.stop_after) == (EndReason.INTERRUPTED, None, 4)


@pytest.mark.parametrize(
    ("outcome", "reason"), [(Outcome.DONE, EndReason.DONE), (Outcome.DIVERGED, EndReason.DIVERGED)]
)
def test_attempt_that_was_over_before_its_runner_was_is_not_interrupted(
    directory: RunDirectory, outcome: Outcome, reason: EndReason
) -> None:
    write(directory.attempts / "u1", replace(MESSAGE, outcome=outcome))
    (left,) = left_over(SPEC, directory, record())
    assert left.ending is not None
    assert left.ending.reason == reason


def test_attempt_whose_end_is_on_record_is_not_left_over(directory: RunDirectory) -> None:
    assert list(left_over(SPEC, directory, record(reason=EndReason.DONE))) == []
