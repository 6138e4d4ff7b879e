"""What an attempt leaves to reports: small files, in its own folder or, on a cluster, in the sweep's storage.

No training ends for want of them: a file that cannot be written is left out, and the attempt's last words say so.
"""

import logging
from pathlib import Path
from typing import Protocol

from seedsweep.contract.for_reports import ATTEMPTS
from seedsweep.files import write_whole
from seedsweep_trainer.errors import StorageError
from seedsweep_trainer.reporting.attempt import Attempt
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.storage.durable import make_folder
from seedsweep_trainer.storage.location import join, local_path

PATIENCE_SECONDS = 60.0
"""How long a storage that fails is tried: a score may wait for the file."""

log = logging.getLogger(__name__)


class _Files(Protocol):
    def write(self, path: str, content: bytes) -> None:
        """Create or replace a file, whole or not at all. This and `remove` raise OSError or StorageError."""

    def remove(self, path: str) -> None:
        """Remove a file; none is fine."""


class ReportFiles:
    """The files of one attempt; where it has neither storage nor a folder, none."""

    def __init__(self, attempt: Attempt, reporter: Reporter) -> None:
        self._files = _files_of(attempt)
        self._reporter = reporter

    def write(self, path: str, content: bytes) -> bool:
        """Create or replace a file, or say why it is not there; whether nothing is left to be tried again."""
        if self._files is None:
            return True
        try:
            self._files.write(path, content)
        except (OSError, StorageError) as error:
            log.warning("%s, which reports are made from, is not written: %s", path, error)
            self._reporter.noted(f"not all that reports are made from could be written: {error}")
            return False
        return True

    def remove(self, path: str) -> None:
        """Remove a file; where that fails, it takes up space and harms nothing."""
        if self._files is None:
            return
        try:
            self._files.remove(path)
        except (OSError, StorageError) as error:
            log.warning("%s is not removed: %s", path, error)


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, path: str, content: bytes) -> None:
        target = self._root / path
        make_folder(target.parent)
        write_whole(target, content)

    def remove(self, path: str) -> None:
        (self._root / path).unlink(missing_ok=True)


def _files_of(attempt: Attempt) -> _Files | None:
    if attempt.storage is None:
        return _Folder(attempt.work) if attempt.work is not None else None
    place = join(attempt.storage, ATTEMPTS, attempt.uid)
    if (path := local_path(place)) is not None:
        return _Folder(path)
    # As in open_folders: most sweeps need none of it.
    from seedsweep_trainer.storage.uri import UriFiles

    return UriFiles(place, PATIENCE_SECONDS)
