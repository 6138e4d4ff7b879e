"""What is on record of one sweep in a cluster: Episode and Cut objects, as last read or written.

Nobody else writes them. Every write carries the version it was made from, so that a second operator, or a hand,
shows as a conflict: then the record is read again before anything rests on it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from seedsweep.api.episode import EpisodeId, EpisodeStatus
from seedsweep.api.reading.stored import UnreadableRecordError, read_episode
from seedsweep.api.sweep import API_VERSION
from seedsweep.engine.decisions import Record, RecordCut, RecordEpisode, RecordEvidence
from seedsweep.engine.layout import Layout
from seedsweep.kube.apiserver.client import ApiError, Object, is_quota_conflict, refusal_reason
from seedsweep.kube.apiserver.crowd import for_each
from seedsweep.kube.apiserver.gates import GatedApi, Refusals
from seedsweep.kube.ledger.cuts import Cuts
from seedsweep.kube.ledger.stored import belongs_to, listed_versions, taken
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home

LAZY_SECONDS = 5.0
"""How long a record that nothing rests on may wait for a later one to take its place."""
LAZY_PAUSE_SECONDS = 0.05
"""Between two of them: they come by thousands when a large sweep starts, and what decisions wait for goes first. Most
are then overtaken by a score or an end, and are never written by themselves."""


class Records:
    """Episodes and cuts of one sweep."""

    def __init__(
        self, api: GatedApi, home: Home, layout: Layout, clock: Callable[[], datetime], news: Callable[[], None]
    ) -> None:
        """`news` is called when something is refused, and when it is not any more."""
        self.episodes: dict[EpisodeId, EpisodeStatus] = {}
        self.cuts = Cuts(api, home, clock, news)
        self.unrecorded = Refusals[EpisodeId](clock, news)
        """Episodes whose record cannot be written, or cannot be read."""
        self._api = api
        self._home = home
        self._versions: dict[EpisodeId, str] = {}
        """resourceVersion by episode that has an object."""
        self._lazy: set[EpisodeId] = set()
        """Episodes whose object is behind `episodes`."""
        self._unreadable: set[EpisodeId] = set()
        """Episodes whose object this release cannot read: it is never written over."""
        self._locks: dict[EpisodeId, asyncio.Lock] = {}
        self._due = asyncio.Event()
        self.lay_out(layout)

    def lay_out(self, layout: Layout) -> None:
        """The sweep may have got more seeds."""
        self._layout = layout
        for episode in layout.episodes:
            self._locks.setdefault(episode, asyncio.Lock())

    async def load(self) -> None:
        """Read everything; raises ApiError. What this release cannot read is left alone, and told as a refusal."""
        async for item in self._api.list(self._home.collection("episodes"), self._home.selector):
            episode = names.episode_of(item["metadata"]["name"])
            if belongs_to(self._home, item) and episode is not None and episode in self._layout.index:
                self._take(episode, item)
        await self.cuts.load()

    async def audit(self) -> None:
        """Compare lists with what is known, for nobody watches these objects; raises ApiError.

        What somebody has deleted is made again, and what somebody has written is read again.
        """
        versions = dict(self._versions)
        listed = await listed_versions(self._api, self._home, "episodes")
        for episode, version in versions.items():
            found = listed.get(names.object_name(self._home.name, episode))
            if found is None and self._versions.get(episode) == version:
                del self._versions[episode]
                self._write_later(episode)
            elif found is not None and (
                episode in self._unreadable or int(found) > int(self._versions.get(episode, found))
            ):
                async with self._locks[episode]:
                    await self._read_again(episode)
        await self.cuts.audit()

    async def write(
        self, records: Sequence[Record], planned_from: Mapping[EpisodeId, EpisodeStatus]
    ) -> frozenset[str] | None:
        """See Backend.record.

        Scores first, then verdicts, then cuts: one that fails keeps back all that may rest on it. By the next turn it
        is known that it cannot be written, and the others are planned without it.

        Args:
            records: what to write.
            planned_from: what was on record when that was planned. What has been read anew since is planned anew.
        """
        durable = [r for r in records if isinstance(r, RecordEpisode) and r.durable]
        left = {r.episode.name for r in records if isinstance(r, RecordEpisode)}
        for having_verdict in (False, True):
            chosen = [r for r in durable if (r.status.verdict is not None) == having_verdict]
            written = await self._write_all(chosen, planned_from)
            left -= {record.episode.name for record in written}
            if len(written) < len(chosen):
                return frozenset(left)
        obeyed = [await self.cuts.create(r.cut) for r in records if isinstance(r, RecordCut)]
        if not all(obeyed):
            return frozenset(left)
        for record in records:
            if isinstance(record, RecordEpisode) and not record.durable and self._stands(record.episode, planned_from):
                self.episodes[record.episode] = record.status
                self._write_later(record.episode)
            elif isinstance(record, RecordEvidence):
                await self.cuts.add_evidence(record.cut, record.evidence)
        return None

    async def write_lazily(self) -> None:
        """Write, for ever, what nothing rests on: a little at a time, and after a while in which more may come."""
        if self._lazy:
            # Cancelled before all was written, and begun again.
            self._due.set()
        while True:
            await self._due.wait()
            await asyncio.sleep(LAZY_SECONDS)
            self._due.clear()
            for episode in list(self._lazy):
                if episode not in self._lazy:
                    continue
                if not await self._write_waiting(episode):
                    self._due.set()
                await asyncio.sleep(LAZY_PAUSE_SECONDS)

    async def flush(self) -> bool:
        """Write all that waits; false where some of it could not be written."""
        return all(await for_each(self._lazy, self._write_waiting))

    def _write_later(self, episode: EpisodeId) -> None:
        self._lazy.add(episode)
        self._due.set()

    def _stands(self, episode: EpisodeId, planned_from: Mapping[EpisodeId, EpisodeStatus]) -> bool:
        """What is known of it is what the plan was made from: no other hand's write has been read since."""
        return self.episodes.get(episode) is planned_from.get(episode)

    async def _write_all(
        self, records: Sequence[RecordEpisode], planned_from: Mapping[EpisodeId, EpisodeStatus]
    ) -> list[RecordEpisode]:
        """Those that are on record now."""
        written = await for_each(records, lambda record: self._write_one(record, planned_from))
        return [record for record, done in zip(records, written, strict=True) if done]

    async def _write_one(self, record: RecordEpisode, planned_from: Mapping[EpisodeId, EpisodeStatus]) -> bool:
        async with self._locks[record.episode]:
            if not self._stands(record.episode, planned_from):
                return False
            written = await self._put(record.episode, record.status)
            if written:
                self.episodes[record.episode] = record.status
                self._lazy.discard(record.episode)
            return written

    async def _write_waiting(self, episode: EpisodeId) -> bool:
        """Write what waits, if it still does: a write that was under way may have made it old."""
        async with self._locks[episode]:
            if episode not in self._lazy:
                return True
            if self.unrecorded.waits(episode):
                return False
            status = self.episodes[episode]
            written = await self._put(episode, status)
            if written and self.episodes[episode] is status:
                self._lazy.discard(episode)
            return written

    async def _put(self, episode: EpisodeId, status: EpisodeStatus) -> bool:
        """Write one episode's status, on top of the version that is known; false while it is not written."""
        if episode in self._unreadable:
            return False
        try:
            if episode in self._versions:
                path, before = self._path(episode), self._versions[episode]
                version = await self._api.set_field(path, "status", _dumped(status), before)
            else:
                made = await self._api.create(self._home.collection("episodes"), lambda: self._body(episode, status))
                version = made["metadata"]["resourceVersion"]
        except ApiError as error:
            await self._failed(episode, error)
            return False
        self._versions[episode] = version
        self.unrecorded.done(episode)
        return True

    async def _failed(self, episode: EpisodeId, error: ApiError) -> None:
        if error.missing and episode in self._versions:
            # Deleted by hand: it is made anew with all that is known.
            del self._versions[episode]
        elif error.status == 409 and not is_quota_conflict(error):
            await self._read_again(episode)
        else:
            self.unrecorded.add(episode, refusal_reason(error), str(error), error)

    async def _read_again(self, episode: EpisodeId) -> None:
        """Another hand made or wrote it: what stands there now counts."""
        try:
            found = await self._api.get(self._path(episode))
        except ApiError as error:
            if not error.missing:
                self.unrecorded.add(episode, refusal_reason(error), str(error), error)
            return
        self._lazy.discard(episode)
        if belongs_to(self._home, found):
            self._take(episode, found)
        else:
            self._versions.pop(episode, None)
            self.unrecorded.add(episode, "NameTaken", taken("Episode", found))

    def _take(self, episode: EpisodeId, item: Object) -> None:
        self._versions[episode] = item["metadata"]["resourceVersion"]
        try:
            self.episodes[episode] = read_episode(item).status
        except UnreadableRecordError as error:
            self._unreadable.add(episode)
            self.unrecorded.add_lasting(episode, "UnreadableRecord", str(error))
        else:
            self._unreadable.discard(episode)
            self.unrecorded.done(episode)

    def _body(self, episode: EpisodeId, status: EpisodeStatus) -> Object:
        """The whole object, as it is created."""
        return {
            "apiVersion": API_VERSION,
            "kind": "Episode",
            "metadata": self._home.metadata(names.object_name(self._home.name, episode), episode),
            "spec": self._layout.episode_spec(episode).model_dump(by_alias=True),
            "status": _dumped(status),
        }

    def _path(self, episode: EpisodeId) -> str:
        return f"{self._home.collection('episodes')}/{names.object_name(self._home.name, episode)}"


def _dumped(status: EpisodeStatus) -> Object:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
