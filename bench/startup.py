"""How long an attempt takes to its first optimizer step, and where the time goes.

    python bench/startup.py [--shape minilm|base|large] [--rounds N] [--train N]

In a fresh process without and with a sweep's cache, and forked by the warm server. Medians of wall-clock seconds,
and of the processor's seconds (user and system), which others on the machine disturb less.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import machine
from host.ports import free_port
from seedsweep.contract.protocol import Env, MetricName
from seedsweep_trainer.process import importing

SHAPES = ("minilm", "base", "large")
COMMAND = [sys.executable, "-m", "seedsweep_trainer"]
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Spent:
    """Seconds."""

    wall: float
    processor: float
    """User and system time."""


def environment(config_json: str, folder: Path, storage: Path | None = None) -> dict[str, str]:
    contract = {
        Env.CONTRACT: "1",
        Env.EPISODE: "bench",
        Env.ATTEMPT_UID: "bench",
        Env.WEIGHT_INIT_SEED: "0",
        Env.DATA_ORDER_SEED: "0",
        Env.METRICS_HOST: "127.0.0.1",
        Env.METRICS_PORT: str(free_port()),
        Env.WORK_DIR: str(folder),
        Env.CONFIG: config_json,
    }
    if storage is not None:
        contract[Env.STORAGE_DIR] = str(storage)
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


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fresh(config_json: str, folder: Path, storage: Path | None) -> Spent:
    """Until the first step of a process of its own."""
    variables = environment(config_json, folder, storage)
    start = time.monotonic()
    with (
        (folder / "log").open("a") as log,
        subprocess.Popen([*COMMAND, "train"], env=os.environ | variables, stdout=log, stderr=log) as process,
    ):
        wait_for_first_step(variables)
        spent = Spent(time.monotonic() - start, processor_seconds(process.pid))
        process.kill()
    return spent


def warm(config_json: str, folder: Path, rounds: int) -> list[Spent]:
    """Until the first step of forked ones; the first waits for what the server loads."""
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
            found.append(Spent(time.monotonic() - start, processor_seconds(pid)))
            os.kill(pid, signal.SIGKILL)
            server.stdout.readline()
        server.stdin.close()
    return found


def parts(config_json: str, storage: str | None) -> None:
    """Do in this process what an attempt does up to its first step; print the seconds of each part as JSON."""
    spent: dict[str, Spent] = {}
    last = Spent(time.monotonic(), time.process_time())

    def mark(name: str) -> None:
        nonlocal last
        now = Spent(time.monotonic(), time.process_time())
        spent[name] = Spent(now.wall - last.wall, now.processor - last.processor)
        last = now

    with importing():
        import torch

        mark("import torch")
        from transformers import BertForSequenceClassification  # noqa: F401  # which its models need

        mark("import transformers")
        from seedsweep_trainer.determinism.fingerprint import prepare_torch
        from seedsweep_trainer.inputs import prepare_inputs
        from seedsweep_trainer.jobs import train  # noqa: F401  # what an attempt imports
        from seedsweep_trainer.model.loading import load_model
        from seedsweep_trainer.reporting.attempt import parse_config
        from seedsweep_trainer.training.batches import Batches
        from seedsweep_trainer.training.step import Learner
        from seedsweep_trainer.training.timetable import Timetable

    mark("import the trainer")
    config = parse_config(config_json)
    device = prepare_torch(config)
    if device.type == "cuda":
        torch.zeros((), device=device)
        torch.cuda.synchronize()
    mark("start CUDA" if device.type == "cuda" else "prepare torch")
    with prepare_inputs(config, storage) as inputs:
        padding, data = inputs.padding, inputs.data
        mark("tokenizer and data")
        model, _ = load_model(config, data, padding, 0, inputs.folder)
        mark("load the model")
    timetable = Timetable.of(config, len(data.train))
    learner = Learner(model.to(device).train(), config, timetable)  # type: ignore[arg-type]
    learner.update(0, Batches(data.train, padding, config, 0).of(0, 0))
    learner.is_finite()
    mark("first step")
    print(json.dumps({name: (part.wall, part.processor) for name, part in spent.items()}))


def parts_of(config_json: str, storage: Path | None) -> dict[str, Spent]:
    """The parts in a process of their own."""
    command = [sys.executable, __file__, "--parts", config_json, *([str(storage)] if storage else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: Spent(*spent) for name, spent in json.loads(done.stdout.splitlines()[-1]).items()}


def show(title: str, measured: Sequence[Spent]) -> None:
    wall, processor = median(spent.wall for spent in measured), median(spent.processor for spent in measured)
    print(f"{title:34} {wall:8.2f} {processor:10.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="minilm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train", type=int, default=8000, help="training examples")
    parser.add_argument("--parts", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.parts:
        parts(options.parts[0], options.parts[1] if len(options.parts) > 1 else None)
        return
    print(machine.described())
    from random_model import make
    from seedsweep_trainer.jobs.warm_up import warm_up

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = make(folder, options.shape, train=options.train, validation=128)
        config_json = config.model_dump_json(by_alias=True)
        cached = folder / "sweep"
        warm_up(config, str(cached))
        print(f"{'seconds to the first step':34} {'wall':>8} {'processor':>10}")
        for title, storage in (("without a cache", None), ("with a cache", cached)):
            show(f"fresh process, {title}", [fresh(config_json, folder, storage) for _ in range(options.rounds)])
            runs = [parts_of(config_json, storage) for _ in range(options.rounds)]
            for part in runs[0]:
                show(f"    {part}", [run[part] for run in runs])
        first, *forked = warm(config_json, folder, options.rounds)
    show("warm server, first attempt", [first])
    show("warm server, later ones", forked)


if __name__ == "__main__":
    main()
