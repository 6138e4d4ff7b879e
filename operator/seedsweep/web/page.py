"""The live page as commands have it: from `--web` to the last thing that it shows."""

import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from types import TracebackType
from typing import Self

from rich.console import Console

from seedsweep.codes import CommandError, Exit
from seedsweep.terminal import NextStep
from seedsweep.terminal.moment import Moment
from seedsweep.web.data import Ending, News, sight_of
from seedsweep.web.server import LOOPBACK, Server


class LivePage:
    """A page that is there from the first moment that is shown until the context ends.

    Args:
        port: where it listens. Absent: where nobody else does.
    """

    def __init__(self, port: int | None, console: Console) -> None:
        self._port = port or 0
        self._console = console
        self._server: Server | None = None
        self._news: News | None = None
        self._notice = ""

    def __enter__(self) -> Self:
        """Raises CommandError where the port is taken: before anything is started."""
        self._listening = _listen(self._port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self._listening.close()

    @property
    def address(self) -> str:
        """Of the page, once there is something to show."""
        assert self._server is not None
        return self._server.address

    def show(self, moment: Moment) -> None:
        """Show it; for the first, the page is opened, and its address printed."""
        self._tell(News(sight_of(moment), self._notice))

    def say(self, notice: str) -> None:
        """What whoever watches has to say, until something else is said; empty where it is nothing."""
        self._notice = notice
        if self._news is not None:
            self._tell(replace(self._news, notice=notice))

    def end(self, words: str, steps: Sequence[NextStep] = (), last: Moment | None = None) -> None:
        """How the sweep has ended, or why nobody watches it any more; what to type then; and how it stands by now."""
        if self._news is None:
            # It was over before there was anything to show.
            return
        news = self._news if last is None else News(sight_of(last))
        self._tell(replace(news, ending=Ending(words, steps)))

    def _tell(self, news: News) -> None:
        self._news = news
        if self._server is None:
            self._server = Server(self._listening)
            self._server.start()
            self._console.print(f"Live page: {self.address}", soft_wrap=True)
            if self._console.is_terminal and _has_windows():
                # Some wait for the browser to end, and the sweep must not.
                threading.Thread(target=webbrowser.open, args=(self.address,), daemon=True).start()
        self._server.tell(news)


def live_page(wanted: bool, port: int | None, console: Console) -> AbstractContextManager[LivePage | None]:
    """The page where it is asked for, by itself or by its port."""
    return LivePage(port, console) if wanted or port is not None else nullcontext()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        remedy = "give another, or leave it out for one that is free"
        message = f"--web-port: {port} of {LOOPBACK} cannot be listened on ({error.strerror}): {remedy}"
        raise CommandError(message, Exit.BAD_INPUT) from error


def _has_windows() -> bool:
    """Whether a browser would have a window: one in the terminal would take the place of what is shown there."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
