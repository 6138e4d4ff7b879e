"""The score of an average of a custom trainer's weights: its own command takes it, and leaves it in a file."""

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.finetuning import Metric
from seedsweep.contract.consistency import Limits
from seedsweep.contract.message import as_published
from seedsweep.contract.protocol import Env
from seedsweep.contract.scoring import failure_words, too_long_words

MAX_SECONDS = 3600.0
"""How long the command may take."""
_MAX_BYTES = 65_536
_TAIL_BYTES = 4_096


class NotScoredError(Exception):
    """There is no score; the message says what the score command did."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the command has told; NaN is undefined."""

    score: float
    """Of the weights, on the validation data."""
    baseline: float
    """Of a constant answer."""


def run_command(command: Sequence[str], environ: Mapping[str, str], log: Path, seconds: float = MAX_SECONDS) -> None:
    """Run the score command, and print what it says; raises NotScoredError where it does not end with exit code 0."""
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(command, env=dict(environ), stdout=output, stderr=subprocess.STDOUT)
        except OSError as error:
            raise NotScoredError(f"cannot be started: {command[0]!r}: {error.strerror}") from None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise NotScoredError(too_long_words(seconds)) from None
    said = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    print(said, flush=True)
    if code != 0:
        raise NotScoredError(failure_words(code, said))


def read_score(file: Path, metric: Metric) -> Scored:
    """What the score command has left; raises NotScoredError for nothing, or for what is no score of this metric."""
    try:
        with file.open("rb") as stream:
            told = json.loads(stream.read(_MAX_BYTES))
    except FileNotFoundError:
        raise NotScoredError(f"wrote no {Env.SCORE_FILE}") from None
    except (OSError, ValueError):
        raise NotScoredError(f"wrote a {Env.SCORE_FILE} that is not JSON") from None
    if not isinstance(told, dict) or "score" not in told:
        raise NotScoredError(f'wrote a {Env.SCORE_FILE} that is not {{"score": NUMBER}}')
    limits, score = Limits.of(metric), _number(told, "score")
    if not math.isnan(score) and not limits.lowest <= score <= limits.highest:
        bounds = f"{limits.lowest:g} to {limits.highest:g}"
        raise NotScoredError(f"told the score {score:g}, outside the metric's range {bounds}")
    return Scored(score, _number(told, "baseline"))


def _number(told: Mapping[str, object], name: str) -> float:
    value = told.get(name)
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotScoredError(f"told a {name} that is no number")
    try:
        return as_published(value)
    except (ValueError, OverflowError):
        raise NotScoredError(f"told a {name} that does not fit into a float32") from None
