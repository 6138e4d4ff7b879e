"""Ports that nobody else takes between their choice and their use, for servers that are told theirs beforehand.

A port that was only seen to be free may be gone a moment later: the kernel gives outgoing connections, and servers that
ask for any port, one of those in `ip_local_port_range`, and other test processes choose as well. So ports come from
below that range, out of a block that is this process's alone.
"""

import os
import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path

FIRST, END, SIZE = 10_000, 20_000, 100
"""Of the blocks. Each begins with the port whose socket reserves it."""
_GIVEN_BY_THE_KERNEL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(in_a_row: int = 1) -> int:
    """A port of this process's block that nothing listens on at any address, or the first of so many in a row.

    Raises OSError where all are in use.
    """
    return _block().free_port(in_a_row)


class Block:
    """SIZE ports in a row, this process's until it ends: the socket that is bound to the first dies with it."""

    def __init__(self, first: int) -> None:
        """Raises OSError where another process has it."""
        self.first = first
        self._ports: Iterator[int] = cycle(range(first + 1, first + SIZE))
        with socket.socket() as guard:
            guard.bind(("127.0.0.1", first))
            # Kept open until the process ends, which nobody need be told of.
            self._guard = guard.detach()

    def free_port(self, in_a_row: int = 1) -> int:
        """One that nothing listens on, or the first of so many in a row; it comes again once all others have.

        Raises OSError where all are in use.
        """
        found: list[int] = []
        for _ in range(2 * SIZE):
            port = next(self._ports)
            in_use = not nobody_listens(port)
            found = [] if in_use else [*found, port] if found and port == found[-1] + 1 else [port]
            if len(found) == in_a_row:
                return found[0]
        raise OSError(f"too many of this process's ports, {self.first + 1} to {self.first + SIZE - 1}, are in use")

    def close(self) -> None:
        """Give it back."""
        os.close(self._guard)


def reserve() -> Block:
    """A block that no other process has; raises OSError where there is none."""
    end = min(END, int(_GIVEN_BY_THE_KERNEL.read_text().split()[0]))
    for first in range(FIRST, end - SIZE + 1, SIZE):
        try:
            return Block(first)
        except OSError:
            continue
    raise OSError(f"other processes have all blocks of {SIZE} ports from {FIRST} to {end - 1}")


@cache
def _block() -> Block:
    return reserve()


def nobody_listens(port: int) -> bool:
    """Whether a server may have this port now, at any address."""
    with socket.socket() as probe:
        # As servers do: what ended may linger there.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
