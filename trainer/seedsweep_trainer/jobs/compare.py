"""Compare a cut's losers with the last that was kept, by the answers that attempts left in the sweep's storage."""

from contextlib import suppress

from seedsweep.api.comparison import Compared, Comparison
from seedsweep.contract.for_reports import ATTEMPTS, most_bytes
from seedsweep.evidence import Read, compare_losers, reader_of
from seedsweep_trainer.storage.location import join, local_path


def compare(asked: Comparison, storage: str) -> Compared:
    """What the answers tell. Raises OSError or StorageError where the storage cannot be read."""
    attempts = join(storage, ATTEMPTS)
    path = local_path(attempts)
    return compare_losers(asked, reader_of(path) if path is not None else _reader_behind(attempts))


def _reader_behind(uri: str) -> Read:
    # As in open_folders: most sweeps need none of it.
    from seedsweep_trainer.storage.uri import UnreadableError, UriFiles

    files = UriFiles(uri)

    def read(path: str) -> bytes | None:
        with suppress(UnreadableError):
            return files.read(path, most_bytes(path) + 1)
        return None

    return read
