"""A server that pays for imports and data once, then forks a child for each attempt in milliseconds.

It reads JSON lines on stdin:   {"id": "...", "env": {...}, "stdout": "path of the log", "arguments": ["train"]}
(arguments as on the command line; absent: train)
and writes JSON lines on stdout: {"id": "...", "pid": 123}, and when that child has ended {"id": "...", "exit": code},
where a code below 0 is the signal that ended it. At the end of stdin it kills its children and ends.

Children end with the server, however it ends: they watch a pipe that only the server holds open for writing.
"""

import gc
import json
import logging
import os
import selectors
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from seedsweep.contract.protocol import Env
from seedsweep_trainer.process import end_process, importing

log = logging.getLogger(__name__)


def run_fork_server(run: Callable[[Sequence[str]], int]) -> int:
    """Serve until stdin ends; a child's exit code is what `run` returns in it for the request's arguments."""
    # Ctrl-C in the terminal is for whoever started the server; children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A process with running threads, or that has started CUDA, cannot be forked.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    with importing():
        import torch

        import seedsweep_trainer.jobs.train  # noqa: F401  # this is what children need not wait for

    torch.set_num_threads(1)
    # Python 3.12 and newer warn of threads of any kind. Those here are OpenBLAS's and jemalloc's, which mind forks.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded, use of fork", DeprecationWarning)
    return _ForkServer(run).answer_requests()


class _ForkServer:
    def __init__(self, run: Callable[[Sequence[str]], int]) -> None:
        self._run = run
        self._children: dict[int, str] = {}
        self._lifeline, self._life = os.pipe()
        # What anyone prints must not get between the answers.
        self._answers = os.dup(1)
        os.dup2(2, 1)

    def answer_requests(self) -> int:
        child_ended, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        requests = b""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(child_ended, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    received = os.read(key.fd, 65536)
                    if key.fd == child_ended:
                        self._reap()
                    elif not received:
                        self._kill_all()
                        return 0
                    else:
                        *complete, requests = (requests + received).split(b"\n")
                        for line in complete:
                            self._start(json.loads(line))

    def _start(self, request: Mapping[str, Any]) -> None:
        _prepare(request["env"])
        # Collecting garbage in a child would touch, and so copy, all that it shares with the server.
        gc.collect()
        gc.freeze()
        try:
            pid = os.fork()
        except OSError as error:
            log.error("cannot fork: %s", error)
            self._answer({"id": request["id"], "exit": 1})
            return
        if pid == 0:
            self._become_attempt(request)
        self._children[pid] = request["id"]
        self._answer({"id": request["id"], "pid": pid})

    def _become_attempt(self, request: Mapping[str, Any]) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._life)
            os.close(self._answers)
            output = os.open(request["stdout"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            for number, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
                os.dup2(number, target)
            threading.Thread(target=_end_with, args=(self._lifeline,), daemon=True).start()
            os.environ.update(request["env"])
            code = self._run(request.get("arguments", ()))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            # Not sys.exit(): what the server would do at its own end is not for its children.
            end_process(code)

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._answer({"id": self._children.pop(pid), "exit": os.waitstatus_to_exitcode(status)})

    def _kill_all(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _answer(self, answer: Mapping[str, str | int]) -> None:
        os.write(self._answers, json.dumps(answer).encode() + b"\n")


def _prepare(environ: Mapping[str, str]) -> None:
    """Load what this attempt shares with those after it; what cannot be loaded is the attempt's own to report."""
    from seedsweep_trainer.inputs import prepare_inputs
    from seedsweep_trainer.reporting.attempt import parse_config

    try:
        with prepare_inputs(parse_config(environ[Env.CONFIG]), storage=None):
            pass
    except Exception as error:
        log.warning("nothing is prepared: %s", error)


def _end_with(lifeline: int) -> None:
    """End this process at the end of the pipe, when no server is left to write to it."""
    os.read(lifeline, 1)
    os._exit(1)
