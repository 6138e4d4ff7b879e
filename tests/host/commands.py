"""The command line in this process."""

from seedsweep.cli import main


def seedsweep(*arguments: object) -> int:
    """The exit code of `seedsweep` with these arguments."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as error:
        return int(error.code or 0)
    return 0
