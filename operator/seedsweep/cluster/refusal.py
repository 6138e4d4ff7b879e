"""What the API server refuses, as the end of a command."""

from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.report.words import one_line


def refused(error: ApiError) -> CommandError:
    """FAILED where the same command may succeed later, else BAD_INPUT."""
    return CommandError(one_line(str(error)), Exit.FAILED if error.passing else Exit.BAD_INPUT)
