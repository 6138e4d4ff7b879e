"""A trainer of one's own on several GPUs of one pod: torchrun starts a process for each GPU, and the first one reports.

Every process makes a Reporter; on ranks other than 0 it only knows when to stop.
"""

import os
import tempfile
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from seedsweep.contract.message import Outcome
from seedsweep.contract.protocol import Env
from seedsweep_trainer.process import end_process
from seedsweep_trainer.reporting.reporter import Reporter

EVALUATIONS, STEPS, BATCH = 10, 25, 32
WEIGHT_INIT, DATA_ORDER = (int(os.environ.get(name, 0)) for name in (Env.WEIGHT_INIT_SEED, Env.DATA_ORDER_SEED))

made_up = torch.Generator().manual_seed(0)
points = torch.randn(2_000, 2, generator=made_up)
labels = (points[:, 0] * points[:, 1] > 0).float()
train, validation = (points[:1_600], labels[:1_600]), (points[1_600:], labels[1_600:])


def save(folder: Path, model: nn.Module, scores: list[float]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "partial").open("wb") as file:
        torch.save({"model": model.state_dict(), "scores": scores}, file)
        file.flush()
        os.fsync(file.fileno())
    (folder / "partial").replace(folder / "state.pt")  # whole or not at all


def main() -> None:
    gpus = torch.cuda.is_available()
    distributed.init_process_group("nccl" if gpus else "gloo")
    rank, ranks = distributed.get_rank(), distributed.get_world_size()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpus else torch.device("cpu")
    reporter = Reporter.from_env(level="L2")
    reporter.planned(evaluations=EVALUATIONS, steps=EVALUATIONS * STEPS, baseline=0.5)
    torch.manual_seed(WEIGHT_INIT)  # the same weights on every rank
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0))
    scores: list[float] = []
    shared = Path(os.environ.get(Env.CHECKPOINT_DIR) or tempfile.mkdtemp())  # outside a sweep nothing is kept
    if saved := [torch.load(file, weights_only=True) for file in shared.glob("*/state.pt")]:
        furthest = max(saved, key=lambda state: len(state["scores"]))
        model.load_state_dict(furthest["model"])
        scores = furthest["scores"]
        reporter.resumed(step=len(scores) * STEPS, scores=scores)
    distributed.barrier()  # nobody saves before all have loaded
    parallel = DistributedDataParallel(model.to(device), device_ids=[device.index] if gpus else None)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=0.5)  # without a state that a checkpoint would need
    while len(scores) < EVALUATIONS and not reporter.should_stop:
        # An order that depends on the seed and the epoch alone; each rank takes its part of every batch.
        order = torch.Generator().manual_seed(1_000 * DATA_ORDER + len(scores))
        chosen = torch.randperm(len(train[0]), generator=order)[: STEPS * BATCH].view(STEPS, BATCH)
        for batch in chosen:
            part = batch[rank::ranks]
            loss = nn.functional.binary_cross_entropy_with_logits(
                parallel(train[0][part].to(device)), train[1][part].to(device)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            right = (model(validation[0].to(device)) > 0).float() == validation[1].to(device)
        scores.append(right.float().mean().item())
        if rank == 0:
            save(shared / os.environ.get(Env.ATTEMPT_UID, "alone"), model, scores)
        reporter.evaluated(step=len(scores) * STEPS, score=scores[-1])
        reporter.checkpointed(len(scores))
    reporter.finish(Outcome.DONE if len(scores) == EVALUATIONS else Outcome.STOPPED)
    distributed.destroy_process_group()


main()
end_process(0)  # as Python takes itself apart, a thread of torch may abort it
