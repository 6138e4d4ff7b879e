"""What becomes fact at the rungs of every bracket: final scores, who is out, who lost, cuts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from seedsweep.api.cut import CutData
from seedsweep.api.episode import MAX_DOMINATORS, BestEvaluation, EpisodeId, RungScore, Verdict
from seedsweep.engine.decisions import Event
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.attempt_records import continued
from seedsweep.engine.facts.best import is_best_past, limit_best
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
    cuts: list[CutData] = field(default_factory=list)
    """By rung that was cut."""
    losers: list[list[EpisodeId]] = field(default_factory=list)
    """By rung that was cut; those of a floor, which is number 0, fell or came to their end before it."""
    participants: list[EpisodeId] = field(default_factory=list)
    """Those whom every cut kept, and who were not found below a floor."""
    contest: Contest | None = None
    """At the rung that is open; None past the last."""
    ranking: Ranking | None = None
    """Of the contest; whose news waits is pending there."""

    @property
    def rung(self) -> int:
        """The one that is open: as many are cut, a floor included."""
        return len(self.losers)


def record_rungs(draft: Draft) -> list[Bracket]:
    """Put on record what can be decided at the rungs now; returns how far every bracket has come."""
    marks = marks_of(draft)
    brackets = [
        Bracket(number, marks[number], participants=list(members))
        for number, members in enumerate(draft.layout.members)
    ]
    for bracket in brackets:
        record_bracket(draft, bracket)
    return brackets


def marks_of(draft: Draft) -> Sequence[tuple[int, ...]]:
    """Evaluations of the rungs, by bracket; none while E is unknown."""
    layout = draft.layout
    return layout.rung_evaluations(draft.evaluations) if draft.evaluations is not None else [()] * len(layout.rungs)


def record_bracket(draft: Draft, bracket: Bracket) -> None:
    """Follow the cuts that were observed, and put on record what can be decided at the rung that is open."""
    _follow_cuts(draft, bracket)
    _record_losers(draft, bracket)
    if bracket.contest is None:
        # How an episode ends that has yet to come to a floor is decided there.
        floors = draft.layout.first_cut
        record_finished(draft, [e for e in bracket.participants if len(draft.status(e).rung_scores) >= floors])
        return
    _record_results(draft, bracket.contest, bracket.participants)
    fallen = (episode for losers in bracket.losers[: draft.layout.first_cut] for episode in losers)
    bracket.ranking = Ranking.of(draft, bracket.contest, [*fallen, *bracket.participants])
    _record_decided(draft, bracket.contest, bracket.ranking)


def _follow_cuts(draft: Draft, bracket: Bracket) -> None:
    layout, names = draft.layout, draft.layout.names
    for rung, step in enumerate(layout.rungs[bracket.number], start=layout.first_cut):
        cut = draft.seen.cuts.get((bracket.number, rung))
        if cut is None or layout.is_outgrown(cut):
            bracket.contest = Contest(
                sweep=layout.name,
                bracket=bracket.number,
                rung=rung,
                evaluation=bracket.marks[rung] if bracket.marks else 0,
                keep=step.keep,
                maximize=layout.maximize,
                latest=layout.latest,
                full_order=layout.ours,
                before=cut,
            )
            return
        kept = cut.kept
        bracket.cuts.append(cut)
        bracket.losers.append([e for e in bracket.participants if names[e] not in kept])
        bracket.participants = [e for e in bracket.participants if names[e] in kept]


def _record_losers(draft: Draft, bracket: Bracket) -> None:
    for cut in bracket.cuts:
        verdict = Verdict(outcome="LostByCut", rung=cut.rung, cut=cut.name)
        for episode in bracket.losers[cut.rung]:
            # The Cut itself is the durable reason for what follows.
            _record_loser(draft, episode, verdict, cut.evaluation, durable=False)


def _record_loser(draft: Draft, episode: EpisodeId, verdict: Verdict, evaluation: int, *, durable: bool) -> None:
    """It lost at this evaluation: nothing later counts, which a cut of fewer episodes may have let it train."""
    status = draft.status(episode)
    if status.verdict is not None and status.state != "Finished" and not is_best_past(status, evaluation):
        return
    if not draft.may_write(episode):
        draft.postpone(episode)
        return
    if status.verdict is None:
        record_loss(draft, episode, verdict, durable=durable)
    elif status.state == "Finished":
        # So it was until the sweep got more seeds: its verdict stays, and its state is brought up to date.
        draft.write(episode, status, durable=False)
    limit_best(draft, episode, evaluation)


def record_finished(draft: Draft, survivors: list[EpisodeId]) -> None:
    """Of those who are not cut any more, those who have come to their end."""
    for episode in survivors:
        if draft.status(episode).verdict is not None or draft.is_open(episode):
            continue
        verdict = lasting_end(draft, episode, upto=None)
        if verdict is None and has_trained_to_the_end(draft, episode):
            verdict = Verdict(outcome="Finished")
        if verdict is not None:
            _record_end(draft, episode, verdict)


def _record_results(draft: Draft, contest: Contest, participants: list[EpisodeId]) -> None:
    """Final scores and lasting ends of those who have passed what is before the rung."""
    for episode in participants:
        if len(draft.status(episode).rung_scores) == contest.rung:
            record_result(draft, episode, contest)


def record_result(draft: Draft, episode: EpisodeId, contest: Contest) -> None:
    """Its final score, or that it is out, where it came to a lasting end before the rung."""
    if not _record_score(draft, episode, contest):
        _record_out(draft, episode, contest)


def _record_score(draft: Draft, episode: EpisodeId, contest: Contest) -> bool:
    """False while it has none there."""
    status = draft.status(episode)
    if not contest.evaluation or status.verdict is not None or episode in draft.frozen:
        return False
    if draft.evaluations_done(episode) < contest.evaluation:
        return False
    if not draft.may_write(episode):
        # Not out either: a failure past the rung changes nothing there.
        draft.postpone(episode)
        return True
    attempt = draft.live.get(episode)
    if attempt is not None:
        status = status.evolve(**continued(status, attempt))
    best = BestEvaluation.of(status.scores, status.losses, contest.evaluation, maximize=contest.maximize)
    score = rung_score(status.scores, status.losses, best, contest, status.sampled)
    draft.write(episode, status.evolve(rung_scores=[*status.rung_scores, score], best=best), durable=True)
    return True


def _record_out(draft: Draft, episode: EpisodeId, contest: Contest) -> None:
    status = draft.status(episode)
    if status.verdict is not None or draft.is_open(episode):
        return
    lasting = lasting_end(draft, episode, upto=contest.evaluation or None)
    # A crash may have lost E. Then nobody knows whether a score is from past the rung: a replay tells.
    if lasting is not None and (contest.evaluation or not status.scores):
        _record_end(draft, episode, lasting.evolve(rung=contest.rung))


def _record_end(draft: Draft, episode: EpisodeId, verdict: Verdict) -> None:
    if draft.may_write(episode):
        record_end(draft, episode, verdict)
    else:
        draft.postpone(episode)


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
        _record_loser(draft, episode, verdict, contest.evaluation, durable=True)


def _record_cut(draft: Draft, contest: Contest, ranking: Ranking) -> None:
    cut = make_cut(contest, ranking.ranked, ranking.scored, ranking.excluded)
    if draft.make_cut(cut):
        of = len(ranking.scored) + len(ranking.excluded)
        kept = f"kept {min(contest.keep, len(ranking.ranked))} of {of} at evaluation {contest.evaluation}"
        threshold = "undefined" if cut.threshold is None else f"{cut.threshold:.4f}"
        draft.events.append(Event("CutMade", f"{kept}: threshold {threshold}", rests_on="Cut"))
