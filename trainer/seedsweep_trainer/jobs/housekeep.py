"""A housekeeping pod: what a sweep needs done in its storage, where the operator itself has no way.

Every part can be done again after a crash in its middle, and comes to the same. torch is loaded only by the parts that
need it: most of these pods free space and should be gone within a second or two.
"""

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pydantic import ValidationError

from seedsweep.api.housekeeping import HandOver, HousekeepingAnswer, HousekeepingTask, Pruning
from seedsweep.api.status import Average, TestScore
from seedsweep.contract.message import MESSAGE_BYTES
from seedsweep.contract.protocol import DEFAULT_TERMINATION_LOG, Env
from seedsweep_trainer.errors import ConfigurationError, StorageError
from seedsweep_trainer.reporting.attempt import parse_config, required
from seedsweep_trainer.storage.folders import (
    AVERAGE,
    BEST,
    TEST_SCORE,
    BrokenFolderError,
    Stored,
    keep_best_only,
    stored_bests,
    take_out_best,
)
from seedsweep_trainer.storage.location import join, local_path, open_folders

Found = dict[str, Any]
"""Fields of the answer that have become known."""

log = logging.getLogger(__name__)


class Housekeeping:
    """One task; `answer` is what is known of its outcome so far."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Raises ConfigurationError for a variable that is missing or malformed."""
        self.answer = HousekeepingAnswer()
        self._environ = environ
        self._storage = required(environ, Env.STORAGE_DIR)
        self._work = Path(environ.get(Env.WORK_DIR) or mkdtemp(prefix="seedsweep-"))
        try:
            self._task = HousekeepingTask.model_validate_json(required(environ, Env.TASK))
        except ValidationError as error:
            raise ConfigurationError(
                f"{Env.TASK} is no task: use an image of the operator's release: {error}"
            ) from None

    def do(self) -> None:
        """Do all of it. Raises what keeps a part from being done; the answer then tells what was done before."""
        for found in self._parts():
            self.answer = self.answer.evolve(**found)

    def _parts(self) -> Iterator[Found]:
        if self._task.warm_up:
            yield self._warm_up()
        for pruning in self._task.prune:
            self._prune(pruning)
        if self._task.hand_over is not None:
            yield from self._hand_over(self._task.hand_over)
        if self._task.remove_all:
            self._remove_all()

    def _warm_up(self) -> Found:
        from seedsweep_trainer.jobs.warm_up import warm_up

        return {"parameters": warm_up(parse_config(required(self._environ, Env.CONFIG)), self._storage)}

    def _prune(self, pruning: Pruning) -> None:
        folders = open_folders(join(self._storage, pruning.episode), self._work)
        if pruning.keep is None:
            folders.remove_all()
            log.info("%s: nothing stays", pruning.episode)
        elif keep_best_only(folders, Stored(pruning.keep, pruning.score)):
            log.info("%s: the best weights stay, of evaluation %d", pruning.episode, pruning.keep)
        else:
            log.warning("%s: no best weights of evaluation %d; others stay", pruning.episode, pruning.keep)

    def _hand_over(self, task: HandOver) -> Iterator[Found]:
        from seedsweep_trainer.jobs.average import Survivors
        from seedsweep_trainer.jobs.export import export, publish
        from seedsweep_trainer.jobs.hand_over import hand_over

        config = parse_config(required(self._environ, Env.CONFIG))
        folders = open_folders(join(self._storage, task.episode), self._work)
        best = take_out_best(folders, Stored(task.evaluation, task.score))
        if best is None:
            if task.score is not None and (others := stored_bests(folders)):
                yield {"instead": others}
                return
            raise StorageError(f"no weights of evaluation {task.evaluation} of {task.episode} are in {self._storage}")
        survivors = Survivors(task.average, self._storage, self._work) if task.average else None
        weights = join(self._storage, BEST)
        winner = local_path(weights) or self._work / BEST
        try:
            with folders.opened(best) as folder:
                hand_over(config, folder, winner, task.card, self._storage, survivors)
        except BrokenFolderError as error:
            raise StorageError(f"the weights of {task.episode} in {self._storage} are damaged: {error}") from error
        if local_path(weights) is None:
            publish(winner, weights)
        yield {"weights": weights}
        if (found := winner / AVERAGE).exists():
            yield {"average": Average.model_validate_json(found.read_bytes())}
        if (score := winner / TEST_SCORE).exists():
            yield {"test": TestScore.model_validate_json(score.read_bytes())}
        if task.export is not None:
            yield {"exported": export(winner, task.export)}

    def _remove_all(self) -> None:
        log.info("removing %s", self._storage)
        if (path := local_path(self._storage)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            return
        from seedsweep_trainer.storage.uri import UriFiles

        UriFiles(self._storage).remove_tree("")


def leave_answer(answer: HousekeepingAnswer, environ: Mapping[str, str]) -> None:
    """Write it to the termination log, as one line that fits; for the rest the error is shortened."""
    path = Path(environ.get(Env.TERMINATION_LOG) or DEFAULT_TERMINATION_LOG)
    while len(line := _line(answer)) > MESSAGE_BYTES and answer.error:
        answer = answer.evolve(error=answer.error[: len(answer.error) // 2])
    if path.exists() or Env.TERMINATION_LOG in environ:
        path.write_bytes(line)
    sys.stdout.write(line.decode())


def _line(answer: HousekeepingAnswer) -> bytes:
    return answer.model_dump_json(by_alias=True, exclude_none=True).encode() + b"\n"
