"""What is on record of a sweep, as lists of an API server show it."""

from collections.abc import AsyncIterator

from seedsweep.api.cut import Cut
from seedsweep.api.episode import Episode
from seedsweep.api.reading.stored import read_cut, read_episode
from seedsweep.kube import names
from seedsweep.kube.apiserver.client import Api, Object
from seedsweep.kube.home import Home


async def list_episodes(api: Api, home: Home) -> AsyncIterator[tuple[Episode, str]]:
    """All Episodes of a sweep, each with its resourceVersion; raises ApiError and UnreadableRecordError."""
    async for item in api.list(home.collection("episodes"), home.selector):
        if belongs_to(home, item):
            yield read_episode(item), item["metadata"]["resourceVersion"]


async def list_cuts(api: Api, home: Home) -> AsyncIterator[Cut]:
    """All Cuts of a sweep; raises ApiError and UnreadableRecordError."""
    async for item in api.list(home.collection("cuts"), home.selector):
        if belongs_to(home, item):
            yield read_cut(item)


def belongs_to(home: Home, item: Object) -> bool:
    """Whether the sweep owns an object."""
    return names.owner_uid(item["metadata"]) == home.uid
