"""Ports of this machine that trainers serve their metrics on."""

import random
import socket
from collections.abc import Container, Iterator
from functools import cache

LOOPBACK = "127.0.0.1"
FIRST_PORT, FIRST_DYNAMIC_PORT = 21_000, 32_768
"""Linux gives outgoing connections ports from the second on, macOS higher ones."""
_BLOCK = 64
"""Ports in a row that one runner chooses among. The first of them is its claim to the others."""


def free_port(promised: Container[int] = ()) -> int:
    """A port that nobody listens on now, and that is none of those that were given out already.

    A trainer listens only seconds after its port was chosen. Meanwhile nobody else may get it: the kernel gives it to
    no outgoing connection, and another runner chooses among ports of its own.
    """
    return next(port for port in _candidates() if port not in promised and is_free(port))


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        # As servers do: connections of a trainer that just ended may linger there.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _candidates() -> Iterator[int]:
    """This process's own ports in any order, and where these do not do, any, for ever."""
    own = _own_ports()
    yield from random.sample(own, len(own))
    while True:
        yield random.randrange(FIRST_PORT, FIRST_DYNAMIC_PORT)


@cache
def _own_ports() -> range:
    """Ports that no other runner claims as long as this process lives; none where all are claimed."""
    blocks = range(FIRST_PORT, FIRST_DYNAMIC_PORT - _BLOCK + 1, _BLOCK)
    for first in random.sample(blocks, len(blocks)):
        with socket.socket() as claim:
            try:
                claim.bind((LOOPBACK, first))
            except OSError:
                continue
            # Open until the process ends.
            claim.detach()
            return range(first + 1, first + _BLOCK)
    return range(0)
