"""What is on record of one sweep in a cluster: Episode and Cut objects, as last read or written.

Nobody else writes them. Every write carries the version it was made from, so that a second operator, or a hand,
shows as a conflict: then the record is read again before anything rests on it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from seedsweep.api.cut import Cut, CutSpec, cut_name
from seedsweep.api.episode import Episode, EpisodeId, EpisodeStatus
from seedsweep.api.sweep import API_VERSION
from seedsweep.engine.decisions import Record, RecordCut, RecordEpisode
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Refusal
from seedsweep.kube import names
from seedsweep.kube.client import Api, ApiError, Object
from seedsweep.reconcile import EVERYTHING

LAZY_SECONDS = 5.0
"""How long a record that nothing rests on may wait for a later one to take its place."""
LAZY_AT_ONCE = 8
LOOK_AGAIN = timedelta(seconds=30)
"""How long people are told of a name that is taken; every try tells anew."""


@dataclass(frozen=True, slots=True)
class Home:
    """The sweep that owns the records."""

    namespace: str
    name: str
    uid: str

    def collection(self, plural: str) -> str:
        """Path of a collection in the sweep's namespace."""
        return f"/apis/{API_VERSION}/namespaces/{self.namespace}/{plural}"

    @property
    def path(self) -> str:
        """Path of the sweep itself."""
        return f"{self.collection('seedsweeps')}/{self.name}"

    @property
    def selector(self) -> str:
        """Labels of everything that belongs to it."""
        return f"{names.LABEL_SWEEP_UID}={self.uid}"

    def metadata(self, name: str, episode: EpisodeId | None = None) -> Object:
        """Metadata of an object that belongs to it."""
        labels = names.labels(self.name, self.uid, episode)
        owner = names.owner_reference(self.name, self.uid)
        return {"name": name, "namespace": self.namespace, "labels": labels, "ownerReferences": [owner]}


class ForeignObjectError(Exception):
    """An object that belongs to someone else has a name that the sweep needs."""


class Records:
    """Episodes and cuts of one sweep."""

    def __init__(self, api: Api, home: Home, layout: Layout) -> None:
        self.episodes: dict[EpisodeId, EpisodeStatus] = {}
        self.cuts: dict[tuple[int, int], CutSpec] = {}
        self.refused: dict[EpisodeId, Refusal] = {}
        """Episodes whose record cannot be written, for its name is taken by what is not ours."""
        self._api = api
        self._home = home
        self._layout = layout
        self._versions: dict[EpisodeId, str] = {}
        """resourceVersion by episode that has an object."""
        self._lazy: set[EpisodeId] = set()
        """Episodes whose object is behind `episodes`."""
        self._locks: dict[EpisodeId, asyncio.Lock] = {e: asyncio.Lock() for e in layout.episodes}
        self._due = asyncio.Event()

    async def load(self) -> None:
        """Read everything; raises ApiError."""
        episodes: dict[EpisodeId, EpisodeStatus] = {}
        versions: dict[EpisodeId, str] = {}
        async for episode, version in list_episodes(self._api, self._home):
            if episode.spec.id in self._layout.index:
                episodes[episode.spec.id] = episode.status
                versions[episode.spec.id] = version
        cuts = {(cut.spec.bracket, cut.spec.rung): cut.spec async for cut in list_cuts(self._api, self._home)}
        self.episodes, self._versions, self.cuts = episodes, versions, cuts
        self._lazy.clear()

    async def write(self, records: Sequence[Record]) -> frozenset[str]:
        """See Backend.record.

        Scores first, then verdicts, then cuts: one that fails keeps back all that may rest on it.
        """
        durable = [r for r in records if isinstance(r, RecordEpisode) and r.durable]
        scores = [r for r in durable if r.status.verdict is None]
        if not await self._write_all(scores):
            return frozenset({EVERYTHING})
        if not await self._write_all([r for r in durable if r.status.verdict is not None]):
            return frozenset({EVERYTHING})
        obeyed = [await self._create_cut(r.cut) for r in records if isinstance(r, RecordCut)]
        if not all(obeyed):
            return frozenset({EVERYTHING})
        for record in records:
            if isinstance(record, RecordEpisode) and not record.durable:
                self.episodes[record.episode] = record.status
                self._lazy.add(record.episode)
                self._due.set()
        return frozenset()

    async def write_lazily(self) -> None:
        """Write, for ever, what nothing rests on: a little at a time, and after a while in which more may come."""
        while True:
            await self._due.wait()
            await asyncio.sleep(LAZY_SECONDS)
            self._due.clear()
            waiting = asyncio.Queue[EpisodeId]()
            for episode in self._lazy:
                waiting.put_nowait(episode)
            async with asyncio.TaskGroup() as group:
                for _ in range(min(LAZY_AT_ONCE, waiting.qsize())):
                    group.create_task(self._drain(waiting))

    async def flush(self) -> bool:
        """Write all that waits; false where some of it could not be written."""
        return all(await asyncio.gather(*(self._write_waiting(episode) for episode in self._lazy)))

    async def _drain(self, waiting: asyncio.Queue[EpisodeId]) -> None:
        while not waiting.empty():
            if not await self._write_waiting(waiting.get_nowait(), lazily=True):
                self._due.set()

    async def _write_all(self, records: Iterable[RecordEpisode]) -> bool:
        return all(await asyncio.gather(*(self._write_one(record) for record in records)))

    async def _write_one(self, record: RecordEpisode) -> bool:
        async with self._locks[record.episode]:
            written = await self._put(record.episode, record.status)
            if written:
                self.episodes[record.episode] = record.status
                self._lazy.discard(record.episode)
            return written

    async def _write_waiting(self, episode: EpisodeId, *, lazily: bool = False) -> bool:
        """Write what waits, if it still does: a write that was under way may have made it old."""
        async with self._locks[episode]:
            if episode not in self._lazy:
                return True
            status = self.episodes[episode]
            written = await self._put(episode, status, lazily=lazily)
            if written and self.episodes[episode] is status:
                self._lazy.discard(episode)
            return written

    async def _put(self, episode: EpisodeId, status: EpisodeStatus, *, lazily: bool = False) -> bool:
        """Write one episode's status, on top of the version that is known; false while it is not written.

        `lazily`: where the first pod has no place yet, the object is made and its status left for the next round.
        """
        try:
            if episode not in self._versions:
                await self._create(episode)
                if lazily and [attempt.started for attempt in status.attempts] == [None]:
                    return False
            body = self._body(episode, status)
            written = await self._api.replace(f"{self._path(episode)}/status", body)
        except (ApiError, ForeignObjectError) as error:
            await self._failed(episode, error)
            return False
        self._versions[episode] = written["metadata"]["resourceVersion"]
        self.refused.pop(episode, None)
        return True

    async def _create(self, episode: EpisodeId) -> None:
        """Raises ApiError, also where another hand made it and wrote its status: that one has to be read first."""
        body = self._body(episode, None)
        try:
            created = await self._api.create(self._home.collection("episodes"), body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            created = await self._api.get(self._path(episode))
            if not _belongs_to(self._home, created):
                raise ForeignObjectError(
                    f"Episode {body['metadata']['name']} exists and is not this sweep's"
                ) from error
            if created.get("status"):
                raise
        self._versions[episode] = created["metadata"]["resourceVersion"]

    async def _failed(self, episode: EpisodeId, error: ApiError | ForeignObjectError) -> None:
        if isinstance(error, ForeignObjectError):
            self.refused[episode] = Refusal("NameTaken", str(error), datetime.now(UTC) + LOOK_AGAIN)
        elif error.status == 404:
            # Deleted by hand: it is made anew with all that is known.
            self._versions.pop(episode, None)
        elif error.status == 409:
            await self._read_again(episode)

    async def _read_again(self, episode: EpisodeId) -> None:
        """Another hand wrote it: what stands there now counts."""
        try:
            found = await self._api.get(self._path(episode))
        except ApiError:
            return
        self._versions[episode] = found["metadata"]["resourceVersion"]
        self.episodes[episode] = _parse_episode(found).status
        self._lazy.discard(episode)

    async def _create_cut(self, cut: CutSpec) -> bool:
        """Create it; false if another has to be obeyed, or if it could not be created."""
        name = cut_name(cut.sweep, cut.bracket, cut.rung)
        metadata = self._home.metadata(name)
        body = {"apiVersion": API_VERSION, "kind": "Cut", "metadata": metadata, "spec": cut.model_dump(by_alias=True)}
        try:
            await self._api.create(self._home.collection("cuts"), body)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._obey(name)
            return False
        self.cuts[cut.bracket, cut.rung] = cut
        return True

    async def _obey(self, name: str) -> None:
        try:
            found = await self._api.get(f"{self._home.collection('cuts')}/{name}")
        except ApiError:
            return
        if _belongs_to(self._home, found):
            spec = _parse_cut(found).spec
            self.cuts[spec.bracket, spec.rung] = spec
        else:
            message = f"Cut {name} exists and is not this sweep's: delete it, or rename the sweep"
            self.refused[self._layout.episodes[0]] = Refusal("NameTaken", message, datetime.now(UTC) + LOOK_AGAIN)

    def _body(self, episode: EpisodeId, status: EpisodeStatus | None) -> Object:
        """The whole object, with the version it is made from."""
        metadata = self._home.metadata(names.object_name(self._home.name, episode), episode)
        if episode in self._versions:
            metadata["resourceVersion"] = self._versions[episode]
        body: Object = {"apiVersion": API_VERSION, "kind": "Episode", "metadata": metadata}
        body["spec"] = self._layout.episode_spec(episode).model_dump(by_alias=True)
        if status is not None:
            body["status"] = status.model_dump(mode="json", by_alias=True)
        return body

    def _path(self, episode: EpisodeId) -> str:
        return f"{self._home.collection('episodes')}/{names.object_name(self._home.name, episode)}"


async def list_episodes(api: Api, home: Home) -> AsyncIterator[tuple[Episode, str]]:
    """All Episodes of a sweep, each with its resourceVersion; raises ApiError."""
    async for item in api.list(home.collection("episodes"), home.selector):
        if _belongs_to(home, item):
            yield _parse_episode(item), item["metadata"]["resourceVersion"]


async def list_cuts(api: Api, home: Home) -> AsyncIterator[Cut]:
    """All Cuts of a sweep; raises ApiError."""
    async for item in api.list(home.collection("cuts"), home.selector):
        if _belongs_to(home, item):
            yield _parse_cut(item)


def _belongs_to(home: Home, item: Object) -> bool:
    return names.owner_uid(item["metadata"]) == home.uid


def _parse_episode(item: Object) -> Episode:
    return Episode.model_validate_json(_without_bookkeeping(item))


def _parse_cut(item: Object) -> Cut:
    return Cut.model_validate_json(_without_bookkeeping(item))


def _without_bookkeeping(item: Object) -> str:
    """As JSON, for which strict types take enums; of the API server's metadata only the name matters here."""
    return json.dumps({**item, "metadata": {"name": item["metadata"]["name"]}})
