"""A trainer of one's own: a small network in NumPy on made-up data. It reports, stops as asked and resumes, stores its
best weights, and scores an average of them."""

import json
import os
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from seedsweep.contract.message import Outcome
from seedsweep.contract.protocol import Env
from seedsweep_trainer.reporting.reporter import Reporter
from seedsweep_trainer.reporting.scoring import leave_score, weights_to_score

BATCH = 20
CONFIG = {"evaluations": 10, "learning_rate": 0.05, **json.loads(os.environ.get(Env.CONFIG, "{}"))}
WEIGHT_INIT, DATA_ORDER = (int(os.environ.get(name, 0)) for name in (Env.WEIGHT_INIT_SEED, Env.DATA_ORDER_SEED))

made_up = np.random.default_rng(0)
points = made_up.normal(size=(1_400, 2))
labels = (points[:, 0] * points[:, 1] + made_up.normal(scale=0.2, size=1_400) > 0).astype(float)
train, validation = (points[:1_000], labels[:1_000]), (points[1_000:], labels[1_000:])


def predict(weights: dict[str, np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    hidden = np.tanh(x @ weights["in"] + weights["bias"])
    return hidden, 1 / (1 + np.exp(-(hidden @ weights["out"])))


def accuracy(weights: dict[str, np.ndarray]) -> float:
    return float(np.mean((predict(weights, validation[0])[1] > 0.5) == validation[1]))


def step(weights: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> None:
    hidden, probability = predict(weights, x)
    error = (probability - y) / len(y)
    back = np.outer(error, weights["out"]) * (1 - hidden**2)
    for name, gradient in (("in", x.T @ back), ("bias", back.sum(0)), ("out", hidden.T @ error)):
        weights[name] -= CONFIG["learning_rate"] * gradient


def save(folder: Path, weights: dict[str, np.ndarray], scores: list[float]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "partial").open("wb") as file:
        np.savez(file, scores=scores, **weights)
        file.flush()
        os.fsync(file.fileno())
    (folder / "partial").replace(folder / "state.npz")  # whole or not at all


def main() -> None:
    reporter = Reporter.from_env(level="L2")
    steps = len(train[0]) // BATCH
    reporter.planned(evaluations=CONFIG["evaluations"], steps=CONFIG["evaluations"] * steps, baseline=0.5)
    rng = np.random.default_rng(WEIGHT_INIT)
    weights = {"in": rng.normal(size=(2, 8)), "bias": np.zeros(8), "out": rng.normal(size=8)}
    scores: list[float] = []
    shared = Path(os.environ.get(Env.CHECKPOINT_DIR) or tempfile.mkdtemp())  # outside a sweep nothing is kept
    if saved := [dict(np.load(file)) for file in shared.glob("*/state.npz")]:
        weights = max(saved, key=lambda state: len(state["scores"]))
        scores = weights.pop("scores").tolist()
        reporter.resumed(step=len(scores) * steps, scores=scores)
    while len(scores) < CONFIG["evaluations"] and not reporter.should_stop:
        # An order that depends on the seed and the epoch alone is the same after a pause.
        order = np.random.default_rng([DATA_ORDER, len(scores)]).permutation(len(train[0]))
        for batch in order.reshape(steps, BATCH):
            step(weights, train[0][batch], train[1][batch])
        scores.append(accuracy(weights))
        save(shared / os.environ.get(Env.ATTEMPT_UID, "alone"), weights, scores)
        reporter.evaluated(
            step=len(scores) * steps,
            score=scores[-1],
            weights=lambda folder: save_file(weights, folder / "model.safetensors"),  # called if it is the best so far
        )
        reporter.checkpointed(len(scores))
    reporter.finish(Outcome.DONE if len(scores) == CONFIG["evaluations"] else Outcome.STOPPED)
    print(f"best accuracy of {len(scores)} evaluations: {max(scores):.4f}")


if (folder := weights_to_score()) is not None:  # started as weights.scoreCommand
    leave_score(accuracy(load_file(folder / "model.safetensors")), baseline=0.5)
else:
    main()
