"""A housekeeping pod: what a sweep needs done in its storage, where the operator itself has no way.

Every part can be done again after a crash in its middle, and comes to the same. torch is loaded only by the parts that
need it: most of these pods free space and should be gone within a second or two.
"""

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from seedsweep.api.episode import BestEvaluation
from seedsweep.api.housekeeping import HandOver, HousekeepingAnswer, HousekeepingTask, Pruning
from seedsweep.api.status import Average, TestScore
from seedsweep.contract.message import MESSAGE_BYTES
from seedsweep.contract.protocol import DEFAULT_TERMINATION_LOG, Env
from seedsweep.contract.scoring import MISSING_REMEDY
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

if TYPE_CHECKING:
    from seedsweep_trainer.jobs.average import Survivors

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

    def make_average(self) -> bool:
        """Make the average that a custom trainer's command is to score, after all that comes before the hand-over.

        Returns whether it is there; if not, the answer says why. Raises as `do`.
        """
        for found in (*self._before_hand_over(), *self._make_average(self._hand_over_asked())):
            self.answer = self.answer.evolve(**found)
        return self.answer.average is None and not self.answer.instead

    def _hand_over_asked(self) -> HandOver:
        if self._task.hand_over is None:
            raise ConfigurationError(f"{Env.TASK} asks for no hand-over: use an image of the operator's release")
        return self._task.hand_over

    def _parts(self) -> Iterator[Found]:
        yield from self._before_hand_over()
        if self._task.hand_over is not None:
            yield from self._hand_over(self._task.hand_over)
        if self._task.compare is not None:
            from seedsweep_trainer.jobs.compare import compare

            yield {"compared": compare(self._task.compare, self._storage)}
        if self._task.remove_all:
            self._remove_all()

    def _before_hand_over(self) -> Iterator[Found]:
        if self._task.warm_up:
            yield self._warm_up()
        for pruning in self._task.prune:
            self._prune(pruning)

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

    def _make_average(self, task: HandOver) -> Iterator[Found]:
        from seedsweep_trainer.jobs.own_average import Trial, make_average

        with self._winner(task) as found:
            if isinstance(found, Path):
                refused = make_average(self._survivors(task), found, Trial.from_env(self._environ))
                yield {"average": _without_names(refused) if refused is not None else None}
            else:
                yield {"instead": found}

    def _hand_over(self, task: HandOver) -> Iterator[Found]:
        from seedsweep_trainer.jobs.export import export, publish

        weights = join(self._storage, BEST)
        winner = local_path(weights) or self._work / BEST
        with self._winner(task) as found:
            if not isinstance(found, Path):
                yield {"instead": found}
                return
            make = self._make_own if task.own else self._make
            make(task, found, winner)
        if local_path(weights) is None:
            publish(winner, weights)
        yield {"weights": weights}
        if (told := winner / AVERAGE).exists():
            yield {"average": _without_names(Average.model_validate_json(told.read_bytes()))}
        if (score := winner / TEST_SCORE).exists():
            yield {"test": TestScore.model_validate_json(score.read_bytes())}
        if task.export is not None:
            yield {"exported": export(winner, task.export)}

    @contextmanager
    def _winner(self, task: HandOver) -> Iterator[Path | list[BestEvaluation]]:
        """The folder of the winner's best weights; the other best weights of the episode where it is not there."""
        folders = open_folders(join(self._storage, task.episode), self._work)
        best = take_out_best(folders, Stored(task.evaluation, task.score))
        if best is None:
            if task.score is not None and (others := stored_bests(folders)):
                yield others
                return
            remedy = f"; {MISSING_REMEDY}" if task.own else ""
            what = f"no weights of evaluation {task.evaluation} of {task.episode}"
            raise StorageError(f"{what} are in {self._storage}{remedy}")
        try:
            with folders.opened(best) as folder:
                yield folder
        except BrokenFolderError as error:
            raise StorageError(f"the weights of {task.episode} in {self._storage} are damaged: {error}") from error

    def _make(self, task: HandOver, best: Path, winner: Path) -> None:
        from seedsweep_trainer.jobs.hand_over import hand_over

        config = parse_config(required(self._environ, Env.CONFIG))
        survivors = self._survivors(task) if task.average else None
        hand_over(config, best, winner, task.card, self._storage, survivors)

    def _make_own(self, task: HandOver, best: Path, winner: Path) -> None:
        """The average, if one was asked for, was made and scored before this container began."""
        from seedsweep_trainer.jobs.hand_over_folder import hand_over_folder

        average, averaged = task.tried, None
        if task.average:
            from seedsweep_trainer.jobs.own_average import Trial, judge_average

            trial = Trial.from_env(self._environ)
            average, averaged = judge_average(self._survivors(task), trial), trial.weights
        hand_over_folder(best, winner, task.card, average, averaged)

    def _survivors(self, task: HandOver) -> "Survivors":
        from seedsweep_trainer.jobs.average import Survivors

        return Survivors(task.average, self._storage, self._work)

    def _remove_all(self) -> None:
        log.info("removing %s", self._storage)
        if (path := local_path(self._storage)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            return
        from seedsweep_trainer.storage.uri import UriFiles

        UriFiles(self._storage).remove_tree("")


def _without_names(average: Average) -> Average:
    """The names of its members would not fit into an answer, and who asks knows them."""
    return average.evolve(episodes=[])


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
