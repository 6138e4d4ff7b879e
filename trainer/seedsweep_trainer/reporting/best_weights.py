"""The best weights of an attempt of any Python loop, stored where the hand-over finds them.

The layout is that of storage/folders.py; docs/trainer-contract.md describes it to trainers in any language. The weights
of an evaluation are durable before its score is told, so that a score on record has weights. Needs no torch.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

from seedsweep.api.episode import BestEvaluation
from seedsweep.contract.protocol import Env
from seedsweep_trainer.reporting.attempt import asked_metric, required, whole_number
from seedsweep_trainer.storage.durable import MANIFEST, link_folder, whole_folder
from seedsweep_trainer.storage.folders import (
    AVERAGE,
    BEST,
    BEST_FACTS,
    TEST_SCORE,
    BrokenFolderError,
    FolderId,
    Folders,
    Stored,
    find_best,
)
from seedsweep_trainer.storage.location import open_folders

WriteWeights = Callable[[Path], object]
"""Writes the model's files, without subfolders, into an empty folder."""
_FILE = re.compile(r"\w[\w.-]*")
_TAKEN = (BEST_FACTS, MANIFEST, AVERAGE, TEST_SCORE)
"""Names of files that say something of the weights."""


class BestWeights:
    """Stores the weights of the best evaluation so far, and those at or before each rung."""

    def __init__(self, open_episode: Callable[[], Folders], uid: str, rungs: Sequence[int], *, maximize: bool) -> None:
        """`open_episode` opens the episode's folders, `uid` is the attempt's, `rungs` are evaluations."""
        self._open_episode = open_episode
        self._uid = uid
        self._rungs = rungs
        self._maximize = maximize
        self._stored: tuple[Folders, Path] | None = None
        """The episode's folders, and where this attempt prepares its own; None before the first weights."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self | None:
        """As the contract's variables say; None where nothing outlives the attempt. Raises ConfigurationError."""
        place = environ.get(Env.CHECKPOINT_DIR)
        if not place:
            return None
        work, metric = environ.get(Env.WORK_DIR), asked_metric(environ)
        return cls(
            # Opened once there are weights: file systems for URIs load slowly, and most trainers have none.
            partial(open_folders, place, Path(work) if work else None),
            required(environ, Env.ATTEMPT_UID),
            [whole_number(rung, Env.RUNGS) for rung in environ.get(Env.RUNGS, "").split(",") if rung],
            maximize=metric is None or metric.goal == "maximize",
        )

    def keep(self, scores: Sequence[float], write: WriteWeights, facts: Mapping[str, object]) -> None:
        """Store the weights of the last evaluation if it is the best so far, and what is the best at a rung.

        Args:
            scores: of evaluation 1, 2, ..., as published; NaN where undefined.
            write: writes the weights of the last one.
            facts: what else is told of them.

        Raises:
            ConfigurationError: the storage cannot be written.
            OSError, StorageError: it has failed. Then the score must not be told.
            ValueError: `write` left what cannot be stored.
        """
        if self._stored is None:
            folders = self._open_episode()
            self._stored = folders, folders.claim(self._uid)
            self._take_over(scores[:-1], *self._stored)
        (folders, own), evaluation = self._stored, len(scores)
        best = self._best_of(scores)
        if best is not None and best.evaluation == evaluation:
            with whole_folder(own / BEST) as folder:
                write(folder)
                _check_files(folder)
                told = {"evaluation": evaluation, "score": best.score, **facts}
                (folder / BEST_FACTS).write_text(json.dumps(told, indent=1))
            folders.commit(FolderId(self._uid, BEST))
        if evaluation in self._rungs and (own / BEST).exists():
            name = f"{BEST}-to-{evaluation}"
            link_folder(own / BEST, own / name)
            folders.commit(FolderId(self._uid, name))

    def _take_over(self, past: Sequence[float], folders: Folders, own: Path) -> None:
        """Copy the best weights up to the checkpoint that this attempt resumes from, as far as they are stored."""
        passed = [rung for rung in self._rungs if rung <= len(past)]
        for name, upto in ((BEST, len(past)), *((f"{BEST}-to-{rung}", rung) for rung in passed)):
            best = self._best_of(past[:upto])
            kept = find_best(folders, Stored(best.evaluation, best.score)) if best is not None else None
            mine = FolderId(self._uid, name)
            if kept is None or kept == mine:
                continue
            # Damaged weights are as good as none: another evaluation may still be the best.
            with suppress(BrokenFolderError), folders.opened(kept) as folder:
                link_folder(folder, own / name)
                folders.commit(mine)

    def _best_of(self, scores: Sequence[float]) -> BestEvaluation | None:
        known = [None if math.isnan(score) else score for score in scores]
        return BestEvaluation.of(known, (), len(known), maximize=self._maximize)


def _check_files(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            raise ValueError(f"evaluated(weights=) made the folder {entry.name!r}: write files without subfolders")
        if not _FILE.fullmatch(entry.name) or entry.name in _TAKEN:
            raise ValueError(
                f"evaluated(weights=) wrote {entry.name!r}: use a name of letters, digits, '.', '_' and '-', but none "
                f"of {', '.join(_TAKEN)}"
            )
