"""Evidence of a cut, from the files in which attempts left their answers: which losers differ from the last one kept.

The one piece of code that compares, for a machine's run, for the housekeeping pod of a cluster, and for reports.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seedsweep.api.comparison import ALIKE, APART, MAX_WHY, UNKNOWN, Compared, Comparison, Sought
from seedsweep.api.recorded import shortened
from seedsweep.contract.for_reports import ATTEMPTS, is_for_reports, most_bytes
from seedsweep.contract.predictions import Predictions, PredictionsError, predictions_path
from seedsweep.science.examples.answers import METRICS, Answers, scores
from seedsweep.science.examples.paired import LEVEL, paired_test

_ROUNDING = 1e-5
"""Scores are recorded as float32."""
_MOST_CLASSES = 1_000
"""Matthews correlation takes a pass over the answers for each."""

Read = Callable[[str], bytes | None]
"""What a file holds that attempts left, by its path from `attempts` on; None where there is none. Of a file that is too
large, enough for that to be seen."""


def reader_of(attempts: Path) -> Read:
    """Of the files in a folder of this machine; it raises OSError for one that is there and cannot be read."""

    def read(path: str) -> bytes | None:
        try:
            with (attempts / path).open("rb") as file:
                return file.read(most_bytes(path) + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None

    return read


def compare_losers(asked: Comparison, read: Read) -> Compared:
    """Test each loser against the last that was kept. Raises what `read` raises.

    Answers that are missing or of no use leave a loser unknown; of the first, it is said why.
    """
    try:
        kept = _found(asked.against, asked.metric, None, read)
    except PredictionsError as error:
        # Of the losers' answers nothing follows without these.
        return Compared(letters=UNKNOWN * len(asked.losers), level=LEVEL, why=shortened(str(error), MAX_WHY))
    letters, exact, why = [], True, ""
    for sought in asked.losers:
        try:
            lost = _found(sought, kept.metric, kept, read)
        except PredictionsError as error:
            letters.append(UNKNOWN)
            why = why or str(error)
        else:
            test = paired_test(answers_of([kept, lost]))
            letters.append(APART if test.told_apart else ALIKE)
            exact = exact and test.exact
    why = shortened(why, MAX_WHY)
    return Compared(letters="".join(letters), examples=len(kept.rows), exact=exact, level=LEVEL, why=why)


def answers_of(models: list[Predictions]) -> Answers:
    """What models answered to the same examples."""
    first = models[0]
    said = np.array([predictions.answers for predictions in models], dtype=np.float64)
    return Answers(first.metric, np.array(first.labels, dtype=np.float64), said, first.positive)


def check_answers(
    found: Predictions, evaluation: int, recorded: float | None, metric: str | None, first: Predictions | None
) -> None:
    """Whether answers can be compared with those of `first`, and are those of the score on record.

    Raises PredictionsError.
    """
    if found.evaluation != evaluation or found.metric != (metric or found.metric):
        raise PredictionsError("is about another evaluation or metric than its place says")
    if found.metric not in METRICS:
        raise PredictionsError(f"is about {found.metric}, which cannot be computed anew")
    if first is not None and (found.rows, found.labels) != (first.rows, first.labels):
        raise PredictionsError("is about other examples than those of other episodes")
    if found.metric == "mcc" and len({*found.labels, *found.answers}) > _MOST_CLASSES:
        raise PredictionsError(f"has more than {_MOST_CLASSES:,} classes")
    score = float(scores(answers_of([found]))[0, 0])
    if recorded is None or not math.isclose(score, recorded, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
        raise PredictionsError(f"gives a score of {score:.6g} where {recorded} is on record")


def _found(sought: Sought | None, metric: str | None, first: Predictions | None, read: Read) -> Predictions:
    """Of the first attempt that left answers that count; raises PredictionsError."""
    if sought is None:
        raise PredictionsError("an episode has no defined score on record")
    refused = ""
    for uid in sought.attempts:
        path = f"{uid}/{predictions_path(sought.evaluation)}"
        content = read(path) if is_for_reports(path) else None
        if content is None:
            continue
        try:
            found = Predictions.parse(content)
            check_answers(found, sought.evaluation, sought.score, metric, first)
        except PredictionsError as error:
            refused = refused or f"{ATTEMPTS}/{path} {error}"
        else:
            return found
    where = f"no answers of {sought.episode} at evaluation {sought.evaluation} are stored"
    raise PredictionsError(refused or where)
