"""`seedsweep clean`: of a sweep that is over, remove what only its training needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.rules.growth import why_no_growth
from seedsweep.codes import CommandError, Exit, bad_input
from seedsweep.engine.layout import Layout
from seedsweep.engine.questions.footprint import keeps_all
from seedsweep.local.checks.platform import require_posix
from seedsweep.local.checks.same_sweep import missing_weights
from seedsweep.local.directory.run_directory import RunDirectory, remove_tree
from seedsweep.report.record import read_sweep


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was removed."""

    size: int
    """In bytes."""
    ends_growth: bool
    """Whether the sweep could get more seeds before, and cannot now."""


def clean_folder(directory: Path) -> Cleaned:
    """Remove checkpoints and episodes that were trained again.

    The record, the report, best/, logs/ and attempts/ stay: the report, `--episode` and a hand-over are made from them.

    Raises:
        RecordError: no record in it.
        RunDirectoryError: a run is at work in it.
        CommandError: the sweep is not over, something cannot be removed, or it is Windows.
    """
    require_posix("clean")
    sweep = read_sweep(directory)
    status = sweep.status
    if status is None or status.completion_time is None:
        raise bad_input(f"{directory}: the sweep is not over, and goes on from its checkpoints: run it to the end")
    if status.hand_over_failed:
        raise bad_input(
            f"{directory}: the winner is not handed over, and its weights are among the checkpoints: run it again first"
        )
    run = RunDirectory(directory)
    with run.lock():
        # With KeepAll the weights of all episodes are what was asked for.
        unused = [run.reruns] if keeps_all(Layout.of(sweep)) else [run.work, run.reruns]
        doomed = [path for folder in unused for path in _children(folder)]
        size = sum(_size(path) for path in doomed)
        may_grow = why_no_growth(sweep.spec, status) is None and not missing_weights(sweep, run)
        try:
            for path in doomed:
                remove_tree(path)
        except OSError as error:
            said = f"{error.filename or directory}: cannot be removed ({error.strerror}): give the right to"
            raise CommandError(said, Exit.FAILED) from error
        return Cleaned(size, ends_growth=may_grow and bool(missing_weights(sweep, run)))


def _children(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*")) if path.is_dir()) if folder.is_dir() else iter(())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
