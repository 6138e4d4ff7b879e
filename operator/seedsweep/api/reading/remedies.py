"""What to do about each kind of invalid value, in our words: nothing of a library's own reaches people."""

from collections.abc import Mapping
from typing import Any

from seedsweep.api.recorded import shortened

MAX_REMEDY = 500

_REMEDIES = {
    "missing": "is required: add it",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a string: put it in quotes",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "model_type": "must be a mapping of fields",
    "dict_type": "must be a mapping",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be shorter than {min_length} characters",
    "string_too_long": "must not be longer than {max_length} characters: shorten it",
    "too_short": "must hold at least {min_length}",
    "too_long": "must not hold more than {max_length}: list fewer",
}
PATTERNS = {
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": "must be lower case letters, digits and '-', not '-' at an end",
    r"^[-._a-zA-Z][-._a-zA-Z0-9]*$": "must be letters, digits, '-', '_' and '.', and not begin with a digit",
    r"^[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i|e[0-9]+)?$": "must be a quantity, such as 500m, 2 or 4Gi",
    r"^[a-zA-Z_:][a-zA-Z0-9_:]*$": "must be the name of a metric: letters, digits, '_' and ':', not a digit first",
    r"^[a-z0-9+.-]+://.+$": "must be a URI, such as s3://bucket/folder",
    r"^(/|[a-z0-9+.-]+://).+$": "must be an absolute path or a URI, such as s3://bucket/folder",
    r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$": "must be a repository, as OWNER/NAME",
}
"""By what a field has to match."""


def remedy(kind: str, message: str, context: Mapping[str, Any]) -> str:
    """What to do about a value that pydantic has refused: `kind`, `message` and `context` are its error's."""
    pattern = context.get("pattern")
    if kind == "string_pattern_mismatch" and pattern in PATTERNS:
        return PATTERNS[pattern]
    if kind in _REMEDIES:
        return shortened(_REMEDIES[kind].format_map(context), MAX_REMEDY)
    return shortened(message.removeprefix("Value error, ").removeprefix("Input "), MAX_REMEDY)
