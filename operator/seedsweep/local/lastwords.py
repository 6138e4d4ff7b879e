"""What a process that is gone still tells: its exit code, its termination message, the end of its output."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from seedsweep.api.episode import Attempt, EpisodeId, EpisodeStatus
from seedsweep.api.sweep import SweepSpec
from seedsweep.engine.observation import Ending, SeenAttempt
from seedsweep.exits import FINISHED, LastWords, classify_end, explain_end, last_line, parse_last_words
from seedsweep.local.environment import TERMINATION_LOG
from seedsweep.local.places import gpus_per_episode
from seedsweep.local.rundir import RunDirectory
from seedsweep.scrape import Expected
from seedsweep_trainer.contract import MESSAGE_BYTES, ExitCode

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
    reason = classify_end(code, words.message)
    return Ending(reason, at, code, explain_end(reason, words, tail(log)))


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
    started = datetime.fromisoformat(entry.started) if entry.started is not None else now
    last = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else started
    reason = classify_end(code, words.message)
    return SeenAttempt(
        episode=episode,
        uid=entry.uid,
        created=started,
        bound=started,
        stop_after=entry.stop_after,
        reading=words.reading,
        ending=Ending(reason, max(started, last), code, words.message.reason if words.message is not None else ""),
        node=entry.node,
        device=entry.device,
        gpus=float(max(1, gpus_per_episode(spec))),
    )


def tail(log: Path) -> str:
    """The last line that was printed."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            return last_line(file.read().decode(errors="replace"))
    except OSError:
        return ""
