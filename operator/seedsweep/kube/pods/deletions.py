"""Deletions of a sweep's pods: each by its UID, and known until the pod has been seen to go."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic

from seedsweep.kube.apiserver.client import ApiError, refusal_reason
from seedsweep.kube.apiserver.gates import ClosedError, GatedApi, Refusals
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.attempt import PodAttempt

HELD_AFTER_SECONDS = 600.0
"""What has not gone so long after its deletion is held by something, and looked for no more often than all else."""


class Deletions:
    """What was asked of the API server, and what it would not do."""

    def __init__(self, api: GatedApi, home: Home, clock: Callable[[], datetime], news: Callable[[], None]) -> None:
        """`news` is called when a deletion is refused, and when it is not any more."""
        self.refused = Refusals[str](clock, news)
        """By UID. What is refused as a kind waits at its gate, and stands here for the pod that was asked for."""
        self._api = api
        self._home = home
        self._accepted: dict[str, float] = {}
        """Pods that have not been seen to go yet, and since when, by a steady clock."""
        self._forced: set[str] = set()
        """Pods that were given up with their node, and that something still keeps in the API."""

    def __contains__(self, uid: str) -> bool:
        """Whether the deletion of this pod was accepted."""
        return uid in self._accepted

    @property
    def since(self) -> float | None:
        """When the first was accepted that has not been seen to go yet, by a steady clock; not of what is held."""
        held = monotonic() - HELD_AFTER_SECONDS
        return min((since for since in self._accepted.values() if since > held), default=None)

    def can_ask(self, uid: str) -> bool:
        """Whether more can be asked for, and is not refused for now."""
        return uid not in self._forced and not self.refused.waits(uid)

    async def delete(self, attempt: PodAttempt, grace_seconds: int | None = None) -> bool:
        """Delete a pod; false where it could not be, and is still there for the next plan. 0 seconds force it."""
        uid, name = attempt.facts.uid, attempt.facts.name
        if self.refused.waits(uid):
            return False
        try:
            await self._api.delete(self._home.pod(name), uid, grace_seconds)
        except ApiError as error:
            if not isinstance(error, ClosedError):
                self.refused.add(uid, refusal_reason(error), f"cannot delete pods, such as {name}: {error}", error)
            return False
        self.refused.done(uid)
        self._accepted.setdefault(uid, monotonic())
        if grace_seconds == 0:
            self._forced.add(uid)
        return True

    def note_gone(self, uid: str) -> None:
        """This pod does not exist any more."""
        self.refused.done(uid)
        self._accepted.pop(uid, None)
        self._forced.discard(uid)
