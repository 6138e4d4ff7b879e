"""Checkpoints on this machine's disk: who has some, what is thrown away, and the winner's hand-over.

seedsweep_trainer/storage/folders.py says what our trainer keeps in OUT/work/EPISODE. What a trainer of one's own keeps
there is its own affair: it is removed whole or left alone.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from seedsweep.api.episode import EpisodeId
from seedsweep.api.status import TestScore
from seedsweep.contract.exits import last_line
from seedsweep.contract.protocol import Env
from seedsweep.engine.decisions import HandOverWinner
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import HandOverOutcome
from seedsweep.files import write_whole
from seedsweep.local.environment import TRAINER, literal_environment, trainer_config
from seedsweep.local.lastwords import tail
from seedsweep.local.processes import Launcher
from seedsweep.local.rundir import RunDirectory, remove_tree
from seedsweep_trainer.storage.folders import LocalFolders, keep_best_only, take_out_best

_TRIES = 2


class Storage:
    """The checkpoints under OUT/work, and OUT/best that comes of them."""

    def __init__(self, directory: RunDirectory, layout: Layout, launcher: Launcher, base: Path) -> None:
        """`base` is the folder that relative paths in the sweep's file start from."""
        self.hand_over: HandOverOutcome | None = None
        self._directory = directory
        self._trainer = layout.spec.trainer
        self._ours = layout.ours
        self._export_to = layout.spec.export
        self._launcher = launcher
        self._base = base
        self._handing_over: asyncio.Task[None] | None = None
        folders = {episode: directory.checkpoints(episode) for episode in layout.episodes}
        self._stored = {e: self._can_resume(folder) for e, folder in folders.items() if folder.exists()}

    @property
    def stored(self) -> Mapping[EpisodeId, bool]:
        """See Observation."""
        return self._stored

    @property
    def handing_over(self) -> bool:
        """See Observation."""
        return self._handing_over is not None and not self._handing_over.done()

    def fill(self, episode: EpisodeId) -> None:
        """An attempt of this episode may write there from now on."""
        self._stored[episode] = True

    def prune(self, episode: EpisodeId, best: int | None) -> None:
        """Remove an episode's checkpoints; None, or all but its weights of the evaluation `best`."""
        folder = self._directory.checkpoints(episode)
        if best is None:
            remove_tree(folder)
            del self._stored[episode]
            return
        if self._ours:
            keep_best_only(LocalFolders(folder), best)
        self._stored[episode] = False

    def hand_over_winner(self, decision: HandOverWinner, card: str, then: Callable[[], None]) -> None:
        """Begin to hand over the winner with its card, in the background; call `then` once `hand_over` is there."""
        self._handing_over = asyncio.create_task(self._make_best(decision, card))
        self._handing_over.add_done_callback(lambda _: then())

    async def _make_best(self, decision: HandOverWinner, card: str) -> None:
        name = decision.episode.name
        folder = self._directory.checkpoints(decision.episode)
        # What is pruned meanwhile leaves what is taken out.
        best = take_out_best(LocalFolders(folder), decision.evaluation)
        if best is None:
            error = f"no weights of evaluation {decision.evaluation} of {name} are in {self._directory.work}"
            self.hand_over = HandOverOutcome(name, error=error)
            return
        text = self._directory.root / ".card.md"
        write_whole(text, card.encode())
        weights = self._directory.best
        arguments = ["--best", str(folder / str(best)), "--to", str(weights), "--card", str(text)]
        log = self._directory.logs / "conclude.log"
        done = await self._run("conclude", arguments, log)
        text.unlink()
        if done:
            self.hand_over = await self._export(_outcome(name, weights))
        else:
            self.hand_over = HandOverOutcome(
                name, error=f"the winner could not be handed over: {last_line(tail(log))} (see {log})"
            )

    async def _export(self, made: HandOverOutcome) -> HandOverOutcome:
        """With a copy where the sweep wants one; the result stands without it."""
        if self._export_to is None:
            return made
        to = self._export_to.model_dump_json(by_alias=True, exclude_unset=True)
        log = self._directory.logs / "export.log"
        if await self._run("export", ["--folder", str(self._directory.best), "--to", to], log):
            return replace(made, exported=last_line(tail(log)))
        error = f"the copy that spec.export asks for could not be made: {last_line(tail(log))} (see {log})"
        return replace(made, error="; ".join(filter(None, [made.error, error])))

    async def _run(self, what: str, arguments: Sequence[str], log: Path) -> bool:
        """A command of the trainer, tried again if it fails; whether it has succeeded."""
        variables = {**literal_environment(self._trainer), str(Env.CONFIG): trainer_config(self._trainer, self._base)}
        for _ in range(_TRIES):
            try:
                running = await self._launcher.launch([*TRAINER, what, *arguments], variables, log)
            except OSError:
                continue
            if await running.wait() == 0:
                return True
        return False

    def _can_resume(self, folder: Path) -> bool:
        return not self._ours or any(kept.is_checkpoint for kept in LocalFolders(folder).listed())


def _outcome(episode: str, best: Path) -> HandOverOutcome:
    """What was handed over; a sweep without a test set has no test score."""
    path = best / "test.json"
    try:
        test = TestScore.model_validate_json(path.read_bytes()) if path.exists() else None
    except (OSError, ValidationError):
        return HandOverOutcome(episode, weights=str(best), error=f"{path} is no test score: run the same command again")
    return HandOverOutcome(episode, weights=str(best), test=test)
