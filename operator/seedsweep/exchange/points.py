"""One evaluation of a run that somebody else recorded, and what every reader of such runs refuses."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from seedsweep.api.base import MAX_SEED
from seedsweep.api.episode import EpisodeId
from seedsweep.codes import CommandError, Exit
from seedsweep.report.record import LARGEST_SCORE

MAX_POINTS = 2_000_000
"""Of one import; 5,000 episodes of 300 evaluations are 1.5 million."""

_UNDEFINED = frozenset({"", "na", "n/a", "nan", "none", "null", "inf", "+inf", "-inf", "infinity", "-infinity"})
_IN_NAMES = ("wi{weight_init}-do{data_order}", "seed{seed}", "seed-{seed}", "seed_{seed}", "seed={seed}")
_FIELDS = ("weight_init", "data_order", "seed")


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation."""

    episode: EpisodeId
    evaluation: int | None
    """Its number as the source has it; None where only the order of steps tells it."""
    step: int | None
    score: float | None
    """None where undefined."""
    loss: float | None
    where: str
    """The place in the source, for messages."""


class ImportProblemError(CommandError):
    """What was given cannot become a record; the message names the place and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.BAD_INPUT)


def number_of(value: object, where: str, column: str) -> float | None:
    """A score or a loss; None where it is undefined, which is whatever is no finite number.

    Raises:
        ImportProblemError: it is a text that is no number.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in _UNDEFINED:
            return None
        try:
            # float() would also take 1_0, and digits of other scripts.
            value = float(text if text.isascii() and "_" not in text else "")
        except ValueError:
            raise ImportProblemError(
                f"{where}: {column} is {text[:60]!r}, and no number: correct it, or leave the cell empty where the "
                "score is undefined"
            ) from None
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value) and abs(value) > LARGEST_SCORE:
            raise ImportProblemError(
                f"{where}: {column} is {value:.3g}, and beyond {LARGEST_SCORE:g} no variance can be computed: "
                "correct it, or leave the cell empty where the score is undefined"
            )
        return float(value) if math.isfinite(value) else None
    raise ImportProblemError(f"{where}: {column} is {str(value)[:60]!r}, and no number: name another column")


def whole_number(
    value: object, where: str, column: str, most: int = 2**53, remedy: str = "correct it, or name another column"
) -> int:
    """A seed, an evaluation or a step; raises ImportProblemError unless it is a whole number from 0 to `most`."""
    limits = f" from 0 to {most}"
    try:
        found = number_of(value, where, column)
    except ImportProblemError:
        found, limits = None, ""
    if found is None or found != int(found) or not 0 <= found <= most:
        raise ImportProblemError(f"{where}: {column} is {str(value)[:60]!r}, and no whole number{limits}: {remedy}")
    return int(found)


def episode_in(name: str, pattern: str | None) -> EpisodeId | None:
    """The seeds in the name of a run, such as `seed-3` or `wi3-do7`; None where there are none.

    Args:
        name: of a run or a folder.
        pattern: a text with {seed}, or with {weight_init} and {data_order}; None tries the usual ones.
    """
    for text in (pattern,) if pattern is not None else _IN_NAMES:
        found = _expression(text).findall(name)
        if found:
            # The innermost folder says it best.
            seeds = [int(part) for part in (found[-1] if isinstance(found[-1], tuple) else (found[-1],))]
            if max(seeds) <= MAX_SEED:
                if len(seeds) == 1:
                    return EpisodeId(seeds[0], seeds[0])
                inits_first = text.index("{weight_init}") < text.index("{data_order}")
                return EpisodeId(*seeds) if inits_first else EpisodeId(*reversed(seeds))
    return None


def check_pattern(pattern: str | None) -> None:
    """Raises ImportProblemError unless the pattern says which seeds it is about."""
    found = sorted(re.findall(r"\{([^}]*)\}", pattern)) if pattern is not None else ["seed"]
    if found not in (["seed"], ["data_order", "weight_init"]):
        raise ImportProblemError(
            f"--seeds-in: {pattern!r} must hold {{seed}}, or {{weight_init}} and {{data_order}}: like 'run-{{seed}}'"
        )


def numbered(names: Sequence[str]) -> dict[str, EpisodeId]:
    """Seeds for runs of which none is known: 0, 1, ... in the order given."""
    return {name: EpisodeId(i, i) for i, name in enumerate(dict.fromkeys(names))}


def seeds_of_runs(names: Sequence[str], pattern: str | None, number_runs: bool) -> dict[str, EpisodeId]:
    """Who each run is, by its name.

    Raises:
        ImportProblemError: a name holds no seeds, or two hold the same.
    """
    if number_runs:
        return numbered(sorted(names))
    check_pattern(pattern)
    found: dict[str, EpisodeId] = {}
    known: dict[EpisodeId, str] = {}
    for name in names:
        episode = episode_in(name, pattern)
        if episode is None:
            raise ImportProblemError(
                f"{name}: no seed in this name: say how names hold it with --seeds-in, like 'run-{{seed}}', or number "
                "the runs with --number-runs"
            )
        if episode in known:
            raise ImportProblemError(
                f"{name}: has the seeds of {known[episode]} ({episode.name}): remove one of the two runs, or import "
                "each in a record of its own"
            )
        known[episode] = name
        found[name] = episode
    return found


def _expression(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern)
    for field in _FIELDS:
        text = text.replace(re.escape(f"{{{field}}}"), r"([0-9]{1,10})", 1)
    return re.compile(rf"(?<![A-Za-z0-9]){text}(?![0-9])")
