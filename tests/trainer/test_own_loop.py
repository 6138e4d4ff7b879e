"""examples/own_loop.py, run as a sweep runs it: by the contract alone."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from host.ports import free_port
from seedsweep.api.reading.parse import load_sweep
from seedsweep.contract.message import Message, Outcome, decode_message
from seedsweep.contract.protocol import Env
from seedsweep.contract.scrape import Expected, parse_reading
from seedsweep.engine.observation import Reading

EXAMPLES = Path(__file__).parents[2] / "examples"
EPISODE = "wi3-do1"
HELD = """
import runpy, sys, time
from seedsweep_trainer.reporting.reporter import Reporter

tell = Reporter.checkpointed

def checkpointed(reporter, evaluation):
    tell(reporter, evaluation)
    while evaluation == int(sys.argv[1]):
        time.sleep(60)

Reporter.checkpointed = checkpointed
runpy.run_path("own_loop.py")
"""


@dataclass
class Episode:
    """One episode's folder, and attempts in it."""

    folder: Path
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(
        self, uid: str, evaluations: int = 6, env: Mapping[str, str] | None = None, held_at: int | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start an attempt; once it has told of the checkpoint `held_at` it waits for its end by a signal."""
        (self.folder / uid).mkdir(exist_ok=True)
        contract = {
            Env.CONTRACT: "1",
            Env.EPISODE: EPISODE,
            Env.ATTEMPT_UID: uid,
            Env.WEIGHT_INIT_SEED: "3",
            Env.DATA_ORDER_SEED: "1",
            Env.CHECKPOINT_DIR: str(self.folder / "checkpoints"),
            Env.WORK_DIR: str(self.folder / uid),
            Env.TERMINATION_LOG: str(self.folder / uid / "termination-log"),
            Env.METRICS_HOST: "127.0.0.1",
            Env.METRICS_PORT: str(free_port()),
            Env.CONFIG: f'{{"evaluations": {evaluations}}}',
        }
        variables = {str(name): value for name, value in contract.items()} | {
            "OPENBLAS_NUM_THREADS": "1",
            **(env or {}),
        }
        program = ["own_loop.py"] if held_at is None else ["-c", HELD, str(held_at)]
        process = subprocess.Popen([sys.executable, *program], cwd=EXAMPLES, env={**os.environ, **variables})
        self.started.append(process)
        self.port = int(variables[Env.METRICS_PORT])
        return process

    def run(self, uid: str, evaluations: int = 6, env: Mapping[str, str] | None = None) -> Message:
        """An attempt's last words."""
        assert self.start(uid, evaluations, env).wait() == 0
        return self.last_words(uid)

    def last_words(self, uid: str) -> Message:
        message = decode_message((self.folder / uid / "termination-log").read_text())
        assert message is not None
        return message


@pytest.fixture
def episode(tmp_path: Path) -> Iterator[Episode]:
    episode = Episode(tmp_path)
    yield episode
    for process in episode.started:
        process.kill()
        process.wait()


def scrape(port: int, uid: str) -> Reading | None:
    """What is served now; None where nobody serves yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            return parse_reading(answer.read(), Expected(EPISODE, uid))
    except OSError:
        return None


def test_own_trainer_sweep_is_valid_and_names_files_that_exist() -> None:
    spec = load_sweep(EXAMPLES / "own-trainer.yaml").spec
    assert spec.seeds.count == 6
    assert spec.trainer.command[0] == "python"
    assert (EXAMPLES / spec.trainer.command[1]).is_file()


def test_whole_run_tells_every_score_and_is_done(episode: Episode) -> None:
    message = episode.run("a")
    assert message.outcome == Outcome.DONE
    assert len(message.scores) == message.evaluations_planned == message.checkpoint == 6
    assert message.steps_done == message.steps_planned
    assert message.info.level == "L2"
    assert message.scores[-1] > message.scores[0] > 0.4


def test_curve_is_scraped_while_it_trains_and_agrees_with_the_last_words(episode: Episode) -> None:
    process = episode.start("a", evaluations=300, held_at=2)
    seen = None
    # What is told of the checkpoint comes after the last words have the scores.
    while seen is None or seen.checkpoint < 2:
        assert process.poll() is None, "it ended before it was scraped"
        time.sleep(0.01)
        seen = scrape(episode.port, "a")
    process.send_signal(signal.SIGTERM)
    process.wait()
    scores = episode.last_words("a").scores
    assert seen.evaluations_planned == 300
    assert len(seen.scores) == 2
    assert seen.scores == scores


def test_pause_changes_nothing(episode: Episode, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = Episode(tmp_path / "whole").run("a")
    paused = episode.run("a", env={Env.STOP_AFTER: "2"})
    assert (paused.outcome, len(paused.scores), paused.checkpoint) == (Outcome.STOPPED, 2, 2)
    resumed = episode.run("b")
    assert resumed.outcome == Outcome.DONE
    assert resumed.steps_at_start == paused.steps_done
    assert resumed.scores == whole.scores


def test_killed_attempt_goes_on_from_its_newest_checkpoint(episode: Episode) -> None:
    process = episode.start("a", evaluations=300, held_at=150)
    while not (episode.folder / "checkpoints" / "a" / "state.npz").exists():
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.001)
    process.kill()
    process.wait()
    seen = episode.last_words("a").scores
    resumed = episode.run("b", evaluations=300, env={Env.STOP_AFTER: "1"})
    assert resumed.steps_at_start > 0
    assert resumed.scores[: len(seen)] == seen


def test_other_seeds_give_another_curve(episode: Episode, tmp_path: Path) -> None:
    curves = {episode.run("a").scores}
    for name in (Env.WEIGHT_INIT_SEED, Env.DATA_ORDER_SEED):
        (tmp_path / name).mkdir()
        curves.add(Episode(tmp_path / name).run("a", env={name: "9"}).scores)
    assert len(curves) == 3


def test_outside_a_sweep_it_just_trains(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SEEDSWEEP_")}
    command = [sys.executable, str(EXAMPLES / "own_loop.py")]
    said = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout
    assert said.startswith("best accuracy of 10 evaluations: 0.")
    assert list(tmp_path.iterdir()) == []
