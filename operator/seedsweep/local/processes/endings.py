"""What a process that is gone still tells: its exit code, its termination message, the end of its output."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from seedsweep.api.episode import Attempt, EndReason, EpisodeId, EpisodeStatus, Interruption
from seedsweep.api.sweep import SweepSpec
from seedsweep.contract.exits import (
    FINISHED,
    LastWords,
    classify_end,
    explain_end,
    explain_interruption,
    parse_last_words,
)
from seedsweep.contract.message import MESSAGE_BYTES
from seedsweep.contract.output import last_line, last_lines
from seedsweep.contract.protocol import ExitCode
from seedsweep.contract.scrape import Expected
from seedsweep.engine.observation import Ending, SeenAttempt
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.machine.places import gpus_per_place
from seedsweep.local.processes.environment import TERMINATION_LOG

_TAIL_BYTES = 4_096


def last_words(path: Path, expected: Expected) -> LastWords:
    """Read a termination log; one that is missing, cut off or another's tells nothing."""
    try:
        with path.open("rb") as file:
            return parse_last_words(file.read(MESSAGE_BYTES + 1).decode(errors="replace"), expected)
    except OSError:
        return LastWords()


def ending_of(code: int | None, words: LastWords, log: Path, at: datetime) -> Ending:
    """How an attempt ended: the end of its output explains a failure that it did not."""
    reason, printed = classify_end(code, words.message), tail(log)
    if reason == EndReason.INTERRUPTED:
        text, interruption = explain_interruption(code)
        return Ending(reason, at, code, words.said or text, interruption)
    text = explain_end(reason, code, words, last_line(printed))
    return Ending(reason, at, code, text, output=last_lines(printed) if code != ExitCode.OK else "")


def left_over(
    spec: SweepSpec, directory: RunDirectory, episodes: Mapping[EpisodeId, EpisodeStatus]
) -> Iterable[SeenAttempt]:
    """Attempts that ended with the runner that started them, so that nobody put their end on record."""
    for episode, status in episodes.items():
        for entry in status.attempts:
            if entry.reason is None:
                yield _interrupted(spec, directory.attempts / entry.uid / TERMINATION_LOG, episode, entry)


def _interrupted(spec: SweepSpec, path: Path, episode: EpisodeId, entry: Attempt) -> SeenAttempt:
    words = last_words(path, Expected.of(spec.trainer.ranking_metric, episode, entry.uid))
    # Nobody saw an exit code; its own words are enough where it had come to its end.
    code = ExitCode.OK if words.message is not None and words.message.outcome in FINISHED else None
    now = datetime.now(UTC)
    started = datetime.fromisoformat(entry.start_time) if entry.start_time is not None else now
    last = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else started
    reason = classify_end(code, words.message)
    interruption = Interruption.VANISHED if reason == EndReason.INTERRUPTED else None
    return SeenAttempt(
        episode=episode,
        uid=entry.uid,
        created=started,
        bound=started,
        stop_after=entry.stop_after,
        reading=words.reading,
        ending=Ending(reason, max(started, last), code, words.said, interruption),
        node=entry.node,
        device=entry.device,
        gpus=float(max(1, gpus_per_place(spec))),
    )


def tail(log: Path) -> str:
    """The end of what was printed."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
