"""What a person has to change.

ConfigurationError   raised before any training, ends the attempt with ExitCode.BAD_CONFIGURATION
PortTakenError       metrics cannot be served for now: ends the attempt as a failure, which is retried
StorageError         storage has failed for longer than it is tried again
    RefusedError     it says no: wrong credentials or rights, no such bucket
HubError             a hub was not reached or has failed, which may pass
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_SHOWN_NAMES, _SHOWN_TEXTS = 20, 3
_SHOWN_LENGTH = 80
"""Characters of a name; what is longer is a text."""


class ConfigurationError(Exception):
    """Bad configuration: the message names field, value and remedy; one text for each problem."""

    def __str__(self) -> str:
        return "; ".join(map(str, self.args))


class PortTakenError(Exception):
    """Another program listens where metrics are to be served; the message names the port and the remedy."""


class StorageError(Exception):
    """The sweep's storage fails and has been tried again for long; the message says what to check."""


class RefusedError(StorageError):
    """The sweep's storage refuses what trying again would not change; before any training it is configuration."""


class HubError(Exception):
    """A hub was not reached or has failed: trying again may help; the message says what works without it."""


@contextmanager
def noted(problems: list[str]) -> Iterator[None]:
    """Note what is wrong and go on, so that all of it is said at once."""
    try:
        yield
    except ConfigurationError as error:
        problems.extend(error.args)


def unknown_name(field: str, value: str, allowed: Iterable[str], what: str) -> ConfigurationError:
    """The error for a name that is none of `allowed`, with the likeliest meant one; `what` says what it is not."""
    names = list(allowed)
    most = _SHOWN_TEXTS if any(len(name) > _SHOWN_LENGTH for name in names) else _SHOWN_NAMES
    shown = ", ".join(map(start_of, names[:most])) + (", ..." if len(names) > most else "")
    close = difflib.get_close_matches(value, names, n=1)
    hint = f"; did you mean {start_of(close[0])!r}?" if close else ""
    return ConfigurationError(f"{field} {start_of(value)!r} is not {what}: {shown or 'there are none'}{hint}")


def start_of(name: str) -> str:
    """A name as it is shown: of a text that stands in the place of one, the beginning."""
    return name if len(name) <= _SHOWN_LENGTH else f"{name[: _SHOWN_LENGTH - 3]}..."
