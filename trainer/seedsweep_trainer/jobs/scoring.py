"""The score of an average of a custom trainer's weights: its own command takes it, and leaves it in a file."""

import json
import math
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedsweep.api.finetuning import Metric
from seedsweep.contract.consistency import Limits
from seedsweep.contract.exits import last_line, signal_of
from seedsweep.contract.message import as_published
from seedsweep.contract.protocol import Env

MAX_SECONDS = 3600.0
"""How long the command may take."""
_MAX_BYTES = 65_536
_TAIL_BYTES = 4_096


class NotScoredError(Exception):
    """There is no score; the message says why."""


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
            raise NotScoredError(f"{command[0]!r} cannot be started: {error.strerror}") from None
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise NotScoredError(f"the score command took longer than {seconds:.0f} s") from None
    said = log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")
    print(said, flush=True)
    if code != 0:
        raise NotScoredError(failure_words(code, said))


def failure_words(code: int, said: str) -> str:
    """Why the score command failed, with the last line of what it printed."""
    signal = signal_of(code)
    ended = f"was ended by {signal}" if signal else f"ended with exit code {code}"
    return ": ".join(filter(None, [f"the score command {ended}", last_line(said)]))


def read_score(file: Path, metric: Metric) -> Scored:
    """What the score command has left; raises NotScoredError for nothing, or for what is no score of this metric."""
    try:
        with file.open("rb") as stream:
            told = json.loads(stream.read(_MAX_BYTES))
    except FileNotFoundError:
        raise NotScoredError(f"the score command wrote no {Env.SCORE_FILE}") from None
    except (OSError, ValueError):
        raise NotScoredError(f"the score command wrote a {Env.SCORE_FILE} that is not JSON") from None
    if not isinstance(told, dict) or "score" not in told:
        raise NotScoredError(f'the score command wrote a {Env.SCORE_FILE} that is not {{"score": NUMBER}}')
    limits, score = Limits.of(metric), _number(told, "score")
    if not math.isnan(score) and not limits.lowest <= score <= limits.highest:
        bounds = f"{limits.lowest:g} to {limits.highest:g}"
        raise NotScoredError(f"the score command told the score {score:g}, outside the metric's range {bounds}")
    return Scored(score, _number(told, "baseline"))


def _number(told: Mapping[str, object], name: str) -> float:
    value = told.get(name)
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotScoredError(f"the score command told a {name} that is no number")
    try:
        return as_published(value)
    except (ValueError, OverflowError):
        raise NotScoredError(f"the score command told a {name} that does not fit into a float32") from None
