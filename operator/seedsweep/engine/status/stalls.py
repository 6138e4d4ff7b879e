"""Why something that could be done is not: what the world was refused, and what its attempts wait for."""

from collections.abc import Iterator
from dataclasses import dataclass

from seedsweep.api.episode import EpisodeId
from seedsweep.engine.draft import Draft
from seedsweep.engine.observation import SeenAttempt
from seedsweep.engine.policies.leaders import may_lead
from seedsweep.engine.policies.places import Waits
from seedsweep.engine.questions.standings import Need, Race


@dataclass(frozen=True, slots=True)
class Stall:
    """One reason, as the condition Stalled has it."""

    reason: str
    message: str


def find_refusal(draft: Draft, race: Race, *, starting: bool = True) -> Stall | None:
    """The weightiest refusal that stands, whenever it is tried again; `starting`: episodes may start at all."""
    return next(_refusals(draft, race, starting=starting and not draft.seen.suspend), None)


def find_stall(draft: Draft, race: Race, waits: Waits, *, starting: bool, chores: bool) -> Stall | None:
    """The weightiest reason; `chores`: nothing goes on before what is to be done in the storage is done."""
    return next(_stalls(draft, race, waits, starting=starting, chores=chores), None)


def _stalls(draft: Draft, race: Race, waits: Waits, *, starting: bool, chores: bool) -> Iterator[Stall]:
    refusal = find_refusal(draft, race, starting=starting)
    if refusal is not None:
        yield refusal
    if chores and draft.seen.housekeeping is not None and draft.seen.housekeeping.trouble:
        yield Stall("HousekeepingFails", draft.seen.housekeeping.trouble)
    if waits.abandoned is not None:
        yield _abandonment(waits.abandoned)
    if waits.troubled is not None:
        reason = "Queued" if waits.troubled.gated else waits.troubled.trouble_kind
        yield Stall(reason, f"{waits.troubled.episode.name}: {waits.troubled.trouble}")
    if waits.for_checkpoint:
        yield Stall("WaitingForCheckpoint", "an episode past its rung runs on until its checkpoint is durable")
    for attempt in draft.strays:
        message = f"a pod has the seeds of {attempt.episode.name}, which is no episode of this sweep: delete the pod"
        yield Stall("UnknownPod", message)


def _refusals(draft: Draft, race: Race, *, starting: bool) -> Iterator[Stall]:
    seen, index = draft.seen, draft.layout.index
    for refusal in seen.hindrances:
        yield Stall(refusal.reason, refusal.message)
    for bracket, rung in sorted(seen.refused_cuts):
        refusal = seen.refused_cuts[bracket, rung]
        yield Stall(refusal.reason, f"the cut of bracket {bracket} at rung {rung} cannot be created: {refusal.message}")
    if seen.unrecorded:
        first = min(seen.unrecorded, key=index.__getitem__)
        refusal, more = seen.unrecorded[first], len(seen.unrecorded) - 1
        names = f"{first.name} and {more} more" if more else first.name
        yield Stall(refusal.reason, f"the record of {names} cannot be written: {refusal.message}")
    wanted = [episode for episode in seen.refused if _wants_to_start(draft, race, episode)] if starting else []
    if len(draft.live) >= seen.parallelism:
        # Without a place nothing would start anyway, but for those whose place others have got for that reason.
        wanted = [episode for episode in wanted if seen.refused[episode].of_one_episode]
    if wanted:
        refusal = seen.refused[min(wanted, key=index.__getitem__)]
        yield Stall(refusal.reason, f"cannot start all episodes: {refusal.message}")


def _wants_to_start(draft: Draft, race: Race, episode: EpisodeId) -> bool:
    standing = race.standings.get(episode)
    if standing is None or episode in draft.live:
        return False
    return standing.need is not Need.CUT or may_lead(draft, standing)


def _abandonment(attempt: SeenAttempt) -> Stall:
    name, node = attempt.episode.name, f"its node {attempt.node}" if attempt.node else "its node"
    if attempt.silent_since is not None:
        elsewhere = "the episode starts elsewhere once its pod is evicted"
        return Stall("NodeSilent", f"{name}: {node} does not respond; {elsewhere}")
    if attempt.held_by:
        return Stall("PodHeld", f"{name}: its pod was deleted, but the finalizers {attempt.held_by} hold it")
    reason = "PodHeld" if attempt.bound is None else "NodeSilent"
    return Stall(reason, f"{name}: {attempt.trouble or f'{node} was told to end it, but has not yet'}")
