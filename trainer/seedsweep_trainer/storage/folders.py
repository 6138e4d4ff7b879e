"""The whole folders that an episode's attempts leave behind, on a disk or behind a URI (remote.py).

    EPISODE/<attempt uid>/evaluation-<e>-step-<s>/   a checkpoint, which an attempt resumes from; in it, the two below
    EPISODE/<attempt uid>/best/                      weights at the best evaluation so far
    EPISODE/<attempt uid>/best-to-<r>/               the same at or before rung r, for each rung that was passed

An attempt writes below its own uid only, so that no two processes ever write one path: one that lives on where its node
was given up for lost harms nothing. What it removes of others is its predecessors', never a successor's. Needs no
torch: `seedsweep run` and housekeeping look here too.
"""

import errno
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from seedsweep.api.episode import BestEvaluation
from seedsweep.contract.message import as_published
from seedsweep_trainer.errors import ConfigurationError
from seedsweep_trainer.storage.durable import broken, is_partial, link_folder, make_folder, subfolders

BEST = "best"
BEST_FACTS = "best.json"
TEST_SCORE, AVERAGE, MODEL_CARD = "test.json", "average.json", "README.md"
"""What a hand-over writes beside the weights."""
_CHECKPOINT = re.compile(r"evaluation-\d+-step-(\d+)")
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class BrokenFolderError(Exception):
    """A folder is not as it was written; the message says in what."""


@dataclass(frozen=True, slots=True, order=True)
class FolderId:
    """One folder of one attempt."""

    owner: str
    """The attempt's uid."""
    name: str
    """With best weights that a checkpoint holds: checkpoint/best."""

    @property
    def is_checkpoint(self) -> bool:
        """Whether an attempt can resume from it; else it holds best weights."""
        return _CHECKPOINT.fullmatch(self.name) is not None

    @property
    def step(self) -> int:
        """The optimizer step of a checkpoint; 0 for best weights."""
        match = _CHECKPOINT.fullmatch(self.name)
        return int(match[1]) if match else 0

    @property
    def outside(self) -> "FolderId":
        """Where best weights lie once they are no longer within a checkpoint."""
        return FolderId(self.owner, self.name.rpartition("/")[2])

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


class Stored(NamedTuple):
    """Best weights, by what they are of."""

    evaluation: int
    score: float | None = None
    """Their own. None where any will do, as an operator of an earlier release asks: a replay that is not bit-exact may
    have stored other weights of the same evaluation."""

    def is_met_by(self, there: "Stored") -> bool:
        """Whether those that are there are those that are wanted."""
        return there.evaluation == self.evaluation and self.score in (None, there.score)


class Folders(Protocol):
    """An episode's folders: each is there whole or not at all."""

    def claim(self, owner: str) -> Path:
        """Where on this machine an attempt prepares its folders; raises ConfigurationError where it cannot write."""

    def commit(self, kept: FolderId) -> None:
        """Make durable what was prepared; a folder of this name that was there before is replaced."""

    def owners(self) -> set[str]:
        """Attempts that have left anything, whole or not."""

    def listed(self) -> list[FolderId]:
        """All folders that seem to be there."""

    def within(self, checkpoint: FolderId) -> list[FolderId]:
        """The best weights that a checkpoint holds; none where it cannot be read."""

    def take_out(self, kept: FolderId) -> None:
        """Make best weights within a checkpoint durable at `kept.outside`, in place of what is there."""

    def opened(self, kept: FolderId) -> AbstractContextManager[Path]:
        """A folder, every byte of it checked, to read on this machine; raises BrokenFolderError."""

    def read(self, kept: FolderId, file: str) -> bytes:
        """One file of a folder; raises BrokenFolderError."""

    def remove(self, kept: FolderId) -> None:
        """Remove a folder; none is fine."""

    def keep_only(self, kept: FolderId) -> None:
        """Remove all that this folder's attempt has left beside it, the files of a trainer of one's own included."""

    def remove_owner(self, owner: str) -> None:
        """Remove all that an attempt has left."""

    def remove_all(self) -> None:
        """Remove the episode's folder."""


class LocalFolders:
    """On a disk, or a claim that is mounted: what is prepared is in its place already."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def claim(self, owner: str) -> Path:
        """See Folders."""
        folder = self._root / owner
        try:
            make_folder(folder)
            # Of an earlier life of this attempt.
            for entry in folder.iterdir():
                if is_partial(entry):
                    shutil.rmtree(entry)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            remedy = "let the trainer's user write there (podTemplate.spec.securityContext.fsGroup)"
            raise ConfigurationError(f"storage {self._root} cannot be written: {error.strerror}; {remedy}") from None
        return folder

    def commit(self, kept: FolderId) -> None:
        """See Folders: `whole_folder` has done it."""

    def owners(self) -> set[str]:
        """See Folders."""
        if not self._root.exists():
            return set()
        return {entry.name for entry in self._root.iterdir() if entry.is_dir()}

    def listed(self) -> list[FolderId]:
        """See Folders."""
        found = []
        for owner in self.owners():
            entries = self._root.joinpath(owner).glob("*")
            found += [FolderId(owner, entry.name) for entry in entries if entry.is_dir() and not is_partial(entry)]
        return sorted(found)

    def within(self, checkpoint: FolderId) -> list[FolderId]:
        """See Folders."""
        parts = subfolders(self._path(checkpoint))
        return sorted(FolderId(checkpoint.owner, f"{checkpoint.name}/{part.name}") for part in parts)

    def take_out(self, kept: FolderId) -> None:
        """See Folders."""
        # Removed, not moved aside: a crash between leaves nothing that doing it again would not remove.
        self.remove(kept.outside)
        link_folder(self._path(kept), self._path(kept.outside))

    @contextmanager
    def opened(self, kept: FolderId) -> Iterator[Path]:
        """See Folders."""
        folder = self._path(kept)
        for part in (folder, *subfolders(folder)):
            if (reason := broken(part)) is not None:
                raise BrokenFolderError(reason)
        yield folder

    def read(self, kept: FolderId, file: str) -> bytes:
        """See Folders."""
        try:
            return (self._path(kept) / file).read_bytes()
        except OSError as error:
            raise BrokenFolderError(f"incomplete: {error}") from None

    def remove(self, kept: FolderId) -> None:
        """See Folders."""
        shutil.rmtree(self._path(kept), ignore_errors=True)

    def keep_only(self, kept: FolderId) -> None:
        """See Folders."""
        for entry in self._root.joinpath(kept.owner).iterdir():
            if entry.name == kept.name:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def remove_owner(self, owner: str) -> None:
        """See Folders."""
        shutil.rmtree(self._root / owner, ignore_errors=True)

    def remove_all(self) -> None:
        """See Folders."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _path(self, kept: FolderId) -> Path:
        return self._root / kept.owner / kept.name


def find_best(folders: Folders, wanted: Stored) -> FolderId | None:
    """The best weights of this evaluation, whichever attempt kept them; None where it was no best one.

    Of an attempt that fails after its last checkpoint, a better one may have replaced them: then they are within that
    checkpoint alone.
    """
    listed = folders.listed()
    best = _first_of(wanted, folders, (kept for kept in listed if not kept.is_checkpoint))
    if best is not None:
        return best
    return _first_of(wanted, folders, _within_checkpoints(folders, listed))


def stored_bests(folders: Folders) -> list[BestEvaluation]:
    """All best weights that are there, of whatever evaluation and attempt: the earliest first, each once."""
    listed = folders.listed()
    kept = (*(kept for kept in listed if not kept.is_checkpoint), *_within_checkpoints(folders, listed))
    found = {stored for best in kept if (stored := _stored(folders, best)) is not None}
    return [BestEvaluation(evaluation=e, score=score) for e, score in sorted(found) if score is not None]


def take_out_best(folders: Folders, wanted: Stored) -> FolderId | None:
    """`find_best`, made to outlive the checkpoint that it may be in; doing it again changes nothing."""
    best = find_best(folders, wanted)
    if best is None or best == best.outside:
        return best
    folders.take_out(best)
    return best.outside


def keep_best_only(folders: Folders, wanted: Stored) -> bool:
    """Remove everything but the best weights of this evaluation; doing it again changes nothing.

    Where they are not to be found, it removes checkpoints only, and returns False.
    """
    best = take_out_best(folders, wanted)
    if best is None:
        for kept in folders.listed():
            if kept.is_checkpoint:
                folders.remove(kept)
        return False
    for owner in folders.owners() - {best.owner}:
        folders.remove_owner(owner)
    folders.keep_only(best)
    return True


def _within_checkpoints(folders: Folders, listed: Iterable[FolderId]) -> Iterator[FolderId]:
    return (best for kept in listed if kept.is_checkpoint for best in folders.within(kept))


def _first_of(wanted: Stored, folders: Folders, best: Iterable[FolderId]) -> FolderId | None:
    candidates = [kept for kept in best if (stored := _stored(folders, kept)) is not None and wanted.is_met_by(stored)]
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    return next((kept for kept in candidates if _is_whole(folders, kept)), None)


def _stored(folders: Folders, kept: FolderId) -> Stored | None:
    try:
        facts = json.loads(folders.read(kept, BEST_FACTS))
        return Stored(int(facts["evaluation"]), as_published(float(facts["score"])))
    except (BrokenFolderError, ValueError, KeyError, TypeError):
        return None


def _is_whole(folders: Folders, kept: FolderId) -> bool:
    try:
        with folders.opened(kept):
            return True
    except BrokenFolderError:
        return False
