"""Hardware and versions that an attempt ran with: conditions.json, which it leaves to reports (for_reports.py).

They are what its fingerprint is the digest of. Optional for a trainer of one's own.
"""

import json
from collections.abc import Mapping

from seedsweep.contract.foreign import MAX_TEXT, parse_json, recordable

FILE = "conditions.json"
MAX_BYTES = 1 << 20
_MOST = 20


def conditions_bytes(conditions: Mapping[str, str | int]) -> bytes:
    """As they stand in the file."""
    return json.dumps(dict(conditions), indent=1).encode() + b"\n"


def parse_conditions(data: bytes) -> dict[str, str]:
    """Name and value of each, as texts that a page can hold; empty for anything else."""
    if len(data) > MAX_BYTES:
        return {}
    try:
        found = parse_json(data)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {recordable(str(name)): recordable(str(value), MAX_TEXT) for name, value in list(found.items())[:_MOST]}
