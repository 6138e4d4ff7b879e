"""What a floor did: who fell below it, what each would have needed, and how much of the budget was used."""

from dataclasses import dataclass
from decimal import Decimal

from seedsweep.api.episode import Episode, Fall
from seedsweep.api.status import SweepStatus
from seedsweep.engine.facts.budget import Budget, Prices
from seedsweep.engine.facts.floors import ended_early
from seedsweep.engine.layout import Layout
from seedsweep.report.record import Record
from seedsweep.report.words import counted, score_text


@dataclass(frozen=True, slots=True)
class Fallen:
    """An episode that fell, and the score that it had to be better than."""

    episode: str
    score: float | None
    """None where none up to the floor is defined."""
    needed: float
    fall: Fall


@dataclass(frozen=True, slots=True)
class AtFloor:
    """How the episodes of a sweep with a floor fared at it."""

    evaluation: int
    margin: str
    fallen: tuple[Fallen, ...]
    begun: int
    unused: int
    """Seeds that the budget did not carry."""
    budget: int
    """Full runs that might be spent."""
    used: float
    """Full runs that were: a part of one for each episode that ended at the floor or before, or at the rung."""
    keep: int
    """How many of those above it a rung keeps; 0 without one."""
    examples: int | None
    """Of the validation set, over which the standard error is; None where not known."""

    @property
    def margin_words(self) -> str:
        """By how much an episode had to be better than a constant answer."""
        return f"{self.margin} standard error{'' if self.margin == '1' else 's'}"

    @property
    def words(self) -> str:
        """In a sentence."""
        needed = {item.needed for item in self.fallen}
        below = f" {score_text(needed.pop())}" if len(needed) == 1 else " their floor"
        text = f"{len(self.fallen)} of {counted(self.begun, 'episode')} fell below{below} at evaluation "
        text += f"{self.evaluation}; {self.used:.1f} of {counted(self.budget, 'full run')} used"
        return text + (f", {counted(self.unused, 'seed')} left" if self.unused else "")


def at_floor(record: Record) -> AtFloor | None:
    """None for a record without a floor, or as long as nobody has come to it."""
    layout, status = Layout.of(record.sweep), record.sweep.status or SweepStatus()
    if layout.floor is None or status.evaluations is None:
        return None
    if not any(episode.status.rung_scores for episode in record.episodes):
        return None
    begun = [episode for episode in record.episodes if episode.status.attempts or episode.status.scores]
    prices = Prices.of(layout, status.evaluations, status.steps)
    budget = Budget(prices, layout.budget)
    for episode in begun:
        budget.pay(early=ended_early(episode.status))
    return AtFloor(
        evaluation=layout.rung_evaluations(status.evaluations)[0][0],
        margin=layout.floor.margin,
        fallen=tuple(_fallen(begun, maximize=layout.maximize)),
        begun=len(begun),
        unused=status.counts.unused,
        budget=layout.budget,
        used=budget.used,
        keep=prices.keep,
        examples=status.validation_examples,
    )


def _fallen(episodes: list[Episode], *, maximize: bool) -> list[Fallen]:
    found = []
    for episode in episodes:
        fall = episode.status.verdict.fall if episode.status.verdict is not None else None
        if fall is not None:
            margin = float(Decimal(fall.margin)) * fall.standard_error
            needed = fall.baseline + margin if maximize else fall.baseline - margin
            found.append(Fallen(episode.spec.id.name, fall.score, needed, fall))
    return found
