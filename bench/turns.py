"""Programs that take turns in one process, a block of work at a time, so that a busy machine slows all of them alike.

Each runs on a thread of its own, and only while it is its turn. Block i of one program is the same work as block i of
another and runs next to it; who goes first is drawn.
"""

import ctypes
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from threading import Semaphore, Thread

import numpy as np
import torch
from scipy.stats import bootstrap

# malloc.h
_M_ARENA_MAX = -8


def now() -> float:
    """Seconds: of the processor, so that others on the machine do not count; with a GPU, until its work is done."""
    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


class Turns:
    """One program's turns. What it does before `begins` and after its last block is not measured."""

    def __init__(self, program: Callable[["Turns"], None]) -> None:
        """The program starts with the first turn."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        """Of all blocks so far, by their kind."""
        self._program = program
        self._granted = Semaphore(0)
        self._used: SimpleQueue[bool | BaseException] = SimpleQueue()
        self._since = 0.0
        # One that waits for a turn that never comes, as another failed, keeps no process alive.
        Thread(target=self._run, daemon=True).start()

    def begins(self) -> None:
        """Said by the program when it is set up; returns when its first block may start."""
        # A setting of the whole process, which each program may want otherwise.
        deterministic = torch.are_deterministic_algorithms_enabled()
        self._used.put(True)
        self._granted.acquire()
        torch.use_deterministic_algorithms(deterministic)
        self._since = now()

    def ends(self, kind: str) -> None:
        """Said by the program after a block of this kind; returns when the next one may start."""
        self.seconds[kind] += now() - self._since
        self.begins()

    def take(self) -> bool:
        """Let the program do its next block; False where it had none left. Raises what it raises."""
        self._granted.release()
        outcome = self._used.get()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _run(self) -> None:
        self._granted.acquire()
        try:
            self._program(self)
        except BaseException as error:
            self._used.put(error)
        else:
            self._used.put(False)


def take_turns(programs: Mapping[str, Callable[[Turns], None]], draw: random.Random) -> dict[str, Mapping[str, float]]:
    """The seconds of all programs by the kind of work, once all have ended."""
    _share_one_heap()
    turns = {name: Turns(program) for name, program in programs.items()}
    running = list(turns)
    while running:
        running = [name for name in draw.sample(running, len(running)) if turns[name].take()]
    return {name: turn.seconds for name, turn in turns.items()}


def _share_one_heap() -> None:
    """Give the threads the memory that a main thread would get: their own pieces are small and often given back."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_ARENA_MAX, 1)


def speed(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Their seconds for one of ours, above 1 where ours is the faster one, with its 95 % interval.

    Bootstrap over rounds (percentile), which stay pairs: where its tensors happen to lie in memory makes a program
    faster or slower by some percent for as long as it keeps them, so blocks of one round are no independent draws.
    """

    def ratio(ours: np.ndarray, theirs: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(theirs.sum(axis) / ours.sum(axis))

    pairs = (np.array(ours), np.array(theirs))
    found = bootstrap(pairs, ratio, paired=True, vectorized=True, method="percentile", rng=np.random.default_rng(0))
    return float(ratio(*pairs)), float(found.confidence_interval.low), float(found.confidence_interval.high)
