"""An episode's folders behind a URI: in an object store, where nothing can be renamed.

    EPISODE/<attempt uid>/objects/<sha256>   the bytes of a file; equal files are uploaded and kept once
    EPISODE/<attempt uid>/<folder>.json      which files the folder has; written last, so that it is the commit mark

Credentials and endpoint come from the environment alone, where each store's own library looks for them.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from seedsweep_trainer.errors import ConfigurationError, RefusedError
from seedsweep_trainer.storage.durable import digests, file_digest
from seedsweep_trainer.storage.folders import BrokenFolderError, FolderId
from seedsweep_trainer.storage.uri import UnreadableError, UriFiles

_MANIFEST = ".json"
_OBJECTS = "objects"
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_File = Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)?$")]
"""Never one that leads out of the folder."""


class _Manifest(BaseModel):
    files: dict[_File, _Digest]
    """The SHA-256 of each, which is the name of its object."""

    @property
    def objects(self) -> set[str]:
        return set(self.files.values())

    def within(self, part: str) -> "_Manifest":
        """Of a folder within this one."""
        inside = {path: digest for path, digest in self.files.items() if path.startswith(f"{part}/")}
        return _Manifest(files={path.removeprefix(f"{part}/"): digest for path, digest in inside.items()})


class RemoteFolders:
    """Implements folders.Folders; what is prepared lies in a scratch folder until it has been uploaded."""

    def __init__(self, place: UriFiles, scratch: Path) -> None:
        self._place = place
        self._scratch = scratch

    def claim(self, owner: str) -> Path:
        """See Folders."""
        folder = self._scratch / owner
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        probe = f"{owner}/.writable"
        try:
            # Better now than after the hours that lead to the first checkpoint.
            self._place.write(probe, b"")
            self._place.remove(probe)
        except RefusedError as error:
            raise ConfigurationError(str(error)) from error
        return folder

    def commit(self, kept: FolderId) -> None:
        """See Folders."""
        prepared = self._scratch / kept.owner / kept.name
        manifest = _Manifest(files=digests(prepared))
        others = self._manifests(kept.owner)
        former = others.pop(kept.name, None)
        present = set().union(*(other.objects for other in others.values()))
        for file, digest in manifest.files.items():
            if digest not in present:
                self._place.upload(prepared / file, self._object(kept.owner, digest))
                present.add(digest)
        self._replace(kept, former, manifest, others.values())
        if kept.is_checkpoint:
            # Best weights are wanted for the next checkpoint.
            shutil.rmtree(prepared)

    def owners(self) -> set[str]:
        """See Folders."""
        return {path.partition("/")[0] for path in self._place.find() if "/" in path}

    def listed(self) -> list[FolderId]:
        """See Folders."""
        found = []
        for path in self._place.find():
            owner, _, name = path.partition("/")
            if "/" not in name and name.endswith(_MANIFEST):
                found.append(FolderId(owner, name.removesuffix(_MANIFEST)))
        return sorted(found)

    def within(self, checkpoint: FolderId) -> list[FolderId]:
        """See Folders."""
        try:
            files = self._manifest(checkpoint).files
        except BrokenFolderError:
            return []
        parts = {file.partition("/")[0] for file in files if "/" in file}
        return sorted(FolderId(checkpoint.owner, f"{checkpoint.name}/{part}") for part in parts)

    def take_out(self, kept: FolderId) -> None:
        """See Folders."""
        manifest, others = self._manifest(kept), self._manifests(kept.owner)
        self._replace(kept.outside, others.pop(kept.outside.name, None), manifest, others.values())

    @contextmanager
    def opened(self, kept: FolderId) -> Iterator[Path]:
        """See Folders."""
        manifest = self._manifest(kept)
        self._scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._scratch) as temporary:
            folder, downloaded = Path(temporary), dict[str, Path]()
            for file, digest in manifest.files.items():
                target = folder / file
                target.parent.mkdir(exist_ok=True)
                if digest in downloaded:
                    os.link(downloaded[digest], target)
                    continue
                try:
                    self._place.download(self._object(kept.owner, digest), target)
                except UnreadableError as error:
                    raise BrokenFolderError(f"{file}: {error}") from None
                if file_digest(target) != digest:
                    raise BrokenFolderError(f"{file} is not what was written")
                downloaded[digest] = target
            yield folder

    def read(self, kept: FolderId, file: str) -> bytes:
        """See Folders."""
        manifest = self._manifest(kept)
        if file not in manifest.files:
            raise BrokenFolderError(f"{file}: it is missing")
        try:
            return self._place.read(self._object(kept.owner, manifest.files[file]))
        except UnreadableError as error:
            raise BrokenFolderError(f"{file}: {error}") from None

    def remove(self, kept: FolderId) -> None:
        """See Folders."""
        manifests = self._manifests(kept.owner)
        doomed = manifests.pop(kept.name, None)
        self._place.remove(_path(kept))
        if doomed is not None:
            self._remove_objects(kept.owner, doomed.objects, manifests.values())

    def keep_only(self, kept: FolderId) -> None:
        """See Folders."""
        for other in self.listed():
            if other.owner == kept.owner and other != kept:
                self.remove(other)
        ours = (_path(kept), f"{kept.owner}/{_OBJECTS}/")
        for path in self._place.find():
            if path.startswith(f"{kept.owner}/") and not path.startswith(ours):
                self._place.remove(path)

    def remove_owner(self, owner: str) -> None:
        """See Folders."""
        # First what makes folders of the objects.
        for kept in self.listed():
            if kept.owner == owner:
                self._place.remove(_path(kept))
        self._place.remove_tree(owner)

    def remove_all(self) -> None:
        """See Folders."""
        for owner in self.owners():
            self.remove_owner(owner)
        self._place.remove_tree("")

    def _replace(
        self, kept: FolderId, former: _Manifest | None, manifest: _Manifest, others: Iterable[_Manifest]
    ) -> None:
        self._place.write(_path(kept), manifest.model_dump_json().encode())
        if former is not None:
            self._remove_objects(kept.owner, former.objects - manifest.objects, others)

    def _manifest(self, kept: FolderId) -> _Manifest:
        name, _, part = kept.name.partition("/")
        try:
            whole = _Manifest.model_validate_json(self._place.read(_path(FolderId(kept.owner, name))))
            return whole.within(part) if part else whole
        except UnreadableError as error:
            raise BrokenFolderError(f"the list of its files: {error}") from None
        except ValidationError:
            raise BrokenFolderError("the list of its files: it is not what was written") from None

    def _manifests(self, owner: str) -> dict[str, _Manifest]:
        """Those of an attempt that can be read, by the folder's name."""
        found = {}
        for kept in self.listed():
            if kept.owner == owner:
                try:
                    found[kept.name] = self._manifest(kept)
                except BrokenFolderError:
                    continue
        return found

    def _remove_objects(self, owner: str, doomed: set[str], others: Iterable[_Manifest]) -> None:
        for digest in doomed.difference(*(other.objects for other in others)):
            self._place.remove(self._object(owner, digest))

    @staticmethod
    def _object(owner: str, digest: str) -> str:
        return f"{owner}/{_OBJECTS}/{digest}"


def _path(kept: FolderId) -> str:
    return f"{kept.owner}/{kept.name}{_MANIFEST}"
