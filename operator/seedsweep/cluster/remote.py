"""The winner's folder behind a URI, read by fsspec with the credentials of whoever asks."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from seedsweep.cluster.download import GoneError
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.objects.weights import Uri

_LASTING_NAMES = frozenset(
    {
        "CredentialRetrievalError",
        "DefaultCredentialsError",
        "NoCredentialsError",
        "ParamValidationError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "RefreshError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
    }
)
"""Of errors in libraries that are imported only where a URI needs them."""

Answer = TypeVar("Answer")


class UriSource:
    """Implements download.Source."""

    def __init__(self, place: Uri) -> None:
        """Raises CommandError where nothing here can read such a URI."""
        self._uri = place.uri
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError as error:
            message = f"reading {place} takes fsspec: pip install fsspec, and for s3:// s3fs, for gs:// gcsfs"
            raise CommandError(message, Exit.MISSING_PART) from error
        try:
            self._fs, self._root = url_to_fs(place.uri)
        except ImportError as error:
            package = getattr(error.__cause__, "name", None) or "what fsspec needs for it"
            message = f"reading {place} takes {package}: pip install {package}"
            raise CommandError(message, Exit.MISSING_PART) from error
        except ValueError as error:
            raise CommandError(f"{place} cannot be read: {error}", Exit.BAD_INPUT) from error

    async def sizes(self) -> Mapping[str, int]:
        """See Source."""
        try:
            found = await self._ask(partial(self._fs.find, self._root, detail=True))
        except FileNotFoundError as error:
            raise self._refused(error) from error
        if not found:
            raise CommandError(f"{self._uri} holds nothing that you may see from here", Exit.BAD_INPUT)
        return {path.removeprefix(self._root).lstrip("/"): int(facts["size"]) for path, facts in found.items()}

    async def read(self, name: str, part: range) -> bytes:
        """See Source."""
        path = f"{self._root.rstrip('/')}/{name}"
        read = partial(self._fs.cat_file, path, start=part.start, end=part.stop)
        try:
            data: bytes = await self._ask(read)
        except FileNotFoundError:
            raise GoneError(f"{self._uri.rstrip('/')}/{name}") from None
        return data

    async def _ask(self, call: Callable[[], Answer]) -> Answer:
        """Raises FileNotFoundError and, whatever a library has of its own, what Source promises."""
        try:
            return await asyncio.to_thread(call)
        except FileNotFoundError:
            raise
        except Exception as error:
            if isinstance(error, PermissionError) or type(error).__name__ in _LASTING_NAMES:
                raise self._refused(error) from error
            if isinstance(error, OSError):
                raise
            remedy = "check the way there (for s3:// with an endpoint of its own, AWS_ENDPOINT_URL)"
            raise OSError(f"{self._uri} cannot be read: {_said(error)}; {remedy}") from error

    def _refused(self, error: Exception) -> CommandError:
        remedy = "it is read from here, with your own credentials (for s3:// those of the AWS command line)"
        return CommandError(f"{self._uri} cannot be read: {_said(error)}; {remedy}", Exit.BAD_INPUT)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
