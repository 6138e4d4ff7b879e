"""Who trains past a rung that is not decided yet: leaders likelier than not to be kept."""

from seedsweep.api.episode import EndReason
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.retry import FAILURES
from seedsweep.engine.questions.standings import Need, Race, Standing

_NOT_TO_BET_ON = FAILURES | {EndReason.DONE, EndReason.DIVERGED, EndReason.BAD_CONFIGURATION}


def ahead_of_cut(draft: Draft, race: Race, gpus: int) -> list[Standing]:
    """Leaders that train on before the last episodes have reached the rung, best first.

    Of p kept on k GPUs, p mod k would train at the end beside idle ones. Instead as many train on as soon as the
    others are at the rung by the time that these are done: what is left then is the same for every GPU.
    """
    undecided = [s for s in race.standings.values() if s.need is Need.RUNG]
    contests = {(draft.layout.bracket_of[s.episode], s.level, s.goal, s.next_goal) for s in undecided}
    survivors = any(s.need is Need.END for s in race.standings.values())
    if len(contests) != 1 or survivors or gpus == 0 or not draft.seen.resumable:
        # With several brackets one's survivors fill up what another leaves idle.
        return []
    bracket, level, goal, next_goal = contests.pop()
    keep = draft.layout.rung(bracket, level).keep
    odd = keep % gpus if keep > gpus else 0
    if odd == 0 or goal is None or next_goal is None:
        return []
    promising = [s for e, s in race.standings.items() if s.promising and draft.layout.bracket_of[e] == bracket]
    # Whoever has begun goes on, even if another has overtaken it.
    leaders = sorted(promising, key=lambda s: (not _has_begun(draft, s), s.rank))[:odd]
    to_train = sum(max(0, goal - draft.evaluations_done(s.episode)) for s in undecided)
    if to_train > (gpus - odd) * (next_goal - goal):
        leaders = [s for s in leaders if _has_begun(draft, s)]
    return [s for s in leaders if _has_way_to_go(draft, s)]


def may_lead(draft: Draft, standing: Standing) -> bool:
    """To train on before the cut is no waste, for it is likelier than not to be kept, and finds its checkpoint."""
    return standing.promising and draft.seen.resumable and _has_way_to_go(draft, standing)


def bet_ends_at(draft: Draft, standing: Standing) -> int | None:
    """Where a bet stops: at the next rung; None at the end."""
    return None if standing.next_goal == draft.evaluations else standing.next_goal


def _has_begun(draft: Draft, standing: Standing) -> bool:
    """Its bet is under way or done; what came to its rung and ran past it has not made one."""
    attempt = draft.live.get(standing.episode)
    if attempt is None:
        return not _has_way_to_go(draft, standing)
    return standing.goal is not None and draft.begun_at(attempt) >= standing.goal


def _has_way_to_go(draft: Draft, standing: Standing) -> bool:
    return standing.next_goal is not None and draft.evaluations_done(standing.episode) < standing.next_goal


def failed_past_its_rung(draft: Draft, standing: Standing) -> bool:
    """Nobody bets on it: the cut decides whether it gets another attempt."""
    attempts = draft.status(standing.episode).attempts
    return bool(attempts) and attempts[-1].reason in _NOT_TO_BET_ON
