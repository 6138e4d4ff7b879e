"""What attempts left beside a record: answers to single examples, training losses and times, what they ran with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from seedsweep.api.cut import CutData
from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.conditions import FILE as CONDITIONS
from seedsweep.contract.conditions import parse_conditions
from seedsweep.contract.for_reports import ATTEMPTS, most_bytes
from seedsweep.contract.predictions import Predictions, PredictionsError, predictions_path
from seedsweep.contract.training import FILE as TRAINING
from seedsweep.contract.training import Interval, parse_training
from seedsweep.engine.layout import Layout
from seedsweep.engine.questions.comparison import ranked_at
from seedsweep.evidence import answers_of, check_answers
from seedsweep.report.compared import compared_evaluations
from seedsweep.report.facts import imported_from
from seedsweep.report.record import IN_CLUSTER, Record
from seedsweep.report.words import metric_name, one_line
from seedsweep.science.examples.answers import METRICS, Answers

_NAMED = 5
"""Episodes that are named where there may be many."""
_WORDS = "accuracy, F1, their mean, Matthews correlation and mean squared error"


@dataclass(frozen=True, slots=True)
class Beside:
    """Of a record's episodes."""

    found: Mapping[tuple[str, int], Predictions] = field(default_factory=dict)
    """By name of the episode and evaluation."""
    refused: tuple[str, ...] = ()
    """What lies there and is not used, and why."""
    conditions: tuple[str, ...] = ()
    """Hardware and versions of each attempt that told them, as a line."""
    training: Mapping[str, Mapping[int, Interval]] = field(default_factory=dict)
    """By name of the episode and evaluation, what training came to before it and how long both took."""

    def at(self, evaluations: Mapping[str, int]) -> tuple[list[str], Answers] | None:
        """The answers of those episodes, each at an evaluation, that are known: their names and as many rows.

        None where none is known.
        """
        names = [name for name, evaluation in evaluations.items() if (name, evaluation) in self.found]
        if not names:
            return None
        return names, answers_of([self.found[name, evaluations[name]] for name in names])


def read_beside(directory: Path, record: Record) -> Beside:
    """Read what attempts have left in attempts/UID; predictions at the evaluations that episodes were chosen by.

    A file with predictions counts if it is about the metric that ranks and the same examples as the others, and gives
    the score on record. Raises OSError for a file that is there and cannot be read.
    """
    layout = Layout.of(record.sweep)
    metric = metric_name(record.sweep.spec.trainer)
    found: dict[tuple[str, int], Predictions] = {}
    refused: list[str] = []
    for episode in record.episodes:
        for evaluation in sorted(compared_evaluations(episode, layout)):
            name = episode.spec.id.name
            for path in _files(directory, episode, evaluation):
                first = next(iter(found.values()), None)
                try:
                    predictions = Predictions.parse(_content(path))
                    check_answers(predictions, evaluation, _recorded(episode, evaluation), metric, first)
                except PredictionsError as error:
                    refused.append(f"{path.relative_to(directory)} {error}")
                else:
                    found[name, evaluation] = _share_examples(predictions, first)
                    break
    training = {episode.spec.id.name: _training(directory, episode) for episode in record.episodes}
    return Beside(found, tuple(refused), tuple(_conditions(directory, record)), training)


def _share_examples(predictions: Predictions, first: Predictions | None) -> Predictions:
    """The same with the lists of the first, which hold as much: of thousands of files each would take memory anew."""
    return predictions if first is None else replace(predictions, rows=first.rows, labels=first.labels)


def counting(record: Record) -> dict[str, int]:
    """By episode, the evaluation that its best counting score is from."""
    return {e.spec.id.name: e.status.best.evaluation for e in record.episodes if e.status.best is not None}


def compared_at(record: Record, cut: CutData) -> dict[str, int]:
    """By ranked episode, the evaluation whose score a cut ranked it by; without those that have no defined one."""
    maximize = record.sweep.spec.trainer.maximize
    ranked = {episode.spec.id.name: episode.status for episode in record.episodes}
    found = {name: ranked_at(cut, ranked[name], maximize=maximize) for name in cut.ranked if name in ranked}
    return {name: evaluation for name, evaluation in found.items() if evaluation is not None}


def why_none(record: Record, known: Beside) -> str:
    """Why no answers to single examples can be used, and how to get them; empty where some can."""
    status, trainer = record.sweep.status or SweepStatus(), record.sweep.spec.trainer
    if imported_from(status) is not None:
        return "imported curves hold no answers to single examples. Train with `seedsweep run` to get it."
    metric = metric_name(trainer)
    if metric is not None and metric not in METRICS:
        return f"models are compared example by example for {_WORDS}. Rank by one of these to get it."
    if known.found:
        return ""
    if trainer.fine_tuning is None:
        remedy = "Have the trainer write them as docs/trainer-contract.md says to get it."
        return f"{known.refused[0] if known.refused else 'there are no answers to single examples'}. {remedy}"
    if known.refused:
        return f"{known.refused[0]}. Restore the folder `attempts` of the run to get it."
    return f"no answers to single examples lie beside this record: {_where_they_are(record.sweep)} to get it."


def why_some(record: Record, known: Beside) -> str:
    """Why what needs the answers of all cannot be told where those of some are known, and how to get it."""
    layout = Layout.of(record.sweep)
    wanted = {(e.spec.id.name, evaluation) for e in record.episodes for evaluation in compared_evaluations(e, layout)}
    names = sorted({name for name, _ in wanted - known.found.keys()})
    if not names:
        why = "a cut ranked episodes that had no defined score, so they have no answers to single examples there"
        return f"{why}. Run a sweep whose trainer defines every score to get it."
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    whose = f"of {', '.join(names[:_NAMED])}{more}"
    remedy = "Restore the folder `attempts`, or run the sweep again, to get it."
    return f"{whose} not all answers to single examples are known. {remedy}"


def _where_they_are(sweep: SeedSweep) -> str:
    metadata = sweep.metadata
    if metadata.uid is None:
        return "earlier releases kept none. Run the sweep with `seedsweep run`"
    if sweep.spec.storage is None:
        return "they went with the pods. Give the sweep spec.storage, or run it with `seedsweep run`,"
    report = f"seedsweep report {IN_CLUSTER}{metadata.name} -n {metadata.namespace}"
    return f"they are in the storage of the sweep. Bring them with `{report}`, into this folder with --to,"


def _files(directory: Path, episode: Episode, evaluation: int) -> Iterator[Path]:
    """Of the first attempt first: the first record of a score is the one that stands."""
    for folder in _folders(directory, episode):
        path = folder / predictions_path(evaluation)
        if path.is_file():
            yield path


def _folders(directory: Path, episode: Episode) -> Iterator[Path]:
    """Of its attempts, in their order; a uid that is no name of a folder has none."""
    for attempt in episode.status.attempts:
        if Path(attempt.uid).name == attempt.uid:
            yield directory / ATTEMPTS / attempt.uid


def _recorded(episode: Episode, evaluation: int) -> float | None:
    scores = episode.status.scores
    return scores[evaluation - 1] if evaluation <= len(scores) else None


def _content(path: Path) -> bytes:
    """All of a file; of one that is too large, enough for that to be seen."""
    with path.open("rb") as file:
        return file.read(most_bytes(path.as_posix()) + 1)


def _conditions(directory: Path, record: Record) -> Iterator[str]:
    for episode in record.episodes:
        for folder in _folders(directory, episode):
            if (folder / CONDITIONS).is_file():
                told = parse_conditions(_content(folder / CONDITIONS))
                if told:
                    yield one_line(", ".join(f"{name} {value}" for name, value in told.items()))


def _training(directory: Path, episode: Episode) -> dict[int, Interval]:
    """Of the evaluations on record; what the first attempt says of one stands, as its score does."""
    found: dict[int, Interval] = {}
    for folder in _folders(directory, episode):
        if (folder / TRAINING).is_file():
            for line in parse_training(_content(folder / TRAINING)):
                if line.evaluation <= len(episode.status.scores):
                    found.setdefault(line.evaluation, line)
    return found
