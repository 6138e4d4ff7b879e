"""Files for reports that attempts left in a sweep's storage, downloaded to the folder of its record."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster.download import GoneError, Source, bring, left_over, patiently
from seedsweep.cluster.storage import reading
from seedsweep.codes import CommandError
from seedsweep.contract.for_reports import ATTEMPTS, is_for_reports, most_bytes
from seedsweep.engine.questions.footprint import in_words
from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.apiserver.kubeconfig import open_api
from seedsweep.kube.objects.weights import ClaimFolder, Place, Uri
from seedsweep.kube.pods.manifest import storage_folder
from seedsweep.report.compared import files_read
from seedsweep.report.record import Record
from seedsweep.report.words import counted, one_line

AT_ONCE = 8
"""Files: they are many and small, so that what takes time is the way there and back."""


def place_of_attempts(sweep: SeedSweep) -> Place | None:
    """Where it is; None without storage, and in a claim that no image of ours is there to serve."""
    storage = sweep.spec.storage
    if storage is None:
        return None
    folder = f"{storage_folder(sweep)}/{ATTEMPTS}"
    if storage.uri is not None:
        return Uri(f"{storage.uri.rstrip('/')}/{folder}")
    claim = storage.persistent_volume_claim
    if claim is None or sweep.spec.trainer.fine_tuning is None:
        return None
    return ClaimFolder(claim.claim_name, folder)


async def bring_home(record: Record, directory: Path, tell: Callable[[str], None]) -> None:
    """Bring it, as far as it comes: a report is made without what does not, and says what it lacks."""
    place = place_of_attempts(record.sweep)
    if place is None:
        return
    try:
        async with AsyncExitStack() as stack:
            api = await open_api(stack)
            [source] = await stack.enter_async_context(reading(api, record.sweep, [place], tell))
            await bring_attempts(source, record, directory, tell)
    except (CommandError, ApiError, OSError) as error:
        tell(not_brought(error))


async def bring_attempts(source: Source, record: Record, directory: Path, tell: Callable[[str], None]) -> None:
    """Bring what reports read of what attempts on record left; what is here already is not read again.

    Running attempts remove answers that better ones follow: what has gone since the list was made is passed over.

    Raises:
        CommandError, ApiError: of a file that could not be had; what could be is here.
        OSError: `directory` cannot be written.
    """
    missing = _missing(await patiently(source.sizes), record, directory / ATTEMPTS)
    large = sorted(name for name, size in missing.items() if size > most_bytes(name))
    if large:
        first = f"{large[0]}, {in_words(missing[large[0]])}"
        tell(f"Left where it is, for it is larger than reports read: {counted(len(large), 'file')}, such as {first}.")
    names = sorted(missing.keys() - set(large))
    if names:
        size = in_words(sum(missing[name] for name in names))
        tell(f"Downloading {counted(len(names), 'file')} for reports, {size}.")
    failed: list[BaseException] = []
    for begin in range(0, len(names), AT_ONCE):
        batch = names[begin : begin + AT_ONCE]
        brought = (_bring_whole(source, name, directory / ATTEMPTS / name, missing[name]) for name in batch)
        failures = [failure for failure in await asyncio.gather(*brought, return_exceptions=True) if failure]
        failed += failures
        if len(failures) == len(batch):
            # It is not single files that are at fault: what is left would take as long to fail.
            break
    if failed:
        raise failed[0]


def not_brought(error: Exception) -> str:
    """For people, why it did not come, or not all of it."""
    return f"Not all that the report compares models by came: {one_line(str(error)) or type(error).__name__}"


def _missing(sizes: Mapping[str, int], record: Record, folder: Path) -> dict[str, int]:
    """Bytes of the files that a report reads and that are not here, by name.

    Answers at other evaluations stay where they are: a trainer may have left as many as it likes.
    """
    wanted = files_read(record)
    return {n: s for n, s in sizes.items() if n in wanted and is_for_reports(n) and not _is_here(folder / n, s)}


def _is_here(path: Path, size: int) -> bool:
    """A file never changes, but that an attempt at work adds lines to it."""
    return path.exists() and path.stat().st_size == size


async def _bring_whole(source: Source, name: str, path: Path, size: int) -> None:
    partial = path.with_name(f".{path.name}.partial")
    left_over(partial, size)
    try:
        await bring(source, name, partial, size, lambda _: None)
    except GoneError:
        partial.unlink()
        return
    partial.replace(path)
