"""Folders of a sweep's storage, read from here: behind a URI with one's own credentials, in a claim through a pod."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster.download import Source
from seedsweep.cluster.fetch_pod import fetch_manifest, serving
from seedsweep.cluster.remote import UriSource
from seedsweep.kube.apiserver.client import Api
from seedsweep.kube.objects.weights import ClaimFolder, Place, Uri


@asynccontextmanager
async def reading(
    api: Api, sweep: SeedSweep, places: Sequence[Place], tell: Callable[[str], None], image: str | None = None
) -> AsyncIterator[list[Source]]:
    """A source for each of the places, which are all in one storage; a pod of `image` serves a claim.

    Raises:
        CommandError: nothing here can read such a URI, or the pod does not come up.
        ApiError: the pod may not be created or seen.
    """
    claimed = [place for place in places if isinstance(place, ClaimFolder)]
    if not claimed:
        yield [UriSource(place) for place in places if isinstance(place, Uri)]
        return
    under = secrets.token_urlsafe(16)
    manifest = fetch_manifest(sweep, claimed, under, image)
    tell(f"Pod {manifest['metadata']['name']} serves what is fetched from claim {claimed[0].claim}.")
    async with serving(api, manifest, under, tell) as source_of:
        yield [source_of(place.folder.rpartition("/")[2]) for place in claimed]
