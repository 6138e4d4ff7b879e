"""Requests of one sweep, sent in growing numbers; what the API server refuses as a kind is asked for one at a time.

A missing right, a denying webhook and a quota refuse all requests of a kind alike. So each kind (such as "create pods")
has a gate: 1, 2, 4, ... requests pass at once as they succeed, as the Job controller starts its pods. A refusal closes
the gate for all who wait; after a pause, one request tries again.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from seedsweep.engine.backoff import backoff
from seedsweep.engine.observation import Refusal
from seedsweep.kube.apiserver.client import MAX_AT_ONCE, Api, ApiError, Object, kind_of, refusal_reason
from seedsweep.kube.process.log import Logger

PAUSE = timedelta(seconds=1)
MAX_PAUSE = timedelta(seconds=5)
"""Between two requests of a kind that is refused: a quota that opens is used within seconds."""
FORGOTTEN_AFTER = timedelta(seconds=10)
"""Past its pause: a kind of request that nobody makes any more holds nothing up."""
MAX_PAUSE_OF_ONE = timedelta(seconds=30)
"""Between two requests about one object that is refused while others of its kind are not."""
MAX_MESSAGE = 500
_LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_ALIKE = frozenset({"QuotaExceeded", "ApiServerUnavailable"})
"""Refusals that have nothing to do with the object."""
_OF_A_KIND = _ALIKE | {"AdmissionDenied", "Forbidden", "NotServed"}
"""Refusals that other requests of the kind would meet as well."""

T = TypeVar("T")


class ClosedError(ApiError):
    """Not sent: the API server refuses all requests of this kind, as it did when it was asked last."""

    def __init__(self, refused: ApiError, until: datetime) -> None:
        super().__init__(refused.status, refused.reason, str(refused))
        self.until = until
        """When one may try again."""


def _concerns_all(error: ApiError) -> bool:
    """Whether other requests of the kind would fare the same; what is wrong with one object is that object's."""
    return refusal_reason(error) in _OF_A_KIND


@dataclass(slots=True)
class _Gate:
    limit: int = 1
    under_way: int = 0
    error: ApiError | None = None
    """Why it is closed."""
    times: int = 0
    """How often in a row it was closed by a request that tried again."""
    due: datetime = _LONG_AGO
    """When one request may try again."""
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    def wake(self) -> None:
        """Let as many look again as there is room for; all, where they are refused."""
        room = self.limit - self.under_way if self.error is None else len(self.waiting)
        while self.waiting and room > 0:
            room -= 1
            waiter = self.waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
            else:
                room += 1


class Gates:
    """The gates of one sweep."""

    def __init__(self, log: Logger, clock: Callable[[], datetime]) -> None:
        """`log`: where it is told that a kind of request is refused, once and not at every try."""
        self._log = log
        self._clock = clock
        self._gates: dict[str, _Gate] = {}

    async def send(self, method: str, path: str, request: Callable[[], Awaitable[T]]) -> T:
        """What the request of this method and path answers, sent once there is room.

        Raises:
            ClosedError: not sent, for the kind is refused.
            ApiError: sent, and refused.
        """
        kind = " ".join(kind_of(method, path))
        gate = self._gates.setdefault(kind, _Gate())
        await self._enter(gate)
        try:
            answer = await request()
        except ApiError as error:
            if _concerns_all(error):
                self._close(gate, kind, error)
            else:
                self._open(gate, kind)
            raise
        else:
            self._open(gate, kind)
            return answer
        finally:
            gate.under_way -= 1
            gate.wake()

    def refusals(self, now: datetime) -> Iterator[tuple[str, Refusal]]:
        """Kinds of requests that are refused, each with why."""
        for kind, gate in self._gates.items():
            if gate.error is not None and now < gate.due + FORGOTTEN_AFTER:
                text = f"cannot {kind}: {gate.error}"[:MAX_MESSAGE]
                yield kind, Refusal(refusal_reason(gate.error), text, gate.due)

    async def _enter(self, gate: _Gate) -> None:
        while True:
            now = self._clock()
            if now >= gate.due + FORGOTTEN_AFTER and not gate.under_way:
                # What was refused so long ago may be carried out by now.
                gate.error = None
            if gate.error is not None and (gate.under_way or now < gate.due):
                raise ClosedError(gate.error, max(gate.due, now + PAUSE))
            if gate.under_way < gate.limit:
                gate.under_way += 1
                return
            waiter = asyncio.get_running_loop().create_future()
            gate.waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # Its turn is another's.
                gate.wake()
                raise

    def _close(self, gate: _Gate, kind: str, error: ApiError) -> None:
        if gate.error is None or refusal_reason(gate.error) != refusal_reason(error):
            self._log.warning("cannot %s: %s", kind, error)
        if gate.error is None:
            gate.times = 1
        elif self._clock() >= gate.due:
            gate.times += 1
        gate.error, gate.limit = error, 1
        gate.due = self._clock() + backoff(gate.times, PAUSE, MAX_PAUSE)

    def _open(self, gate: _Gate, kind: str) -> None:
        if gate.error is not None:
            self._log.info("can %s again", kind)
        gate.error, gate.limit = None, min(gate.limit + 1, MAX_AT_ONCE)


Key = TypeVar("Key", bound=Hashable)


class Refusals(Generic[Key]):
    """What the API server would not do about single objects: each stands until it has been done."""

    def __init__(self, clock: Callable[[], datetime], news: Callable[[], None]) -> None:
        """`news` is called when something is refused, and when it is not any more."""
        self.standing: dict[Key, Refusal] = {}
        self._clock = clock
        self._news = news
        self._times: Counter[Key] = Counter()

    def add_lasting(self, key: Key, reason: str, message: str) -> None:
        """It cannot be done, however often it is tried."""
        self.standing[key] = Refusal(reason, message[:MAX_MESSAGE], _NEVER)
        self._news()

    def add(self, key: Key, reason: str, message: str, error: ApiError | None = None) -> None:
        """It was refused once more, by this error where there is one."""
        if isinstance(error, ClosedError):
            until = error.until
        else:
            self._times[key] += 1
            longest = MAX_PAUSE_OF_ONE if error is None or not _concerns_all(error) else 2 * MAX_PAUSE
            # Longer than the gate's pause: next time another object asks, for which the answer may differ.
            pause = backoff(self._times[key], 2 * PAUSE, longest)
            until = self._clock() + (PAUSE if error is not None and refusal_reason(error) in _ALIKE else pause)
        self.standing[key] = Refusal(reason, message[:MAX_MESSAGE], until)
        self._news()

    def done(self, key: Key) -> None:
        """It has been done, or need not be any more."""
        del self._times[key]
        if self.standing.pop(key, None) is not None:
            self._news()

    def waits(self, key: Key) -> bool:
        """Not to be asked for yet."""
        refusal = self.standing.get(key)
        return refusal is not None and self._clock() < refusal.until


class GatedApi:
    """The API server as one sweep may use it: requests as of `Api`, each through the gate of its kind."""

    def __init__(self, api: Api, gates: Gates) -> None:
        self._api = api
        self._gates = gates

    async def get(self, path: str) -> Object:
        """See Api."""
        return await self._gates.send("GET", path, lambda: self._api.get(path))

    async def read(self, path: str) -> bytes:
        """See Api."""
        return await self._gates.send("GET", path, lambda: self._api.read(path))

    async def list(self, path: str, selector: str = "", *, metadata_only: bool = False) -> AsyncIterator[Object]:
        """See Api. Refused at its first page or not at all."""
        pages = self._api.list(path, selector, metadata_only=metadata_only)
        first = await self._gates.send("GET", path, lambda: anext(pages, None))
        if first is None:
            return
        yield first
        async for item in pages:
            yield item

    async def create(self, path: str, make: Callable[[], Object]) -> Object:
        """See Api. The object is made once there is room for its request, and not where that is not sent."""
        return await self._gates.send("POST", path, lambda: self._api.create(path, make()))

    async def replace(self, path: str, body: Object) -> str:
        """See Api."""
        return await self._gates.send("PUT", path, lambda: self._api.replace(path, body))

    async def set_field(self, path: str, field: str, value: Object, version: str) -> str:
        """See Api."""
        return await self._gates.send("PATCH", path, lambda: self._api.set_field(path, field, value, version))

    async def delete(self, path: str, uid: str, grace_seconds: int | None = None) -> None:
        """See Api."""
        await self._gates.send("DELETE", path, lambda: self._api.delete(path, uid, grace_seconds))
