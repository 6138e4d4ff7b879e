"""Which Event objects are written, and when: few of them, however many events there are. Pure.

What is told of a sweep as a whole is written at once; the same again counts the first one up. Of its episodes, the
first few events of one reason are written one by one; further ones wait a while and become one Event, which names the
episodes and is counted up.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from heapq import heappop, heappush
from itertools import count
from math import inf

from seedsweep.engine.decisions import Event
from seedsweep.kube.objects.home import Home

FEW = 5
"""Episodes of which events of one reason are written one by one."""
WINDOW_SECONDS = 10.0
"""How long an event may wait for others like it. Doubles with every Event that is counted up."""
MAX_WINDOW_SECONDS = 300.0
QUIET_SECONDS = 600.0
"""After that without one, the next events of episodes are written one by one again."""
LIFE_SECONDS = 3600.0
"""How long an API server keeps an Event that is not written again."""
MAX_KINDS = 2_000
"""Kinds of events that are remembered; the one that was quiet longest gives way."""
MAX_MESSAGE = 1_000
"""Characters of a message."""
MAX_NAMED = 100
"""Episodes that one message could name."""

_BY_REASON = frozenset({"Stalled", "StatusNotWritten", "StorageNotTidy"})
"""Their messages change with every try: the condition's reason, the first word, tells what is the same."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One write of an Event object: its creation, or a higher count."""

    home: Home
    event: Event
    """With the newest message."""
    name: str
    """Of the object: the same event has the same name, whichever operator writes it."""
    first: datetime
    last: datetime
    count: int
    exists: bool = False
    """The object is there already, and its count grows."""
    logged: bool = False
    """It is about the sweep as a whole, and belongs into the operator's log as well."""


@dataclass(slots=True)
class _Kind:
    """Events that are the same but for the episode, or but for when they happened."""

    home: Home
    waiting: list[tuple[Event, datetime]] = field(default_factory=list)
    more: int = 0
    """Events that wait, beyond the first and the newest ones that are kept."""
    due: float = inf
    window: float = WINDOW_SECONDS
    one_by_one: int = 0
    """How many were written so, since it was quiet."""
    key: str = ""
    """Of the occurrence taken in last."""
    counted: Posting | None = None
    """The Event that is counted up."""
    last: float = -inf
    remembered: bool = False
    """An earlier operator may have told it: not for the log."""


_Key = tuple[Home, str, str, str]


class Aggregation:
    """Takes events in, and gives out what is to be written by now. All times in seconds of a steady clock."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[_Key, _Kind] = OrderedDict()
        self._turns: list[tuple[float, int, _Kind]] = []
        """A heap of when kinds are due."""
        self._order = count()

    def add(self, home: Home, event: Event, stamp: datetime, now: float, *, again: bool = False) -> None:
        """Take in one event that happened at `stamp`. `again`: an earlier operator may have told it."""
        key = _key(home, event)
        kind = self._kinds.get(key)
        if kind is None or now - kind.last > (QUIET_SECONDS if event.episode is not None else LIFE_SECONDS):
            kind = self._kinds[key] = _Kind(home)
        self._kinds.move_to_end(key)
        kind.last, kind.remembered = now, again
        if event.episode is None and event.key and event.key == kind.key:
            return
        kind.key = event.key
        if len(kind.waiting) == MAX_NAMED:
            kind.waiting.pop()
            kind.more += 1
        kind.waiting.append((event, stamp))
        if kind.due == inf:
            kind.due = now if _at_once(kind, event) else now + kind.window
            heappush(self._turns, (kind.due, next(self._order), kind))
        while len(self._kinds) > MAX_KINDS:
            self._kinds.popitem(last=False)

    def take(self, now: float) -> list[Posting]:
        """What is to be written by now, of all that waits where `now` is infinity; each is given out once."""
        postings: list[Posting] = []
        while self._turns and self._turns[0][0] <= now:
            _, _, kind = heappop(self._turns)
            postings += _write(kind)
        return postings

    @property
    def due(self) -> float:
        """When something is to be written next; infinity where nothing waits."""
        return self._turns[0][0] if self._turns else inf


def event_name(home: Home, event: Event) -> str:
    """The name of an event's object, a function of what is told."""
    identity = "\0".join((home.uid, event.reason, _text(event), event.key))
    return f"{home.name}.{sha256(identity.encode()).hexdigest()[:16]}"


def _key(home: Home, event: Event) -> _Key:
    return home, event.reason, event.kind, _text(event) if event.episode is None else ""


def _text(event: Event) -> str:
    return event.message.split(":")[0] if event.reason in _BY_REASON else event.message


def _at_once(kind: _Kind, event: Event) -> bool:
    if event.episode is None:
        return kind.counted is None
    return event.kind == "Warning" and kind.one_by_one < FEW


def _write(kind: _Kind) -> Iterator[Posting]:
    home, waiting, more = kind.home, kind.waiting, kind.more
    kind.waiting, kind.more, kind.due = [], 0, inf
    of_episodes = waiting[0][0].episode is not None
    if of_episodes and not more and kind.one_by_one + len(waiting) <= FEW:
        kind.one_by_one += len(waiting)
        for event, stamp in waiting:
            yield _first_of(home, event, stamp)
        return
    # What comes next is counted up as well.
    kind.one_by_one = FEW
    (_, first), (event, last) = waiting[0], waiting[-1]
    if of_episodes and len(waiting) > 1:
        message = _gathered([event for event, _ in waiting], more)
        event = replace(event, episode=None, message=message, key=first.isoformat())
    times = len(waiting) + more
    if kind.counted is None:
        kind.counted = replace(_first_of(home, event, first), last=last, count=times)
    else:
        kind.window = min(2 * kind.window, MAX_WINDOW_SECONDS)
        before = kind.counted
        kind.counted = replace(before, event=event, last=last, count=before.count + times, exists=True)
    yield replace(kind.counted, logged=not of_episodes and not kind.remembered)


def _first_of(home: Home, event: Event, stamp: datetime) -> Posting:
    return Posting(home, event, event_name(home, event), stamp, stamp, 1)


def _gathered(events: Sequence[Event], more: int) -> str:
    """One message that names as many episodes as there is room for."""
    names = [event.episode.name for event in events if event.episode is not None]
    text, shown = f"{len(names) + more} episodes: ", 0
    for name in names:
        if len(text) + len(name) > MAX_MESSAGE - 40:
            break
        text += f"{name}, "
        shown += 1
    left = len(names) + more - shown
    return f"{text}and {left} more" if left else text.removesuffix(", ")
