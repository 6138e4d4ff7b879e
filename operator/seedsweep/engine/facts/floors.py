"""What becomes fact in a sweep with a floor: which episodes its budget carries, their scores there, and who falls."""

from dataclasses import dataclass
from decimal import Decimal

from seedsweep.api.early_stopping import Floor
from seedsweep.api.episode import EpisodeId, EpisodeStatus, Fall, Verdict
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.ranking import Contest
from seedsweep.engine.facts.rungs import record_finished, record_result
from seedsweep.engine.facts.verdicts import record_loss
from seedsweep.engine.layout import step_of


@dataclass(frozen=True, slots=True)
class Carried:
    """The episodes that the budget carries, by the fates on record."""

    episodes: list[EpisodeId]
    """In the order of their seeds, the first of the sweep's."""
    evaluation: int
    """The floor's; 0 while E is unknown."""
    final: bool
    """No fate that is still open can change who is carried."""


def record_floor(draft: Draft, floor: Floor) -> Carried:
    """Put on record what can be decided at the floor now, episode by episode in the order of the seeds.

    Of the budget of B full runs, B S steps, each episode that falls or ends before the floor takes step(e), and every
    other S, also while its fate is open. An episode is carried if those before it leave it a full run. So nothing that
    is still to come takes an episode back, and in the end their fates alone decide how many there are.
    """
    layout = draft.layout
    mark = layout.rung_evaluations(draft.evaluations)[0][0] if draft.evaluations is not None else 0
    contest = Contest(
        sweep=layout.name,
        bracket=0,
        rung=0,
        evaluation=mark,
        keep=len(layout.episodes),
        maximize=layout.maximize,
        latest=layout.latest,
        full_order=layout.ours,
    )
    full, early = _costs(draft, mark)
    left, carried, final = layout.budget * full, [], True
    for episode in layout.episodes:
        if left < full:
            break
        carried.append(episode)
        _record(draft, episode, contest, floor)
        status = draft.status(episode)
        left -= early if ended_early(status) else full
        settled = status.verdict is not None or bool(status.rung_scores)
        final = final and settled and not draft.is_held_back(episode)
    return Carried(carried, mark, final)


def _costs(draft: Draft, mark: int) -> tuple[int, int]:
    """Of an episode that trains fully, and of one that ends at the floor: in steps, or evaluations where none are told.

    While E is unknown nobody can have come to the floor.
    """
    if draft.evaluations is None:
        return 1, 1
    if draft.steps is None:
        return draft.evaluations, mark
    return draft.steps, step_of(mark, draft.evaluations, draft.steps)


def ended_early(status: EpisodeStatus) -> bool:
    """It fell below the floor, or came to its end before."""
    return status.verdict is not None and status.verdict.rung is not None


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
        record_finished(draft, [episode])
    elif not draft.may_write(episode):
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
