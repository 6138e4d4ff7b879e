"""Cuts of one sweep in a cluster, as last read or created. A cut is final: one that is there already is obeyed."""

from collections.abc import Callable
from datetime import datetime

from seedsweep.api.cut import CutData, cut_name
from seedsweep.api.reading.stored import UnreadableRecordError, read_cut
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.apiserver.client import ApiError, Object, refusal_reason
from seedsweep.kube.apiserver.gates import GatedApi, Refusals
from seedsweep.kube.ledger.stored import belongs_to, listed_versions, taken
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home


class Cuts:
    """Cuts of one sweep, by (bracket, rung)."""

    def __init__(self, api: GatedApi, home: Home, clock: Callable[[], datetime], news: Callable[[], None]) -> None:
        """`news` is called when one is refused, and when it is not any more."""
        self.known: dict[tuple[int, int], CutData] = {}
        """Those on record that no other replaces."""
        self.refused = Refusals[tuple[int, int]](clock, news)
        """Those that cannot be created, or cannot be read."""
        self._api = api
        self._home = home

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
            self.known[key] = read_cut(item).data
        except UnreadableRecordError as error:
            self.refused.add_lasting(key, "UnreadableRecord", str(error))
        else:
            self.refused.done(key)
