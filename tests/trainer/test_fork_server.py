"""The fork server, driven over its pipes as the runner does, with attempts that train nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SERVER = """
import os, signal, sys, threading, time, types
from contextlib import contextmanager
from seedsweep_trainer.jobs.fork_server import run_fork_server

shared = []

@contextmanager
def prepare_inputs(config, storage):
    print("noise of an import")
    if not shared:
        shared.append(config.model_dump_json(by_alias=True))
    yield

# The real ones take seconds to import, which is what the server is for.
sys.modules["torch"] = types.SimpleNamespace(set_num_threads=lambda threads: None)
sys.modules["seedsweep_trainer.jobs.train"] = types.SimpleNamespace()
sys.modules["seedsweep_trainer.inputs"] = types.SimpleNamespace(prepare_inputs=prepare_inputs)
# They start threads of their own, too.
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()

def run(arguments):
    how = os.environ["HOW"]
    if how.startswith("exit"):
        return int(how.split()[1])
    if how == "leave":
        sys.exit(5)
    if how == "raise":
        raise ValueError("of no use")
    if how == "print":
        print("out", flush=True)
        print("err", file=sys.stderr, flush=True)
        print("input:", repr(sys.stdin.read()), "shared:", shared, "other:", os.environ.get("OTHER"))
        print("home:", os.environ.get("SERVERS_OWN"))
    if how == "arguments":
        print(list(arguments))
    if how == "wait":
        print("waiting", flush=True)
        time.sleep(600)
    if how == "int":
        os.kill(os.getpid(), signal.SIGINT)
    return 0

sys.exit(run_fork_server(run))
"""

CONFIG = '{"model": "first", "dataset": {"task": "rte", "path": "data"}}'


@dataclass
class Server:
    process: "subprocess.Popen[str]"
    folder: Path

    def ask(self, attempt: str, how: str, **env: str) -> None:
        self.ask_with({"id": attempt, "env": {"HOW": how, **env}, "stdout": str(self.log(attempt))})

    def ask_with(self, request: dict[str, Any]) -> None:
        self.ask_text(json.dumps(request) + "\n")

    def ask_text(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def told(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def exit_of(self, attempt: str, how: str, **env: str) -> int:
        self.ask(attempt, how, **env)
        assert "pid" in self.told()
        return int(self.told()["exit"])

    def waiting(self, attempt: str) -> int:
        """Pid of an attempt that has started to wait."""
        self.ask(attempt, "wait")
        pid = int(self.told()["pid"])
        until(lambda: self.log(attempt).exists() and "waiting" in self.log(attempt).read_text())
        return pid

    def log(self, attempt: str) -> Path:
        return self.folder / f"{attempt}.log"


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the test's own timeout ends a wait for what never comes."""
    while not condition():
        time.sleep(0.005)


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        # The second: it was reaped after the file was opened.
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with (
        (tmp_path / "server.log").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-W", "default", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "SERVERS_OWN": "kept"},
        ) as process,
    ):
        yield Server(process, tmp_path)
        process.kill()


def test_exit_code_of_an_attempt_is_told(server: Server) -> None:
    server.ask("a", "exit 78")
    first, second = server.told(), server.told()
    assert first == {"id": "a", "pid": first["pid"]}
    assert second == {"id": "a", "exit": 78}


def test_attempts_run_at_the_same_time_and_are_told_apart(server: Server) -> None:
    waiting = server.waiting("long")
    assert server.exit_of("short", "exit 3") == 3
    os.kill(waiting, signal.SIGTERM)
    assert server.told() == {"id": "long", "exit": -signal.SIGTERM}


def test_child_gets_the_arguments_of_its_request(server: Server) -> None:
    log = server.log("a")
    server.ask_with({"id": "a", "env": {"HOW": "arguments"}, "stdout": str(log), "arguments": ["conclude", "--to"]})
    server.told()
    assert server.told()["exit"] == 0
    assert "['conclude', '--to']" in log.read_text()


def test_killed_attempt_is_told_with_its_signal(server: Server) -> None:
    os.kill(server.waiting("a"), signal.SIGKILL)
    assert server.told() == {"id": "a", "exit": -signal.SIGKILL}


def test_attempt_that_leaves_by_sys_exit_keeps_its_code(server: Server) -> None:
    assert server.exit_of("a", "leave") == 5


def test_crash_is_in_the_attempts_log_and_leaves_the_server_alive(server: Server) -> None:
    assert server.exit_of("a", "raise") == 1
    assert "ValueError: of no use" in server.log("a").read_text()
    assert server.exit_of("b", "exit 0") == 0


def test_output_goes_to_the_log_and_nothing_comes_in(server: Server) -> None:
    assert server.exit_of("a", "print") == 0
    lines = server.log("a").read_text().splitlines()
    assert lines[:2] == ["out", "err"]
    assert lines[2].startswith("input: '' ")


def test_log_that_exists_is_continued(server: Server) -> None:
    server.log("a").write_text("before\n")
    server.exit_of("a", "print")
    assert server.log("a").read_text().startswith("before\nout\n")


def test_log_that_cannot_be_written_fails_the_attempt_only(server: Server) -> None:
    request = {"id": "a", "env": {"HOW": "exit 0"}, "stdout": str(server.folder / "missing" / "log")}
    server.ask_text(json.dumps(request) + "\n")
    assert "pid" in server.told()
    assert server.told() == {"id": "a", "exit": 1}
    assert server.exit_of("b", "exit 0") == 0


def test_variables_of_one_attempt_are_not_seen_by_the_next(server: Server) -> None:
    server.exit_of("a", "exit 0", OTHER="leaked")
    server.exit_of("b", "print")
    assert "other: None" in server.log("b").read_text()


def test_attempt_has_the_servers_variables_beside_its_own(server: Server) -> None:
    server.exit_of("a", "print", OTHER="own")
    assert "other: own" in server.log("a").read_text()
    assert "home: kept" in server.log("a").read_text()


def test_data_of_the_first_configuration_is_loaded_before_the_fork_and_inherited(server: Server) -> None:
    server.exit_of("a", "exit 0", SEEDSWEEP_CONFIG=CONFIG)
    server.exit_of("b", "print", SEEDSWEEP_CONFIG=CONFIG.replace("first", "second"))
    assert '"model":"first"' in server.log("b").read_text()


def test_what_cannot_be_prepared_is_left_to_the_attempt_to_report(server: Server) -> None:
    assert server.exit_of("a", "exit 4", SEEDSWEEP_CONFIG="broken") == 4
    assert "nothing is prepared: SEEDSWEEP_CONFIG" in (server.folder / "server.log").read_text()


def test_request_may_arrive_in_pieces_and_two_at_once(server: Server) -> None:
    lines = [json.dumps({"id": i, "env": {"HOW": "exit 0"}, "stdout": os.devnull}) + "\n" for i in ("a", "b")]
    text = "".join(lines)
    server.ask_text(text[:20])
    server.ask_text(text[20:])
    told = [server.told() for _ in range(4)]
    assert {t["id"] for t in told if t.get("exit") == 0} == {"a", "b"}


def test_interrupt_from_the_terminal_ends_neither_server_nor_attempt(server: Server) -> None:
    assert server.exit_of("a", "int") == 0
    server.process.send_signal(signal.SIGINT)
    assert server.exit_of("b", "exit 0") == 0


def test_end_of_input_ends_attempts_and_server(server: Server) -> None:
    pids = [server.waiting("a"), server.waiting("b")]
    server.close()
    assert server.process.wait() == 0
    assert not any(map(lives, pids))


def test_attempts_end_with_a_server_that_is_killed(server: Server) -> None:
    pids = [server.waiting("a"), server.waiting("b")]
    server.process.kill()
    server.process.wait()
    until(lambda: not any(map(lives, pids)))


def test_attempts_do_not_hold_the_servers_output_open(server: Server) -> None:
    stopped = server.waiting("a")
    os.kill(stopped, signal.SIGSTOP)
    server.process.kill()
    assert server.process.stdout is not None
    assert server.process.stdout.read() == ""
    os.kill(stopped, signal.SIGCONT)
    until(lambda: not lives(stopped))


def test_noise_is_kept_out_of_the_protocol_and_of_the_attempts_logs(server: Server) -> None:
    server.exit_of("a", "exit 0", SEEDSWEEP_CONFIG=CONFIG)
    server.close()
    assert server.process.wait() == 0
    assert "noise of an import" in (server.folder / "server.log").read_text()
    assert "noise of an import" not in server.log("a").read_text()


def test_threads_that_imports_start_are_nothing_to_warn_of(server: Server) -> None:
    server.exit_of("a", "exit 0")
    assert "DeprecationWarning" not in (server.folder / "server.log").read_text()
