"""Objects of ours as an API server shows them, read into types."""

import json
from collections.abc import AsyncIterator

from pydantic import ValidationError

from seedsweep.api.cut import Cut
from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.kube import names
from seedsweep.kube.client import Api, Object
from seedsweep.kube.home import Home


class UnreadableRecordError(Exception):
    """A record has values that this release does not know, as one that a newer release wrote."""


def read_status(data: Object) -> SweepStatus:
    """The status of a sweep."""
    return SweepStatus.model_validate_json(json.dumps(data))


def parse_stored(body: Object) -> SeedSweep:
    """A sweep; raises ValidationError."""
    return SeedSweep.model_validate_json(json.dumps(body))


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


def read_episode(item: Object) -> Episode:
    """An Episode; raises UnreadableRecordError."""
    try:
        return Episode.model_validate_json(_without_bookkeeping(item))
    except ValidationError as error:
        raise UnreadableRecordError(str(error)) from error


def read_cut(item: Object) -> Cut:
    """A Cut; raises UnreadableRecordError."""
    try:
        return Cut.model_validate_json(_without_bookkeeping(item))
    except ValidationError as error:
        raise UnreadableRecordError(str(error)) from error


def _without_bookkeeping(item: Object) -> str:
    """As JSON, for which strict types take enums; of the API server's metadata only the name matters here."""
    return json.dumps({**item, "metadata": {"name": item["metadata"]["name"]}})
