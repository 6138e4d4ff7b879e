"""Starts of a sweep's attempts: each creates the pod of an episode's name, or is told why it could not."""

from collections.abc import Callable
from datetime import datetime

from seedsweep.api.episode import EpisodeId
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import StartEpisode
from seedsweep.kube.apiserver.client import ApiError, Object, refusal_reason
from seedsweep.kube.apiserver.gates import GatedApi, Refusals
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.facts import PodFacts, still_there
from seedsweep.kube.pods.manifest import pod_manifest

Saw = Callable[[Object], PodFacts | None]
"""Takes in a pod that the API server shows; None: it is not this sweep's. No attribute holds one: its owner holds the
starts, and a sweep's memory is free at once when nothing in it refers back."""


class Starts:
    """What was asked of the API server, and what it would not do."""

    def __init__(self, api: GatedApi, home: Home, clock: Callable[[], datetime], news: Callable[[], None]) -> None:
        """`news` is called when a start is refused, and when it is not any more."""
        self.refused = Refusals[EpisodeId](clock, news)
        self._api = api
        self._home = home

    async def create(self, sweep: SeedSweep, start: StartEpisode, saw: Saw) -> None:
        """Create a pod, and show it to `saw`; what keeps it from being created stands in `refused`."""
        episode = start.episode
        try:
            created = await self._api.create(self._home.pods, lambda: pod_manifest(sweep, start))
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._find_out_whose(episode, saw)
                return
            reason = refusal_reason(error)
            reason = "PodRejected" if reason == "Rejected" else reason
            self.refused.add(episode, reason, str(error), error)
            return
        self.refused.done(episode)
        saw(created)

    async def _find_out_whose(self, episode: EpisodeId, saw: Saw) -> None:
        """Look at the pod that has the episode's name: it may be this sweep's own."""
        name = names.object_name(self._home.name, episode)
        try:
            found = await self._api.get(self._home.pod(name))
        except ApiError as error:
            self.refused.add(episode, refusal_reason(error), f"pod {name} exists and cannot be read: {error}", error)
            return
        facts = saw(found)
        if facts is None:
            taken = f"pod {name} exists and is not this sweep's: delete it, or rename the sweep"
            self.refused.add(episode, "NameTaken", taken)
        elif facts.deleted:
            self.refused.add(episode, "PodHeld", still_there(name, facts.held_by))
        else:
            self.refused.done(episode)
