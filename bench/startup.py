"""How long an attempt takes to its first optimizer step: in a fresh process, and forked by the warm server.

    python bench/startup.py [--shape minilm|base|large] [--rounds N]

Wall-clock seconds from the request to the scrape that shows the first step done; medians.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from madeup import SHAPES, make
from seedsweep_trainer.contract import Env, MetricName

COMMAND = [sys.executable, "-m", "seedsweep_trainer"]
_POLL_SECONDS = 0.005


def environment(config_json: str, folder: Path) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    contract = {
        Env.CONTRACT: "1",
        Env.EPISODE: "bench",
        Env.ATTEMPT_UID: "bench",
        Env.WEIGHT_INIT_SEED: "0",
        Env.DATA_ORDER_SEED: "0",
        Env.METRICS_HOST: "127.0.0.1",
        Env.METRICS_PORT: str(port),
        Env.WORK_DIR: str(folder),
        Env.CONFIG: config_json,
    }
    return {str(name): value for name, value in contract.items()}


def wait_for_first_step(variables: Mapping[str, str]) -> None:
    """Scrape until a step is done."""
    url = f"http://127.0.0.1:{variables[Env.METRICS_PORT]}/metrics"
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                lines = answer.read().decode().splitlines()
            if any(line.startswith(f"{MetricName.STEPS_DONE} ") and float(line.split()[1]) > 0 for line in lines):
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(_POLL_SECONDS)


def fresh(config_json: str, folder: Path) -> float:
    """Seconds of a process of its own."""
    variables = environment(config_json, folder)
    start = time.monotonic()
    with (
        (folder / "log").open("a") as log,
        subprocess.Popen([*COMMAND, "train"], env=os.environ | variables, stdout=log, stderr=log) as process,
    ):
        wait_for_first_step(variables)
        seconds = time.monotonic() - start
        process.kill()
    return seconds


def warm(config_json: str, folder: Path, rounds: int) -> list[float]:
    """Seconds of forked ones; the first pays for what the server loads."""
    found = []
    with (
        (folder / "log").open("a") as log,
        subprocess.Popen(
            [*COMMAND, "warm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as server,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        for i in range(rounds + 1):
            variables = environment(config_json, folder)
            start = time.monotonic()
            request = {"id": str(i), "env": variables, "stdout": str(folder / "log")}
            print(json.dumps(request), file=server.stdin, flush=True)
            pid = json.loads(server.stdout.readline())["pid"]
            wait_for_first_step(variables)
            found.append(time.monotonic() - start)
            os.kill(pid, signal.SIGKILL)
            server.stdout.readline()
        server.stdin.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), default="minilm")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config_json = make(folder, options.shape, train=480, validation=128).model_dump_json(by_alias=True)
        alone = [fresh(config_json, folder) for _ in range(options.rounds)]
        first, *forked = warm(config_json, folder, options.rounds)
    print(f"fresh process              {median(alone):6.2f} s to the first step")
    print(f"warm server, first attempt {first:6.2f} s")
    print(f"warm server, later ones    {median(forked):6.2f} s ({median(alone) / median(forked):.0f} times faster)")


if __name__ == "__main__":
    main()
