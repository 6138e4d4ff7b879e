"""The end of a sweep: whether all is settled, what is handed over and freed, and whether it is over."""

from dataclasses import dataclass

from seedsweep.api.cut import CutData
from seedsweep.api.episode import BestEvaluation, EpisodeId
from seedsweep.api.status import Best
from seedsweep.engine.decisions import Failure
from seedsweep.engine.draft import Draft
from seedsweep.engine.observation import Housekeeping
from seedsweep.engine.questions.average import read_members
from seedsweep.engine.questions.comparison import lacks_evidence
from seedsweep.engine.questions.result import find_best
from seedsweep.engine.questions.standings import Race
from seedsweep.engine.questions.storage import Leftover, find_leftovers


@dataclass(frozen=True, slots=True)
class Closing:
    """How far a sweep is from being over."""

    winner: EpisodeId | None
    """So far."""
    best: Best | None
    members: dict[EpisodeId, BestEvaluation]
    """Whose average is handed over, if it is no worse than they are."""
    settled: bool
    """No episode has anything left to train for."""
    ending: bool
    """Settled or failed: nothing starts any more."""
    hands_over: bool
    """The winner is still to be handed over."""
    leftovers: list[Leftover]
    """What in the storage is still to be freed."""
    unexplained: list[CutData]
    """Cuts whose losers are compared, or are to be."""
    over: bool
    """Nothing runs and nothing is left to hand over, to free or to compare."""

    @property
    def prunes(self) -> bool:
        """Something is freed by this plan."""
        return any(leftover.due for leftover in self.leftovers)


def read_closing(draft: Draft, race: Race, failure: Failure | None) -> Closing:
    """As it is by what is on record."""
    found = find_best(draft)
    winner, best = found if found is not None else (None, None)
    settled = not race.standings and draft.is_complete
    ending = settled or failure is not None
    handed_over = draft.seen.hand_over is not None
    members: dict[EpisodeId, BestEvaluation] = {}
    if ending and best is not None:
        found_members = read_members(draft, race, failure)
        members, best = found_members.bests, best.evolve(average=found_members.average)
        if members and best.weights is not None:
            # Of fewer episodes no average could be made.
            handed_over, best = False, best.evolve(weights=None, exported=None, test=None)
    hands_over = ending and winner is not None and draft.stores_weights and not handed_over
    leftovers = find_leftovers(draft, race, winner, failing=failure is not None)
    exhausted = draft.seen.housekeeping is not None and draft.seen.housekeeping.exhausted
    idle = not draft.live and draft.is_complete
    unexplained = lacks_evidence(draft)
    over = ending and idle and not hands_over and (not leftovers or exhausted) and not unexplained
    return Closing(winner, best, members, settled, ending, hands_over, leftovers, unexplained, over)


def waits_for_records(draft: Draft, closing: Closing, begins_to_fail: bool) -> bool:
    """What is to be freed or stopped can be once this plan is on record: to be looked at again at once."""
    if begins_to_fail and (closing.hands_over or not draft.frozen.keys().isdisjoint(draft.live)):
        # What stops those whose own record cannot be written is on record by then.
        return True
    housekeeping = draft.seen.housekeeping or Housekeeping()
    asked = housekeeping.freeing or (draft.seen.housekeeping is not None and closing.prunes)
    # What is freed at once is freed by then, and a failure on record.
    news = draft.written() or closing.prunes or begins_to_fail
    return bool(closing.ending and closing.leftovers and not closing.over and not asked and news)
