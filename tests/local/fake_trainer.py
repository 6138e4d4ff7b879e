"""A trainer that keeps the whole contract and trains nothing: curves are a function of the seeds.

Its configuration: `evaluations`, `seconds` each of them takes, and `trouble`, by episode: `at` which evaluation, `how`
(crash, diverge, hang, memory, configuration, kill, silent; wait: go on once the file `while` is gone) and in how many
attempts (`times`, else all).
"""

import hashlib
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from seedsweep.contract.message import Message, Outcome, TrainerInfo, as_published, encode_message
from seedsweep.contract.protocol import Env, ExitCode, MetricName

STEPS_PER_EVALUATION = 10


def score_of(weight_init: int, data_order: int, evaluation: int, evaluations: int) -> float:
    """Rises with the evaluations towards a height that the seeds choose, with noise; on a grid, so that ties happen."""
    digest = hashlib.sha256(f"{weight_init},{data_order}".encode()).digest()
    noise = hashlib.sha256(f"{weight_init},{data_order},{evaluation}".encode()).digest()
    height = 0.5 + digest[0] / 1024
    return as_published(round(height * (1 - 0.5 * 0.7**evaluation) + noise[0] / 8192, 3))


class Trainer:
    """One attempt."""

    def __init__(self) -> None:
        self.config = json.loads(os.environ[Env.CONFIG])
        self.info = TrainerInfo(os.environ[Env.EPISODE], os.environ[Env.ATTEMPT_UID], level="L3", fingerprint="fake")
        self.seeds = int(os.environ[Env.WEIGHT_INIT_SEED]), int(os.environ[Env.DATA_ORDER_SEED])
        self.evaluations = int(self.config["evaluations"])
        self.stop_after = int(os.environ.get(Env.STOP_AFTER, self.evaluations))
        self.folder = Path(os.environ[Env.CHECKPOINT_DIR])
        self.log = Path(os.environ[Env.TERMINATION_LOG])
        curves = [json.loads(path.read_text()) for path in self.folder.glob("*/state.json")]
        self.scores: list[float] = max(curves, key=len, default=[])
        self.start = len(self.scores)
        self.trouble = self._trouble()

    def _trouble(self) -> dict[str, object]:
        trouble = self.config.get("trouble", {}).get(self.info.episode, {})
        attempts = len(list(self.folder.iterdir()))
        return trouble if attempts < trouble.get("times", 1_000) else {}

    def message(self, outcome: Outcome, reason: str = "") -> None:
        """Rewrite the termination message."""
        self.log.write_bytes(
            encode_message(
                Message(
                    info=self.info,
                    outcome=outcome,
                    evaluations_planned=self.evaluations,
                    steps_done=len(self.scores) * STEPS_PER_EVALUATION,
                    steps_planned=self.evaluations * STEPS_PER_EVALUATION,
                    steps_at_start=self.start * STEPS_PER_EVALUATION,
                    checkpoint=len(self.scores),
                    diverged_at=len(self.scores) + 1 if outcome == Outcome.DIVERGED else None,
                    baseline=0.5,
                    baseline_error=0.1,
                    scores=tuple(self.scores),
                    reason=reason,
                )
            )
        )

    def metrics(self) -> str:
        """What is served."""
        labels = ",".join(f'{key}="{getattr(self.info, key)}"' for key in TrainerInfo.__dataclass_fields__)
        lines = [
            f"{MetricName.INFO}{{{labels}}} 1",
            f"{MetricName.STEPS_DONE} {len(self.scores) * STEPS_PER_EVALUATION}",
            f"{MetricName.STEPS_PLANNED} {self.evaluations * STEPS_PER_EVALUATION}",
            f"{MetricName.STEPS_AT_START} {self.start * STEPS_PER_EVALUATION}",
            f"{MetricName.EVALUATIONS_PLANNED} {self.evaluations}",
            f"{MetricName.CHECKPOINT} {len(self.scores)}",
            f"{MetricName.BASELINE} 0.5",
            f"{MetricName.BASELINE_ERROR} 0.1",
        ]
        lines += [f'{MetricName.CURVE_SCORE}{{evaluation="{i}"}} {s}' for i, s in enumerate(self.scores, 1)]
        return "\n".join(lines) + "\n"

    def save(self) -> None:
        """Write a checkpoint, whole or not at all."""
        mine = self.folder / self.info.uid
        mine.mkdir(exist_ok=True)
        (mine / "partial").write_text(json.dumps(self.scores))
        (mine / "partial").replace(mine / "state.json")

    def train(self) -> int:
        """All evaluations, or as far as was asked; returns the exit code."""
        (self.folder / self.info.uid).mkdir()
        if self.trouble.get("how") == "configuration":
            self.message(Outcome.FAILED, "trouble: this configuration is refused; choose another")
            return ExitCode.BAD_CONFIGURATION
        self.message(Outcome.RUNNING)
        while len(self.scores) < self.stop_after:
            time.sleep(self.config.get("seconds", 0))
            if self.trouble and len(self.scores) + 1 == self.trouble["at"]:
                if self.trouble["how"] != "wait":
                    return self.fail(str(self.trouble["how"]))
                self.wait()
            self.scores.append(score_of(*self.seeds, len(self.scores) + 1, self.evaluations))
            self.save()
            self.message(Outcome.RUNNING)
        self.message(Outcome.DONE if len(self.scores) == self.evaluations else Outcome.STOPPED)
        return ExitCode.OK

    def wait(self) -> None:
        """Until a file is gone."""
        file = Path(str(self.trouble["while"]))
        while file.exists():
            time.sleep(0.02)

    def fail(self, how: str) -> int:
        """Come to no good end."""
        match how:
            case "diverge":
                self.message(Outcome.DIVERGED)
                return ExitCode.OK
            case "memory":
                self.message(Outcome.FAILED, "out of memory: lower batchSize")
                return ExitCode.OUT_OF_MEMORY
            case "hang":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                print("hangs", flush=True)
                threading.Event().wait()
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "silent":
                self.log.unlink()
                return ExitCode.OK
        print(f"the trouble of {self.info.episode}", file=sys.stderr)
        return 3


def serve(trainer: Trainer) -> None:
    """Serve the metrics in the background."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = trainer.metrics().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((os.environ[Env.METRICS_HOST], int(os.environ[Env.METRICS_PORT])), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()


def interrupted(trainer: Trainer) -> None:
    """What the attempt does at SIGTERM."""
    trainer.message(Outcome.INTERRUPTED)
    os._exit(143)


def main() -> int:
    """Train one episode."""
    trainer = Trainer()
    signal.signal(signal.SIGTERM, lambda *_: interrupted(trainer))
    serve(trainer)
    return trainer.train()


if __name__ == "__main__":
    sys.exit(main())
