"""A network of one's own inside 127.0.0.0/8: everything stays on this machine, and two clusters never meet."""

import os
import socket

HOST = "255.1"  # the control plane's own address in its network; pods count up from 0.0
GUARDED_PORT = 20_000


class Network:
    """One 127.N.0.0/16, this process's until `close`; the bound socket that reserves it dies with the process."""

    def __init__(self) -> None:
        # Each process begins elsewhere; 127.0 is where everybody else's servers are.
        first = os.getpid() % 254
        for offset in range(254):
            number = (first + offset) % 254 + 1
            guard = socket.socket()
            try:
                guard.bind((f"127.{number}.{HOST}", GUARDED_PORT))
            except OSError:
                guard.close()
                continue
            self.host, self.pods, self._guard = f"127.{number}.{HOST}", f"127.{number}.0.1/16", guard
            return
        raise OSError("all of 127.1.0.0/16 to 127.254.0.0/16 are taken by other test clusters")

    def close(self) -> None:
        """Give the network back."""
        self._guard.close()
