"""Files that are there whole or not at all, whenever the process or the machine stops."""

import os
import sys
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or as it was before; raises OSError."""
    _temporary(path, content).replace(path)
    _sync_folder(path.parent)


def create_whole(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet; False where there is one, which stays as it is. Raises OSError."""
    temporary = _temporary(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    _sync_folder(path.parent)
    return True


def _temporary(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.partial")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        # On a full disk a part of a file would only be in the way.
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return  # It opens no folders, and NTFS keeps a journal of names.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
