"""What becomes fact in a sweep with a floor: which episodes its budget carries, their scores there, and who falls."""

from dataclasses import dataclass
from decimal import Decimal

from seedsweep.api.early_stopping import Floor
from seedsweep.api.episode import EpisodeId, EpisodeStatus, Fall, Verdict
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.budget import Budget, Prices, carried_anyway
from seedsweep.engine.facts.ranking import Contest
from seedsweep.engine.facts.rungs import Bracket, marks_of, record_bracket, record_result
from seedsweep.engine.facts.verdicts import record_loss


@dataclass(slots=True)
class Carried:
    """The episodes that the budget carries, by the fates on record."""

    bracket: Bracket
    """Those who fell or ended before the floor are its first losers; both in the order of their seeds."""
    final: bool = True
    """No fate that is still open can change who is carried."""
    mute: EpisodeId | None = None
    """Has a score, and its trainer publishes nothing to compare it with: nothing more is decided."""
    coming: int = 0
    """More of them, should none fall, as soon as the length of an episode is known."""

    @property
    def evaluation(self) -> int:
        """The floor's; 0 while E is unknown."""
        return self.bracket.marks[0] if self.bracket.marks else 0

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self.bracket.losers)) + len(self.bracket.participants)


def record_floor(draft: Draft, floor: Floor) -> Carried:
    """Put on record what can be decided now at the floor, and at the rung where there is one beside it.

    Seeds are gone through in their order, for as long as the budget pays for the next. Nothing that is still to come
    takes an episode back, and in the end their fates at the floor alone decide how many there are.
    """
    layout = draft.layout
    [marks] = marks_of(draft)
    carried = Carried(Bracket(0, marks, losers=[[]]))
    contest = Contest(
        sweep=layout.name,
        bracket=0,
        rung=0,
        evaluation=carried.evaluation,
        keep=len(layout.episodes),
        maximize=layout.maximize,
        latest=layout.latest,
        full_order=layout.ours,
    )
    prices = _prices(draft)
    budget = Budget(prices or Prices.unknown(), layout.budget)
    for episode in layout.episodes:
        if not budget.carries_another():
            break
        _record(draft, episode, contest, floor)
        status = draft.status(episode)
        early = ended_early(status)
        budget.pay(early=early)
        (carried.bracket.losers[0] if early else carried.bracket.participants).append(episode)
        settled = status.verdict is not None or bool(status.rung_scores)
        carried.final = carried.final and settled and not draft.is_held_back(episode)
        if carried.mute is None and not early and lacks_baseline(status):
            carried.mute = episode
    if prices is None:
        # As the spec's shares have it.
        carried.coming = max(0, carried_anyway(layout, Prices.of(layout, 100, None)) - layout.budget)
    if carried.mute is None:
        record_bracket(draft, carried.bracket)
    return carried


def _prices(draft: Draft) -> Prices | None:
    """None as long as it is not known what they are counted in: by steps an episode can cost more than by evaluations.

    A trainer that tells steps does so with its first score.
    """
    if draft.evaluations is None:
        return None
    if draft.steps is None and not any(status.scores for status in draft.statuses.values()):
        return None
    return Prices.of(draft.layout, draft.evaluations, draft.steps)


def ended_early(status: EpisodeStatus) -> bool:
    """It fell below the floor, or came to its end before."""
    return status.verdict is not None and status.verdict.rung == 0


def lacks_baseline(status: EpisodeStatus) -> bool:
    """It has a score, and its trainer has published nothing to compare it with."""
    return bool(status.scores) and (status.baseline is None or status.baseline_error is None)


def _record(draft: Draft, episode: EpisodeId, contest: Contest, floor: Floor) -> None:
    if not draft.status(episode).rung_scores:
        record_result(draft, episode, contest)
    status = draft.status(episode)
    if not status.rung_scores or status.verdict is not None or lacks_baseline(status):
        return
    fall = find_fall(status, floor, maximize=contest.maximize)
    if fall is None:
        return
    if not draft.may_write(episode):
        draft.postpone(episode)
    else:
        verdict = Verdict(outcome="LostByFloor", rung=0, fall=fall, reason=_in_words(fall))
        record_loss(draft, episode, verdict, durable=True)
        draft.decide_nothing()


def find_fall(status: EpisodeStatus, floor: Floor, *, maximize: bool) -> Fall | None:
    """Why it falls: it is not better than the baseline by more than the margin; None where it is."""
    assert status.baseline is not None  # whoever asks has seen to it
    assert status.baseline_error is not None
    score, baseline = status.rung_scores[0].score, status.baseline
    if score is not None:
        # The numbers as they stand on record: in binary, a score just at the margin may come out on either side.
        gain = _exact(score) - _exact(baseline) if maximize else _exact(baseline) - _exact(score)
        if gain > Decimal(floor.margin) * _exact(status.baseline_error):
            return None
    return Fall(score=score, baseline=baseline, standard_error=status.baseline_error, margin=floor.margin)


def _in_words(fall: Fall) -> str:
    if fall.score is None:
        return "it has no defined score up to there"
    errors = "standard error" if fall.margin == "1" else "standard errors"
    return (
        f"{fall.score:.4f} is not better than a constant answer ({fall.baseline:.4f}) by more than {fall.margin} "
        f"{errors} of {fall.standard_error:.4f}"
    )


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))
