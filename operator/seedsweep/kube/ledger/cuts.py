"""Cuts of one sweep in a cluster, as last read or created. A cut is final: one that is there already is obeyed.

Its evidence is added to it once. Nothing rests on that: where it is refused for good, the cut stays without.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from seedsweep.api.cut import CutData, CutEvidence, cut_name
from seedsweep.api.reading.stored import UnreadableRecordError, read_cut
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.apiserver.client import ApiError, Object, refusal_reason
from seedsweep.kube.apiserver.gates import ClosedError, GatedApi, Refusals
from seedsweep.kube.ledger.stored import belongs_to, listed_versions, taken
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home

MAX_TRIES = 8
"""To add evidence to a cut, of which so many were refused: half a minute of pauses, and more."""


class Cuts:
    """Cuts of one sweep, by (bracket, rung)."""

    def __init__(self, api: GatedApi, home: Home, clock: Callable[[], datetime], news: Callable[[], None]) -> None:
        """`news` is called when one is refused, and when it is not any more."""
        self.known: dict[tuple[int, int], CutData] = {}
        """Those on record that no other replaces."""
        self.refused = Refusals[tuple[int, int]](clock, news)
        """Those that cannot be created, or cannot be read."""
        self._evidence: dict[str, CutEvidence] = {}
        """On record, by name of the cut."""
        self._without: set[str] = set()
        """Cuts to which it cannot be added, by name: no more tries."""
        self.unexplained = Refusals[str](clock, news)
        """Cuts to which it could not be added when that was last tried."""
        self._tries: Counter[str] = Counter()
        self._news = news
        self._api = api
        self._home = home

    @property
    def settled(self) -> frozenset[str]:
        """Names of the cuts that have their evidence, or to which none can be added."""
        return frozenset({*self._evidence, *self._without})

    async def load(self) -> None:
        """Read all; raises ApiError."""
        async for item in self._api.list(self._home.collection("cuts"), self._home.selector):
            key = names.cut_of(item["metadata"]["name"])
            if belongs_to(self._home, item) and key is not None:
                self._take(item, *key)

    async def audit(self) -> None:
        """Compare a list with what is known; raises ApiError. What somebody has deleted is made again."""
        known = dict(self.known)
        listed = await listed_versions(self._api, self._home, "cuts")
        for bracket, rung in list(self.refused.standing):
            last = known.get((bracket, rung))
            growth = last.growth + 1 if last is not None else 0
            if cut_name(self._home.name, bracket, rung, growth) in listed:
                await self._obey(bracket, rung, growth)
        for cut in known.values():
            if cut.name not in listed:
                await self.create(cut)

    async def create(self, cut: CutData) -> bool:
        """Create it; false if another has to be obeyed, or if it could not be created."""
        key = cut.bracket, cut.rung
        body = {"apiVersion": API_VERSION, "kind": "Cut", "metadata": self._home.metadata(cut.name)}
        if (evidence := self._evidence.get(cut.name)) is not None:
            # It was there before somebody deleted it.
            body["evidence"] = evidence.model_dump(by_alias=True)
        try:
            await self._api.create(
                self._home.collection("cuts"), lambda: {**body, "data": cut.model_dump(by_alias=True)}
            )
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._obey(*key, cut.growth)
            else:
                self.refused.add(key, refusal_reason(error), str(error), error)
            return False
        self.known[key] = cut
        self.refused.done(key)
        return True

    async def add_evidence(self, cut: CutData, evidence: CutEvidence) -> None:
        """Add it, unless there is some by now. What is refused is tried again by the next turns, a few times."""
        if self.unexplained.waits(cut.name):
            return
        path = f"{self._home.collection('cuts')}/{cut.name}"
        try:
            found = await self._api.get(path)
            if not belongs_to(self._home, found):
                self._without.add(cut.name)
                return
            if not found.get("evidence"):
                found["evidence"] = evidence.model_dump(by_alias=True)
                version = found["metadata"]["resourceVersion"]
                await self._api.set_field(path, "evidence", found["evidence"], version)
        except ApiError as error:
            self._not_added(cut.name, error)
            return
        self.unexplained.done(cut.name)
        self._take(found, cut.bracket, cut.rung, cut.growth)
        self._news()

    def _not_added(self, name: str, error: ApiError) -> None:
        self.unexplained.add(name, refusal_reason(error), str(error), error)
        if not isinstance(error, ClosedError) and error.status is not None and error.status < 500:
            self._tries[name] += 1
        if self._tries[name] >= MAX_TRIES:
            self._without.add(name)

    async def _obey(self, bracket: int, rung: int, growth: int) -> None:
        key, name = (bracket, rung), cut_name(self._home.name, bracket, rung, growth)
        try:
            found = await self._api.get(f"{self._home.collection('cuts')}/{name}")
        except ApiError as error:
            self.refused.add(key, refusal_reason(error), str(error), error)
            return
        if belongs_to(self._home, found):
            self._take(found, bracket, rung, growth)
        else:
            self.refused.add(key, "NameTaken", taken("Cut", found))

    def _take(self, item: Object, bracket: int, rung: int, growth: int) -> None:
        key = bracket, rung
        if key in self.known and self.known[key].growth > growth:
            return
        try:
            found = read_cut(item)
        except UnreadableRecordError as error:
            self.refused.add_lasting(key, "UnreadableRecord", str(error))
            return
        self.known[key] = found.data
        if found.evidence is not None:
            self._evidence[found.data.name] = found.evidence
        self.refused.done(key)
