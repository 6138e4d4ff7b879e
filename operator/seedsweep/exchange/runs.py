"""Runs that each have a file or a folder of their own: trainer_state.json of transformers' Trainer, and TensorBoard."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedsweep.exchange.events import CorruptEventsError, read_scalars
from seedsweep.exchange.points import ImportProblemError, Point, number_of, seeds_of_runs, whole_number

STATE = "trainer_state.json"
EVENTS = "*tfevents*"
MAX_RUNS = 5_000
MAX_STATE_BYTES = 256 << 20


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
    points = []
    for run, (_, path, log) in furthest.items():
        entries = [entry for entry in log if named.score in entry]
        if not entries:
            keys = sorted({key for entry in log for key in entry if key.startswith("eval_")})
            raise ImportProblemError(
                f"{path}: log_history has no {named.score!r}: name a score with --score; "
                f"there are {', '.join(keys) or 'no evaluations'}"
            )
        for number, entry in enumerate(entries, start=1):
            where = f"{path}, evaluation {number}"
            step = whole_number(entry.get("step"), where, "step")
            loss = number_of(entry.get(named.loss), where, named.loss) if named.loss is not None else None
            score = number_of(entry[named.score], where, named.score)
            points.append(Point(episodes[run], None, step, score, loss, where))
    return points


def read_boards(folders: Sequence[Path], named: Named) -> list[Point]:
    """The evaluations in TensorBoard's event files; a folder with such files is one run.

    Raises:
        ImportProblemError: a file is damaged, holds no such score, or a run has no seeds.
    """
    episodes = seeds_of_runs([str(folder) for folder in folders], named.seeds_in, named.number_runs)
    points = []
    for folder in folders:
        curves: dict[str, list[tuple[int, float]]] = {}
        for path in sorted(folder.glob(EVENTS)):
            try:
                for tag, step, value in read_scalars(path):
                    curves.setdefault(tag, []).append((step, value))
            except CorruptEventsError as error:
                raise ImportProblemError(f"{path}: {error}") from None
            except OSError as error:
                raise ImportProblemError(f"{path}: cannot be read ({error.strerror}): give one that can") from None
        if named.score not in curves:
            raise ImportProblemError(
                f"{folder}: no scalar {named.score!r}: name a score with --score; "
                f"there are {', '.join(sorted(curves)[:20]) or 'no scalars'}"
            )
        losses = dict(curves.get(named.loss, ())) if named.loss is not None else {}
        for step, value in curves[named.score]:
            where = f"{folder}, step {step}"
            score, loss = number_of(value, where, named.score), number_of(losses.get(step), where, str(named.loss))
            points.append(Point(episodes[str(folder)], None, step, score, loss, where))
    return points


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
    return (step if isinstance(step, int) else 0), log
