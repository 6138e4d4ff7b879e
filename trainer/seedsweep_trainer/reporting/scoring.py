"""For a score command (spec.trainer.weights.scoreCommand): what to score, and where to leave the score.

    if (folder := weights_to_score()) is not None:
        leave_score(accuracy(load(folder)), baseline=0.5)

Needs no torch.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from seedsweep.contract.consistency import published
from seedsweep.contract.protocol import Env
from seedsweep.files import write_whole
from seedsweep_trainer.reporting.attempt import required


def weights_to_score(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder with the weights that this process was started to score; None in an attempt, or outside a sweep."""
    folder = environ.get(Env.WEIGHTS_DIR)
    return Path(folder) if folder else None


def leave_score(score: float, *, baseline: float | None = None, environ: Mapping[str, str] = os.environ) -> None:
    """Write the score on the validation data; NaN is undefined. `baseline` is the score of a constant answer.

    Numbers may be of any kind: int, numpy, torch. Raises ValueError for what is no number, ConfigurationError where
    nobody asked for a score.
    """
    told = {"score": published(score, "leave_score(score)")}
    if baseline is not None:
        told["baseline"] = published(baseline, "leave_score(baseline=)")
    text = json.dumps({name: None if math.isnan(value) else value for name, value in told.items()})
    write_whole(Path(required(environ, Env.SCORE_FILE)), text.encode())
