"""A folder of weights brought to this machine: in parts, so that what breaks goes on, and every byte checked."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol, TypeVar

from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.report.words import one_line
from seedsweep_trainer.storage.durable import MANIFEST

PART = 8 << 20
"""Bytes asked for at a time."""
PATIENCE_SECONDS = 60.0
"""How long a part may fail."""
_PAUSE_SECONDS = 1.0
_FILE = re.compile(r"\w[\w.-]*(/\w[\w.-]*)*")
_DIGEST = re.compile(r"[0-9a-f]{64}")

Answer = TypeVar("Answer")


class GoneError(CommandError):
    """A file was listed and is not there any more."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was removed while it was fetched: try again", Exit.FAILED)


class Source(Protocol):
    """Where the files are. Both raise ApiError or OSError for what may pass, CommandError for what will not."""

    async def sizes(self) -> Mapping[str, int]:
        """Bytes of every file, by its name."""
        ...

    async def read(self, name: str, part: range) -> bytes:
        """These bytes of a file; raises GoneError."""
        ...


class Told(Protocol):
    """Who is told of the progress."""

    def __call__(self, done: int, total: int) -> None:
        """So many bytes of so many are here."""
        ...


async def download(source: Source, folder: Path, told: Told) -> None:
    """Bring all files that the manifest names, and the manifest itself; what is there already is not read again.

    Raises:
        CommandError: the source has failed for a minute, or what it holds is not what was written.
        OSError: `folder` cannot be written.
    """
    sizes = await patiently(source.sizes)
    digests = await _manifest(source, sizes)
    total, done = sum(sizes[name] for name in digests), 0
    for name, digest in digests.items():
        path = folder / name
        report = partial(_report, told, done, total)
        resumed = left_over(path, sizes[name])
        while await bring(source, name, path, sizes[name], report) != digest:
            # What an earlier try has left may be of other weights.
            path.unlink()
            if not resumed:
                raise CommandError(f"{name} is not what was written: its SHA-256 is not the manifest's", Exit.FAILED)
            resumed = False
        done += sizes[name]
    (folder / MANIFEST).write_text(json.dumps(digests, indent=1))


async def patiently(ask: Callable[[], Awaitable[Answer]], patience: float = PATIENCE_SECONDS) -> Answer:
    """Ask again while it fails in a way that may pass; raises CommandError when it does so for too long."""
    began = monotonic()
    while True:
        try:
            return await ask()
        except (ApiError, OSError) as error:
            if isinstance(error, ApiError) and not error.passing:
                raise
            if monotonic() - began > patience:
                said = one_line(str(error)) or type(error).__name__
                message = f"gave up after {patience:.0f} s: {said}; the same command goes on from there"
                raise CommandError(message, Exit.FAILED) from error
        await asyncio.sleep(_PAUSE_SECONDS)


async def _manifest(source: Source, sizes: Mapping[str, int]) -> dict[str, str]:
    if MANIFEST not in sizes:
        raise CommandError(f"no {MANIFEST} is there: it is not the folder of a winner", Exit.BAD_INPUT)
    content = await patiently(partial(source.read, MANIFEST, range(sizes[MANIFEST])))
    try:
        digests: dict[str, str] = json.loads(content)
        sound = all(_FILE.fullmatch(name) and _DIGEST.fullmatch(digest) for name, digest in digests.items())
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise CommandError(f"{MANIFEST} there is no list of files with their SHA-256", Exit.FAILED)
    missing = digests.keys() - sizes.keys()
    if missing:
        raise CommandError(f"{', '.join(sorted(missing))} is missing there", Exit.FAILED)
    return digests


def left_over(path: Path, size: int) -> bool:
    """Whether an earlier try has left a beginning of the file; what cannot be one is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return False
    if path.stat().st_size > size:
        path.unlink()
        return False
    return True


async def bring(source: Source, name: str, path: Path, size: int, told: Callable[[int], None]) -> str:
    """Bring the rest of a file; the SHA-256 of all of it."""
    with path.open("ab+") as file:
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256")
        while (have := file.tell()) < size:
            told(have)
            part = range(have, min(have + PART, size))
            data = await patiently(partial(source.read, name, part))
            if len(data) != len(part):
                raise CommandError(f"{len(data)} bytes of {name} came where {len(part)} were asked for", Exit.FAILED)
            file.write(data)
            digest.update(data)
        told(size)
    return digest.hexdigest()


def _report(told: Told, before: int, total: int, of_file: int) -> None:
    told(before + of_file, total)
