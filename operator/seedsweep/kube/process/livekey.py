"""The word that the operator's live view of a sweep asks for.

The API server's proxy takes away who asks, so that the operator cannot ask for their rights. Instead each sweep's
status holds a word: whoever may read the sweep knows it, and nobody else does.
"""

import hmac
import secrets

HEADER = "X-SeedSweep-Key"
"""Header of a request for the live view."""

_SECRET = secrets.token_bytes(32)


def live_key(uid: str) -> str:
    """The word for the sweep of this UID; another one after every start of the operator."""
    return hmac.digest(_SECRET, uid.encode(), "sha256").hex()
