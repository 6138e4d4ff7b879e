"""Whose metrics are read, and how."""

from dataclasses import dataclass
from urllib.parse import urlsplit
from zlib import crc32

from seedsweep.api.sweep import GaugeNames
from seedsweep.contract.scrape import Expected
from seedsweep.engine.policies.scrape_pace import OFTEN
from seedsweep.kube.objects.home import Home


@dataclass(frozen=True, slots=True)
class Target:
    """Where one pod publishes, and how it is read."""

    home: Home
    """Its sweep."""
    pod: str
    """Its name."""
    uid: str
    """Of the pod."""
    url: str
    expected: Expected
    interval: float
    """Seconds between two scrapes, where news are not waited for."""
    timeout: float
    """Seconds one may take."""
    names: GaugeNames

    @property
    def sweep(self) -> str:
        """UID of its sweep."""
        return self.home.uid

    @property
    def address(self) -> str:
        """Host and port."""
        return urlsplit(self.url).netloc

    def due_after(self, moment: float, *, often: bool = False) -> float:
        """Its next turn: targets have theirs spread over the interval."""
        phase = crc32(self.uid.encode()) / 2**32 * self.interval
        interval = self.interval / OFTEN if often else self.interval
        return moment + interval - (moment - phase) % interval
