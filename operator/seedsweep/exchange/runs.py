"""Runs that each have a file or a folder of their own: trainer_state.json of transformers' Trainer, and TensorBoard."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.episode import EpisodeId
from seedsweep.exchange.events import CorruptEventsError, read_scalars
from seedsweep.exchange.points import ImportProblemError, Point, number_of, seeds_of_runs, whole_number
from seedsweep.report.words import counted

STATE = "trainer_state.json"
EVENTS = "*tfevents*"
MAX_RUNS = 5_000
MAX_STATE_BYTES = 256 << 20
MAX_LISTED = 20
_NO_SCORES = frozenset({"step", "epoch"})


@dataclass(frozen=True)
class Named:
    """What is read of each run."""

    score: str
    loss: str | None = None
    seeds_in: str | None = None
    number_runs: bool = False


def read_states(paths: Iterable[Path], named: Named) -> list[Point]:
    """The evaluations in `trainer_state.json` files, one run each.

    Of a run with several checkpoints, the furthest one has the whole history.

    Raises:
        ImportProblemError: a file is not what its name says, holds no such score, or its run has no seeds.
    """
    furthest: dict[str, tuple[int, Path, list[dict[str, object]]]] = {}
    for path in paths:
        step, log = _log(path)
        run = _run_of(path)
        if run not in furthest or step > furthest[run][0]:
            furthest[run] = (step, path, log)
    episodes = seeds_of_runs(sorted(furthest), named.seeds_in, named.number_runs)
    logs = {str(path): (episodes[run], log) for run, (_, path, log) in furthest.items()}
    check_names({path: _evaluated(log, named.score) for path, (_, log) in logs.items()}, "log_history", named)
    points = []
    for place, (episode, log) in logs.items():
        entries = (entry for entry in log if named.score in entry)
        for number, entry in enumerate(entries, start=1):
            where = f"{place}, evaluation {number}"
            step = whole_number(entry.get("step"), where, "step")
            loss = number_of(entry.get(named.loss), where, named.loss) if named.loss is not None else None
            score = number_of(entry[named.score], where, named.score)
            points.append(Point(episode, None, step, score, loss, where))
    return distinct(
        points,
        f"keep the {STATE} of one attempt, and take out an evaluation after training, as scripts make one of the best "
        "checkpoint",
    )


def _evaluated(log: Iterable[Mapping[str, object]], score: str) -> set[str]:
    """What the entries of evaluations hold: the Trainer logs training between them."""
    return {key for entry in log if any(k == score or k.startswith("eval_") for k in entry) for key in entry}


def read_boards(folders: Sequence[Path], named: Named) -> list[Point]:
    """The evaluations in TensorBoard's event files; a folder with such files is one run.

    Raises:
        ImportProblemError: a file is damaged, holds no such score, or a run has no seeds.
    """
    episodes = seeds_of_runs([str(folder) for folder in folders], named.seeds_in, named.number_runs)
    scalars = {str(folder): _scalars(folder) for folder in folders}
    check_names({folder: set(curves) for folder, curves in scalars.items()}, "the run", named)
    points = []
    for folder, curves in scalars.items():
        losses = dict(curves.get(named.loss, ())) if named.loss is not None else {}
        for step, value in curves[named.score]:
            where = f"{folder}, step {step}"
            score, loss = number_of(value, where, named.score), number_of(losses.get(step), where, str(named.loss))
            points.append(Point(episodes[folder], None, step, score, loss, where))
    return distinct(points, "keep the event files of one attempt")


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Of every tag, its steps and values."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob(EVENTS)):
        try:
            for tag, step, value in read_scalars(path):
                curves.setdefault(tag, []).append((step, value))
        except CorruptEventsError as error:
            raise ImportProblemError(f"{path}: {error}") from None
        except OSError as error:
            raise ImportProblemError(f"{path}: cannot be read ({error.strerror}): give one that can") from None
    return curves


def check_names(runs: Mapping[str, Collection[str]], holder: str, named: Named) -> None:
    """Refuse a score that a run lacks, and a loss that all of them lack.

    Args:
        runs: the names of what each run has, by its place.
        holder: what holds them, in words.

    Raises:
        ImportProblemError: the message lists the names that there are.
    """
    there = sorted({name for names in runs.values() for name in names} - _NO_SCORES)
    without = [place for place, names in runs.items() if named.score not in names]
    if len(without) == len(runs):
        raise ImportProblemError(
            f"{without[0]}: {holder} has no {named.score!r}: name a score with --score; {_listed(there)}"
        )
    if without:
        others = counted(len(runs) - len(without), "other run")
        raise ImportProblemError(
            f"{without[0]}: has no evaluation with {named.score!r}, unlike {others}: remove its folder"
        )
    check_loss(named, there)


def check_loss(named: Named, there: Sequence[str]) -> None:
    """Raises ImportProblemError where a loss was named that no run has."""
    if named.loss is not None and named.loss not in there:
        raise ImportProblemError(f"--loss: no run has {named.loss!r}: name another, or leave it out; {_listed(there)}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED:,} more" if len(names) > MAX_LISTED else ""
    return f"there are {', '.join(names[:MAX_LISTED])}{more}" if names else "there are no evaluations"


def distinct(points: Iterable[Point], remedy: str) -> list[Point]:
    """Each evaluation once: a run that was resumed may have recorded one again, with the same score.

    Raises:
        ImportProblemError: the scores differ; the message ends with the remedy.
    """
    found: dict[tuple[EpisodeId, int | None], Point] = {}
    for point in points:
        known = found.setdefault((point.episode, point.step), point)
        if known.score != point.score:
            raise ImportProblemError(
                f"{point.where}: {point.episode.name} has step {point.step} twice, with the scores {known.score} and "
                f"{point.score} (first in {known.where}): {remedy}"
            )
        if known.loss is None:
            found[point.episode, point.step] = point
    return list(found.values())


def find_states(folder: Path) -> list[Path]:
    """All trainer_state.json files below a folder."""
    return _bounded(folder, sorted(folder.rglob(STATE)))


def find_boards(folder: Path) -> list[Path]:
    """All folders with event files, the folder itself included."""
    return _bounded(folder, sorted({path.parent for path in folder.rglob(EVENTS)}))


def _bounded(folder: Path, found: list[Path]) -> list[Path]:
    # A run may have a checkpoint for each of its evaluations.
    if len(found) > 20 * MAX_RUNS:
        raise ImportProblemError(f"{folder}: holds {len(found):,} runs and checkpoints: give a folder with fewer")
    return found


def _run_of(path: Path) -> str:
    """The run's folder, above that of its checkpoints."""
    folder = path.absolute().parent
    return str(folder.parent if re.fullmatch(r"checkpoint-[0-9]+", folder.name) else folder)


def _log(path: Path) -> tuple[int, list[dict[str, object]]]:
    try:
        if path.stat().st_size > MAX_STATE_BYTES:
            raise ImportProblemError(f"{path}: is larger than {MAX_STATE_BYTES >> 20} MB: log less often")
        state = json.loads(path.read_bytes())
    except OSError as error:
        raise ImportProblemError(f"{path}: cannot be read ({error.strerror}): give a file that can") from None
    except (ValueError, RecursionError):
        raise ImportProblemError(f"{path}: is no JSON, or not whole: restore it") from None
    log = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(log, list) or not all(isinstance(entry, dict) for entry in log):
        raise ImportProblemError(f"{path}: has no log_history: give the {STATE} that transformers' Trainer wrote")
    step = state.get("global_step")
    # What eval_on_start makes is of no trained model: SeedSweepCallback passes over it, too.
    return (step if isinstance(step, int) else 0), [entry for entry in log if entry.get("step") != 0]
