"""What becomes fact at the rungs of every bracket: final scores, who is out, who lost, cuts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from seedsweep.api.cut import cut_name
from seedsweep.api.episode import MAX_DOMINATORS, BestEvaluation, EpisodeId, RungScore, Verdict
from seedsweep.engine.decisions import Event
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.attempt_records import continued
from seedsweep.engine.facts.ranking import Contest, dominated, make_cut, rank, rung_score
from seedsweep.engine.facts.verdicts import has_trained_to_the_end, in_words, lasting_end, record_end, record_loss


@dataclass(frozen=True, slots=True)
class Ranking:
    """The participants of a contest, as the record has them."""

    scored: dict[EpisodeId, RungScore]
    ranked: list[EpisodeId]
    """Those with a final score, best first."""
    excluded: dict[EpisodeId, str]
    """Those who can have none any more, and why."""
    pending: list[EpisodeId]

    @classmethod
    def of(cls, draft: Draft, contest: Contest, participants: list[EpisodeId]) -> "Ranking":
        """Sort them by what is on record."""
        scored: dict[EpisodeId, RungScore] = {}
        excluded: dict[EpisodeId, str] = {}
        pending = []
        for episode in participants:
            status = draft.status(episode)
            if len(status.rung_scores) > contest.rung:
                scored[episode] = status.rung_scores[contest.rung]
            elif status.verdict is not None:
                excluded[episode] = in_words(status.verdict)
            else:
                pending.append(episode)
        return cls(scored, rank(scored, draft.layout.tie, contest), excluded, pending)


@dataclass(slots=True)
class Bracket:
    """How far a bracket has come by the cuts that were observed."""

    number: int
    marks: tuple[int, ...]
    """Evaluations of its rungs; empty while E is unknown."""
    losers: list[list[EpisodeId]] = field(default_factory=list)
    """By rung that was cut."""
    participants: list[EpisodeId] = field(default_factory=list)
    """Those whom every cut kept."""
    contest: Contest | None = None
    """At the rung that is open; None past the last."""
    ranking: Ranking | None = None
    """Of the contest; None while more of it is news than one turn takes in."""

    @property
    def rung(self) -> int:
        """The one that is open: as many are cut."""
        return len(self.losers)


def record_rungs(draft: Draft) -> list[Bracket]:
    """Put on record what can be decided at the rungs now; returns how far every bracket has come."""
    brackets = list(_brackets(draft))
    for bracket in brackets:
        _record_losers(draft, bracket)
        if bracket.contest is None:
            _record_finished(draft, bracket)
        elif _record_results(draft, bracket.contest, bracket.participants):
            bracket.ranking = Ranking.of(draft, bracket.contest, bracket.participants)
            _record_decided(draft, bracket.contest, bracket.ranking)
    return brackets


def _brackets(draft: Draft) -> Iterator[Bracket]:
    layout, names = draft.layout, draft.layout.names
    marks = layout.rung_evaluations(draft.evaluations) if draft.evaluations is not None else [()] * len(layout.rungs)
    for number, members in enumerate(layout.members):
        bracket = Bracket(number, marks[number], participants=list(members))
        for rung, step in enumerate(layout.rungs[number]):
            cut = draft.seen.cuts.get((number, rung))
            if cut is None:
                bracket.contest = Contest(
                    sweep=layout.name,
                    bracket=number,
                    rung=rung,
                    evaluation=bracket.marks[rung] if bracket.marks else 0,
                    keep=step.keep,
                    maximize=layout.maximize,
                    latest=layout.latest,
                    full_order=layout.ours,
                )
                break
            kept = cut.kept
            bracket.losers.append([e for e in bracket.participants if names[e] not in kept])
            bracket.participants = [e for e in bracket.participants if names[e] in kept]
        yield bracket


def _record_losers(draft: Draft, bracket: Bracket) -> None:
    for rung, losers in enumerate(bracket.losers):
        verdict = Verdict(outcome="LostByCut", rung=rung, cut=cut_name(draft.layout.name, bracket.number, rung))
        for episode in losers:
            if draft.status(episode).verdict is None and draft.may_write(episode):
                # The Cut itself is the durable reason for what follows.
                record_loss(draft, episode, verdict, durable=False)


def _record_finished(draft: Draft, bracket: Bracket) -> None:
    """Those who survived every cut and have come to their end."""
    for episode in bracket.participants:
        if draft.status(episode).verdict is not None or draft.is_open(episode):
            continue
        verdict = lasting_end(draft, episode, upto=None)
        if verdict is None and has_trained_to_the_end(draft, episode):
            verdict = Verdict(outcome="Finished")
        if verdict is not None:
            record_end(draft, episode, verdict)


def _record_results(draft: Draft, contest: Contest, participants: list[EpisodeId]) -> bool:
    """Final scores and lasting ends; false where not all could be looked at in this turn."""
    for episode in participants:
        if draft.full:
            # Who was not looked at is not out: a failure past the rung changes nothing there.
            return False
        if len(draft.status(episode).rung_scores) <= contest.rung and not _record_score(draft, episode, contest):
            _record_out(draft, episode, contest)
    return True


def _record_score(draft: Draft, episode: EpisodeId, contest: Contest) -> bool:
    """False while it has no score there."""
    status = draft.status(episode)
    if not contest.evaluation or status.verdict is not None or episode in draft.frozen:
        return False
    if draft.evaluations_done(episode) < contest.evaluation:
        return False
    attempt = draft.live.get(episode)
    if attempt is not None:
        status = status.evolve(**continued(status, attempt))
    best = BestEvaluation.of(status.scores, status.losses, contest.evaluation, maximize=contest.maximize)
    score = rung_score(status.scores, status.losses, best, contest, status.sampled)
    draft.write(episode, status.evolve(rung_scores=[*status.rung_scores, score], best=best), durable=True)
    return True


def _record_out(draft: Draft, episode: EpisodeId, contest: Contest) -> None:
    """Where it came to a lasting end before the rung."""
    status = draft.status(episode)
    if status.verdict is not None or draft.is_open(episode):
        return
    lasting = lasting_end(draft, episode, upto=contest.evaluation or None)
    # A crash may have lost E. Then nobody knows whether a score is from past the rung: a replay tells.
    if lasting is not None and (contest.evaluation or not status.scores):
        record_end(draft, episode, lasting.evolve(rung=contest.rung))


def _record_decided(draft: Draft, contest: Contest, ranking: Ranking) -> None:
    """The cut once nobody is pending; before, who lost whatever is still to come."""
    if not ranking.pending:
        if ranking.scored:
            _record_cut(draft, contest, ranking)
        return
    # The lowest of them: who is outranked by these is outranked by all.
    champions = ranking.ranked[: contest.keep][-MAX_DOMINATORS:]
    dominators = [draft.layout.names[e] for e in champions]
    verdict = Verdict(outcome="LostByDominance", rung=contest.rung, dominators=dominators)
    for episode in dominated(ranking.ranked, ranking.scored, contest):
        if draft.status(episode).verdict is None and draft.may_write(episode):
            record_loss(draft, episode, verdict, durable=True)


def _record_cut(draft: Draft, contest: Contest, ranking: Ranking) -> None:
    cut = make_cut(contest, ranking.ranked, ranking.scored, ranking.excluded)
    if draft.make_cut(cut):
        of = len(ranking.scored) + len(ranking.excluded)
        kept = f"kept {min(contest.keep, len(ranking.ranked))} of {of} at evaluation {contest.evaluation}"
        threshold = "undefined" if cut.threshold is None else f"{cut.threshold:.4f}"
        draft.events.append(Event("CutMade", f"{kept}: threshold {threshold}", rests_on="Cut"))
