"""The status for people: conditions, counts, phase and the one line that says what happens or why nothing does."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from seedsweep.api.core.objects import Condition
from seedsweep.api.episode import MAX_FINGERPRINT
from seedsweep.api.recorded import MAX_MESSAGE, keep_unknown, shortened
from seedsweep.api.status import (
    HAND_OVER_FAILED,
    MAX_CONDITIONS,
    MAX_FINGERPRINTS,
    CutSummary,
    Design,
    EpisodeCounts,
    InterruptionCount,
    Phase,
    SweepStatus,
)
from seedsweep.engine.decisions import Event, Failure
from seedsweep.engine.draft import Draft, recorded_or_now
from seedsweep.engine.facts.best import has_lost_its_best
from seedsweep.engine.layout import Layout
from seedsweep.engine.questions.census import Census, cost_of
from seedsweep.engine.questions.closing import Closing
from seedsweep.engine.questions.deadline import idle_for, start_time
from seedsweep.engine.questions.standings import Need, Race
from seedsweep.engine.questions.storage import parameters_of
from seedsweep.engine.status.data import find_data, find_other_data, find_provenance
from seedsweep.engine.status.findings import Finding, condition_of
from seedsweep.engine.status.stalls import Stall, find_refusal
from seedsweep.engine.status.storage import storage_events, storage_findings
from seedsweep.engine.status.summary import summarize

TYPES = (
    "Complete",
    "Suspended",
    "Progressing",
    "Stalled",
    "Failed",
    "HandedOver",
    "StorageTidy",
    "WarmedUp",
    "CheckpointsKept",
    "ExactScores",
    "NonDeterministic",
    "HeterogeneousHardware",
    "HeterogeneousData",
    "Accepted",
)
"""Of this release, as people read them; what asks for their attention comes before all. Others are those of another
release, and stay as it left them."""
_URGENT = ("Failed", "Stalled")
_GOOD = frozenset({"Complete", "Suspended"})
_TOLD = _GOOD | {"Failed", "Stalled", "NonDeterministic", "HeterogeneousHardware", "HeterogeneousData"}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the rest of the plan found out about the sweep as a whole."""

    census: Census
    failure: Failure | None
    closing: Closing
    warming: bool
    """No episode starts before the storage is warm."""
    observed_places: int | None
    stall: Stall | None
    """The weightiest reason why something that could be done is not."""
    for_retry: int
    """Episodes whose next attempt waits out a back-off."""


def evaluate_status(draft: Draft, race: Race, outlook: Outlook) -> SweepStatus:
    """The whole status from facts; nothing is nudged, so nothing can be left behind."""
    before = draft.seen.status
    counts = outlook.census.counts(len(draft.layout.episodes))
    done = outlook.closing.over and (outlook.closing.settled or outlook.failure is not None)
    phase, message = _phase(draft, race, outlook, counts)
    suspended = before.condition("Suspended")
    suspended_seconds = before.suspended_seconds
    was_suspended = suspended is not None and suspended.status == "True"
    if not draft.seen.suspend if was_suspended else before.over and not done:
        suspended_seconds += idle_for(draft)
    cost = cost_of(draft, outlook.census)
    after = before.evolve(
        observed_generation=draft.seen.generation,
        phase=phase,
        message=shortened(message, MAX_MESSAGE),
        summary=summarize(counts, outlook.closing.best, cost),
        start_time=start_time(draft),
        completion_time=recorded_or_now(None if before.rejected else before.completion_time, draft.now)
        if done
        else None,
        suspended_seconds=suspended_seconds,
        evaluations=draft.evaluations,
        steps=draft.steps,
        parameters=parameters_of(draft),
        observed_places=outlook.observed_places,
        design=_design(draft.layout),
        counts=counts,
        conditions=_conditions(draft, race, outlook, message, done),
        cuts=_cut_summaries(draft),
        interruptions=[
            InterruptionCount(kind=kind, attempts=count) for kind, count in sorted(outlook.census.interruptions.items())
        ],
        best=outlook.closing.best,
        cost=cost,
        data_digest=before.data_digest or find_data(draft),
        provenance=before.provenance or find_provenance(draft),
        fingerprints=[shortened(f, MAX_FINGERPRINT) for f in sorted(outlook.census.fingerprints)[:MAX_FINGERPRINTS]],
    )
    return keep_unknown(after, before)


def _design(layout: Layout) -> Design:
    if not layout.stops:
        return "full"
    if layout.floor is not None:
        return "floor+cut" if any(layout.rungs) else "floor"
    stopping = layout.spec.early_stopping
    return "cut+audit" if stopping is not None and stopping.audit is not None else "cut"


def note_refusal(draft: Draft, race: Race, status: SweepStatus) -> SweepStatus:
    """The same status, but for what keeps its next records from being written."""
    refusal = find_refusal(draft, race)
    if refusal is None:
        return status
    stalled = _condition(draft, Finding("Stalled", True, refusal.reason, refusal.message))
    others = [condition for condition in status.conditions if condition.type != "Stalled"]
    return keep_unknown(status.evolve(conditions=_in_order([*others, stalled]), message=stalled.message), status)


def transitions(before: SweepStatus, after: SweepStatus) -> list[Event]:
    """What became true of the sweep as a whole, for people: its end, what holds it up, what casts doubt on it."""
    events = []
    for condition in after.conditions:
        old = before.condition(condition.type)
        was = (old.status, old.reason) if old is not None and old.status == "True" else None
        if condition.status == "True" and condition.type in _TOLD and was != (condition.status, condition.reason):
            kind: Literal["Normal", "Warning"] = "Normal" if condition.type in _GOOD else "Warning"
            message = f"{condition.reason}: {condition.message}".rstrip(": ")
            rests_on: Literal["Records", "Nothing"] = "Nothing" if condition.type == "Stalled" else "Records"
            since = condition.last_transition_time
            events.append(Event(condition.type, message, kind=kind, key=since, rests_on=rests_on))
    return [*events, *storage_events(before, after)]


def _phase(draft: Draft, race: Race, outlook: Outlook, counts: EpisodeCounts) -> tuple[Phase, str]:
    best = (
        f"best {outlook.closing.best.score:.4f} by {outlook.closing.best.episode}"
        if outlook.closing.best is not None
        else "no score yet"
    )
    if outlook.failure is not None:
        reason, message = outlook.failure
        return ("Failed" if outlook.closing.over else "Running"), f"{reason}: {message}"
    if outlook.closing.settled:
        if not outlook.closing.over:
            return "Concluding", f"{_last_chore(draft, outlook)}: {best}"
        failed = f"; {counts.failed} failed, {counts.diverged} diverged" if counts.failed + counts.diverged else ""
        fell = f"; {_fallen(outlook)}; {counts.unused} unused" if draft.layout.floor is not None else ""
        absent = not (draft.seen.resumable or draft.stores_weights) and draft.layout.spec.storage is None
        trouble = "; no weights were kept, because spec.storage is absent" if absent else ""
        return "Complete", f"{best}; {counts.finished} kept and finished{fell}{failed}{trouble}"
    if draft.seen.suspend:
        return "Suspended", f"suspended; {len(draft.live)} still running to a checkpoint" if draft.live else "suspended"
    if outlook.warming:
        trouble = draft.seen.housekeeping.trouble if draft.seen.housekeeping is not None else ""
        return "Pending", "warming up the storage before the first episode" + (f": {trouble}" if trouble else "")
    if outlook.stall is not None:
        return "Running" if draft.live else "Pending", outlook.stall.message
    if draft.layout.floor is not None:
        best = f"{_fallen(outlook)}; {best}"
        if not any(draft.layout.rungs):
            return "Running", f"{_have(len(race.standings))} yet to end; {best}"
    racing = sum(1 for standing in race.standings.values() if standing.need is Need.RUNG)
    retries = outlook.for_retry
    waiting = f"{retries} wait to be retried; " if retries else ""
    if racing:
        return "Running", f"{_have(racing)} yet to reach {'its' if racing == 1 else 'their'} rung; {waiting}{best}"
    if race.awaits_cut:
        return "Running", f"cutting; {best}"
    return (
        "Running" if draft.seen.attempts or draft.seen.episodes else "Pending"
    ), f"survivors train to the end; {waiting}{best}"


def _have(episodes: int) -> str:
    return f"{episodes} episode has" if episodes == 1 else f"{episodes} episodes have"


def _fallen(outlook: Outlook) -> str:
    return f"{outlook.census.fallen} fell below the floor"


def _last_chore(draft: Draft, outlook: Outlook) -> str:
    """What keeps a settled sweep from being over."""
    chore = "handing over the winner"
    if draft.seen.hand_over is not None and outlook.closing.leftovers:
        chore = "freeing what is no longer needed"
    elif not outlook.closing.hands_over and outlook.closing.unexplained:
        chore = "comparing losers with the last one kept"
    trouble = draft.seen.housekeeping.trouble if draft.seen.housekeeping is not None else ""
    return f"{chore} ({trouble})" if trouble else chore


def _conditions(draft: Draft, race: Race, outlook: Outlook, message: str, done: bool) -> list[Condition]:
    failed = outlook.failure is not None
    reason = outlook.failure[0] if outlook.failure is not None else ""
    sampled = outlook.census.sampled
    replayed = [draft.layout.names[episode] for episode in outlook.census.replayed]
    mixed = len(outlook.census.fingerprints) > 1
    stall = outlook.stall
    found = [
        ("Accepted", True, "Valid", ""),
        ("Progressing", *_progress(draft, race, outlook, done), message),
        ("Suspended", draft.seen.suspend, "SuspendRequested" if draft.seen.suspend else "NotSuspended", ""),
        ("Stalled", True, stall.reason, stall.message) if stall is not None else ("Stalled", False, *_pace(outlook)),
        ("Complete", done and not failed, "WinnerFound" if done and not failed else "NotFinished", message),
        ("Failed", failed, reason or "NotFailed", outlook.failure[1] if outlook.failure is not None else ""),
        ("ExactScores", not sampled, "CurvesPublished" if not sampled else "ScoresSampled", ""),
        ("NonDeterministic", bool(replayed), "ReplayDiffers" if replayed else "ReplaysAgree", ", ".join(replayed[:10])),
        ("HeterogeneousHardware", mixed, "FingerprintsDiffer" if mixed else "OneFingerprint", ""),
        ("HeterogeneousData", *find_other_data(draft)),
        *_hand_over(draft),
        *storage_findings(draft, len(outlook.closing.leftovers)),
    ]
    others = [condition for condition in draft.seen.status.conditions if condition.type not in TYPES]
    return [*_in_order([_condition(draft, Finding(*entry)) for entry in found]), *others][:MAX_CONDITIONS]


def _hand_over(draft: Draft) -> Iterator[Finding]:
    outcome = draft.seen.hand_over
    if outcome is not None:
        failed = bool(outcome.error)
        reason = HAND_OVER_FAILED if failed else "WeightsStored"
        lost = [draft.layout.names[e] for e, status in draft.statuses.items() if has_lost_its_best(status)]
        others = (
            f"these count with the score of stored weights, as none better were found: {', '.join(lost[:10])}"
            if lost
            else ""
        )
        yield Finding("HandedOver", not failed, reason, outcome.error or others)


def _in_order(conditions: list[Condition]) -> list[Condition]:
    """What asks for attention first, then as people read them; of unknown types last."""
    order = {kind: place for place, kind in enumerate(TYPES)}

    def place(condition: Condition) -> tuple[int, int]:
        if condition.type in _URGENT and condition.status == "True":
            return 0, _URGENT.index(condition.type)
        return 1, order.get(condition.type, len(order))

    return sorted(conditions, key=place)


def _progress(draft: Draft, race: Race, outlook: Outlook, done: bool) -> tuple[bool, str]:
    if done:
        return False, "Finished"
    if draft.seen.suspend:
        return False, "Suspended"
    stall = outlook.stall if not draft.live else None
    if race.awaits_cut:
        return stall is None, "Cutting"
    if stall is not None:
        return False, stall.reason
    return True, "WarmingUp" if outlook.warming else "Training"


def _pace(outlook: Outlook) -> tuple[str, str]:
    """Reason and message where nothing stalls."""
    if outlook.observed_places is None:
        return "Moving", ""
    return "FewerPlaces", f"only {outlook.observed_places} GPUs are available: episodes take turns"


def _condition(draft: Draft, finding: Finding) -> Condition:
    return condition_of(finding, draft.seen.status.condition(finding.kind), draft.seen.generation, draft.now)


def _cut_summaries(draft: Draft) -> list[CutSummary]:
    return [
        CutSummary(
            bracket=bracket,
            rung=rung,
            evaluation=cut.evaluation,
            threshold=cut.threshold,
            kept=len(cut.kept),
            of=cut.size,
            ref=cut.name,
        )
        for (bracket, rung), cut in sorted(draft.seen.cuts.items())
    ]
