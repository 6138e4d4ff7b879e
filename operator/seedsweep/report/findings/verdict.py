"""The verdict in words: did anybody learn, what decided the cut, is the winner better than the runner-up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seedsweep.api.cut import Cut, CutData, CutEvidence
from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import Layout
from seedsweep.report.beside import Beside, compared_at, counting, read_beside, why_none, why_some
from seedsweep.report.episodes import ranked
from seedsweep.report.facts import accuracy_examples, beats_constant, has_lost
from seedsweep.report.findings.losers import Losers, losers_of
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Withheld, known_baseline
from seedsweep.science.examples.answers import Floats, scores
from seedsweep.science.examples.luck import Redrawn, redraw
from seedsweep.science.examples.paired import Paired, paired_test

WINNER_AND_RUNNER_UP = "Whether the winner is better than the runner-up by more than chance"
LOSERS = "Which losers could be told apart from the last one kept"
OTHER_EXAMPLES = "Which episodes would be chosen on other validation examples"


@dataclass(frozen=True, slots=True)
class Margin:
    """What a cut was decided by: the last that was kept against the first that was lost."""

    bracket: int | None
    """None where there is only one."""
    evaluation: int
    kept: str
    lost: str
    difference: float | None
    """Of their scores, 0 or more; 0 where a tie-breaker decided, None where one of them has no defined score."""
    right: int | None
    """By how many more examples the one is right; None where the metric counts none, or their number is not known."""
    examples: int | None
    again: Redrawn | None
    """Who would be kept on other examples; None where the answers of an episode that was ranked are not known."""
    keep: int
    losers: Losers | None
    """Each against the last that was kept; None where its answers, or those of all losers, are not known."""
    recorded: CutEvidence | None
    """The same as the cut has it on record: what is told where the answers are not here. None where it says nothing."""


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The winner against the next best."""

    winner: str
    episode: str
    test: Paired
    examples: int
    values: bool
    """Whether the answers are numbers, of which one is nearer, and not classes."""

    @property
    def words(self) -> str:
        """What the winner is, against the runner-up."""
        if self.test.told_apart:
            return f"further from {self.episode}, the runner-up, than chance explains"
        return f"within noise of {self.episode}, the runner-up"


@dataclass(frozen=True, slots=True)
class WinnerAgain:
    """Who would win on other examples."""

    chance: float
    """Of the winner to be the best again."""
    among: int
    """Models that were compared."""
    without_losers: bool
    """Whether losers of a cut are not among them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All of it; None where nothing can be said."""

    beats_constant: bool | None
    """Whether the best score is better than that of a constant answer; None where either is not known."""
    margins: tuple[Margin, ...]
    runner_up: RunnerUp | None
    winner_again: WinnerAgain | None
    refused: tuple[str, ...]
    """Files with predictions that are not used, and why."""
    withheld: tuple[Withheld, ...]


def verdict_of(record: Record, known: Beside) -> Verdict:
    """What the record, and the predictions beside it, say of its result."""
    status, maximize = record.sweep.status or SweepStatus(), record.sweep.spec.trainer.maximize
    margins = tuple(_margin(record, known, cut) for cut in record.cuts if cut.data.losers)
    runner_up, winner_again = _runner_up(record, known), _winner_again(record, known)
    return Verdict(
        beats_constant(status.best, maximize=maximize),
        margins,
        runner_up,
        winner_again,
        known.refused,
        tuple(_withheld(record, known, margins, runner_up)),
    )


def runner_up_beside(directory: Path, record: Record) -> RunnerUp | None:
    """The winner against the runner-up, reading no other answers; None where those of one of them are not known.

    Raises OSError for a file that is there and cannot be read.
    """
    first_two = _ranking(record)[:2]
    those = [episode for episode in record.episodes if episode.spec.id.name in first_two]
    return _runner_up(record, read_beside(directory, record._replace(episodes=those)))


def _margin(record: Record, known: Beside, made: Cut) -> Margin:
    cut, evidence = made.data, made.evidence
    kept, lost = cut.rows[cut.keep - 1], cut.rows[cut.keep]
    difference = abs(kept.score - lost.score) if kept.score is not None and lost.score is not None else None
    examples = (record.sweep.status or SweepStatus()).validation_examples
    counted = accuracy_examples(record.sweep, [score for score in cut.scores if score is not None])
    right = round(difference * counted) if difference is not None and counted is not None else None
    again = _kept_again(record, known, cut)
    losers = losers_of(record, known, cut)
    bracket = cut.bracket if len(Layout.of(record.sweep).rungs) > 1 else None
    recorded = evidence if evidence is not None and evidence.compared else None
    of_both = kept.episode, lost.episode, difference, right, examples
    return Margin(bracket, cut.evaluation, *of_both, again, cut.keep, losers, recorded)


def _kept_again(record: Record, known: Beside, cut: CutData) -> Redrawn | None:
    evaluations = compared_at(record, cut)
    ranked = [name for name in cut.ranked if name in evaluations]
    found = known.at({name: evaluations[name] for name in ranked})
    if found is None or len(found[0]) < len(cut.ranked) or cut.keep >= len(ranked):
        return None
    answers = found[1]
    healthy = healthy_among(record, scores(answers)[0])
    return redraw(answers, cut.keep, maximize=record.sweep.spec.trainer.maximize, healthy=healthy)


def _runner_up(record: Record, known: Beside) -> RunnerUp | None:
    order = _ranking(record)
    if len(order) < 2:
        return None
    evaluations = counting(record)
    found = known.at({name: evaluations[name] for name in order[:2]})
    if found is None or len(found[0]) < 2:
        return None
    answers = found[1]
    return RunnerUp(order[0], order[1], paired_test(answers), answers.examples, answers.metric == "mse")


def _winner_again(record: Record, known: Beside) -> WinnerAgain | None:
    """Among all whole runs; after a cut by best scores, among those that were kept, as no loser has a better one."""
    order, evaluations = _ranking(record), counting(record)
    latest = Layout.of(record.sweep).latest
    lost = {e.spec.id.name for e in record.episodes if has_lost(e) and not latest}
    among = [name for name in order if name == order[0] or name not in lost]
    found = known.at({name: evaluations[name] for name in among})
    if found is None or len(found[0]) < max(2, len(among)):
        return None
    healthy = healthy_among(record, scores(found[1])[0])
    again = redraw(found[1], 1, maximize=record.sweep.spec.trainer.maximize, healthy=healthy)
    return WinnerAgain(again.same, len(among), len(among) < len(order))


def _ranking(record: Record) -> list[str]:
    """All that have a counting score, the winner first."""
    status, order = record.sweep.status or SweepStatus(), ranked(record)
    if status.best is None or status.best.episode not in order:
        return []
    winner = status.best.episode
    return [winner, *(name for name in order if name != winner)]


def healthy_among(record: Record, found: Floats) -> NDArray[np.bool_] | None:
    """Which scores are no failed runs; None where no score of a constant answer is known."""
    baseline = known_baseline(record.sweep.status or SweepStatus(), record.episodes)
    if baseline is None:
        return None
    return np.asarray(found > baseline if record.sweep.spec.trainer.maximize else found < baseline)


def _withheld(record: Record, known: Beside, margins: Sequence[Margin], runner_up: RunnerUp | None) -> list[Withheld]:
    missing = []
    why = why_none(record, known) or why_some(record, known)
    if runner_up is None and len(_ranking(record)) > 1:
        missing.append(Withheld(WINNER_AND_RUNNER_UP, why))
    if any(margin.losers is None and margin.recorded is None for margin in margins):
        missing.append(Withheld(LOSERS, why))
    if any(margin.again is None for margin in margins):
        missing.append(Withheld(OTHER_EXAMPLES, why))
    return missing
