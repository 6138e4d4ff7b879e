"""How much of the quickstart's processor time is its model's own arithmetic, at the rate of bare matrix products.

    python bench/demo_arithmetic.py

Counts the floating-point operations of an epoch's steps and of an evaluation, as torch's FlopCounterMode does (matrix
products and attention, forward and backward), times both on one thread, and times bare products of the same sizes. The
best rate among these is what this core gives; what the quickstart takes at that rate is a lower bound for any program
that trains and evaluates as much.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import torch
from torch.utils.flop_counter import FlopCounterMode

import machine
from seedsweep.api.reading.parse import load_sweep
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, passes_in_halves, prepare_torch
from seedsweep_trainer.inputs import prepare_inputs
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.training.batches import Batches
from seedsweep_trainer.training.evaluation import Evaluation
from seedsweep_trainer.training.step import Learner
from seedsweep_trainer.training.timetable import Timetable

QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
WIDTH, INNER = 384, 1536
"""Of MiniLM's layers."""
PASSED_AT_ONCE = (64, 128, 256, 512, 1024)
"""Tokens: about what the halves of a batch, and the batches of an evaluation, have."""


def measured(act: Callable[[], object]) -> tuple[float, float]:
    """Floating-point operations in units of 10^9, and seconds of this thread."""
    with FlopCounterMode(display=False) as counter:
        act()
    since = process_time()
    act()
    return counter.get_total_flops() / 1e9, process_time() - since


def best_rate() -> float:
    """10^9 operations a second of a bare product on one thread: the best of all sizes."""
    rates = []
    for tokens in PASSED_AT_ONCE:
        for inside, outside in ((WIDTH, WIDTH), (WIDTH, INNER), (INNER, WIDTH)):
            left, right = torch.randn(tokens, inside), torch.randn(inside, outside)
            began, times = perf_counter(), []
            while perf_counter() - began < 0.5:
                since = process_time()
                left @ right
                times.append(process_time() - since)
            rates.append(2 * tokens * inside * outside / 1e9 / min(times))
    return max(rates)


def evaluations_of(sweep: SeedSweep, each: int) -> int:
    """Evaluations of all episodes together: of `each` those before the cut, and of those that are kept the rest."""
    stopping = sweep.spec.early_stopping
    assert stopping is not None
    assert stopping.rungs is not None
    [rung] = stopping.rungs
    cut = each * rung.at_percent // 100
    return len(Layout.of(sweep).episodes) * cut + rung.keep * (each - cut)


def main() -> int:
    torch.set_num_threads(1)
    sweep = load_sweep(QUICKSTART)
    config = sweep.spec.trainer.fine_tuning
    assert config is not None
    device = prepare_torch(config)
    with prepare_inputs(config, storage=None) as inputs:
        data, padding = inputs.data, inputs.padding
        model, _ = load_model(config, data, padding, weight_init=0, folder=inputs.folder)
    timetable = Timetable.of(config, len(data.train))
    learner = Learner(model.to(device), config.evolve(compile=False), timetable)  # type: ignore[arg-type]
    batches = Batches(data.train, padding, config, 0, halves=passes_in_halves(device))
    evaluation = Evaluation(data.validation, padding, config.evaluation_batch_size)

    def epoch() -> None:
        learner.model.train()
        for step in range(timetable.steps_per_epoch):
            learner.update(step, batches.of(0, step))

    trained, training = measured(epoch)
    asked, asking = measured(lambda: evaluation.outputs(learner.model, autocast_dtype(config, device)))
    rate = best_rate()
    evaluations = evaluations_of(sweep, timetable.evaluations)
    epochs = evaluations / config.evaluations_per_epoch
    count, seconds = epochs * trained + evaluations * asked, epochs * training + evaluations * asking
    print(machine.described())
    print(f"a bare matrix product: {rate:.0f} GFLOP/s at best")
    print(f"an epoch of {timetable.steps_per_epoch} steps: {trained:.0f} GFLOP, {training:.1f} s")
    print(f"an evaluation: {asked:.0f} GFLOP, {asking:.1f} s")
    print(f"{epochs:g} epochs and {evaluations} evaluations: {seconds:.0f} s; at that rate {count / rate:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
