"""Transitions, told as Kubernetes Events on the sweep, for `kubectl describe`, and in the operator's log."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from time import monotonic

from seedsweep.api.sweep import API_VERSION
from seedsweep.engine.decisions import Event
from seedsweep.kube.apiserver.client import Api, ApiError, Object, is_quota_conflict
from seedsweep.kube.events.aggregation import MAX_MESSAGE, Aggregation, Posting
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home
from seedsweep.kube.process.log import Changes, SweepLog

MAX_WAITING = 2_000
"""Events not posted yet; the oldest give way, for they only tell what the record holds."""
AT_ONCE = 4
"""Namespaces in which an Event is being posted."""
RETRY_SECONDS = 10.0
"""Between two requests, where the API server refuses Events or is away."""
FLUSH_SECONDS = 5.0
"""How long an operator that ends may take for what waits."""
COMPONENT = "seedsweep-operator"
ENDS = frozenset({"Complete", "Failed"})
"""How a sweep ends: an operator that finds one over tells it again, in case the last one could not."""
_EVERYWHERE = ""

_log = logging.getLogger(__name__)


class Recorder:
    """Posts events in the background, for all sweeps."""

    def __init__(self, api: Api, clock: Callable[[], float] = monotonic) -> None:
        self._api = api
        self._clock = clock
        self._aggregation = Aggregation()
        self._waiting: OrderedDict[tuple[str, str], Posting] = OrderedDict()
        """By namespace and name."""
        self._busy: set[str] = set()
        """Namespaces in which one is being posted: one after another, so that a count follows what it counts."""
        self._refused_until: dict[str, float] = {}
        """Namespaces that refuse Events, or all: no request before, and then one."""
        self._changes = Changes()
        self._news = asyncio.Event()

    def tell(self, home: Home, events: Sequence[Event], now: datetime | None = None) -> None:
        """Post these soon, and log what they tell about the sweep as a whole."""
        self._take_in(home, events, now, again=False)

    def remind(self, home: Home, events: Sequence[Event], now: datetime | None = None) -> None:
        """Post what an earlier operator may have told already; it is not for the log of this one."""
        self._take_in(home, events, now, again=True)

    async def post_forever(self) -> None:
        """Post what is told, a few at a time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(self._post_one_after_another())

    async def flush(self) -> None:
        """Post all that waits, once and for a short time, before the operator ends."""
        self._refused_until.clear()
        self._take_due(inf)
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                while (posting := self._pick()) is not None:
                    await self._post(posting)

    def _take_in(self, home: Home, events: Sequence[Event], now: datetime | None, *, again: bool) -> None:
        stamp = now or datetime.now(UTC)
        for event in events:
            self._aggregation.add(home, event, stamp, self._clock(), again=again)
        if events:
            self._news.set()

    async def _post_one_after_another(self) -> None:
        while True:
            await self._post(await self._next())

    async def _next(self) -> Posting:
        while True:
            self._news.clear()
            self._take_due(self._clock())
            posting = self._pick()
            if posting is not None:
                return posting
            now = self._clock()
            until = min((self._aggregation.due, *(moment for moment in self._refused_until.values() if moment > now)))
            with suppress(TimeoutError):
                async with asyncio.timeout(None if until == inf else max(0.0, until - now)):
                    await self._news.wait()

    def _take_due(self, now: float) -> None:
        for posting in self._aggregation.take(now):
            self._wait_for(posting)
            if posting.logged:
                _log_transition(posting)

    def _wait_for(self, posting: Posting) -> None:
        """Queue it; a count takes the place of the one before, whose object may still have to be created."""
        key = posting.home.namespace, posting.name
        before = self._waiting.get(key)
        if before is not None and not before.exists:
            posting = replace(posting, exists=False)
        self._waiting[key] = posting
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)

    def _pick(self) -> Posting | None:
        """The first one that may be posted now, taken out."""
        now = self._clock()
        if self._holds_back(_EVERYWHERE, now):
            return None
        for key, posting in self._waiting.items():
            namespace, _ = key
            if namespace not in self._busy and not self._holds_back(namespace, now):
                del self._waiting[key]
                self._busy.add(namespace)
                for refuses in (_EVERYWHERE, namespace):
                    if refuses in self._refused_until:
                        self._refused_until[refuses] = now + RETRY_SECONDS
                return posting
        return None

    def _holds_back(self, namespace: str, now: float) -> bool:
        return self._refused_until.get(namespace, -inf) > now

    async def _post(self, posting: Posting) -> None:
        namespace = posting.home.namespace
        try:
            await self._write(posting)
        except ApiError as error:
            self._take_refusal(posting, error)
        except asyncio.CancelledError:
            self._put_back(posting)
            raise
        else:
            self._take_success(namespace)
        finally:
            self._busy.discard(namespace)
            self._news.set()

    async def _write(self, posting: Posting) -> None:
        path, body = f"/api/v1/namespaces/{posting.home.namespace}/events", event_body(posting)
        if posting.exists:
            # Creates it again where the API server has dropped it meanwhile.
            await self._api.replace(f"{path}/{posting.name}", body)
            return
        try:
            await self._api.create(path, body)
        except ApiError as error:
            # An earlier operator has told it.
            if error.reason != "AlreadyExists":
                raise

    def _take_success(self, namespace: str) -> None:
        self._refused_until.pop(_EVERYWHERE, None)
        self._refused_until.pop(namespace, None)
        if any([self._changes.is_over(namespace), self._changes.is_over(_EVERYWHERE)]):
            _log.info("Events are posted again")

    def _take_refusal(self, posting: Posting, error: ApiError) -> None:
        namespace = posting.home.namespace
        if error.passing or error.status == 401:
            self._hold_back(_EVERYWHERE, posting, error)
            return
        # It is there, and answers.
        self._refused_until.pop(_EVERYWHERE, None)
        self._changes.is_over(_EVERYWHERE)
        if error.status == 403 or is_quota_conflict(error):
            self._hold_back(namespace, posting, error)
            return
        self._refused_until.pop(namespace, None)
        self._changes.is_over(namespace)
        if error.missing:
            # The namespace is gone, and all that could be told there with it.
            for key in [key for key in self._waiting if key[0] == namespace]:
                del self._waiting[key]
        elif self._changes.is_new(f"{namespace} {posting.event.reason}", error.reason):
            _log_of(posting).warning("the API server takes no Event %s: %s", posting.event.reason, error)

    def _hold_back(self, where: str, posting: Posting, error: ApiError) -> None:
        self._put_back(posting)
        self._refused_until[where] = self._clock() + RETRY_SECONDS
        if self._changes.is_new(where, error.reason):
            place = f" in namespace {where}" if where else ""
            _log.warning("no Event can be posted%s, tried again every %.0f s: %s", place, RETRY_SECONDS, error)

    def _put_back(self, posting: Posting) -> None:
        key = posting.home.namespace, posting.name
        newer = self._waiting.get(key)
        self._waiting[key] = posting if newer is None else replace(newer, exists=newer.exists and posting.exists)
        self._waiting.move_to_end(key, last=False)


def event_body(posting: Posting) -> Object:
    """The core/v1 Event; an episode's own names it as related."""
    home, event = posting.home, posting.event
    message = event.message if len(event.message) <= MAX_MESSAGE else event.message[: MAX_MESSAGE - 3] + "..."
    body: Object = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": posting.name, "namespace": home.namespace},
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
        "firstTimestamp": _timestamp(posting.first),
        "lastTimestamp": _timestamp(posting.last),
        "count": posting.count,
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


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _log_of(posting: Posting) -> SweepLog:
    return SweepLog(_log, posting.home.namespace, posting.home.name)


def _log_transition(posting: Posting) -> None:
    event = posting.event
    times = f" ({posting.count} times)" if posting.count > 1 else ""
    level = logging.WARNING if event.kind == "Warning" else logging.INFO
    _log_of(posting).log(level, "%s: %s%s", event.reason, event.message, times)
