"""An episode's folder on some back-end, attempts at it, and what they write there."""

from pathlib import Path
from uuid import uuid4

import torch

from seedsweep_trainer.checkpoints.attempt_folder import AttemptFolder, Best
from seedsweep_trainer.checkpoints.checkpoint import Checkpoint, Progress
from seedsweep_trainer.storage.folders import Folders, Stored, find_best
from seedsweep_trainer.storage.location import open_folders
from seedsweep_trainer.storage.remote import RemoteFolders
from seedsweep_trainer.storage.uri import UriFiles

IDENTITY: dict[str, str | int] = {"weightInit": 1, "dataOrder": 2, "config": "c", "data": "d"}


class Bench:
    """An episode's folder on one back-end, and attempts at it, each on a machine of its own."""

    def __init__(self, place: str, machines: Path) -> None:
        self.place = place
        self._machines = machines

    def folders(self) -> Folders:
        return open_folders(self.place, self._machines / str(uuid4()))

    def attempt(self, uid: str, **identity: str | int) -> AttemptFolder:
        return AttemptFolder(self.folders(), uid, IDENTITY | identity)

    def kept(self) -> list[str]:
        return [str(kept) for kept in self.folders().listed()]

    def best(self, evaluation: int) -> str | None:
        """Whose best weights of this evaluation are found."""
        kept = find_best(self.folders(), Stored(evaluation))
        return str(kept) if kept is not None else None


class AsObjects(Bench):
    """Objects and lists on every back-end, on a disk too."""

    def folders(self) -> Folders:
        return RemoteFolders(UriFiles(self.place), self._machines / str(uuid4()))


def checkpoint(evaluation: int, step: int | None = None) -> Checkpoint:
    """Its tensors and scores tell which one it is."""
    values = torch.full((64,), float(evaluation))
    curve = tuple(i / 8 for i in range(1, evaluation + 1))
    progress = Progress(10 * evaluation if step is None else step, curve, curve)
    return Checkpoint(progress, weights={"w": values}, state={"m": -values})


def best(evaluation: int) -> Best:
    values = torch.full((64,), float(evaluation))
    return Best(evaluation, 10 * evaluation, evaluation / 8, {"w": values}, f"row\n{evaluation}\n")


def step_of(resumed: Checkpoint | None) -> int | None:
    return None if resumed is None else resumed.progress.step
