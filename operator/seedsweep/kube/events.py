"""Transitions, told as Kubernetes Events on the sweep, for `kubectl describe`."""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from seedsweep.api.sweep import API_VERSION
from seedsweep.engine.decisions import Event
from seedsweep.kube import names
from seedsweep.kube.client import Api, ApiError, Object
from seedsweep.kube.home import Home

MAX_WAITING = 2_000
"""Events not posted yet; the oldest give way, for they only tell what the record holds."""
AT_ONCE = 4
FEW = 5
"""More events of one kind than this in one turn are told as one."""
MAX_MESSAGE = 1_000
COMPONENT = "seedsweep-operator"
ENDS = frozenset({"Complete", "Failed"})
"""Told once in a sweep's life, by a name of their own: to tell them again does no harm."""

_log = logging.getLogger(__name__)


class Recorder:
    """Posts events in the background, for all sweeps."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._waiting: deque[tuple[str, Object]] = deque(maxlen=MAX_WAITING)
        self._news = asyncio.Semaphore(0)

    def tell(self, home: Home, events: Sequence[Event], now: datetime | None = None) -> None:
        """Post these soon."""
        for event in gathered(events):
            path = f"/api/v1/namespaces/{home.namespace}/events"
            self._waiting.append((path, event_body(home, event, now or datetime.now(UTC))))
            self._news.release()

    async def post_forever(self) -> None:
        """Post what is told, a few at a time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._post())

    async def _post(self) -> None:
        while True:
            await self._news.acquire()
            if not self._waiting:
                continue
            path, body = self._waiting.popleft()
            try:
                await self._api.create(path, body)
            except ApiError as error:
                if error.reason == "AlreadyExists":
                    continue
                # The namespace may be on its way out; the record holds what happened.
                _log.warning("an event could not be posted: %s: %s", body["reason"], error)


def gathered(events: Iterable[Event]) -> list[Event]:
    """Many events of one kind become one that names their episodes; what is told of the sweep stands alone."""
    kinds: defaultdict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for event in events:
        own_words = event.message if event.episode is None else ""
        kinds[event.reason, event.kind, own_words].append(event)
    told: list[Event] = []
    for (reason, *_), same in kinds.items():
        if len(same) <= FEW:
            told += same
            continue
        episodes = [event.episode.name for event in same if event.episode is not None]
        message = f"{len(same)} episodes: {', '.join(episodes)}"
        told.append(Event(reason, message, kind=same[0].kind))
    return told


def event_body(home: Home, event: Event, now: datetime) -> Object:
    """The core/v1 Event; an episode's own names it as related."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    message = event.message if len(event.message) <= MAX_MESSAGE else event.message[: MAX_MESSAGE - 3] + "..."
    body: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {**_name(home, event), "namespace": home.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": "SeedSweep",
            "namespace": home.namespace,
            "name": home.name,
            "uid": home.uid,
        },
        "type": event.kind,
        "reason": event.reason,
        "message": message,
        "source": {"component": COMPONENT},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
    if event.episode is not None:
        name = names.object_name(home.name, event.episode)
        body["related"] = {
            "apiVersion": API_VERSION,
            "kind": "Episode",
            "namespace": home.namespace,
            "name": name,
        }
    return body


def _name(home: Home, event: Event) -> Object:
    if event.reason not in ENDS or event.episode is not None:
        return {"generateName": f"{home.name}."}
    # With its text: an event that gathers episodes may have the same reason.
    identity = f"{home.uid} {event.reason} {event.message}"
    return {"name": f"{home.name}.{sha256(identity.encode()).hexdigest()[:16]}"}
