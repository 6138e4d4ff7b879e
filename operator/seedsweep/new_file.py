"""A new file that an option of a command names."""

from pathlib import Path

from seedsweep.codes import CommandError, Exit, bad_input
from seedsweep.files import create_whole


def write_new(option: str, path: Path, content: bytes) -> None:
    """Write it whole.

    Raises:
        CommandError: there is one already, which stays as it is, or it cannot be written.
    """
    try:
        is_new = create_whole(path, content)
    except OSError as error:
        message = f"{option}: {path} cannot be written ({error.strerror}): give another place"
        raise CommandError(message, Exit.FAILED) from error
    if not is_new:
        raise bad_input(f"{option}: {path} is there already: give another name, or remove it")
