"""What a person has to change: raised before any training, ends the attempt with ExitCode.BAD_CONFIGURATION."""

import difflib
from collections.abc import Iterable


class ConfigurationError(Exception):
    """Bad configuration: the message names the field, the value and the remedy."""


def unknown_name(field: str, value: str, allowed: Iterable[str], what: str) -> ConfigurationError:
    """The error for a name that is none of `allowed`, with the likeliest meant one; `what` says what it is not."""
    names = list(allowed)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    close = difflib.get_close_matches(value, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return ConfigurationError(f"{field} {value!r} is not {what}: {shown or 'there are none'}{hint}")
