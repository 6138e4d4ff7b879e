"""The record of a sweep in a cluster: read through the API server, and brought to a folder for its report."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from seedsweep.api.sweep import SeedSweep, SweepMeta
from seedsweep.cluster.attempts import bring_home
from seedsweep.cluster.lookup import accepted, named_sweep
from seedsweep.cluster.refusal import refused
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.apiserver.kubeconfig import namespace_or_default, open_api
from seedsweep.kube.ledger.stored import list_cuts, list_episodes
from seedsweep.kube.objects.home import Home
from seedsweep.report.record import Record, RecordError, read_sweep, write_record


async def stored_record(api: Api, namespace: str, sweep: SeedSweep) -> Record:
    """All that is on record about a sweep; raises ApiError."""
    home = Home(namespace, sweep.metadata.name, sweep.metadata.uid or "")
    episodes = [episode async for episode, _ in list_episodes(api, home)]
    cuts = [cut async for cut in list_cuts(api, home)]
    metadata = SweepMeta(name=sweep.metadata.name, namespace=namespace, uid=sweep.metadata.uid)
    # The word for the live view is nothing for those who are given the record.
    status = sweep.status.evolve(live_key=None) if sweep.status is not None else None
    return Record.of(sweep.evolve(metadata=metadata, status=status), episodes, cuts)


def bring_record(name: str, namespace: str | None, to: Path | None, tell: Callable[[str], None]) -> Path:
    """Write the record of a sweep, as far as it is, into a folder, by default NAME-report; returns the folder.

    With it comes what attempts left to reports; where that does not, `tell` is told why.

    Raises:
        CommandError: no such sweep, no right to read it, or the folder holds something else.
        OSError: the folder cannot be written.
    """
    record = asyncio.run(read_stored_record(name, namespace))
    target = to or Path(f"{name}-report")
    _check_folder(target, record.sweep)
    target.mkdir(parents=True, exist_ok=True)
    write_record(target, record)
    asyncio.run(bring_home(record, target, tell))
    return target


async def read_stored_record(name: str, namespace: str | None) -> Record:
    """The record of a sweep in a cluster, by its name; raises CommandError."""
    try:
        async with AsyncExitStack() as stack:
            api, where = await open_api(stack), namespace_or_default(namespace)
            return await stored_record(api, where, accepted(await named_sweep(api, where, name)))
    except ApiError as error:
        raise refused(error) from error


def _check_folder(target: Path, sweep: SeedSweep) -> None:
    """New, empty, or with an earlier record of the same sweep."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        if target.is_dir() and read_sweep(target).metadata.uid == sweep.metadata.uid:
            return
    except RecordError:
        pass
    remedy = f"give a folder with --to that is new or empty, or has an earlier report of this {sweep.metadata.name}"
    raise CommandError(f"{target} holds something else: {remedy}", Exit.BAD_INPUT)
