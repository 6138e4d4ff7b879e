"""Copies of the winner's folder: to a path, behind a URI, or to a repository on the Hugging Face hub."""

import shutil
from pathlib import Path

from pydantic import ValidationError

from seedsweep.api.sweep import Export, Hub
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.storage.durable import MANIFEST, digests, whole_folder
from seedsweep_trainer.storage.location import local_path


def parse_export(text: str) -> Export:
    """Parse JSON of `spec.export`; raises ConfigurationError."""
    try:
        return Export.model_validate_json(text)
    except ValidationError:
        raise ConfigurationError(
            f"--to {text!r} is not spec.export as JSON: give a uri or a hub, such as " + '{"uri": "/models/winner"}'
        ) from None


def export(folder: Path, to: Export) -> str:
    """Copy a whole folder; returns the path, URI or address of the copy. Doing it again replaces the copy.

    Raises ConfigurationError where something else is there, StorageError, and what the hub's library raises.
    """
    if to.hub is not None:
        return _to_hub(folder, to.hub)
    assert to.uri is not None  # it has one of the two
    publish(folder, to.uri)
    return to.uri


def publish(folder: Path, place: str) -> None:
    """Copy a whole folder to a path or a URI, where its manifest is written last. Raises as `export` does."""
    path = local_path(place)
    if path is None:
        _to_uri(folder, place)
        return
    check_replaceable(path, place)
    with whole_folder(path) as partial:
        for file in digests(folder):
            if file != MANIFEST:
                shutil.copyfile(folder / file, partial / file)


def check_replaceable(path: Path, name: str) -> None:
    """Raise ConfigurationError where a folder holds what was not made here; `name` is what people call it."""
    if path.exists() and not (path.is_dir() and ((path / MANIFEST).exists() or not any(path.iterdir()))):
        raise _occupied(name)


def _to_uri(folder: Path, uri: str) -> None:
    from seedsweep_trainer.storage.uri import UriFiles

    target = UriFiles(uri)
    there = set(target.find())
    # Of a copy that was interrupted the list is missing, but all of its files are ours.
    if there and MANIFEST not in there and not there <= set(digests(folder)):
        raise _occupied(uri)
    target.remove(MANIFEST)
    for file in digests(folder):
        if file != MANIFEST:
            target.upload(folder / file, file)
    for file in there - set(digests(folder)):
        target.remove(file)
    target.upload(folder / MANIFEST, MANIFEST)


def _to_hub(folder: Path, hub: Hub) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    address = api.create_repo(hub.repository, private=hub.private, exist_ok=True)
    api.upload_folder(
        repo_id=hub.repository,
        folder_path=folder,
        commit_message="The winner of a SeedSweep",
        ignore_patterns=[MANIFEST],
        delete_patterns="*",
    )
    return str(address)


def _occupied(name: str) -> ConfigurationError:
    return ConfigurationError(f"{name} holds something else: give a folder that is new or empty")
