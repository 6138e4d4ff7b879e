"""Whether watches still tell the truth: what a list shows must have come through the watch before the next list."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.process.log import Changes

SWEEPS = ""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Debt:
    """What a watch has not shown yet."""

    version: int
    since: float
    confirmed: float
    """When a list last showed that it is still owed."""


@dataclass(slots=True)
class Freshness:
    """Versions of objects by UID as watches have shown them, and those that they owe us.

    Each is a sweep, or a pod of the sweep with this UID: by that it is forgotten where no watch shows its end.
    """

    patience: float
    """Seconds that a watch may lag behind a list."""
    _shown: dict[str, int] = field(default_factory=dict)
    _owed: dict[str, _Debt] = field(default_factory=dict)
    _sweep_of: dict[str, str] = field(default_factory=dict)
    _pods: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """UIDs by sweep; those of sweeps under SWEEPS."""

    def showed(self, uid: str, version: int, sweep: str = SWEEPS) -> None:
        """A watch has shown an object."""
        self._note(uid, sweep)
        self._shown[uid] = max(version, self._shown.get(uid, 0))
        owed = self._owed.get(uid)
        if owed is not None and owed.version <= version:
            del self._owed[uid]

    def showed_end(self, uid: str) -> None:
        """A watch has shown that an object is gone."""
        self._shown.pop(uid, None)
        self._owed.pop(uid, None)
        sweep = self._sweep_of.pop(uid, None)
        if sweep is not None:
            self._pods[sweep].discard(uid)
            if not self._pods[sweep]:
                del self._pods[sweep]

    def listed(self, uid: str, version: int, now: float, sweep: str = SWEEPS) -> None:
        """A list shows an object; `now` in seconds of a steady clock."""
        if version > self._shown.get(uid, 0):
            self._note(uid, sweep)
            self._owed.setdefault(uid, _Debt(version, now, now))
        if uid in self._owed:
            self._owed[uid].confirmed = now

    def not_listed(self, uid: str) -> None:
        """A list shows that an object is gone: whether a watch said so matters no more."""
        self.showed_end(uid)

    def known(self, sweep: str = SWEEPS) -> set[str]:
        """UIDs of the sweep's pods, or of all sweeps: what a list that begins now does not show is gone."""
        return set(self._pods.get(sweep, ()))

    def sweeps_of_pods(self) -> set[str]:
        """UIDs of sweeps of which pods are known."""
        return self._pods.keys() - {SWEEPS}

    def forget_pods(self, sweep: str) -> None:
        """Nobody lists the pods of this sweep any more."""
        for uid in self.known(sweep):
            self.showed_end(uid)

    def _note(self, uid: str, sweep: str) -> None:
        if uid not in self._sweep_of:
            self._sweep_of[uid] = sweep
            self._pods[sweep].add(uid)

    @property
    def owes(self) -> bool:
        """Whether a list has shown what no watch has shown since."""
        return bool(self._owed)

    def overdue(self) -> int:
        """How many objects a watch should have shown by now.

        Only what a second list still shows counts: while the API server is away, a watch cannot show anything.
        """
        return sum(1 for debt in list(self._owed.values()) if debt.confirmed - debt.since > self.patience)


async def compare_with_lists(compare: Callable[[], Awaitable[None]], freshness: Freshness, seconds: float) -> None:
    """Compare the sweeps with lists every so many seconds, for ever, and soon again what a watch owes then.

    `compare` raises ApiError. Pods are compared when a sweep lists them.
    """
    changes = Changes()
    while True:
        await asyncio.sleep(min(seconds, 2 * freshness.patience) if freshness.owes else seconds)
        try:
            await compare()
        except ApiError as error:
            # Nothing is known of watches while the API server is away.
            if changes.is_new("", error.reason):
                _log.warning("sweeps cannot be listed, tried again every %.0f s: %s", seconds, error)
        else:
            changes.is_over("")
