"""Who is where: what every unsettled episode trains for, and up to where each one's evaluations count."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from seedsweep.api.episode import EpisodeId
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.floors import Carried
from seedsweep.engine.facts.ranking import Contest
from seedsweep.engine.facts.rungs import Bracket, Ranking
from seedsweep.engine.facts.verdicts import has_trained_to_the_end, lasting_end, stop_of
from seedsweep.engine.observation import SeenAttempt


class Need(IntEnum):
    """What an episode trains for."""

    RUNG = 0
    """Its score at the next rung."""
    CUT = 1
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
    """Those who survived every cut of their bracket, or were not found below the floor; of a rung that is open again,
    since the sweep got more seeds, those who have come to their end and may be kept once more."""
    unused: int = 0
    """Episodes that the budget does not carry, once that is certain."""
    coming: int = 0
    """Episodes that it will carry besides, should none fall, once the length of an episode is known."""
    mute: EpisodeId | None = None
    """One that no floor can judge: its trainer publishes nothing to compare its score with."""

    @property
    def awaits_cut(self) -> bool:
        """Whether a cut is due: some wait for one, and nobody has yet to reach a rung."""
        needs = {standing.need for standing in self.standings.values()}
        return Need.CUT in needs and Need.RUNG not in needs


def read_race(draft: Draft, brackets: Sequence[Bracket]) -> Race:
    """Every bracket as it stands by what is on record."""
    race = Race()
    for bracket in brackets:
        for rung, losers in enumerate(bracket.losers):
            if bracket.marks:
                race.limits.update(dict.fromkeys(losers, bracket.marks[rung]))
            for episode in losers:
                _read_audit(draft, race, episode, rung)
        if bracket.contest is None:
            _read_survivors(draft, race, bracket)
            continue
        if bracket.contest.evaluation:
            race.limits.update(dict.fromkeys(bracket.participants, bracket.contest.evaluation))
        if bracket.ranking is not None:
            later = (*bracket.marks[bracket.rung + 1 :], draft.evaluations)
            _read_contest(draft, race, bracket.contest, bracket.ranking, later[0])
    return race


def read_floor_race(draft: Draft, carried: Carried) -> Race:
    """Those whom the budget carries: what counts of each goes no further than the floor until it has passed that."""
    race, bracket = read_race(draft, [carried.bracket]), carried.bracket
    if bracket.marks:
        before = (episode for episode in bracket.participants if not draft.status(episode).rung_scores)
        race.limits.update(dict.fromkeys(before, carried.evaluation))
    if carried.final:
        race.unused = len(draft.layout.episodes) - carried.count
    race.coming, race.mute = carried.coming, carried.mute
    return race


def _read_survivors(draft: Draft, race: Race, bracket: Bracket) -> None:
    total = draft.evaluations
    race.survivors += bracket.participants
    for episode in bracket.participants:
        if total is not None:
            race.limits[episode] = total
        status = draft.status(episode)
        if status.verdict is None:
            # At a floor nobody waits for others: some have yet to come to it.
            passed = min(bracket.rung, len(status.rung_scores))
            race.standings[episode] = Standing(episode, Need.END, passed, total, total)


def _read_contest(draft: Draft, race: Race, contest: Contest, ranking: Ranking, next_goal: int | None) -> None:
    goal, rung, ranked = contest.evaluation or None, contest.rung, ranking.ranked
    for episode in ranking.pending:
        race.standings[episode] = Standing(episode, Need.RUNG, rung, goal, next_goal)
    for place, episode in enumerate(ranked):
        verdict = draft.status(episode).verdict
        if verdict is not None and verdict.rung is None and place < contest.keep:
            race.survivors.append(episode)
            if draft.evaluations is not None:
                race.limits[episode] = draft.evaluations
        elif verdict is not None:
            _read_audit(draft, race, episode, rung)
        if verdict is not None:
            continue
        # Of a random order, the expected place among all, from 1, is (place + 1) (all + 1) / (scored + 1).
        promising = (place + 1) * (len(ranked) + len(ranking.pending) + 1) // (len(ranked) + 1) <= contest.keep
        race.standings[episode] = Standing(episode, Need.CUT, rung, goal, next_goal, place, promising)


def _read_audit(draft: Draft, race: Race, episode: EpisodeId, level: int) -> None:
    """An audited loser stays unsettled until it has run to the end, or cannot."""
    if episode not in draft.layout.audited or stop_of(draft.status(episode).verdict) is None:
        return
    over = not draft.is_open(episode) and (
        lasting_end(draft, episode, upto=None) is not None or has_trained_to_the_end(draft, episode)
    )
    if not over:
        race.standings[episode] = Standing(episode, Need.AUDIT, level, draft.evaluations, draft.evaluations)


def is_past_its_rung(race: Race, attempt: SeenAttempt) -> bool:
    """It holds a place, has its score, and waits for the cut."""
    standing = race.standings.get(attempt.episode)
    return standing is not None and standing.need is Need.CUT and attempt.bound is not None
