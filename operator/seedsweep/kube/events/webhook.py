"""The end of every sweep, told to a webhook that the operator's administrator has set. It delays no turn.

What is posted is what Slack's incoming webhooks take: `{"text": ...}`. A sweep is told at least once, as far as the
webhook answers: an operator that starts tells again what ended just before it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp

from seedsweep.api.status import SweepStatus
from seedsweep.kube.objects.home import Home
from seedsweep.kube.process.log import SweepLog
from seedsweep.report.words import end_words

TIMEOUT_SECONDS = 10.0
"""For one try."""
PAUSES_SECONDS = (1.0, 10.0, 60.0)
"""Before the second and each later try; then it is given up."""
MAX_WAITING = 1_000
"""Ends not told yet; the oldest give way."""
_FINAL = range(400, 500)
_PASSING = frozenset({408, 425, 429})
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
"""What Slack reads as a link or a mention otherwise, such as <!channel>."""

_log = logging.getLogger(__name__)


def parse_webhook(text: str) -> str:
    """An https URL; raises ValueError, whose message does not hold it: the URL is a secret."""
    parts = urlsplit(text.strip())
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError('is no URL that begins with https:// and a host: give one that takes {"text": ...}')
    return text.strip()


def end_text(home: Home, status: SweepStatus) -> str:
    """One line on how a sweep has ended."""
    return end_words(f"SeedSweep {home.namespace}/{home.name}", status).translate(_ESCAPES)


class Webhook:
    """Posts ends one after another, in the background."""

    def __init__(self, url: str, pauses: Sequence[float] = PAUSES_SECONDS) -> None:
        self._url = url
        self._pauses = pauses
        self._waiting: deque[tuple[Home, str]] = deque(maxlen=MAX_WAITING)
        self._news = asyncio.Event()

    def tell(self, home: Home, status: SweepStatus) -> None:
        """Post this end soon."""
        self._waiting.append((home, end_text(home, status)))
        self._news.set()

    async def post_forever(self) -> None:
        """Post what there is to tell, until it is cancelled."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._waiting:
                    home, text = self._waiting.popleft()
                    await self._post(session, text, SweepLog(_log, home.namespace, home.name))

    async def _post(self, session: aiohttp.ClientSession, text: str, log: SweepLog) -> None:
        for pause in (*self._pauses, None):
            trouble = await self._try(session, text)
            if trouble is None:
                return
            if pause is None or (isinstance(trouble, int) and trouble in _FINAL and trouble not in _PASSING):
                # The URL is a secret, and so no error is told that might hold it.
                log.warning("its end could not be told to the webhook: %s", trouble)
                return
            await asyncio.sleep(pause)

    async def _try(self, session: aiohttp.ClientSession, text: str) -> int | str | None:
        """None where it was taken, else the HTTP status or the kind of error."""
        try:
            async with session.post(self._url, json={"text": text}, allow_redirects=False) as answer:
                return None if answer.ok and answer.status < 300 else answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__
