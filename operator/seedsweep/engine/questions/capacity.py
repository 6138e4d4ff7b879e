"""How many GPUs there really are, where the cluster has fewer than were asked for."""

from datetime import datetime, timedelta
from typing import NamedTuple

from seedsweep.engine.decisions import Event
from seedsweep.engine.draft import Draft
from seedsweep.engine.questions.standings import Race, is_past_its_rung


class Capacity(NamedTuple):
    """What the pods that found no place have shown."""

    gpus: int | None
    """Fewer than asked for; None while unknown."""
    news: Event | None
    """Where this was not known before."""
    look_again: datetime | None
    """When another pod has waited long enough to be evidence."""


def read_capacity(draft: Draft, race: Race) -> Capacity:
    """Pods that stay unschedulable for `waitForCapacitySeconds` while others have passed their rung are the evidence.

    More bound pods than remembered are evidence of more.
    """
    asked, gpus, news = draft.seen.parallelism, draft.seen.status.observed_places, None
    bound = sum(1 for attempt in draft.live.values() if attempt.bound is not None)
    patience = timedelta(seconds=draft.layout.spec.wait_for_capacity_seconds)
    waiting = [a.unschedulable_since for a in draft.live.values() if a.bound is None]
    due = [since + patience for since in waiting if since is not None]
    refused = sum(1 for moment in due if moment <= draft.now)
    if refused and any(is_past_its_rung(race, attempt) for attempt in draft.live.values()):
        # A young pod's place may just be changing hands.
        shown = bound + len(due) - refused
        if gpus is None:
            message = f"only {bound} of the {asked} GPUs asked for are available: episodes take turns"
            news = Event("FewerPlaces", message, kind="Warning")
        gpus = shown if gpus is None else min(gpus, shown)
    if gpus is not None:
        gpus = max(gpus, bound)
    known = gpus if gpus is not None and gpus < asked else None
    return Capacity(known, news, min((moment for moment in due if moment > draft.now), default=None))
