"""Processes end with the runner, and tell how they ended."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from seedsweep.local.processes import end_with_parent
from seedsweep.local.processes.launchers import CommandLauncher, ForkedTrainer, ForkLauncher, RunningCommand

IGNORES_SIGTERM = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
LEAVES_ORPHANS = (
    "import subprocess, sys, time\n"
    "child = 'import subprocess, sys, time; '\n"
    'child += \'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)\'\n'
    "subprocess.run([sys.executable, '-c', child])\n"
    "print('ready', flush=True)\n"
    "time.sleep(600)\n"
)


@pytest_asyncio.fixture
async def launcher(tmp_path: Path) -> AsyncIterator[CommandLauncher]:
    with (tmp_path / "lock").open("w") as lock:
        launcher = CommandLauncher(tmp_path, lock.fileno())
        yield launcher
        await launcher.close()


async def start(launcher: CommandLauncher, code: str, log: Path, until: str = "") -> RunningCommand:
    process = await launcher.launch([sys.executable, "-c", code], {"ADDED": "1"}, log)
    await asyncio.to_thread(wait_for, log, until)
    return process


def wait_for(log: Path, word: str) -> None:
    while word not in log.read_text():
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("pass", 0),
        ("raise SystemExit(78)", 78),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.kill(os.getpid(), 11)", 139),
        ("import os; assert os.environ['ADDED'] == '1'", 0),
    ],
)
async def test_exit_code_is_the_commands(launcher: CommandLauncher, tmp_path: Path, code: str, exit_code: int) -> None:
    process = await start(launcher, code, tmp_path / "log")
    assert await process.wait() == exit_code


async def test_output_goes_to_the_log(launcher: CommandLauncher, tmp_path: Path) -> None:
    process = await start(launcher, "import sys; print('out'); sys.stderr.write('error')", tmp_path / "log")
    await process.wait()
    assert sorted((tmp_path / "log").read_text().split()) == ["error", "out"]


async def test_command_runs_in_the_folder_of_the_sweep(launcher: CommandLauncher, tmp_path: Path) -> None:
    process = await start(launcher, "import os; print(os.getcwd())", tmp_path / "log")
    await process.wait()
    assert (tmp_path / "log").read_text().strip() == str(tmp_path)


async def test_python_in_a_command_is_the_one_that_has_seedsweep(
    launcher: CommandLauncher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    process = await launcher.launch(["python", "-c", "import seedsweep"], {}, tmp_path / "log")
    assert await process.wait() == 0


async def test_terminated_command_may_end_in_its_own_way(launcher: CommandLauncher, tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(5)); "
        "print('ready', flush=True); time.sleep(600)"
    )
    process = await start(launcher, code, tmp_path / "log", until="ready")
    process.terminate()
    assert await process.wait() == 5


async def test_killed_command_ends_although_it_ignores_being_asked(launcher: CommandLauncher, tmp_path: Path) -> None:
    process = await start(launcher, IGNORES_SIGTERM, tmp_path / "log", until="ready")
    process.terminate()
    process.kill()
    assert await process.wait() == 137


async def test_everything_that_a_command_started_ends_with_it(launcher: CommandLauncher, tmp_path: Path) -> None:
    others = set(psutil.Process().children(recursive=True))
    process = await start(launcher, LEAVES_ORPHANS, tmp_path / "log", until="ready")
    descendants = set(psutil.Process().children(recursive=True)) - others
    process.kill()
    await process.wait()
    assert len(descendants) >= 3
    assert not [one for one in descendants if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_guard_ends_its_command_with_its_input(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", end_with_parent.__file__, sys.executable, "-c", LEAVES_ORPHANS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guarded:
        assert guarded.stdout is not None
        assert guarded.stdin is not None
        assert guarded.stdout.readline() == "ready\n"
        descendants = psutil.Process(guarded.pid).children(recursive=True)
        guarded.stdin.close()
        assert guarded.wait() == 137
    assert len(descendants) >= 2
    assert not [one for one in descendants if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


SERVER = """
import json, os, subprocess, sys
for line in sys.stdin:
    request = json.loads(line)
    if request["arguments"] == ["die"]:
        sys.exit(9)
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleeping, stdout=subprocess.DEVNULL)
    print(json.dumps({"id": request["id"], "pid": child.pid}), flush=True)
    if request["arguments"] != ["stay"]:
        child.kill()
        print(json.dumps({"id": request["id"], "exit": child.wait()}), flush=True)
"""


@pytest_asyncio.fixture
async def warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ForkLauncher]:
    """A launcher whose server only plays at forking."""
    monkeypatch.setattr("seedsweep.local.processes.launchers.TRAINER", (sys.executable, "-c", SERVER))
    with (tmp_path / "lock").open("w") as lock:
        launcher = ForkLauncher({}, tmp_path / "server.log", lock.fileno())
        yield launcher
        await launcher.close()


async def ask(warm: ForkLauncher, *arguments: str) -> ForkedTrainer:
    return await warm.launch([sys.executable, "-c", SERVER, *arguments], {}, Path("log"))


async def test_server_tells_how_its_children_end(warm: ForkLauncher) -> None:
    assert await (await ask(warm, "train")).wait() == 137


async def test_server_that_dies_loses_its_children_and_is_started_again(warm: ForkLauncher) -> None:
    staying, dying = await ask(warm, "stay"), await ask(warm, "die")
    assert await dying.wait() == 9
    assert await staying.wait() is None
    assert await (await ask(warm, "train")).wait() == 137


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


@pytest.mark.parametrize("ask", [ForkedTrainer.terminate, ForkedTrainer.kill])
async def test_child_that_is_stopped_before_it_began_is_stopped_as_it_begins(
    sleeper: subprocess.Popen[bytes], ask: Callable[[ForkedTrainer], None]
) -> None:
    child = ForkedTrainer()
    ask(child)
    child.began(sleeper.pid)
    assert sleeper.wait() in (-signal.SIGTERM, -signal.SIGKILL)


@pytest.mark.parametrize(("told", "code"), [(0, 0), (78, 78), (-9, 137), (-11, 139), (None, None)])
async def test_signal_is_told_as_shells_do(told: int | None, code: int | None) -> None:
    child = ForkedTrainer()
    child.end(told)
    assert await child.wait() == code


async def test_child_of_a_server_that_is_lost_is_killed_and_has_no_exit_code(sleeper: subprocess.Popen[bytes]) -> None:
    child = ForkedTrainer()
    child.began(sleeper.pid)
    child.lose_server(1)
    assert await child.wait() is None
    assert sleeper.wait() == -signal.SIGKILL


async def test_child_that_never_began_ends_as_its_server_did() -> None:
    child = ForkedTrainer()
    child.lose_server(1)
    assert await child.wait() == 1


async def test_ended_child_is_not_signalled_again() -> None:
    child = ForkedTrainer()
    child.began(os.getpid())
    child.end(0)
    with contextlib.suppress(SystemExit):
        child.terminate()
        child.kill()
    assert await child.wait() == 0
