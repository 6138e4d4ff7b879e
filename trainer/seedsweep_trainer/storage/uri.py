"""A folder behind an fsspec URI: what a passing fault interrupts is tried again, what lasts is said with its remedy."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fsspec.core import url_to_fs
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from seedsweep_trainer.errors import ConfigurationError, RefusedError, StorageError

PATIENCE_SECONDS = 300.0
"""How long one operation is tried again before it counts as failed."""
_LONGEST_PAUSE_SECONDS = 15.0
_LASTING = (PermissionError, FileNotFoundError, NotADirectoryError, ImportError, ValueError)
_LASTING_NAMES = {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "DefaultCredentialsError"}
"""Of errors in libraries that are imported only where a URI needs them."""
_DAMAGE_NAMES = {"FlexibleChecksumError"}
"""What a store's library calls content that is not what was written."""
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "hf": "HF_TOKEN",
}
_ENDPOINTS = {"s3": "AWS_ENDPOINT_URL", "gs": "STORAGE_EMULATOR_HOST", "hf": "HF_ENDPOINT"}

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


class UnreadableError(Exception):
    """What a path holds cannot be had: it is missing, or damaged."""


class UriFiles:
    """Reads and writes the files below a URI. All methods raise RefusedError and StorageError."""

    def __init__(self, uri: str, patience: float | None = None) -> None:
        """`patience`: seconds in place of PATIENCE_SECONDS. Raises ConfigurationError for a URI that nothing reads."""
        self._uri = uri
        self._patience = PATIENCE_SECONDS if patience is None else patience
        self._protocol = uri.partition("://")[0]
        try:
            # Others write there too: what was listed a moment ago may be wrong now.
            self._fs, self._root = url_to_fs(uri, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            remedy = "give one that fsspec knows, such as s3://BUCKET/FOLDER, and its package in the trainer's image"
            raise ConfigurationError(f"storage {uri!r} cannot be used: {error}; {remedy}") from None

    def find(self, path: str = "") -> list[str]:
        """Paths of all files, or of those below `path`, from this folder on."""
        try:
            found = self._try(lambda: self._fs.find(self._at(path)))
        except FileNotFoundError:
            return []
        return [file.removeprefix(self._root).lstrip("/") for file in found]

    def read(self, path: str, at_most: int | None = None) -> bytes:
        """The content of a file, or so many bytes of its beginning; raises UnreadableError."""

        def read() -> bytes:
            whole = at_most is None or self._fs.info(self._at(path))["size"] <= at_most
            content: bytes = self._fs.cat_file(self._at(path), end=None if whole else at_most)
            return content

        return self._read(read)

    def write(self, path: str, content: bytes) -> None:
        """Create or replace a file."""
        self._write(lambda: self._fs.pipe_file(self._at(path), content))

    def upload(self, source: Path, path: str) -> None:
        """Create or replace a file by one of this machine's; it has arrived in full when this returns."""

        def upload() -> None:
            self._fs.put_file(str(source), self._at(path))
            try:
                arrived = self._fs.info(self._at(path))["size"]
            except FileNotFoundError:
                # The place is there. An attempt that was given up for lost may have its files removed as they arrive.
                raise OSError(f"{path} was removed as it arrived") from None
            sent = source.stat().st_size
            if arrived != sent:
                raise OSError(f"{arrived} of {sent} bytes of {path} arrived")

        self._write(upload)

    def download(self, path: str, target: Path) -> None:
        """Copy a file to this machine; raises UnreadableError."""
        self._read(lambda: self._fs.get_file(self._at(path), str(target)))

    def remove(self, path: str) -> None:
        """Remove a file; none is fine."""
        try:
            self._try(lambda: self._fs.rm_file(self._at(path)))
        except FileNotFoundError:
            return

    def remove_tree(self, path: str) -> None:
        """Remove all below a path; none is fine."""
        try:
            self._try(lambda: self._fs.rm(self._at(path), recursive=True))
        except FileNotFoundError:
            return

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}".rstrip("/")

    def _read(self, action: Callable[[], Answer]) -> Answer:
        try:
            return self._try(action)
        except FileNotFoundError:
            raise UnreadableError("it is missing") from None

    def _write(self, action: Callable[[], object]) -> None:
        try:
            self._try(action)
        except FileNotFoundError as error:
            said = f"there is no such place ({_first_line(error)}): make the bucket, or correct the URI"
            raise RefusedError(f"storage {self._uri}: {said}") from error

    def _try(self, action: Callable[[], Answer]) -> Answer:
        retrying = Retrying(
            retry=retry_if_exception(lambda error: not _lasts(error)),
            wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE_SECONDS),
            stop=stop_after_delay(self._patience),
            before_sleep=self._say,
            reraise=True,
        )
        try:
            return retrying(action)
        except FileNotFoundError:
            raise
        except Exception as error:
            if type(error).__name__ in _DAMAGE_NAMES:
                raise UnreadableError("it is not what was written") from error
            raise self._explained(error) from error

    def _say(self, failed: RetryCallState) -> None:
        error = failed.outcome.exception() if failed.outcome is not None else None
        log.warning("storage %s fails and is tried again: %s", self._uri, _first_line(error))

    def _explained(self, error: Exception) -> StorageError:
        said = _first_line(error)
        if _lasts(error):
            credentials = _CREDENTIALS.get(self._protocol, "the credentials")
            remedy = f"check {credentials} in the trainer's environment, and that they may list, read, write and delete"
            return RefusedError(f"storage {self._uri} refuses: {said}; {remedy}")
        variable = _ENDPOINTS.get(self._protocol)
        endpoint = f"{variable} ({os.environ.get(variable) or 'not set'}) and " if variable else ""
        return StorageError(
            f"storage {self._uri} has failed for {self._patience:.0f} s: {said}; check {endpoint}the way there"
        )


def _lasts(error: BaseException) -> bool:
    return isinstance(error, _LASTING) or type(error).__name__ in _LASTING_NAMES | _DAMAGE_NAMES


def _first_line(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
