"""Which scrape begins next: bounded in all, in turn between sweeps. Pure."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Lane(Generic[T]):
    """One sweep's."""

    waiting: deque[T] = field(default_factory=deque)
    held: int = 0


class Slots(Generic[T]):
    """A number of slots, and what waits for one, by sweep.

    A sweep holds at most an equal share of them, counted over the sweeps that wait or hold any, and never the last
    ones: these are for sweeps that hold none. So one whose scrapes take long delays no other.
    """

    def __init__(self, total: int, for_newcomers: int) -> None:
        """`for_newcomers` of the slots go only to sweeps that hold none."""
        self._total = total
        self._shared = total - for_newcomers
        self._held = 0
        self._lanes: dict[str, _Lane[T]] = {}
        self._turns: deque[str] = deque()
        """Sweeps with something that waits, the next one first."""

    def wait(self, sweep: str, item: T) -> None:
        """Have an item of a sweep wait for a slot, behind its others."""
        lane = self._lanes.setdefault(sweep, _Lane())
        if not lane.waiting:
            self._turns.append(sweep)
        lane.waiting.append(item)

    def release(self, sweep: str) -> None:
        """Give back a slot that an item of this sweep has held."""
        lane = self._lanes[sweep]
        lane.held -= 1
        self._held -= 1
        if not lane.held and not lane.waiting:
            del self._lanes[sweep]

    def take(self) -> Iterator[T]:
        """Give the free slots to what waits, a sweep at a time; each is held until it is released."""
        passed_over = 0
        while passed_over < len(self._turns) and self._held < self._total:
            sweep = self._turns[0]
            lane = self._lanes[sweep]
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
