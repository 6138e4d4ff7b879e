"""A small pod that serves folders of a claim, for as long as it takes one person to fetch them.

That person's own rights make it, read it through the API server's proxy, and delete it. It is an episode's pod
without a GPU, without variables and without credentials, and mounts the claim to read. Paths begin with a word that
only who may see the pod knows: other pods of the cluster may reach its address.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster.download import GoneError, patiently
from seedsweep.codes import CommandError, Exit
from seedsweep.contract.foreign import mapping, parse_json, text, whole
from seedsweep.contract.output import last_line
from seedsweep.kube.apiserver.client import Api, ApiError, Object
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import pods_path
from seedsweep.kube.objects.weights import ClaimFolder
from seedsweep.kube.pods.beside import pod_beside
from seedsweep.kube.pods.facts import ENDED_PHASES, Terminated, conditions_of, container_of, terminated_of, told
from seedsweep.kube.pods.manifest import STORAGE
from seedsweep.report.words import one_line

PORT = 9410
LIVES_SECONDS = 4 * 3600
"""It ends by itself where nobody could delete it."""
BEGINS_WITHIN_SECONDS = 300.0
MAX_FILE_BYTES = 2**53
_POLL_SECONDS = 0.5
_OF_TRAINER = ("name", "image", "imagePullPolicy", "securityContext", "terminationMessagePolicy")


def fetch_manifest(sweep: SeedSweep, places: Sequence[ClaimFolder], under: str, image: str | None = None) -> Object:
    """The pod, under a name that no other fetch has, for folders of one claim; `under` begins all of its paths.

    `image` has SeedSweep's trainer; absent: the sweep's own has.
    """
    assert sweep.metadata.uid is not None  # as an API server shows it
    pod, name = pod_beside(sweep), sweep.metadata.name
    container = pod["spec"]["containers"][0]
    mounts = [mount for mount in container["volumeMounts"] if mount["mountPath"] in (STORAGE, "/tmp")]
    used = {mount["name"] for mount in mounts}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-fetch-{secrets.token_hex(3)}",
            "namespace": sweep.metadata.namespace,
            # Without the sweep's UID, by which the operator finds what is its own.
            "labels": {
                "app.kubernetes.io/name": "seedsweep",
                "app.kubernetes.io/component": "fetch",
                "app.kubernetes.io/instance": name,
                names.LABEL_SWEEP: name,
            },
            "ownerReferences": [{**names.owner_reference(name, sweep.metadata.uid), "controller": False}],
        },
        "spec": {
            **pod["spec"],
            "activeDeadlineSeconds": LIVES_SECONDS,
            "terminationGracePeriodSeconds": 1,
            "volumes": [volume for volume in pod["spec"]["volumes"] if volume["name"] in used],
            "containers": [
                {
                    **{key: container[key] for key in _OF_TRAINER if key in container},
                    **({"image": image} if image is not None else {}),
                    "command": ["seedsweep-trainer", "serve"],
                    "args": [
                        *(f"--folder={STORAGE}/{place.folder}" for place in places),
                        f"--port={PORT}",
                        f"--under={under}",
                    ],
                    "ports": [{"name": "http", "containerPort": PORT}],
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi"},
                        "limits": {"memory": "512Mi"},
                    },
                    "volumeMounts": [{**mount, "readOnly": mount["mountPath"] == STORAGE} for mount in mounts],
                }
            ],
        },
    }


@asynccontextmanager
async def serving(
    api: Api, manifest: Object, under: str, tell: Callable[[str], None]
) -> AsyncIterator[Callable[[str], "PodSource"]]:
    """The pod from its creation to its deletion, which nothing but the end of this process prevents.

    Yields what makes a source of the name of a folder that it serves.

    Raises:
        CommandError: it does not come up; the message says what it waits for.
        ApiError: it may not be created or seen.
    """
    metadata = manifest["metadata"]
    collection = pods_path(metadata["namespace"])
    path = f"{collection}/{metadata['name']}"
    created = await api.create(collection, manifest)
    try:
        await _until_running(api, path, tell)
        yield partial(PodSource, api, path, under)
    finally:
        try:
            await api.delete(path, created["metadata"]["uid"])
        except ApiError as error:
            tell(f"Pod {metadata['name']} could not be deleted ({one_line(str(error))}); it ends by itself.")


class PodSource:
    """Implements download.Source for one folder."""

    def __init__(self, api: Api, path: str, under: str, folder: str) -> None:
        self._api = api
        self._path = path
        self._proxy = f"{path}:{PORT}/proxy/{under}"
        self._within = f"{folder}/"

    async def sizes(self) -> Mapping[str, int]:
        """See Source."""
        served = _sizes(await self._read("", None))
        return {name.removeprefix(self._within): size for name, size in served.items() if name.startswith(self._within)}

    async def read(self, name: str, part: range) -> bytes:
        """See Source."""
        return await self._read(quote(self._within + name), part)

    async def _read(self, name: str, part: range | None) -> bytes:
        try:
            return await self._api.read(f"{self._proxy}/{name}", part)
        except ApiError as error:
            if error.status == 403:
                raise
            _raise_if_over(await self._api.get(self._path), _name_in(self._path))
            if error.status == 404 and name:
                # The pod is there: it is the file that is not.
                raise GoneError(unquote(name)) from error
            raise


def _sizes(answer: bytes) -> dict[str, int]:
    """Bytes by name of file, as the pod lists its folder; raises CommandError for anything else."""
    try:
        listed = mapping(parse_json(answer))
    except ValueError:
        listed = {}
    sizes = {name: size for name, found in listed.items() if (size := whole(found, 0, MAX_FILE_BYTES)) is not None}
    if not listed or len(sizes) < len(listed):
        raise CommandError("what answers is not the pod that serves the claim: try again", Exit.FAILED)
    return sizes


def _name_in(path: str) -> str:
    return path.rpartition("/")[2]


async def _until_running(api: Api, path: str, tell: Callable[[str], None]) -> None:
    waits_for, name = "", _name_in(path)
    try:
        async with asyncio.timeout(BEGINS_WITHIN_SECONDS):
            while True:
                pod = await patiently(lambda: api.get(path))
                _raise_if_over(pod, name)
                if _status(pod).get("phase") == "Running":
                    return
                if (said := _waits_for(pod)) and said != waits_for:
                    waits_for = said
                    tell(f"{name} waits: {said}")
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        why = waits_for or "nobody says why"
        message = f"{name} did not begin within {BEGINS_WITHIN_SECONDS / 60:.0f} min: {why}"
        raise CommandError(message, Exit.FAILED) from None


def _raise_if_over(pod: object, name: str) -> None:
    status = _status(pod)
    if text(status.get("phase")) in ENDED_PHASES:
        end = terminated_of(status) or Terminated()
        said = last_line(end.message) or text(status.get("message")) or end.reason
        why = one_line(said).removeprefix("seedsweep: ") or "it does not say why"
        raise CommandError(f"{name} has ended: {why}", Exit.FAILED)


def _waits_for(pod: object) -> str:
    status = _status(pod)
    waiting = mapping(mapping(container_of(status).get("state")).get("waiting"))
    scheduled = mapping(conditions_of(status).get("PodScheduled"))
    return one_line(told(waiting or (scheduled if scheduled.get("status") == "False" else {})))


def _status(pod: object) -> Mapping[str, Any]:
    return mapping(mapping(pod).get("status"))
