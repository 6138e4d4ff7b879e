"""A record in the folder of a run: read back, or written where it comes from elsewhere."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from pydantic import ValidationError

from seedsweep.api.base import ApiModel
from seedsweep.api.checks import Problem, path_of, shown
from seedsweep.api.cut import Cut, standing_cuts
from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import expand
from seedsweep.files import write_whole
from seedsweep.report.curves import HEADER, curve_lines

Resource = TypeVar("Resource", bound=ApiModel)
SWEEP_FILE, EPISODES, CUTS, CURVES = "sweep.json", "episodes", "cuts", "curves.csv"
"""Files and folders of a record."""
REPORT = "report.html"
"""Beside a record, what a browser shows of it."""
LARGEST_SCORE = 1e100
"""The sum of so many squares as a record has runs is still a finite number."""
IN_CLUSTER = "sweep/"
"""What the name of a sweep in a cluster begins with, where a folder could stand too."""
_RECORDED = {"trained", "finished", "lost", "audited", "failed", "diverged"}
"""Counts of episodes whose files were written before the count."""
_RESTORE = "restore the file that the sweep wrote"
_RESTORE_ALL = "restore the files that are missing"
_REMEDY = "run the release that wrote it, or restore the file"


class RecordError(ValueError):
    """A folder without a readable record; the message names the file and the remedy."""


class Record(NamedTuple):
    """A sweep with its status, its episodes in index order and the cuts that stand in the order they were made."""

    sweep: SeedSweep
    episodes: list[Episode]
    cuts: list[Cut]

    @classmethod
    def of(cls, sweep: SeedSweep, episodes: Iterable[Episode], cuts: Iterable[Cut]) -> Self:
        """In these orders; the index on record of an episode is from before the sweep got more seeds."""
        places = {episode: place for place, episode in enumerate(expand(sweep.spec.seeds))}
        in_order = sorted(episodes, key=lambda episode: places.get(episode.spec.id, episode.spec.index))
        return cls(sweep, in_order, standing_cuts(cuts))


def read_record(directory: Path) -> Record:
    """Read sweep.json, episodes/*.json and cuts/*.json.

    Raises:
        RecordError: no sweep there, a file that is not what its place says or of another sweep, or an episode or a cut
            without a file or with two.
    """
    # First: what it counts has its files by then, also while the sweep runs.
    sweep = read_sweep(directory)
    episodes = [_read(path, Episode) for path in sorted((directory / EPISODES).glob("*.json"))]
    names = {episode.name for episode in expand(sweep.spec.seeds)}
    _check_episodes(directory / EPISODES, sweep, episodes, names)
    record = Record.of(sweep, episodes, [_read(path, Cut) for path in sorted((directory / CUTS).glob("*.json"))])
    _check_cuts(directory / CUTS, record, names)
    return record


def read_sweep(directory: Path) -> SeedSweep:
    """Read sweep.json alone; raises RecordError."""
    if not (directory / SWEEP_FILE).is_file():
        raise RecordError(f"{directory}: no sweep.json in it; {_instead_of(directory)}")
    return _read(directory / SWEEP_FILE, SeedSweep)


def write_record(directory: Path, record: Record) -> None:
    """Write what `read_record` reads, and curves.csv, into a folder that nobody reads yet; raises OSError."""
    sweep, status = record.sweep, record.sweep.status or SweepStatus()
    # First and whole: it says whose folder this is, should the rest have to be written again.
    write_whole(directory / SWEEP_FILE, resource_json(sweep))
    for folder in (EPISODES, CUTS):
        (directory / folder).mkdir(exist_ok=True)
    for episode in record.episodes:
        (directory / EPISODES / f"{episode.spec.id.name}.json").write_bytes(resource_json(episode))
    for cut in record.cuts:
        (directory / CUTS / f"{cut.metadata.name}.json").write_bytes(resource_json(cut))
    size = status.evaluations, status.steps
    lines = [curve_lines(episode.spec.id, episode.status, *size) for episode in record.episodes]
    (directory / CURVES).write_text(HEADER + "".join(lines))


def missing_episodes(sweep: SeedSweep, there: int) -> str:
    """What a record with so many episodes lacks, in words; empty where that is none."""
    # One that has only begun need not be on record yet.
    counted = sum((sweep.status or SweepStatus()).counts.model_dump(include=_RECORDED).values())
    if there >= counted:
        return ""
    return f"holds {there:,} of the {counted:,} episodes that the sweep counts as trained, lost or given up"


def missing_cuts(sweep: SeedSweep, there: int) -> str:
    """What a record with so many cuts lacks, in words; empty where that is none."""
    counted = len((sweep.status or SweepStatus()).cuts)
    return f"holds {there:,} of the {counted:,} cuts that the sweep names" if there < counted else ""


def resource_json(resource: ApiModel) -> bytes:
    """A resource as it stands in its file."""
    return resource.model_dump_json(by_alias=True, exclude_none=True, indent=2).encode() + b"\n"


def _check_episodes(folder: Path, sweep: SeedSweep, episodes: Sequence[Episode], names: Set[str]) -> None:
    """One file an episode, with another number every n would be wrong; of this sweep, with scores that can be."""
    many = Counter(episode.spec.id.name for episode in episodes)
    if twice := [name for name, files in many.items() if files > 1]:
        raise RecordError(f"{folder}: holds {twice[0]} in two files: remove the copy")
    if lack := missing_episodes(sweep, len(many)):
        raise RecordError(f"{folder}: {lack}: {_RESTORE_ALL}")
    if strangers := many.keys() - names:
        raise RecordError(f"{folder}: holds {min(strangers)}, which is no episode of this sweep: {_RESTORE}")
    for episode in episodes:
        large = [score for score in episode.status.scores if score is not None and abs(score) > LARGEST_SCORE]
        if large:
            raise RecordError(
                f"{folder}: {episode.spec.id.name} has a score of {large[0]:g}, and beyond {LARGEST_SCORE:g} no "
                f"variance can be computed: {_RESTORE}"
            )


def _check_cuts(folder: Path, record: Record, names: Set[str]) -> None:
    """One for each of the status, of this sweep: without it who lost would pass for one that was never cut."""
    if lack := missing_cuts(record.sweep, len(record.cuts)):
        raise RecordError(f"{folder}: {lack}: {_RESTORE_ALL}")
    for cut in record.cuts:
        if strangers := {row.episode for row in cut.data.rows} - names:
            raise RecordError(
                f"{folder}: {cut.metadata.name} ranks {min(strangers)}, which is no episode of this sweep: {_RESTORE}"
            )


def _instead_of(directory: Path) -> str:
    """What to give in place of a folder without a record."""
    below = sorted(path.parent for path in directory.glob("*/sweep.json"))
    if not below:
        return "give the folder that `seedsweep run`, `fetch` or `import` wrote"
    more = f" or one of {len(below) - 1:,} more" if len(below) > 1 else ""
    return f"it holds records below it: give {below[0]}{more}"


def _read(path: Path, model: type[Resource]) -> Resource:
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}; {_REMEDY}") from error
    except ValidationError as error:
        raise RecordError(f"{path}: {_problem(error, model.__name__)}; {_REMEDY}") from error


def _problem(error: ValidationError, kind: str) -> Problem:
    """The first thing that is wrong with a file, without the words of the library that found it."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "cross_check":
        problem: Problem = first["ctx"]["problems"][0]
        return problem
    if not first["loc"]:
        return Problem("the file", None, f"holds no {kind} in JSON")
    path = path_of(first["loc"])
    if first["type"] == "missing":
        return Problem(path, None, "is missing")
    return Problem(path, shown(first["input"]), "is not known to this release")
