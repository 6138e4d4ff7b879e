"""Data sets on the hub, read at one commit into tables. The hub's own client caches them."""

import re
from pathlib import Path

import datasets
import huggingface_hub
from datasets.exceptions import DataFilesNotFoundError
from huggingface_hub.errors import OfflineModeIsEnabled

from seedsweep.api.finetuning import HubDataset
from seedsweep_trainer.data.hub import hub_failure
from seedsweep_trainer.data.sources import Table
from seedsweep_trainer.endings import is_out_of_resources
from seedsweep_trainer.errors import ConfigurationError, HubError, unknown_name

_OFFLINE = "name files of this machine in dataset.train"


def read_hub(hub: HubDataset) -> tuple[dict[str, Table], str]:
    """The named splits of a data set on the hub, by part, and the commit they came from.

    Raises ConfigurationError where the data set, its revision, its configuration or a split does not exist.
    """
    commit = _commit(hub)
    datasets.disable_progress_bars()
    what = f"dataset.hub.name {hub.name!r}"
    try:
        builder = datasets.load_dataset_builder(hub.name, hub.config, revision=commit)
        _check_commit(hub, what, commit, str(builder.hash))
        builder.download_and_prepare()
        splits = builder.as_dataset()
    except (ConfigurationError, HubError):
        raise
    except Exception as error:
        if is_out_of_resources(error):
            raise
        raise _not_loaded(hub, what, error) from error
    tables = {}
    for part, split in (("train", hub.train), ("validation", hub.validation), ("test", hub.test)):
        if split is None:
            continue
        if split not in splits:
            raise unknown_name(f"dataset.hub.{part}", split, splits, f"a split of {hub.name!r}")
        tables[part] = Table(f"dataset.hub.{part}", split, splits[split])
    return tables, commit


def _commit(hub: HubDataset) -> str:
    """The commit behind the revision, so that a branch that moves cannot mix two data sets in one sweep."""
    if hub.revision and re.fullmatch(r"[0-9a-f]{40}", hub.revision):
        return hub.revision
    what = f"dataset.hub.name {hub.name!r}" + (f" at revision {hub.revision!r}" if hub.revision else "")
    try:
        return str(huggingface_hub.HfApi().dataset_info(hub.name, revision=hub.revision).sha)
    except OfflineModeIsEnabled:
        raise ConfigurationError(
            f"dataset.hub.revision {hub.revision!r} cannot be resolved while HF_HUB_OFFLINE forbids to ask the hub: "
            f"give the full commit hash of a copy in the hub's cache, unset it, or {_OFFLINE}"
        ) from None
    except Exception as error:
        if (failure := hub_failure(what, error, _OFFLINE)) is not None:
            raise failure from error
        raise


def _check_commit(hub: HubDataset, what: str, commit: str, found: str) -> None:
    """Raise where `datasets` would read something else: a folder, or without the hub the newest copy in its cache."""
    if found == commit:
        return
    if Path(hub.name).is_dir():
        raise ConfigurationError(
            f"{what}: a folder of this name in {Path.cwd()} would be read in its place: rename it, or {_OFFLINE}"
        )
    kind = ConfigurationError if huggingface_hub.is_offline_mode() else HubError
    raise kind(
        f"{what}: the hub was not asked, and the newest copy in the cache on this machine is of commit {found}, not "
        f"{commit}: check the network, set dataset.hub.revision to that commit, or {_OFFLINE}"
    )


def _not_loaded(hub: HubDataset, what: str, error: Exception) -> Exception:
    """What to raise for a data set that the hub has, or that was not reached."""
    if isinstance(error, DataFilesNotFoundError):
        return ConfigurationError(
            f"{what}: it has no data files that can be read; give another data set, or {_OFFLINE}"
        )
    if (failure := hub_failure(what, error, _OFFLINE)) is not None:
        return failure
    # No configuration of this name, or none given where there are several: the message ends in a list of them.
    listed = str(error).rpartition("[")[2] if isinstance(error, ValueError) and "onfig" in str(error) else ""
    if names := re.findall(r"'([^']*)'", listed):
        return unknown_name("dataset.hub.config", hub.config or "", names, f"one that {hub.name!r} has")
    return ConfigurationError(
        f"{what}, config {hub.config!r}: its files cannot be read as a data set; check dataset.hub.config, "
        f"or {_OFFLINE}"
    )
