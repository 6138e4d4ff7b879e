"""The GPUs of a simulated cluster: each with a node and a speed of its own; they come, vanish and get lost."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, on a node of its own."""

    node: str
    slowness: float = 1.0
    """Seconds it takes for one of an average GPU."""


class Gpus:
    """Those that there are now, and who holds them."""

    def __init__(self, count: int, spread: float, rng: random.Random) -> None:
        """`spread`: they are this much slower or faster than the average at most."""
        self.there: list[Gpu] = []
        self.holders: dict[str, str] = {}
        """UID of the attempt by node."""
        self._spread, self._rng = spread, rng
        self._made = 0
        self.add(count)

    def add(self, count: int) -> None:
        """New ones appear, on new nodes."""
        for _ in range(count):
            self._made += 1
            slowness = self._rng.uniform(1 - self._spread, 1 + self._spread)
            self.there.append(Gpu(f"node-{self._made}", slowness))

    def take(self, uid: str) -> Gpu | None:
        """The first that is free, for this attempt; None where all are taken."""
        for gpu in self.there:
            if gpu.node not in self.holders:
                self.holders[gpu.node] = uid
                return gpu
        return None

    def give_back(self, uid: str) -> None:
        """An attempt has ended."""
        for node in [node for node, holder in self.holders.items() if holder == uid]:
            del self.holders[node]

    def remove(self, node: str) -> str | None:
        """One is gone; the attempt that held it."""
        self.there = [gpu for gpu in self.there if gpu.node != node]
        return self.holders.pop(node, None)

    @property
    def free(self) -> int:
        """How many nobody holds."""
        return len(self.there) - len(self.holders)
