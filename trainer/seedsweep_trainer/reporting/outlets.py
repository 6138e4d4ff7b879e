"""The files that an attempt speaks through: its termination message, and its result."""

import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Self

from seedsweep.contract.message import Message, encode_message
from seedsweep.contract.protocol import DEFAULT_TERMINATION_LOG, Env
from seedsweep.files import write_whole


class Outlets:
    """The files that an attempt speaks through beside its metrics."""

    def __init__(self, termination_log: Path | None = None, work_dir: Path | None = None) -> None:
        """None: not wanted."""
        self._termination_log = termination_log
        self._work_dir = work_dir
        self._warned = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """As the contract's variables have them."""
        log = Path(environ.get(Env.TERMINATION_LOG) or DEFAULT_TERMINATION_LOG)
        work_dir = environ.get(Env.WORK_DIR)
        # Nobody outside Kubernetes reads the default place.
        wanted = log.exists() or Env.TERMINATION_LOG in environ
        return cls(log if wanted else None, Path(work_dir) if work_dir else None)

    def leave_word(self, message: Message) -> None:
        """Replace the termination message; one that cannot be written is told once, and ends nothing."""
        if self._termination_log is None:
            return
        try:
            _rewrite(self._termination_log, encode_message(message))
        except OSError as error:
            # Scores reach the operator through the metrics too: hours of training are worth more than last words.
            if not self._warned:
                print(f"seedsweep: the termination message cannot be written: {error}", file=sys.stderr, flush=True)
            self._warned = True

    def leave_result(self, message: Message) -> None:
        """Write result.json; raises OSError where it cannot be written."""
        if self._work_dir is not None:
            write_whole(self._work_dir / "result.json", _result(message))


def _rewrite(path: Path, content: bytes) -> None:
    """Replace a file's content in place: it is a mount, which nothing can be renamed over."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, content)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def _result(message: Message) -> bytes:
    fields = asdict(message)
    for curve in ("scores", "losses"):
        if fields[curve] is not None:
            fields[curve] = [None if math.isnan(value) else value for value in fields[curve]]
    return (json.dumps(fields, indent=1) + "\n").encode()
