"""A dictionary as an API server, and the operator's own classes on it: for what no real API server can be made to do.

It keeps versions, UIDs, conflicts and preconditions as the real one does; `refuse` may turn down any request.
"""

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from inputs.pod_sweeps import sweep_with
from inputs.sweeps import as_resource
from seedsweep.contract.message import Message, Outcome, TrainerInfo, encode_message
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.events.webhook import Webhook
from seedsweep.kube.pods.manifest import PodSettings
from seedsweep.kube.process.clock import now
from seedsweep.kube.scraping.scraper import Scraper
from seedsweep.kube.sweeps.fleet import Fleet
from seedsweep.kube.sweeps.sweep import Shared
from seedsweep.kube.watching.freshness import Freshness
from seedsweep.kube.watching.watches import Watches

Object = dict[str, Any]

SWEEPS = "/apis/seedsweep.io/v1alpha1/namespaces/team/seedsweeps"
EPISODES = "/apis/seedsweep.io/v1alpha1/namespaces/team/episodes"
CUTS = "/apis/seedsweep.io/v1alpha1/namespaces/team/cuts"
PODS = "/api/v1/namespaces/team/pods"
UID = "sweep-uid"
OWN_TRAINER = {"image": "mine:1", "metric": {"name": "acc", "goal": "maximize"}, "evaluations": 10}
PATIENCE = 60.0


def body_of(**fields: Any) -> Object:
    """A sweep as the API server shows it; `fields` of the spec by their wire names."""
    spec = {f"spec.{name}": value for name, value in fields.items()}
    body = as_resource(sweep_with({"spec.trainer": OWN_TRAINER, **spec}))
    body["metadata"] |= {"generation": 1, "resourceVersion": "1", "uid": UID, "namespace": "team"}
    return body


class FakeApi:
    """Has the methods of `Api` that the operator uses."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.calls: list[tuple[str, str]] = []
        """Verb and path of every request that was carried out or refused."""
        self.refused = 0
        self.refuse: Callable[[str, str, Any], None] = lambda verb, path, body: None
        """Raises ApiError for what is to be refused."""
        self.lose_answer: Callable[[str, str], bool] = lambda verb, path: False
        """Whether what was done is not answered."""
        self._versions = itertools.count(100)

    def count(self, verb: str, under: str) -> int:
        """How many requests there were whose path begins so."""
        return sum(1 for method, path in self.calls if method == verb and path.startswith(under))

    def pods(self) -> list[Object]:
        return [item for path, item in self.objects.items() if path.startswith(f"{PODS}/")]

    def status(self, name: str) -> Object:
        """Of a sweep."""
        found: Object = self.objects[f"{SWEEPS}/{name}"].get("status", {})
        return found

    def condition(self, name: str, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a sweep's condition."""
        conditions = self.status(name).get("conditions", ())
        found: Object = next((c for c in conditions if c["type"] == kind), {})
        return found.get("status", ""), found.get("reason", ""), found.get("message", "")

    def edit(self, path: str, change: Callable[[Object], None]) -> Object:
        """Change an object as another hand does; as a watch would show it then."""
        change(self.objects[path])
        self.objects[path]["metadata"]["resourceVersion"] = str(next(self._versions))
        return copy.deepcopy(self.objects[path])

    async def get(self, path: str) -> Object:
        await self._ask("GET", path)
        if path not in self.objects:
            raise ApiError(404, "NotFound", f"{path} not found")
        return copy.deepcopy(self.objects[path])

    async def read(self, path: str, part: range | None = None) -> bytes:
        await self._ask("READ", path)
        return b""

    async def list(self, path: str, selector: str = "", *, metadata_only: bool = False) -> AsyncIterator[Object]:
        await self._ask("LIST", path)
        key, _, value = selector.partition("=")
        for at, item in list(self.objects.items()):
            collection = at.rpartition("/")[0]
            listed = path in (collection, collection.replace("/namespaces/team", ""))
            if listed and (not selector or item["metadata"].get("labels", {}).get(key) == value):
                yield copy.deepcopy(item)

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        await self._ask("DRY RUN" if dry_run else "POST", path, body)
        if dry_run or path.endswith("/events"):
            return body
        at = f"{path}/{body['metadata']['name']}"
        if at in self.objects:
            raise ApiError(409, "AlreadyExists", f"{at} already exists")
        body = copy.deepcopy(body)
        body["metadata"] |= {"uid": f"uid-{next(self._versions)}", "creationTimestamp": now().isoformat()}
        if path == PODS:
            body["status"] = {"phase": "Pending"}
        return self._put(at, body)

    async def replace(self, path: str, body: Object) -> str:
        await self._ask("PUT", path, body)
        return self._write("PUT", path, "status", body["status"], body["metadata"]["resourceVersion"])

    async def set_field(self, path: str, field: str, value: Object, version: str) -> str:
        await self._ask("PATCH", path, value)
        return self._write("PATCH", path, field, value, version)

    async def delete(self, path: str, uid: str, grace_seconds: int | None = None) -> None:
        await self._ask("DELETE", path)
        if path in self.objects and self.objects[path]["metadata"]["uid"] == uid:
            del self.objects[path]

    def _write(self, verb: str, path: str, field: str, value: Object, version: str) -> str:
        at = path.removesuffix("/status")
        if at not in self.objects:
            raise ApiError(404, "NotFound", f"{at} not found")
        if version != self.objects[at]["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", f"{at} was changed")
        written = self._put(at, {**self.objects[at], field: copy.deepcopy(value)})
        if self.lose_answer(verb, path):
            raise ApiError(None, "Unreachable", "no answer")
        return str(written["metadata"]["resourceVersion"])

    async def _ask(self, verb: str, path: str, body: Object | None = None) -> None:
        self.calls.append((verb, path))
        await asyncio.sleep(0)
        try:
            self.refuse(verb, path, body)
        except ApiError:
            self.refused += 1
            raise

    def _put(self, path: str, body: Object) -> Object:
        body["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[path] = body
        return copy.deepcopy(body)


class FakeCluster:
    """The operator's sweeps on a FakeApi. A context manager."""

    def __init__(
        self, relist_seconds: float = 300.0, webhook: Webhook | None = None, settings: PodSettings | None = None
    ) -> None:
        self.api = FakeApi()
        self._settings = settings or PodSettings()
        self._webhook = webhook
        self.told: Counter[str] = Counter()
        """Events by reason."""
        self._relist_seconds = relist_seconds

    async def __aenter__(self) -> Self:
        self.scraper = Scraper(lambda uid: self.sweeps.read_news(uid))
        await self.scraper.__aenter__()
        recorder = _Recorder(self.told)
        shared = Shared(
            self.api,  # type: ignore[arg-type]  # it has the methods that are used
            self._settings,
            self.scraper,
            recorder,
            Freshness(30.0),
            Watches(),
            self._relist_seconds,
        )
        self.sweeps = Fleet(shared, self._webhook)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.sweeps.close()
        await self.scraper.__aexit__(None, None, None)

    def apply(self, body: Object) -> None:
        """Create a sweep, and show it."""
        self.api.objects[f"{SWEEPS}/{body['metadata']['name']}"] = body
        self.sweeps.saw_sweep(copy.deepcopy(body), deleted=False)

    def edit_sweep(self, name: str, **spec: Any) -> None:
        """As a user does; the watch shows it."""

        def change(body: Object) -> None:
            body["spec"] |= spec
            body["metadata"]["generation"] += 1

        self.sweeps.saw_sweep(self.api.edit(f"{SWEEPS}/{name}", change), deleted=False)

    def end_pod(
        self, pod: Object, scores: int = 10, planned: int = 10, message: str | None = None, above: float = 0.0
    ) -> None:
        """Its trainer is done; the watch shows it. Its scores rise by 0.01, from `above` on."""
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        episode = "-".join(name.rsplit("-", 2)[1:])
        words = Message(
            TrainerInfo(episode, uid),
            Outcome.DONE if scores == planned else Outcome.STOPPED,
            planned,
            10 * scores,
            10 * planned,
            scores=tuple(above + i / 100 for i in range(scores)),
        )
        moment = now().isoformat()
        told = encode_message(words).decode() if message is None else message
        end = {"exitCode": 0, "reason": "Completed", "message": told, "finishedAt": moment}
        status = {
            "phase": "Succeeded",
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": moment}],
            "containerStatuses": [{"name": "trainer", "state": {"terminated": end}}],
        }
        self.show_pod(self.api.edit(f"{PODS}/{name}", lambda found: found.update(status=status)))

    def show_pod(self, pod: Object, *, deleted: bool = False) -> None:
        """As the watch does."""
        self.sweeps.saw_pod(copy.deepcopy(pod), deleted=deleted)


class _Recorder(Recorder):
    """Counts what is told instead of posting it."""

    def __init__(self, told: Counter[str]) -> None:
        self._told = told

    def tell(self, home: Any, events: Any, now: datetime | None = None) -> None:
        self._told.update(event.reason for event in events)

    def remind(self, home: Any, events: Any, now: datetime | None = None) -> None:
        self.tell(home, events, now)


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; raises TimeoutError where it never does."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


async def settle(seconds: float = 0.5) -> None:
    """Let the operator do all that it does now."""
    await asyncio.sleep(seconds)
