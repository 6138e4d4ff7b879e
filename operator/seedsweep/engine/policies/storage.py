"""What becomes of the storage: it is warmed up first, and read after each cut; at the end the winner is handed over."""

from seedsweep.engine.decisions import CompareLosers, HandOverWinner, Prune, WarmUp
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.freed import note_freed
from seedsweep.engine.observation import Evidence
from seedsweep.engine.questions.closing import Closing
from seedsweep.engine.questions.storage import warm_up_of


def decide_warm_up(draft: Draft) -> None:
    """Have it begin, if it has not."""
    warmed = warm_up_of(draft)
    if warmed is not None and not (warmed.under_way or warmed.refused or draft.seen.suspend):
        draft.decide(WarmUp())


def decide_closing(draft: Draft, closing: Closing) -> None:
    """Hand the winner over once nothing runs any more, and free what is due."""
    if draft.postponed:
        # The winner may be another once their news is taken in.
        return
    known = closing.settled or draft.seen.status.failure is not None
    # Once a failure is known, the best is one whose weights there are.
    if closing.hands_over and known and closing.winner is not None and not draft.live and not draft.seen.handing_over:
        best = draft.status(closing.winner).best
        assert best is not None  # that is what made it the winner
        draft.decide(HandOverWinner(closing.winner, best, closing.members))
    for leftover in closing.leftovers:
        if leftover.due:
            draft.decide(Prune(leftover.episode, keep_best=leftover.keep_best))
            if draft.seen.housekeeping is None:
                # It is done at once.
                note_freed(draft, leftover.episode, best_kept=leftover.keep_best)


def decide_comparisons(draft: Draft, closing: Closing) -> None:
    """Have the losers of each cut compared, once."""
    for cut in closing.unexplained:
        evidence = draft.seen.evidence.get(cut.name, Evidence())
        if not evidence.under_way and evidence.found is None:
            draft.decide(CompareLosers(cut))
