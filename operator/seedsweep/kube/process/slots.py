"""Which scrape or request begins next: bounded in all, in turn between sweeps or namespaces. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Lane(Generic[T]):
    """One sharer's."""

    waiting: deque[T] = field(default_factory=deque)
    held: int = 0


class Slots(Generic[T]):
    """A number of slots, and what waits for one, by who shares them: sweeps, or namespaces.

    A sharer holds at most an equal part of them, counted over those that wait or hold any, and never the last ones:
    these are for sharers that hold none. So one whose items take long delays no other.
    """

    def __init__(self, total: int, for_newcomers: int) -> None:
        """`for_newcomers` of the slots go only to sharers that hold none."""
        self._total = total
        self._shared = total - for_newcomers
        self._held = 0
        self._lanes: dict[str, _Lane[T]] = {}
        self._turns: deque[str] = deque()
        """Sharers with something that waits, the next one first."""

    def wait(self, sharer: str, item: T) -> None:
        """Have an item of a sharer wait for a slot, behind its others."""
        lane = self._lanes.setdefault(sharer, _Lane())
        if not lane.waiting:
            self._turns.append(sharer)
        lane.waiting.append(item)

    def release(self, sharer: str) -> None:
        """Give back a slot that an item of this sharer has held."""
        lane = self._lanes[sharer]
        lane.held -= 1
        self._held -= 1
        if not lane.held and not lane.waiting:
            del self._lanes[sharer]

    def take(self) -> Iterator[T]:
        """Give the free slots to what waits, a sharer at a time; each is held until it is released."""
        passed_over = 0
        while passed_over < len(self._turns) and self._held < self._total:
            sharer = self._turns[0]
            lane = self._lanes[sharer]
            self._turns.rotate(-1)
            if not self._has_room(lane):
                passed_over += 1
                continue
            passed_over = 0
            item = lane.waiting.popleft()
            if not lane.waiting:
                self._turns.pop()
            lane.held += 1
            self._held += 1
            yield item

    def _has_room(self, lane: _Lane[T]) -> bool:
        return not lane.held or (self._held < self._shared and lane.held < self._total // len(self._lanes))
