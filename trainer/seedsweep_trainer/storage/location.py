"""Where a sweep's storage is: a path, or a URI."""

from pathlib import Path
from tempfile import mkdtemp

from seedsweep_trainer.storage.folders import Folders, LocalFolders


def local_path(place: str) -> Path | None:
    """The path that a place has on this machine; None where it has none."""
    if place.startswith("file://"):
        return Path(place.removeprefix("file://"))
    return None if "://" in place else Path(place)


def join(place: str, *names: str) -> str:
    """A place within a place."""
    return "/".join([place.rstrip("/"), *names])


def open_folders(place: str, work: Path | None) -> Folders:
    """An episode's folders; what is on its way to a URI, or from it, lies in the folder `work`.

    Raises ConfigurationError for a URI that nothing here can read.
    """
    if (path := local_path(place)) is not None:
        return LocalFolders(path)
    # File systems for URIs load slowly, and most sweeps need none.
    from seedsweep_trainer.storage.remote import RemoteFolders
    from seedsweep_trainer.storage.uri import UriFiles

    return RemoteFolders(UriFiles(place), (work or Path(mkdtemp(prefix="seedsweep-"))) / "storage")
