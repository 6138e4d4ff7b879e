"""The winner's copy on one machine: the result stands whether or not it can be made."""

import asyncio
import errno
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from inputs import records
from seedsweep.api.episode import BestEvaluation, EpisodeId
from seedsweep.api.status import Average
from seedsweep.api.sweep import Export
from seedsweep.engine.decisions import HandOverWinner
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import HandOverOutcome
from seedsweep.local import storage as local_storage
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.storage import Storage

WINNER = EpisodeId(1, 0)
BEST = BestEvaluation(score=0.5, evaluation=20)
DECISION = HandOverWinner(WINNER, BEST)


@dataclass
class Commands:
    """Stands in for the trainer: its commands end with these exit codes, the last of a kind again and again."""

    codes: dict[str, list[int]]
    said: str = "s3://team/winner"
    ran: list[Sequence[str]] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)

    async def launch(self, command: Sequence[str], variables: Mapping[str, str], log: Path) -> SimpleNamespace:
        del variables
        code = self._run(command, log)

        async def wait() -> int:
            return code

        return SimpleNamespace(wait=wait)

    def _run(self, command: Sequence[str], log: Path) -> int:
        what = next(word for word in command if word in self.codes)
        self.ran.append(command)
        if what == "conclude":
            self.cards.append(Path(command[command.index("--card") + 1]).read_text())
        if "--average" in command:
            self.members.append(Path(command[command.index("--average") + 1]).read_text())
        log.write_text(f"trying\n{self.said}\n")
        codes = self.codes[what]
        return codes.pop(0) if len(codes) > 1 else codes[0]


async def handed_over(
    root: Path, commands: Commands, export: Export | None, stored: Sequence[BestEvaluation] = (BEST,)
) -> HandOverOutcome:
    storage = storage_of(root, commands, export, stored)
    await begin(storage)
    assert storage.hand_over is not None
    return storage.hand_over


async def begin(storage: Storage, decision: HandOverWinner = DECISION) -> None:
    over = asyncio.Event()
    storage.hand_over_winner(decision, "# The card\n", then=over.set)
    await over.wait()


def storage_of(root: Path, commands: Commands, export: Export | None, stored: Sequence[BestEvaluation]) -> Storage:
    sweep = records.finished().sweep
    layout = Layout.of(sweep.evolve(spec=sweep.spec.evolve(export=export)))
    directory = RunDirectory(root)
    directory.make()
    for best in stored:
        folder = directory.checkpoints(WINNER) / f"uid-{best.evaluation}-{best.score}" / "best"
        folder.mkdir(parents=True)
        (folder / "best.json").write_text(json.dumps({"evaluation": best.evaluation, "score": best.score}))
    return Storage(directory, layout, commands, root)  # type: ignore[arg-type]


TO_BUCKET = Export(uri="s3://team/winner")


async def test_the_copy_is_where_the_trainer_says(tmp_path: Path) -> None:
    commands = Commands({"conclude": [0], "export": [0]})
    found = await handed_over(tmp_path, commands, TO_BUCKET)
    assert (found.weights, found.exported, found.error) == (str(tmp_path / "best"), "s3://team/winner", "")
    assert commands.ran[-1][-1] == '{"uri":"s3://team/winner"}'
    assert commands.cards == ["# The card\n"]


async def test_a_copy_that_fails_twice_is_a_warning_and_the_winner_stands(tmp_path: Path) -> None:
    commands = Commands({"conclude": [0], "export": [1]}, said="seedsweep: storage s3://team refuses")
    found = await handed_over(tmp_path, commands, TO_BUCKET)
    assert (found.weights, found.exported) == (str(tmp_path / "best"), None)
    assert "the copy that spec.export asks for could not be made: seedsweep: storage s3://team refuses" in found.error
    assert len(commands.ran) == 3


async def test_a_copy_that_fails_once_is_made_by_the_second_try(tmp_path: Path) -> None:
    found = await handed_over(tmp_path, Commands({"conclude": [0], "export": [1, 0]}), TO_BUCKET)
    assert found.exported == "s3://team/winner"


async def test_nothing_is_copied_where_the_hand_over_failed_or_no_copy_is_asked_for(tmp_path: Path) -> None:
    for name, export, code in (("failed", TO_BUCKET, 1), ("unasked", None, 0)):
        commands = Commands({"conclude": [code], "export": [0]})
        found = await handed_over(tmp_path / name, commands, export)
        assert found.exported is None
        assert not any("export" in command for command in commands.ran)


@pytest.mark.parametrize("code", [0, 1])
async def test_the_card_leaves_no_file_beside_the_record(tmp_path: Path, code: int) -> None:
    await handed_over(tmp_path, Commands({"conclude": [code]}), None)
    assert not (tmp_path / ".card.md").exists()


async def test_the_trainer_is_told_whose_average_is_handed_over_and_what_it_says_of_it_counts(tmp_path: Path) -> None:
    commands = Commands({"conclude": [0]})
    storage = storage_of(tmp_path, commands, None, [BEST])
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "average.json").write_text('{"members":2,"reason":"a barrier"}')
    average_of = {EpisodeId(0, 1): BestEvaluation(score=0.25, evaluation=3), WINNER: BEST}
    await begin(storage, HandOverWinner(WINNER, BEST, average_of))
    assert json.loads(commands.members[0]) == [
        {"episode": "wi0-do1", "evaluation": 3, "score": 0.25},
        {"episode": "wi1-do0", "evaluation": 20, "score": 0.5},
    ]
    assert commands.ran[0][-2:] == ["--episodes", str(tmp_path / "work")]
    assert storage.hand_over is not None
    assert storage.hand_over.average == Average(members=2, reason="a barrier")
    assert not (tmp_path / ".average.json").exists()


async def test_weights_of_the_same_evaluation_with_another_score_are_not_handed_over(tmp_path: Path) -> None:
    replayed = BestEvaluation(score=0.4, evaluation=20)
    commands = Commands({"conclude": [0]})
    found = await handed_over(tmp_path, commands, None, stored=[replayed, BestEvaluation(score=0.3, evaluation=7)])
    assert (found.weights, commands.ran) == (None, [])
    assert (found.missing, list(found.instead)) == (BEST, [BestEvaluation(score=0.3, evaluation=7), replayed])
    assert "no weights of evaluation 20 of wi1-do0" in found.error
    both = await handed_over(tmp_path / "both", commands, None, stored=[replayed, BEST])
    assert commands.ran[0][commands.ran[0].index("--best") + 1].endswith("uid-20-0.5/best")
    assert (both.missing, both.error) == (None, "")


async def test_a_disk_that_is_full_is_the_outcome_and_the_hand_over_is_not_begun_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(local_storage, "write_whole", full)
    found = await handed_over(tmp_path, Commands({"conclude": [0]}), None)
    assert (found.weights, found.missing) == (None, None)
    assert "could not be handed over" in found.error
    assert f"{tmp_path / '.hand-over' / 'card.md'}: No space left on device; run the same command again" in found.error
