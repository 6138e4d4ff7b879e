"""A hundred short episodes on a few GPUs of a test's own, whose pods are killed at random: what must hold then."""

import math
import random
from collections import defaultdict
from itertools import pairwise
from typing import Any

from cluster.audit import AuditEvent
from cluster.commits import in_commit_order
from cluster.controlplane import ControlPlane
from cluster.misfortune import Misfortune, befalling, on_own_nodes, own_nodes
from cluster.rights import USER
from cluster.simulator.pods import parse_pod
from cluster.simulator.record import AttemptRecord, Record
from cluster.simulator.script import Script
from cluster.trial import Object, Trial, on_trial, sweep_of
from seedsweep.contract.protocol import Env

T, KEEP = 100, 10
PATIENCE = 240.0
"""Seconds: about half a minute where nothing else runs."""
NODES = {4: (4, 1), 16: (8, 2), 64: (16, 4)}
"""Nodes and GPUs on each, by the number of GPUs."""
STORAGE = {"uri": "memory://here"}
SCRIPT = Script(seconds=0.1, spread=0.2)


async def play(
    control_plane: ControlPlane, namespace: str, gpus: int, every: float, script: Script = SCRIPT, **spec: Any
) -> tuple[Object, Record, Misfortune]:
    """Run such a sweep to its fault-free end; its status, what its trainers did, and what befell them."""
    sweep = sweep_of(
        seeds={"grid": {"weightInits": {"count": 10}, "dataOrders": {"count": T // 10}}},
        earlyStopping={"rungs": [{"atPercent": 30, "keep": KEEP}]},
        podTemplate=on_own_nodes(namespace),
        **spec,
    )
    sweep["spec"]["trainer"]["evaluations"] = script.evaluations
    nodes, each = NODES[gpus]
    with own_nodes(control_plane, namespace, nodes, each) as names:
        async with on_trial(control_plane, namespace, script) as trial:
            await trial.apply(sweep)
            misfortune = Misfortune(trial, names, random.Random(gpus), every)
            async with befalling(misfortune):
                await trial.condition("Complete", PATIENCE)
            await trial.completed(sweep, script)
            return await trial.status(), trial.trainers.record, misfortune


def attempts_of(record: Record) -> dict[str, list[AttemptRecord]]:
    """By episode, in their order."""
    found: dict[str, list[AttemptRecord]] = defaultdict(list)
    for attempt in sorted(record.attempts.values(), key=lambda attempt: attempt.began):
        found[attempt.pod.episode.name].append(attempt)
    return found


def assert_one_at_a_time(record: Record) -> None:
    """No two trainers of an episode ever ran at once."""
    for name, attempts in attempts_of(record).items():
        for before, after in pairwise(attempts):
            assert before.ended is not None
            assert before.ended <= after.began, f"two trainers of {name}"


def assert_goes_on_where_it_was(record: Record, script: Script) -> None:
    """With storage no attempt repeats more than what came after the last checkpoint, one evaluation at most."""
    for name, attempts in attempts_of(record).items():
        for before, after in pairwise(attempts):
            repeated = before.steps - after.steps_at_start
            assert repeated <= script.steps_per_evaluation, f"{name} repeats {repeated} steps"


def began_before_room_was_made(trial: Trial) -> set[str]:
    """Episodes that had begun to train when the operator first took a pod away."""
    made_room = min(e.at.timestamp() for e in trial.audit() if (e.user, e.verb, e.resource) == (USER, "delete", "pods"))
    return {a.pod.episode.name for a in trial.trainers.record.attempts.values() if a.began < made_room}


def unwarned(trial: Trial) -> set[str]:
    """Episodes with a pod that was created, and not told to end at the rung, before it was known that GPUs are few."""
    found: set[str] = set()
    for event in in_commit_order(trial.audit()):
        if _places(event) is not None:
            break
        if (event.resource, event.verb, event.subresource) == ("pods", "create", ""):
            pod = parse_pod(dict(event.answer or {}))
            if pod is not None and Env.STOP_AFTER not in pod.env:
                found.add(pod.uid)
    return {attempt.pod.episode.name for uid, attempt in trial.trainers.record.attempts.items() if uid in found}


def places_told(trial: Trial) -> list[int]:
    """How many GPUs the sweep said that there are, where it said so, from first to last."""
    return [places for event in in_commit_order(trial.audit()) if (places := _places(event)) is not None]


def _places(event: AuditEvent) -> int | None:
    """How many GPUs a write says that there are."""
    if event.resource != "seedsweeps":
        return None
    places: int | None = ((event.answer or {}).get("status") or {}).get("observedPlaces")
    return places


def past_the_rung(record: Record, script: Script) -> list[str]:
    """Episodes that trained on after their score at the rung: those that were kept, and overshoot."""
    mark = math.floor(0.3 * script.evaluations) * script.steps_per_evaluation
    reach = {name: max(attempt.steps for attempt in attempts) for name, attempts in attempts_of(record).items()}
    return [name for name, step in reach.items() if step > mark]
