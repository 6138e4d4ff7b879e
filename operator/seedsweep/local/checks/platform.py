"""Which platforms can train."""

import sys

from seedsweep.codes import bad_input

TRAINING_PLATFORMS = "Linux or macOS"
"""Processes are started in groups, told to end by signals and hold locks as POSIX has them."""


def can_train() -> bool:
    """Whether this platform is one."""
    return sys.platform != "win32"


def require_posix(command: str) -> None:
    """Refuse a command that only works where one can train; raises CommandError."""
    if not can_train():
        remedy = "on Windows use it in WSL (`wsl --install`), or train on a cluster"
        raise bad_input(f"seedsweep {command} needs {TRAINING_PLATFORMS}: {remedy}")
