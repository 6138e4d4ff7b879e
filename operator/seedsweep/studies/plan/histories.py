"""Records of whole runs become histories: runs of equal settings, which plans are valued on."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seedsweep.api.gpus import gpus_per_episode
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.codes import bad_input
from seedsweep.engine.layout import Layout, step_of
from seedsweep.report.facts import full_seconds, imported_from
from seedsweep.report.record import Record, read_record
from seedsweep.report.statistics.analysis import best_possible, known_baseline
from seedsweep.report.statistics.whole_curves import WholeCurves, whole_curves
from seedsweep.report.words import counted, metric_name, one_line
from seedsweep.science.stopping.plan_value import Runs
from seedsweep.science.summary import failed_runs

MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class History:
    """Whole runs of one kind of settings, from one record, or from several of the same settings."""

    name: str
    sweep: SeedSweep
    runs: Runs
    """Their scores turned so that higher is better."""
    shares: tuple[Fraction, ...]
    """Of a full run that each evaluation comes after."""
    diverged: int
    failed: int | None
    """Runs no better than a constant answer; None where its score is not known."""
    left_out: tuple[str, ...]
    """Episodes that the runs are without."""
    best_possible: float | None
    """Of the metric, as it is scored."""
    run_seconds: float | None
    """What a full run takes, start-up and evaluation included; None where the record does not tell."""

    @property
    def imported(self) -> bool:
        """Whether something else trained it, so that its spec trains nothing."""
        return imported_from(self.sweep.status or SweepStatus()) is not None


@dataclass(frozen=True, slots=True)
class _Read:
    """A record with where it is from."""

    path: Path
    record: Record
    curves: WholeCurves

    @property
    def sweep(self) -> SeedSweep:
        return self.record.sweep

    @property
    def layout(self) -> Layout:
        return Layout.of(self.sweep)


def read_histories(paths: Sequence[Path]) -> list[History]:
    """Read the records; those of the same settings make one history.

    Raises:
        RecordError: a folder without a readable record.
        CommandError: a record whose runs are no sample of whole runs or none, records that differ in the metric, its
            goal or the number of evaluations, or a run that is given twice.
    """
    for i, path in enumerate(paths):
        if path.resolve() in {other.resolve() for other in paths[:i]}:
            raise bad_input(f"--history: {path} is given twice: give it once")
    reads = [_read(path) for path in paths]
    _check_alike(reads)
    groups: dict[Hashable, list[_Read]] = {}
    for read in reads:
        groups.setdefault(_settings(read), []).append(read)
    return [_history(group) for group in groups.values()]


def _read(path: Path) -> _Read:
    record = read_record(path)
    if Layout.of(record.sweep).stops:
        raise bad_input(
            f"{path}: its earlyStopping stops losers, so that its whole runs are a selected sample: give a record of a "
            "sweep without earlyStopping"
        )
    curves = whole_curves(record)
    if not curves.episodes:
        raise bad_input(
            f"{path}: none of its {counted(len(record.episodes), 'episode')} has trained to the end: wait for them, "
            "or give another record"
        )
    if curves.scores.shape[1] == 1:
        raise bad_input(f"{path}: its runs have one evaluation, and a cut needs two: give a record with more of them")
    return _Read(path, record, curves)


def _check_alike(reads: Sequence[_Read]) -> None:
    asked: list[tuple[str, Callable[[_Read], object]]] = [
        ("metric", lambda read: metric_name(read.sweep.spec.trainer)),
        ("goal", lambda read: "maximize" if read.layout.maximize else "minimize"),
        ("number of evaluations", lambda read: read.curves.scores.shape[1]),
    ]
    for what, ask in asked:
        for read in reads[1:]:
            one, other = ask(reads[0]), ask(read)
            if one != other:
                raise bad_input(
                    f"--history: the {what} is {one} in {reads[0].path} and {other} in {read.path}: plan from records "
                    "that agree in it"
                )


def _settings(read: _Read) -> Hashable:
    """What records share whose runs differ in nothing but their seeds; of an imported one nobody knows."""
    status = read.sweep.status or SweepStatus()
    if imported_from(status) is not None:
        return read.path.resolve()
    return read.sweep.spec.trainer.model_dump_json(), status.data_digest


def _history(group: Sequence[_Read]) -> History:
    first = group[0]
    _check_distinct(group)
    planned = first.curves.scores.shape[1]
    status = first.sweep.status or SweepStatus()
    sign = 1.0 if first.layout.maximize else -1.0
    scores = sign * np.vstack([read.curves.scores for read in group])
    losses = [read.curves.losses for read in group if read.curves.losses is not None]
    episodes = [episode for read in group for episode in read.curves.episodes]
    baseline = known_baseline(status, episodes)
    best = np.where(np.isfinite(scores), scores, -np.inf).max(axis=1)
    # A run without a defined score is worth a constant answer: to leave it out would flatter.
    worth = np.where(np.isfinite(best), best, np.nan if baseline is None else sign * baseline)
    known = np.flatnonzero(np.isfinite(worth))
    if not len(known) or not np.isfinite(best).any():
        raise bad_input(f"{first.path}: none of its runs has a defined score: give another record")
    runs = Runs(
        scores,
        np.vstack(losses) if len(losses) == len(group) else None,
        np.array([min(planned, len(episode.status.scores)) for episode in episodes]),
        worth,
        np.array([episode.spec.id for episode in episodes]),
    )
    unscored = [episodes[i].spec.id.name for i in range(len(episodes)) if not np.isfinite(worth[i])]
    ended_early = [episode.spec.id.name for read in group for episode in read.curves.left_out]
    return History(
        name=", ".join(read.sweep.metadata.name for read in group),
        sweep=first.sweep,
        runs=runs.take(known),
        shares=_shares(planned, status.steps),
        diverged=sum(read.curves.diverged for read in group),
        failed=_failed(sign * worth[known], baseline, maximize=first.layout.maximize),
        left_out=(*ended_early, *unscored),
        best_possible=best_possible(first.layout),
        run_seconds=_run_seconds(first.record),
    )


def _failed(scores: NDArray[np.float64], baseline: float | None, *, maximize: bool) -> int | None:
    return failed_runs(scores.tolist(), baseline, maximize=maximize).count if baseline is not None else None


def _check_distinct(group: Sequence[_Read]) -> None:
    seen: dict[object, Path] = {}
    for read in group:
        for episode in read.record.episodes:
            before = seen.setdefault(episode.spec.id, read.path)
            if before != read.path:
                raise bad_input(
                    f"--history: {episode.spec.id.name} of the same settings is in {before} and in {read.path}: "
                    "give one of them"
                )


def _shares(planned: int, steps: int | None) -> tuple[Fraction, ...]:
    """By optimizer steps, or by evaluations where steps are not known."""
    numbers = range(1, planned + 1)
    if steps is None:
        return tuple(Fraction(e, planned) for e in numbers)
    return tuple(Fraction(step_of(e, planned, steps), steps) for e in numbers)


def _run_seconds(record: Record) -> float | None:
    status = record.sweep.status or SweepStatus()
    held = full_seconds(status.cost)
    if held is None:
        return None
    return held / len(Layout.of(record.sweep).episodes) / gpus_per_episode(record.sweep.spec)


def shortened_list(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED:,} more" if len(names) > MAX_NAMED else ""
    return ", ".join(map(one_line, names[:MAX_NAMED])) + more
