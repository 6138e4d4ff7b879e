"""What is on record of a sweep, as lists of an API server show it."""

from collections.abc import AsyncIterator

from seedsweep.api.cut import Cut
from seedsweep.api.episode import Episode
from seedsweep.api.reading.stored import read_cut, read_episode
from seedsweep.kube.apiserver.client import Api, Object
from seedsweep.kube.apiserver.gates import GatedApi
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home


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


async def listed_versions(api: GatedApi, home: Home, plural: str) -> dict[str, str]:
    """resourceVersion by name of the sweep's objects that are there now; raises ApiError."""
    listed = api.list(home.collection(plural), home.selector, metadata_only=True)
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] async for item in listed}


def taken(kind: str, found: Object) -> str:
    """What is told of an object that has a name that the sweep needs."""
    return f"{kind} {found['metadata']['name']} exists and is not this sweep's: delete it, or rename the sweep"
