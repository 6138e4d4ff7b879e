"""The winner's copy on one machine: the result stands whether or not it can be made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

import records
from seedsweep.api.episode import EpisodeId
from seedsweep.api.sweep import Export
from seedsweep.engine.decisions import HandOverWinner
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import HandOverOutcome
from seedsweep.local.rundir import RunDirectory
from seedsweep.local.storage import Storage

WINNER = EpisodeId(1, 0)


@dataclass
class Commands:
    """Stands in for the trainer: its commands end with these exit codes, the last of a kind again and again."""

    codes: dict[str, list[int]]
    said: str = "s3://team/winner"
    ran: list[Sequence[str]] = field(default_factory=list)
    cards: list[str] = field(default_factory=list)

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
        log.write_text(f"trying\n{self.said}\n")
        codes = self.codes[what]
        return codes.pop(0) if len(codes) > 1 else codes[0]


async def handed_over(root: Path, commands: Commands, export: Export | None) -> HandOverOutcome:
    sweep = records.finished().sweep
    layout = Layout.of(sweep.evolve(spec=sweep.spec.evolve(export=export)))
    directory = RunDirectory(root)
    directory.make()
    best = directory.checkpoints(WINNER) / "uid" / "best"
    best.mkdir(parents=True)
    (best / "best.json").write_text(json.dumps({"evaluation": 20}))
    storage = Storage(directory, layout, commands, root)  # type: ignore[arg-type]
    await storage._make_best(HandOverWinner(WINNER, 20), "# The card\n")
    assert storage.hand_over is not None
    return storage.hand_over


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
