"""Folders that are there whole or not at all: written beside their place, flushed, then renamed into it."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MANIFEST = "manifest.json"
"""The SHA-256 of every other file of a folder, by name."""
_PARTIAL = ".partial-"


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill with files; it takes the place of `path`, with a manifest, once all is on disk.

    What was there before goes only when the new one has been flushed and read back. If the body raises, nothing has
    changed. Raises OSError.
    """
    partial = path.with_name(f"{_PARTIAL}{path.name}")
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial.parent)
    partial.mkdir()
    try:
        yield partial
        files = sorted(file for file in partial.iterdir() if file.is_file())
        for file in files:
            _sync(file)
        # Every byte is read back after it was flushed.
        hashes = {file.name: file_digest(file) for file in files}
        manifest = partial / MANIFEST
        manifest.write_text(json.dumps(hashes, indent=1))
        _sync(manifest)
        _sync(partial)
        _take_place(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync(path.parent)


def link_folder(source: Path, target: Path) -> None:
    """Make `target` a folder of the same files as `source`, at no cost in space where the file system has links."""
    partial = target.with_name(f"{_PARTIAL}{target.name}")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, copy_function=_link)
    _sync(partial)
    _take_place(partial, target)
    _sync(target.parent)


def broken(folder: Path) -> str | None:
    """What is wrong with a folder that has a manifest; None for one that is whole."""
    try:
        hashes = json.loads((folder / MANIFEST).read_text())
        for name, digest in hashes.items():
            if file_digest(folder / name) != digest:
                return f"{name} is not what was written"
    except (OSError, ValueError) as error:
        return f"incomplete: {error}"
    return None


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a whole folder and of those within it, by path, as they were written."""
    written: dict[str, str] = json.loads((folder / MANIFEST).read_text())
    written[MANIFEST] = file_digest(folder / MANIFEST)
    for part in subfolders(folder):
        written |= {f"{part.name}/{name}": digest for name, digest in digests(part).items()}
    return written


def is_partial(path: Path) -> bool:
    """Whether this is what an attempt left behind that was killed while it wrote."""
    return path.name.startswith(_PARTIAL)


def file_digest(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def subfolders(folder: Path) -> list[Path]:
    """The whole folders within a whole folder."""
    return [entry for entry in folder.glob("*") if entry.is_dir()]


def make_folder(folder: Path) -> None:
    """Make a folder and its parents where they are missing; a folder that its parent forgets is lost with its files."""
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _take_place(partial: Path, path: Path) -> None:
    """Rename over a folder that may exist, which rename() itself refuses unless it is empty."""
    former = path.with_name(f"{_PARTIAL}former-{path.name}")
    shutil.rmtree(former, ignore_errors=True)
    with suppress(FileNotFoundError):
        path.rename(former)
    partial.rename(path)
    shutil.rmtree(former, ignore_errors=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Some network file systems have no hard links.
        shutil.copyfile(source, target)
        _sync(Path(target))
        if file_digest(Path(target)) != file_digest(Path(source)):
            raise OSError(errno.EIO, "read back, it is not what was written", target) from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
