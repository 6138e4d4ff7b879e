"""What one attempt keeps of its episode: its resume checkpoint, which is the only one, and its best weights.

    evaluation-<e>-step-<s>/
        model.safetensors, training.safetensors, state.json, manifest.json
        best/, best-to-<r>/                          what the attempt held of these at that moment
    best/, best-to-<r>/
        model.safetensors, predictions.csv, best.json, manifest.json

Where these folders are is the business of storage/folders.py. On a disk, equal files are hard links. The copies inside
a checkpoint let an attempt that resumes behind the best evaluation find the best weights of its own past, not those of
a future that may not recur.
"""

import json
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from seedsweep_trainer.checkpoints.checkpoint import Checkpoint, Progress
from seedsweep_trainer.checkpoints.tensor_file import write_tensors
from seedsweep_trainer.storage.durable import Written, link_folder, subfolders, whole_folder
from seedsweep_trainer.storage.folders import BEST, BEST_FACTS, BrokenFolderError, FolderId, Folders

WEIGHTS = "model.safetensors"
PREDICTIONS = "predictions.csv"
_TRAINING = "training.safetensors"
_STATE = "state.json"

Identity = Mapping[str, str | int]
"""What two attempts must have in common to continue each other: seeds, digests of configuration and data."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Best:
    """The weights of an evaluation that is the best so far."""

    evaluation: int
    step: int
    score: float
    weights: Mapping[str, torch.Tensor]
    predictions: str
    """CSV: one line per validation example."""


class AttemptFolder:
    """Reads what an episode's attempts have kept, and keeps what one of them has to keep."""

    def __init__(self, folders: Folders, uid: str, identity: Identity) -> None:
        """Raises ConfigurationError where nothing can be written."""
        self._folders = folders
        self._uid = uid
        self._identity = dict(identity)
        self._own = folders.claim(uid)
        self._predecessors = folders.owners() - {uid}

    def resume(self) -> Checkpoint | None:
        """The furthest usable checkpoint of all attempts, with the best weights of its past; None without one."""
        ignored: set[FolderId] = set()
        # Listed anew each time: an attempt that lives on replaces its checkpoint while we look.
        while candidates := [kept for kept in self._folders.listed() if kept.is_checkpoint and kept not in ignored]:
            furthest = max(candidates, key=lambda kept: kept.step)
            try:
                with self._folders.opened(furthest) as folder:
                    checkpoint = self._read(folder)
                    self._restore_best(folder)
            except BrokenFolderError as error:
                log.warning("checkpoint %s is ignored: %s", furthest, error)
                ignored.add(furthest)
            else:
                log.info("resuming from %s", furthest)
                return checkpoint
        self._restore_best(None)
        return None

    def write_best(self, best: Best) -> None:
        """Replace best/."""
        written: dict[str, Written] = {}
        with whole_folder(self._own / BEST, written) as partial:
            written[WEIGHTS] = write_tensors(best.weights, partial / WEIGHTS)
            (partial / PREDICTIONS).write_text(best.predictions, encoding="utf-8")
            facts = {"evaluation": best.evaluation, "step": best.step, "score": best.score, **self._identity}
            (partial / BEST_FACTS).write_text(json.dumps(facts, indent=1))
        self._commit(BEST)

    def pass_rung(self, evaluation: int) -> None:
        """Keep what is now the best as best-to-<evaluation>/."""
        best = self._own / BEST
        if best.exists():
            name = f"{BEST}-to-{evaluation}"
            link_folder(best, self._own / name)
            self._commit(name)

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint and, once it is durable, remove those that it makes superfluous."""
        progress = checkpoint.progress
        name = f"evaluation-{progress.evaluation}-step-{progress.step}"
        written: dict[str, Written] = {}
        with whole_folder(self._own / name, written) as partial:
            written[WEIGHTS] = write_tensors(checkpoint.weights, partial / WEIGHTS)
            written[_TRAINING] = write_tensors(checkpoint.state, partial / _TRAINING)
            facts = {
                "step": progress.step,
                "scores": _nullable(progress.scores),
                "losses": _nullable(progress.losses),
                "lossSum": _nullable([progress.loss_sum])[0],
                "precision": checkpoint.precision,
                "identity": self._identity,
            }
            (partial / _STATE).write_text(json.dumps(facts))
            for best in _bests(self._own):
                link_folder(best, partial / best.name)
        self._commit(name)
        self._remove_superfluous(FolderId(self._uid, name))

    def _commit(self, name: str) -> None:
        self._folders.commit(FolderId(self._uid, name))

    def _read(self, folder: Path) -> Checkpoint:
        try:
            theirs = json.loads((folder / _STATE).read_text()).get("identity", {})
            different = [name for name, value in self._identity.items() if theirs.get(name) != value]
            if different:
                raise BrokenFolderError(f"it has another {', '.join(different)}")
            return _read(folder)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BrokenFolderError(f"it cannot be read: {error}") from error

    def _restore_best(self, checkpoint: Path | None) -> None:
        kept = _bests(checkpoint) if checkpoint is not None else []
        for best in _bests(self._own):
            shutil.rmtree(best)
        for best in kept:
            link_folder(best, self._own / best.name)
            self._commit(best.name)

    def _remove_superfluous(self, newest: FolderId) -> None:
        all_kept = self._folders.listed()
        for kept in all_kept:
            if kept.owner == self._uid and kept.is_checkpoint and kept != newest:
                self._folders.remove(kept)
        # One that is further is of an attempt that lives on where it was given up for lost.
        further = {kept.owner for kept in all_kept if kept.step > newest.step}
        for owner in self._predecessors - further:
            self._folders.remove_owner(owner)
        self._predecessors &= further


def _bests(folder: Path) -> list[Path]:
    return [entry for entry in subfolders(folder) if entry.name.startswith(BEST)]


def _read(folder: Path) -> Checkpoint:
    facts: dict[str, Any] = json.loads((folder / _STATE).read_text())
    scores, losses = ([math.nan if v is None else v for v in facts[name]] for name in ("scores", "losses"))
    loss_sum = facts.get("lossSum")
    return Checkpoint(
        progress=Progress(facts["step"], tuple(scores), tuple(losses), math.nan if loss_sum is None else loss_sum),
        weights=load_file(folder / WEIGHTS),
        state=load_file(folder / _TRAINING),
        precision=facts.get("precision"),
    )


def _nullable(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]
