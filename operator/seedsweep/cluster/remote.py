"""The winner's folder behind a URI, read by fsspec with the credentials of whoever asks."""

import asyncio
from collections.abc import Mapping

from seedsweep.codes import CommandError, Exit
from seedsweep.kube.weights import Uri


class UriSource:
    """Implements download.Source."""

    def __init__(self, place: Uri) -> None:
        """Raises CommandError where nothing here can read such a URI."""
        self._uri = place.uri
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError as error:
            message = f"reading {place} takes fsspec: pip install fsspec, and for s3:// s3fs, for gs:// gcsfs"
            raise CommandError(message, Exit.BAD_INPUT) from error
        try:
            self._fs, self._root = url_to_fs(place.uri)
        except (ValueError, ImportError) as error:
            raise CommandError(f"{place} cannot be read: {error}", Exit.BAD_INPUT) from error

    async def sizes(self) -> Mapping[str, int]:
        """See Source."""
        try:
            found = await asyncio.to_thread(self._fs.find, self._root, detail=True)
        except (FileNotFoundError, PermissionError) as error:
            raise self._refused(error) from error
        if not found:
            raise CommandError(f"{self._uri} holds nothing that you may see from here", Exit.BAD_INPUT)
        return {path.removeprefix(self._root).lstrip("/"): int(facts["size"]) for path, facts in found.items()}

    async def read(self, name: str, part: range) -> bytes:
        """See Source."""
        path = f"{self._root.rstrip('/')}/{name}"
        try:
            data: bytes = await asyncio.to_thread(self._fs.cat_file, path, start=part.start, end=part.stop)
        except (FileNotFoundError, PermissionError) as error:
            raise self._refused(error) from error
        return data

    def _refused(self, error: OSError) -> CommandError:
        said = str(error) or type(error).__name__
        remedy = "it is read from here, with your own credentials (for s3:// those of the AWS command line)"
        return CommandError(f"{self._uri} cannot be read: {said}; {remedy}", Exit.BAD_INPUT)
