"""Who is where: final scores, verdicts and cuts of every bracket, and what each episode trains for next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from seedsweep.api.cut import cut_name
from seedsweep.api.episode import MAX_VERDICT, BestEvaluation, EndReason, EpisodeId, RungScore, Verdict
from seedsweep.api.recorded import keep_unknown, shortened
from seedsweep.engine.decisions import Event
from seedsweep.engine.draft import Draft
from seedsweep.engine.ends import given_up
from seedsweep.engine.ledger import continued
from seedsweep.engine.ranking import Contest, dominated, make_cut, rank, rung_score

LOST = frozenset({"LostByCut", "LostByDominance"})


class Need(IntEnum):
    """What an episode trains for."""

    RUNG = 0
    """Its score at the next rung."""
    FATE = 1
    """It has its score and waits for the cut; to train on is a bet."""
    END = 2
    """It survived every cut."""
    AUDIT = 3
    """It lost, and runs on for the audit."""


@dataclass(slots=True)
class Standing:
    """An episode that is not settled."""

    episode: EpisodeId
    need: Need
    level: int
    """Cuts it survived."""
    goal: int | None
    """Evaluation to reach for its need; None while E is unknown."""
    next_goal: int | None
    """Where a bet would stop: the rung after the one it waits at, or E."""
    rank: int = 0
    promising: bool = False
    """While it waits for the cut: it is likelier than not to be kept, so that to train on is no waste."""


@dataclass(slots=True)
class Race:
    """Every bracket as it stands."""

    standings: dict[EpisodeId, Standing] = field(default_factory=dict)
    """The unsettled ones, audited losers included."""
    limits: dict[EpisodeId, int] = field(default_factory=dict)
    """The last evaluation that is useful and may become the result, by episode."""
    survivors: list[EpisodeId] = field(default_factory=list)
    """Those who survived every cut of their bracket."""


def run_race(draft: Draft) -> Race:
    """Record what can be decided now, in every bracket."""
    race = Race()
    for bracket, members in enumerate(draft.layout.members):
        _run_bracket(draft, race, bracket, members)
    _update_best(draft, race)
    return race


def _update_best(draft: Draft, race: Race) -> None:
    """Bring the best so far of those still in the race up to date, for a sweep that ends at its deadline."""
    for episode in draft.written():
        status = draft.status(episode)
        limit = race.limits.get(episode)
        compared = bool(status.rung_scores) or not draft.layout.rungs[draft.layout.bracket_of[episode]]
        if limit is not None and compared and status.verdict is None:
            best = BestEvaluation.of(status.scores, status.losses, limit, maximize=draft.layout.maximize)
            draft.statuses[episode] = status.evolve(best=keep_unknown(best, status.best))


def _run_bracket(draft: Draft, race: Race, bracket: int, members: Sequence[EpisodeId]) -> None:
    layout, names = draft.layout, draft.layout.names
    total = draft.evaluations
    marks = layout.rung_evaluations(total)[bracket] if total is not None else ()
    participants = list(members)
    for rung, step in enumerate(layout.rungs[bracket]):
        cut = draft.seen.cuts.get((bracket, rung))
        if cut is None:
            goal = marks[rung] if marks else None
            later = (*marks[rung + 1 :], total)
            contest = Contest(
                sweep=layout.name,
                bracket=bracket,
                rung=rung,
                evaluation=goal or 0,
                keep=step.keep,
                maximize=layout.maximize,
                latest=layout.latest,
                full_order=layout.ours,
            )
            _run_rung(draft, race, contest, participants, later[0])
            return
        kept = cut.kept
        verdict = Verdict(outcome="LostByCut", rung=rung, cut=cut_name(layout.name, bracket, rung))
        for episode in participants:
            if names[episode] not in kept and draft.status(episode).verdict is None and draft.may_write(episode):
                # The Cut itself is the durable reason for what follows.
                _lose(draft, episode, verdict, durable=False)
        _note_losers(draft, race, [e for e in participants if names[e] not in kept], marks, rung)
        participants = [e for e in participants if names[e] in kept]
    race.survivors += participants
    for episode in participants:
        _run_to_end(draft, race, episode, level=len(layout.rungs[bracket]))


def _run_rung(
    draft: Draft, race: Race, contest: Contest, participants: Sequence[EpisodeId], next_goal: int | None
) -> None:
    scored: dict[EpisodeId, RungScore] = {}
    excluded: dict[EpisodeId, str] = {}
    pending = []
    for episode in participants:
        if draft.full:
            # Who was not looked at is not out: a failure past the rung changes nothing there.
            return
        score = _final_score(draft, episode, contest)
        if score is not None:
            scored[episode] = score
        elif (reason := _out_reason(draft, episode, contest)) is not None:
            excluded[episode] = reason
        else:
            pending.append(episode)
        if contest.evaluation:
            race.limits[episode] = contest.evaluation
    ranked = rank(scored, draft.layout.tie, contest)
    if not pending and scored:
        cut = make_cut(contest, ranked, scored, excluded, draft.layout.audited)
        if draft.make_cut(cut):
            kept = f"kept {min(contest.keep, len(ranked))} of {len(participants)} at evaluation {contest.evaluation}"
            draft.events.append(Event("CutMade", f"{kept}: threshold {_show(cut.threshold)}", rests_on="Cut"))
    if pending:
        verdict = Verdict(
            outcome="LostByDominance",
            rung=contest.rung,
            dominators=[draft.layout.names[champion] for champion in ranked[: contest.keep]],
        )
        for episode in dominated(ranked, scored, contest):
            if draft.status(episode).verdict is None and draft.may_write(episode):
                _lose(draft, episode, verdict, durable=True)
    goal = contest.evaluation or None
    for episode in pending:
        race.standings[episode] = Standing(episode, Need.RUNG, contest.rung, goal, next_goal)
    for place, episode in enumerate(ranked):
        if draft.status(episode).verdict is None:
            # Of a random order, the expected place among all, from 1, is (place + 1) (all + 1) / (scored + 1).
            promising = (place + 1) * (len(ranked) + len(pending) + 1) // (len(ranked) + 1) <= contest.keep
            race.standings[episode] = Standing(
                episode, Need.FATE, contest.rung, goal, next_goal, rank=place, promising=promising
            )
        else:
            _note_audit(draft, race, episode, contest.rung)


def _final_score(draft: Draft, episode: EpisodeId, contest: Contest) -> RungScore | None:
    status = draft.status(episode)
    if len(status.rung_scores) > contest.rung:
        return status.rung_scores[contest.rung]
    if not contest.evaluation or status.verdict is not None or episode in draft.frozen:
        return None
    if draft.evaluations_done(episode) < contest.evaluation:
        return None
    attempt = draft.live.get(episode)
    if attempt is not None:
        status = status.evolve(**continued(status, attempt))
    best = BestEvaluation.of(status.scores, status.losses, contest.evaluation, maximize=contest.maximize)
    score = rung_score(status.scores, status.losses, best, contest, status.sampled)
    draft.write(episode, status.evolve(rung_scores=[*status.rung_scores, score], best=best), durable=True)
    return score


def _out_reason(draft: Draft, episode: EpisodeId, contest: Contest) -> str | None:
    verdict = draft.status(episode).verdict
    if verdict is not None:
        return f"{verdict.outcome}: {verdict.reason}" if verdict.reason else verdict.outcome
    if draft.is_open(episode):
        return None
    lasting = _lasting_end(draft, episode, upto=contest.evaluation or None)
    if lasting is None:
        return None
    if not contest.evaluation and draft.status(episode).scores:
        # A crash lost E, so nobody knows whether this was past the rung: a replay tells.
        return None
    _settle(draft, episode, lasting.evolve(rung=contest.rung))
    return f"{lasting.outcome}: {lasting.reason}" if lasting.reason else lasting.outcome


def _lasting_end(draft: Draft, episode: EpisodeId, upto: int | None) -> Verdict | None:
    """How an episode without a live attempt ended for good, as far as that matters up to an evaluation."""
    last = next(draft.ended_attempts(episode), None)
    if last is None:
        return None
    if (
        last.reason == EndReason.DIVERGED
        and last.diverged_at is not None
        and (upto is None or last.diverged_at <= upto)
    ):
        reason = f"loss or weights became non-finite before evaluation {last.diverged_at}"
        return Verdict(outcome="Diverged", reason=reason)
    reason_given_up = given_up(draft.status(episode).attempts, draft.layout.spec.backoff_limit_per_episode)
    return Verdict(outcome="Failed", reason=shortened(reason_given_up, MAX_VERDICT)) if reason_given_up else None


def _run_to_end(draft: Draft, race: Race, episode: EpisodeId, level: int) -> None:
    if draft.evaluations is not None:
        race.limits[episode] = draft.evaluations
    status = draft.status(episode)
    if status.verdict is not None:
        return
    if not draft.is_open(episode):
        verdict = _lasting_end(draft, episode, upto=None)
        if verdict is None and any(a.reason == EndReason.DONE for a in draft.ended_attempts(episode)):
            verdict = Verdict(outcome="Finished")
        if verdict is not None:
            _settle(draft, episode, verdict)
            return
    race.standings[episode] = Standing(episode, Need.END, level, draft.evaluations, draft.evaluations)


def _note_losers(draft: Draft, race: Race, losers: Sequence[EpisodeId], marks: Sequence[int], rung: int) -> None:
    for episode in losers:
        if marks:
            race.limits[episode] = marks[rung]
        _note_audit(draft, race, episode, rung)


def _note_audit(draft: Draft, race: Race, episode: EpisodeId, level: int) -> None:
    """An audited loser stays unsettled until it has run to the end, or cannot."""
    verdict = draft.status(episode).verdict
    if episode not in draft.layout.audited or verdict is None or verdict.outcome not in LOST:
        return
    over = not draft.is_open(episode) and (
        _lasting_end(draft, episode, upto=None) is not None
        or any(a.reason == EndReason.DONE for a in draft.ended_attempts(episode))
    )
    if not over:
        race.standings[episode] = Standing(episode, Need.AUDIT, level, draft.evaluations, draft.evaluations)


def _lose(draft: Draft, episode: EpisodeId, verdict: Verdict, *, durable: bool) -> None:
    """Its best up to the rung is on record with its score there, and stays what counts."""
    draft.write(episode, draft.status(episode).evolve(verdict=verdict), durable=durable)
    draft.events.append(_verdict_event(episode, verdict))


def _settle(draft: Draft, episode: EpisodeId, verdict: Verdict) -> None:
    """An episode without a live attempt has come to its end; one that was never ranked cannot be the result."""
    status = draft.status(episode)
    ranked_somewhere = verdict.rung is None or bool(status.rung_scores)
    best = BestEvaluation.of(status.scores, status.losses, len(status.scores), maximize=draft.layout.maximize)
    best = keep_unknown(best, status.best) if ranked_somewhere else None
    draft.write(episode, status.evolve(verdict=verdict, best=best), durable=True)
    draft.events.append(_verdict_event(episode, verdict))


def _verdict_event(episode: EpisodeId, verdict: Verdict) -> Event:
    match verdict.outcome:
        case "Finished":
            return Event("Completed", f"{episode.name} was kept and trained to the end", episode)
        case "LostByCut":
            return Event("Lost", f"{episode.name} lost at {verdict.cut}", episode)
        case "LostByDominance":
            best = ", ".join(verdict.dominators[:3]) + (", ..." if len(verdict.dominators) > 3 else "")
            return Event("Lost", f"{episode.name} is outranked by {best}", episode)
        case _:
            return Event(verdict.outcome, f"{episode.name}: {verdict.reason}", episode, "Warning")


def _show(score: float | None) -> str:
    return "undefined" if score is None else f"{score:.4f}"
