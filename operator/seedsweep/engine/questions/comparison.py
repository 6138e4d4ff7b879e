"""Which cuts lack the evidence that they can have, and what its comparison has to be told."""

from collections.abc import Mapping
from itertools import islice

from seedsweep.api.comparison import MAX_SOUGHT, Compared, Comparison, Sought
from seedsweep.api.cut import CutData
from seedsweep.api.episode import BestEvaluation, EpisodeStatus
from seedsweep.engine.draft import Draft
from seedsweep.engine.observation import Evidence


def has_losers_to_compare(cut: CutData) -> bool:
    """Whether there are losers, and a score to tell them from: that of the last that was kept."""
    return bool(cut.losers) and cut.threshold is not None


def lacks_evidence(draft: Draft) -> list[CutData]:
    """Cuts whose losers are compared, or are to be: all whose evidence is neither on record nor given up.

    What the answers tell is there once the cut is: those at a rung are written before its score is told.
    """
    if not draft.seen.compares:
        return []
    return [
        cut
        for cut in draft.seen.cuts.values()
        if has_losers_to_compare(cut)
        and not draft.seen.evidence.get(cut.name, Evidence()).settled
        and not draft.layout.is_outgrown(cut)
    ]


def comparison_of(
    cut: CutData,
    episodes: Mapping[str, EpisodeStatus],
    metric: str | None,
    *,
    maximize: bool,
    found: Compared | None = None,
    at_most: int | None = None,
) -> Comparison:
    """What is to be compared next, after what was found. `episodes` by name; `at_most`: losers, None for all."""

    def sought(name: str) -> Sought | None:
        status = episodes.get(name)
        return _sought(cut, name, status, maximize=maximize) if status is not None else None

    against = sought(cut.ranked[cut.keep - 1])
    begin = len(found.letters) if found is not None else 0
    losers = [sought(name) for name in islice(cut.losers, begin, None if at_most is None else begin + at_most)]
    return Comparison(cut=cut.name, metric=metric, against=against, losers=losers, found=found)


def ranked_at(cut: CutData, status: EpisodeStatus, *, maximize: bool) -> int | None:
    """The evaluation whose score a cut ranked an episode by: its best up to the cut, or that at the cut."""
    if cut.rank_by == "latest":
        return cut.evaluation
    best = BestEvaluation.of(status.scores, (), cut.evaluation, maximize=maximize)
    return best.evaluation if best is not None else None


def _sought(cut: CutData, name: str, status: EpisodeStatus, *, maximize: bool) -> Sought | None:
    evaluation = ranked_at(cut, status, maximize=maximize)
    score = status.scores[evaluation - 1] if evaluation is not None and evaluation <= len(status.scores) else None
    if evaluation is None or score is None:
        return None
    # Those that ended before it have left nothing there.
    attempts = [a.uid for a in status.attempts if a.reason is None or a.evaluations >= evaluation]
    return Sought(episode=name, evaluation=evaluation, score=score, attempts=attempts[:MAX_SOUGHT])
