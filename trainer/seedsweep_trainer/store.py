"""An episode's folder: its resume checkpoint and its best weights, whatever attempt wrote them.

    EPISODE/<attempt uid>/evaluation-<e>-step-<s>/   the newest whole checkpoint; others are removed once it is durable
        model.safetensors, training.safetensors, state.json, manifest.json
        best/, best-to-<r>/                          what EPISODE held of these at that moment
    EPISODE/best/                                    weights at the best evaluation so far
    EPISODE/best-to-<r>/                             the same at or before rung r, for each rung that was passed
        model.safetensors, predictions.csv, best.json, manifest.json

A folder is there whole or not at all. Equal files are hard links. The copies inside a checkpoint let an attempt that
resumes behind the best evaluation find the best weights of its own past, not those of a future that may not recur.
"""

import json
import logging
import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from seedsweep_trainer.checkpoint import Checkpoint, Progress
from seedsweep_trainer.durable import broken, is_partial, link_folder, whole_folder

WEIGHTS = "model.safetensors"
BEST = "best"
BEST_FACTS = "best.json"
PREDICTIONS = "predictions.csv"
_TRAINING = "training.safetensors"
_STATE = "state.json"
_CHECKPOINT = re.compile(r"evaluation-\d+-step-(\d+)")

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


class Store:
    """Reads and writes one episode's folder on behalf of one attempt."""

    def __init__(self, folder: Path, uid: str, identity: Identity) -> None:
        self._folder = folder
        self._own = folder / uid
        self._identity = dict(identity)

    def resume(self) -> Checkpoint | None:
        """The furthest usable checkpoint of all attempts, with EPISODE/best* as they were then; None without one."""
        candidates = {folder: step for owner in self._owners() for folder, step in _checkpoints(owner)}
        for folder in sorted(candidates, key=lambda folder: candidates[folder], reverse=True):
            reason = self._unusable(folder)
            if reason is None:
                self._restore_best(folder)
                log.info("resuming from %s", folder)
                return _read(folder)
            log.warning("checkpoint %s is ignored: %s", folder, reason)
        self._restore_best(None)
        return None

    def write_best(self, best: Best) -> None:
        """Replace EPISODE/best."""
        with whole_folder(self._folder / BEST) as partial:
            save_file(dict(best.weights), partial / WEIGHTS)
            (partial / PREDICTIONS).write_text(best.predictions, encoding="utf-8")
            facts = {"evaluation": best.evaluation, "step": best.step, "score": best.score, **self._identity}
            (partial / BEST_FACTS).write_text(json.dumps(facts, indent=1))

    def pass_rung(self, evaluation: int) -> None:
        """Keep what is now the best as EPISODE/best-to-<evaluation>."""
        best = self._folder / BEST
        if best.exists():
            link_folder(best, self._folder / f"{BEST}-to-{evaluation}")

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint and remove those that it makes superfluous."""
        progress = checkpoint.progress
        path = self._own / f"evaluation-{progress.evaluation}-step-{progress.step}"
        with whole_folder(path) as partial:
            save_file(dict(checkpoint.weights), partial / WEIGHTS)
            save_file(dict(checkpoint.state), partial / _TRAINING)
            facts = {
                "step": progress.step,
                "scores": _nullable(progress.scores),
                "losses": _nullable(progress.losses),
                "training": checkpoint.training,
                "identity": self._identity,
            }
            (partial / _STATE).write_text(json.dumps(facts))
            for best in _bests(self._folder):
                link_folder(best, partial / best.name)
        self._prune(path, progress.step)

    def _unusable(self, folder: Path) -> str | None:
        for part in (folder, *_bests(folder)):
            if (reason := broken(part)) is not None:
                return reason
        theirs = json.loads((folder / _STATE).read_text()).get("identity", {})
        different = [name for name, value in self._identity.items() if theirs.get(name) != value]
        return f"it has another {', '.join(different)}" if different else None

    def _restore_best(self, checkpoint: Path | None) -> None:
        kept = list(_bests(checkpoint)) if checkpoint is not None else []
        for best in _bests(self._folder):
            shutil.rmtree(best)
        for best in kept:
            link_folder(best, self._folder / best.name)

    def _prune(self, newest: Path, step: int) -> None:
        for owner in self._owners():
            # One that is further is another attempt's, which lives on where this one was given up for lost.
            behind = [folder for folder, other in _checkpoints(owner) if folder != newest and other <= step]
            leftovers = [entry for entry in owner.iterdir() if is_partial(entry)]
            for folder in (*behind, *leftovers):
                shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                owner.rmdir()

    def _owners(self) -> list[Path]:
        """The folders of all attempts."""
        if not self._folder.exists():
            return []
        return [
            entry
            for entry in self._folder.iterdir()
            if entry.is_dir() and not is_partial(entry) and not entry.name.startswith(BEST)
        ]


def _bests(folder: Path) -> list[Path]:
    return [entry for entry in folder.glob(f"{BEST}*") if entry.is_dir()]


def _checkpoints(owner: Path) -> Iterator[tuple[Path, int]]:
    for entry in owner.iterdir():
        if match := _CHECKPOINT.fullmatch(entry.name):
            yield entry, int(match[1])


def _read(folder: Path) -> Checkpoint:
    facts: dict[str, Any] = json.loads((folder / _STATE).read_text())
    scores, losses = ([math.nan if v is None else v for v in facts[name]] for name in ("scores", "losses"))
    return Checkpoint(
        progress=Progress(facts["step"], tuple(scores), tuple(losses)),
        training=facts["training"],
        weights=load_file(folder / WEIGHTS),
        state=load_file(folder / _TRAINING),
    )


def _nullable(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]
