"""Ports of this machine that trainers serve their metrics on."""

import random
import socket
from collections.abc import Container

LOOPBACK = "127.0.0.1"
FIRST_PORT, FIRST_DYNAMIC_PORT = 21_000, 32_768
"""Linux gives outgoing connections ports from the second on, macOS higher ones."""


def free_port(promised: Container[int] = ()) -> int:
    """A port that nobody listens on now, and that is none of those that were given out already.

    The kernel gives it to no outgoing connection: one of those that it does may be gone before the trainer listens.
    """
    while True:
        port = random.randrange(FIRST_PORT, FIRST_DYNAMIC_PORT)
        if port not in promised and is_free(port):
            return port


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
