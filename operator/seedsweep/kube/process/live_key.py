"""The word that the operator's live view of a sweep asks for.

The API server's proxy takes away who asks, so that the operator cannot ask for their rights. Instead each sweep's
status holds a word: whoever may read the sweep knows it, and nobody else does.
"""

import hmac
import secrets
from datetime import datetime, timedelta

HEADER = "X-SeedSweep-Key"
"""Header of a request for the live view."""

GIVES_WAY = timedelta(minutes=10)
"""For how long the word of another operator stays, once ours has been on record."""
_SECRET = secrets.token_bytes(32)


def live_key(uid: str) -> str:
    """The word for the sweep of this UID; another one after every start of the operator."""
    return hmac.digest(_SECRET, uid.encode(), "sha256").hex()


class RecordedKey:
    """Whose word stands in the status of one sweep, where two operators run.

    An operator that has just begun puts its own there at once; each then lets the other's stand for a while. Otherwise
    both would write the status for ever, each to put its own word back.
    """

    def __init__(self, own: str) -> None:
        self._own = own
        self._stood = False
        """Ours has been on record."""
        self._others_since: datetime | None = None

    def choose(self, on_record: str | None, now: datetime) -> str:
        """The word for the next status, given the one that is there."""
        if on_record is None or on_record == self._own:
            self._others_since = None
        if on_record is None or on_record == self._own or not self._stood:
            return self._own
        self._others_since = self._others_since or now
        return self._own if now - self._others_since >= GIVES_WAY else on_record

    def note_written(self, key: str | None) -> None:
        """This one was put on record by us."""
        self._stood = self._stood or key == self._own
