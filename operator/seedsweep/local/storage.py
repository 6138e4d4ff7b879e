"""Checkpoints on this machine's disk: who has some, what is thrown away, and the winner's hand-over.

seedsweep_trainer/storage/folders.py says what our trainer keeps in OUT/work/EPISODE, and where a trainer of one's own
stores its best weights if the sweep says that it does. What else such a trainer keeps there is its own affair.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from seedsweep.api.episode import BestEvaluation, EpisodeId
from seedsweep.api.housekeeping import Member, members_of
from seedsweep.api.status import Average, TestScore
from seedsweep.contract.output import last_line
from seedsweep.contract.scoring import MISSING_REMEDY
from seedsweep.engine.decisions import HandOverWinner
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import HandOverOutcome
from seedsweep.files import write_whole
from seedsweep.local.directory.run_directory import RunDirectory, remove_tree
from seedsweep.local.processes.endings import tail
from seedsweep.local.processes.environment import TRAINER, score_form, variables_without_attempt
from seedsweep.local.processes.launchers import Launcher
from seedsweep_trainer.storage.folders import LocalFolders, Stored, keep_best_only, stored_bests, take_out_best

_TRIES = 2
_MEMBERS = TypeAdapter(list[Member])
Found = TypeVar("Found", TestScore, Average)


class Storage:
    """The checkpoints under OUT/work, and OUT/best that comes of them."""

    def __init__(self, directory: RunDirectory, layout: Layout, launcher: Launcher, base: Path) -> None:
        """`base` is the folder that relative paths in the sweep's file start from."""
        self.hand_over: HandOverOutcome | None = None
        self._directory = directory
        self._spec = layout.spec
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

    def prune(self, episode: EpisodeId, best: BestEvaluation | None) -> None:
        """Remove all that an episode has stored; but for `best`, where it is not None."""
        folder = self._directory.checkpoints(episode)
        if best is None:
            remove_tree(folder)
            del self._stored[episode]
            return
        if self._spec.trainer.stores_weights:
            keep_best_only(LocalFolders(folder), Stored(best.evaluation, best.score))
        self._stored[episode] = False

    def hand_over_winner(self, decision: HandOverWinner, card: str, then: Callable[[], None]) -> None:
        """Begin to hand over the winner with its card, in the background; call `then` once `hand_over` is there."""
        self.hand_over = None
        self._handing_over = asyncio.create_task(self._try_to_hand_over(decision, card))
        self._handing_over.add_done_callback(lambda _: then())

    async def _try_to_hand_over(self, decision: HandOverWinner, card: str) -> None:
        try:
            await self._make_best(decision, card)
        except OSError as error:
            why = f"{error.filename or self._directory.root}: {error.strerror}; run the same command again once it can"
            self.hand_over = HandOverOutcome(decision.episode.name, error=f"the winner could not be handed over: {why}")

    async def _make_best(self, decision: HandOverWinner, card: str) -> None:
        name = decision.episode.name
        folder = self._directory.checkpoints(decision.episode)
        # What is pruned meanwhile leaves what is taken out.
        wanted = decision.best
        best = take_out_best(LocalFolders(folder), Stored(wanted.evaluation, wanted.score))
        if best is None:
            remedy = "" if self._ours else f"; {MISSING_REMEDY}"
            error = f"no weights of evaluation {wanted.evaluation} of {name} are in {self._directory.work}{remedy}"
            others = tuple(stored_bests(LocalFolders(folder)))
            self.hand_over = HandOverOutcome(name, error=error, missing=wanted, instead=others)
            return
        scratch = self._directory.root / ".hand-over"
        remove_tree(scratch)
        scratch.mkdir()
        text, members = scratch / "card.md", scratch / "average.json"
        write_whole(text, card.encode())
        weights = self._directory.best
        arguments = ["--best", str(folder / str(best)), "--to", str(weights), "--card", str(text)]
        if decision.average_of:
            write_whole(members, _MEMBERS.dump_json(members_of(decision.average_of), by_alias=True))
            arguments += ["--average", str(members), "--episodes", str(self._directory.work)]
        log = self._directory.logs / "conclude.log"
        if self._ours:
            done = await self._run("conclude", arguments, log)
        else:
            done = await self._hand_over_own(arguments, scratch, log)
        remove_tree(scratch)
        if done:
            self.hand_over = await self._export(_outcome(name, weights))
        else:
            self.hand_over = HandOverOutcome(
                name, error=f"the winner could not be handed over: {last_line(tail(log))} (see {log})"
            )

    async def _hand_over_own(self, arguments: Sequence[str], scratch: Path, log: Path) -> bool:
        """Weights of a trainer of one's own, whose command scores an average; whether it has succeeded."""
        command, variables = score_form(self._spec, self._base, scratch)
        return await self._run("hand-over", [*arguments, "--", *command], log, variables)

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

    async def _run(
        self, what: str, arguments: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
    ) -> bool:
        """A command of the trainer, tried again if it fails; whether it has succeeded."""
        if variables is None:
            variables = variables_without_attempt(self._spec.trainer, self._base)
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
    weights = str(best)
    try:
        test = _read(TestScore, best / "test.json")
        average = _read(Average, best / "average.json")
    except (OSError, ValidationError) as error:
        why = f"{best} holds a file that is not what was written: run the same command again ({last_line(str(error))})"
        return HandOverOutcome(episode, weights=weights, error=why)
    return HandOverOutcome(episode, weights=weights, test=test, average=average)


def _read(kind: type[Found], path: Path) -> Found | None:
    return kind.model_validate_json(path.read_bytes()) if path.exists() else None
