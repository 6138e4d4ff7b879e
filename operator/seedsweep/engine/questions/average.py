"""Whose best weights are averaged, where `spec.result` declares an average, and why none is made of them."""

from dataclasses import dataclass

from seedsweep.api.early_stopping import MAX_MEMBERS
from seedsweep.api.episode import BestEvaluation, EpisodeId
from seedsweep.api.status import HAND_OVER_FAILED, Average
from seedsweep.engine.decisions import Failure
from seedsweep.engine.draft import Draft
from seedsweep.engine.facts.verdicts import in_words
from seedsweep.engine.questions.standings import Race


@dataclass(frozen=True, slots=True)
class Members:
    """The survivors of a sweep that hands over their average."""

    bests: dict[EpisodeId, BestEvaluation]
    """In index order; empty where no average is made."""
    average: Average | None = None
    """What became of it, once that is known."""


def read_members(draft: Draft, race: Race, failure: Failure | None) -> Members:
    """As it is by what is on record, of a sweep that nothing starts in any more."""
    if draft.layout.spec.result == "winner":
        return Members({})
    outcome = draft.seen.hand_over
    if outcome is not None and outcome.average is not None:
        return Members({}, outcome.average)
    survivors = sorted(race.survivors, key=lambda episode: draft.layout.index[episode])
    reason = _refusal(draft, survivors, failure)
    if reason:
        named = sorted(episode.name for episode in survivors) if len(survivors) <= MAX_MEMBERS else []
        return Members({}, Average(members=len(survivors), episodes=named, reason=reason))
    bests = ((episode, draft.status(episode).best) for episode in survivors)
    return Members({episode: best for episode, best in bests if best is not None})


def _refusal(draft: Draft, survivors: list[EpisodeId], failure: Failure | None) -> str:
    """Why no average is made of them; empty where one is tried."""
    if not draft.stores_weights:
        return "no weights are stored"
    if failure is not None and failure[0] != HAND_OVER_FAILED:
        return f"the sweep failed ({failure[0]}), so that not all survivors have trained to the end"
    if not 2 <= len(survivors) <= MAX_MEMBERS:
        return f"an average takes 2 to {MAX_MEMBERS} survivors, not {len(survivors)}"
    for episode in survivors:
        status = draft.status(episode)
        if status.verdict is not None and status.verdict.outcome != "Finished":
            return f"{episode.name} did not train to the end: {in_words(status.verdict)}"
        if status.best is None:
            return f"{episode.name} has no defined score"
    return ""
