"""How a running sweep is told to stop: by a signal, or from another thread."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


class Interruption:
    """Asks a sweep to stop, as Ctrl-C does, from any thread."""

    def __init__(self) -> None:
        self._hearer: tuple[asyncio.AbstractEventLoop, Callable[[], object]] | None = None
        self._unheard = False

    def ask(self) -> None:
        """Stop: now, or once somebody hears it."""
        if self._hearer is None:
            self._unheard = True
            return
        loop, stop = self._hearer
        # It may have ended by itself meanwhile.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop)

    @contextlib.contextmanager
    def heard(self, stop: Callable[[], object], *, by_signal: bool = False) -> Iterator[None]:
        """Within, `stop` is called in this loop whenever somebody asks; in the main thread also by SIGINT or SIGTERM.

        Args:
            by_signal: signals are taken from whoever has them. Python lets the main thread alone do that.
        """
        loop, outer = asyncio.get_running_loop(), self._hearer
        taken = (signal.SIGINT, signal.SIGTERM) if by_signal and _in_main_thread() else ()
        for number in taken:
            loop.add_signal_handler(number, stop)
        self._hearer = loop, stop
        if self._unheard:
            self._unheard = False
            loop.call_soon(stop)
        try:
            yield
        finally:
            self._hearer = outer
            for number in taken:
                loop.remove_signal_handler(number)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
