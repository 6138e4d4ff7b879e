"""Tasks that must not end silently: whatever ends one by an error is logged, counted and followed by a new try."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic

from seedsweep.engine.backoff import pauses
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.process.log import Logger
from seedsweep.kube.process.metrics import TASK_RESTARTS

FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 60.0
STEADY_SECONDS = 300.0
"""A task that ran so long has recovered: its next error counts as the first."""

_log = logging.getLogger(__name__)


async def supervised(kind: str, work: Callable[[], Awaitable[None]], log: Logger = _log) -> None:
    """Do the work until it is done: `work` is called again after an error, with growing pauses.

    `kind` is the metric's label and names the work in the log: one of a few. A cancellation ends it.
    """
    waits = pauses(FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS)
    while True:
        began = monotonic()
        try:
            await work()
            return
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            # A task that it waited for was cancelled: nobody asked for this one's end.
            trouble: BaseException = error
        except Exception as error:
            trouble = error
        if monotonic() - began >= STEADY_SECONDS:
            waits = pauses(FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS)
        wait = next(waits)
        note_error(kind, trouble, wait, log)
        await asyncio.sleep(wait)


def note_error(kind: str, error: BaseException, wait: float, log: Logger) -> None:
    """Log and count an error that ended something, which goes on after so many seconds."""
    TASK_RESTARTS.labels(kind).inc()
    known = isinstance(error, ApiError)
    log.log(
        logging.WARNING if known else logging.ERROR,
        "%s ended by an error and starts again in %.0f s: %s",
        *(kind, wait, error if known else f"{type(error).__name__}: {error}"),
        # What we did not think of is told with where it happened.
        exc_info=None if known else error,
    )


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
