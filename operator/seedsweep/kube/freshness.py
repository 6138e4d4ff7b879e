"""Whether watches still tell the truth: what a list shows must have come through the watch before long."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Freshness:
    """Versions of objects by UID as watches have shown them, and those that they owe us."""

    patience: float
    """Seconds that a watch may lag behind a list."""
    _shown: dict[str, int] = field(default_factory=dict)
    _owed: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Version, and since when it has been owed."""

    def showed(self, uid: str, version: int) -> None:
        """A watch has shown an object."""
        self._shown[uid] = max(version, self._shown.get(uid, 0))
        owed = self._owed.get(uid)
        if owed is not None and owed[0] <= version:
            del self._owed[uid]

    def showed_end(self, uid: str) -> None:
        """A watch has shown that an object is gone."""
        self._shown.pop(uid, None)
        self._owed.pop(uid, None)

    def listed(self, uid: str, version: int, now: float) -> None:
        """A list shows an object; `now` in seconds of a steady clock."""
        if version > self._shown.get(uid, 0):
            self._owed.setdefault(uid, (version, now))

    def not_listed(self, uid: str) -> None:
        """A list shows that an object is gone: whether a watch said so matters no more."""
        self.showed_end(uid)

    def overdue(self, now: float) -> int:
        """How many objects a watch should have shown by now."""
        return sum(1 for _, since in self._owed.values() if now - since > self.patience)
