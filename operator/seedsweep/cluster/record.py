"""The record of a sweep in a cluster: read through the API server, and brought to a folder for its report."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep, SweepMeta
from seedsweep.cluster.attempts import bring_home
from seedsweep.cluster.lookup import accepted, named_sweep
from seedsweep.cluster.refusal import refused
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.apiserver.kubeconfig import namespace_or_default, open_api
from seedsweep.kube.ledger.stored import list_cuts, list_episodes
from seedsweep.kube.objects.home import Home
from seedsweep.report.record import (
    IN_CLUSTER,
    Record,
    RecordError,
    missing_cuts,
    missing_episodes,
    read_sweep,
    write_record,
)


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

    With it come the attempts' files for reports; where they do not, `tell` is told why.

    Raises:
        CommandError: no such sweep, no right to read it, objects of it are gone, or the folder holds something else.
        OSError: the folder cannot be written.
    """
    record = asyncio.run(read_stored_record(name, namespace))
    if lack := what_is_gone(record):
        raise CommandError(lack, Exit.BAD_INPUT)
    target = to or Path(f"{name}-report")
    _check_folder(target, record.sweep)
    target.mkdir(parents=True, exist_ok=True)
    write_record(target, record)
    asyncio.run(bring_home(record, target, tell))
    return target


def what_is_gone(record: Record) -> str:
    """Which Episodes or Cuts somebody has deleted, and what can be done; empty where none is missing.

    Without a Cut, who lost would pass for one that was never cut: there is no report then.
    """
    sweep = record.sweep
    lack = missing_episodes(sweep, len(record.episodes)) or missing_cuts(sweep, len(record.cuts))
    if not lack:
        return ""
    remedy = "the operator makes deleted objects again within five minutes: try again then"
    if (sweep.status or SweepStatus()).over:
        remedy = (
            "the sweep is over, and the operator makes nothing of it again: restore the objects from a backup of the "
            f"cluster, or use a folder that `fetch` or `report {IN_CLUSTER}{sweep.metadata.name}` wrote before"
        )
    return f"the record of {sweep.metadata.name} in the cluster {lack}: {remedy}"


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
