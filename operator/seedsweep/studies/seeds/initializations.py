"""Which initialisations are good across sweeps, each sweep a task: the same new tensors, joined, and their ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seedsweep.api.episode import EpisodeId
from seedsweep.api.status import SweepStatus
from seedsweep.codes import bad_input
from seedsweep.report.record import Record
from seedsweep.report.words import counted
from seedsweep.science.seeds.agreement import Agreement, Floats, agreement, ranks
from seedsweep.studies.reading import read_full_runs

FEWEST_TASKS, FEWEST_INITIALIZATIONS = 3, 15
"""With fewer a rank correlation is known too badly to say anything."""
Key = str | int
"""What makes an initialisation the same in several sweeps: the digest of its tensors, or its seed's number."""


class Task(NamedTuple):
    """One sweep."""

    folder: str
    record: Record
    scores: dict[EpisodeId, float]
    """Higher is better."""
    seeds: dict[Key, int]
    """The weight-init seed of every initialisation."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One initialisation in all tasks."""

    seeds: tuple[int, ...]
    """Its weight-init seed in each."""
    ranks: tuple[float, ...]
    """1 is best."""

    @property
    def mean_rank(self) -> float:
        """Over the tasks."""
        return float(np.mean(self.ranks))


@dataclass(frozen=True, slots=True)
class Study:
    """What several sweeps say of the initialisations that they have in common."""

    folders: tuple[str, ...]
    joined: int
    """Initialisations that all tasks have."""
    alone: int
    """Those that some task lacks, which are left out."""
    data_orders: tuple[int, ...]
    """Data-order seeds in the mean of an initialisation, by task."""
    agreement: Agreement | None
    """None where it cannot be tested."""
    why: str
    """Why it cannot."""
    standings: tuple[Standing, ...]
    """Best mean rank first; empty where nothing can be tested."""


def read_tasks(folders: Sequence[Path], *, by_number: bool) -> list[Task]:
    """The sweeps, with their initialisations.

    Raises:
        RecordError: no readable record.
        CommandError: a record has been cut, has no digests of initial tensors, or is of the same data or of another
            model than one before it.
    """
    tasks = []
    for folder in folders:
        record, analysis = read_full_runs(folder, "best")
        sign = 1 if record.sweep.spec.trainer.maximize else -1
        by_name = analysis.by_episode
        scores = {e.spec.id: sign * by_name[e.spec.id.name] for e in record.episodes if e.spec.id.name in by_name}
        tasks.append(Task(str(folder), record, scores, _initializations(folder, record, by_number=by_number)))
    for one, other in combinations(tasks, 2):
        _check_apart(one, other)
    return tasks


def study_initializations(tasks: Sequence[Task]) -> Study:
    """Join the initialisations of several tasks, and test whether the tasks agree on them."""
    everywhere = set.intersection(*(set(task.seeds) for task in tasks))
    anywhere = set.union(*(set(task.seeds) for task in tasks))
    joined = sorted(everywhere, key=lambda key: tasks[0].seeds[key])
    rows, orders = [], []
    for task in tasks:
        seeds = [task.seeds[key] for key in joined]
        shared = _common_orders(task.scores, seeds)
        orders.append(len(shared))
        rows.append([np.mean([task.scores[EpisodeId(w, d)] for d in shared]) if shared else np.nan for w in seeds])
    worth = np.array(rows)
    why = _too_little(tasks, len(joined), orders) or _no_differences(tasks, worth)
    found = agreement(worth) if not why else None
    ranked = ranks(worth).T.tolist() if not why else []
    standings = [
        Standing(tuple(task.seeds[key] for task in tasks), tuple(row)) for key, row in zip(joined, ranked, strict=False)
    ]
    return Study(
        folders=tuple(task.folder for task in tasks),
        joined=len(joined),
        alone=len(anywhere) - len(everywhere),
        data_orders=tuple(orders),
        agreement=found,
        why=why,
        standings=tuple(sorted(standings, key=lambda standing: standing.mean_rank)),
    )


def _initializations(folder: Path, record: Record, *, by_number: bool) -> dict[Key, int]:
    if by_number:
        return {episode.spec.weight_init: episode.spec.weight_init for episode in record.episodes}
    digests: dict[Key, int] = {}
    for episode in record.episodes:
        digest, seed = episode.status.initialization, episode.spec.weight_init
        if digest is None and episode.status.scores:
            raise bad_input(
                f"{folder}: {episode.spec.id.name} has no digest of its initial tensors on record, so that nothing "
                "shows which initialisations are the same: give --by number if those of equal weight-init seeds are"
            )
        if digest is not None and digests.setdefault(digest, seed) != seed:
            raise bad_input(
                f"{folder}: weight-init seeds {digests[digest]} and {seed} drew the same tensors: run seeds that differ"
            )
    return digests


def _common_orders(scores: Mapping[EpisodeId, float], seeds: Sequence[int]) -> list[int]:
    """The data-order seeds that have a score with every one of these weight-init seeds."""
    of_each = [{d for w, d in scores if w == seed} for seed in seeds]
    return sorted(set.intersection(*of_each)) if of_each else []


def _too_little(tasks: Sequence[Task], joined: int, orders: Sequence[int]) -> str:
    if len(tasks) < FEWEST_TASKS or joined < FEWEST_INITIALIZATIONS:
        return (
            f"{counted(len(tasks), 'task')} with {counted(joined, 'initialisation')} in common are too few: needs "
            f"{FEWEST_TASKS} tasks and {FEWEST_INITIALIZATIONS} initialisations. Run the same weight-init seeds on more"
        )
    bare = [task.folder for task, many in zip(tasks, orders, strict=True) if not many]
    if bare:
        return (
            f"no data-order seed of {bare[0]} has a score with each of the {joined} initialisations, so that their "
            "means would be of different orders. Run a grid of weight-init and data-order seeds"
        )
    return ""


def _no_differences(tasks: Sequence[Task], worth: Floats) -> str:
    same = [task.folder for task, flat in zip(tasks, np.ptp(ranks(worth), axis=1) == 0, strict=True) if flat]
    return f"all initialisations have the same score in {same[0]}. Take another task" if same else ""


def _check_apart(one: Task, other: Task) -> None:
    statuses = [task.record.sweep.status or SweepStatus() for task in (one, other)]
    digests = [status.data_digest for status in statuses]
    if one.folder == other.folder or digests[0] == digests[1] is not None:
        raise bad_input(f"{other.folder}: has the data of {one.folder}: give one record of each task")
    weights = [status.provenance.base_weights if status.provenance is not None else None for status in statuses]
    if None not in weights and weights[0] != weights[1]:
        raise bad_input(
            f"{other.folder}: starts from other weights than {one.folder} ({weights[1]}, {weights[0]}): give "
            "records of one model"
        )
