"""Which files an attempt leaves to reports, and where.

    attempts/ATTEMPT_UID/conditions.json, training.csv, predictions/evaluation-3.json

On one machine they are a part of the run's folder, which WORK_DIR names. A pod's work folder goes with the pod: there
they are a part of the sweep's storage, STORAGE_DIR, and `seedsweep fetch` and `report sweep/NAME` bring them home.
"""

import re
from pathlib import PurePosixPath

from seedsweep.contract.conditions import FILE as CONDITIONS
from seedsweep.contract.conditions import MAX_BYTES as CONDITIONS_BYTES
from seedsweep.contract.predictions import FOLDER as PREDICTIONS
from seedsweep.contract.predictions import MAX_BYTES as PREDICTIONS_BYTES
from seedsweep.contract.training import FILE as TRAINING
from seedsweep.contract.training import MAX_BYTES as TRAINING_BYTES

ATTEMPTS = "attempts"
_MOST_BYTES = {CONDITIONS: CONDITIONS_BYTES, TRAINING: TRAINING_BYTES}
_NAMES = f"{re.escape(CONDITIONS)}|{re.escape(TRAINING)}|{PREDICTIONS}/evaluation-[1-9][0-9]{{0,2}}\\.json"
_FILE = re.compile(f"[A-Za-z0-9][A-Za-z0-9-]*/({_NAMES})")


def is_for_reports(path: str) -> bool:
    """Whether a path from `attempts` on names such a file, and nothing beside the folder of an attempt."""
    return _FILE.fullmatch(path) is not None


def most_bytes(path: str) -> int:
    """How large a file that an attempt leaves to reports may be, by its path: whoever wrote it is not to be trusted."""
    return _MOST_BYTES.get(PurePosixPath(path).name, PREDICTIONS_BYTES)
