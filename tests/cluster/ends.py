"""The end of a sweep: as it must be, from the curves its trainers play, and as its objects in the cluster have it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.rules import kept, rows
from cluster.simulator.script import Script
from engine.brute import work_out
from engine.cases import Case, Truth
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout
from seedsweep.kube.objects.names import LABEL_EPISODE

Object = Mapping[str, Any]
NOBODY: Mapping[str, int] = {}
Ranked = tuple[tuple[str, float | None, bool], ...]
"""Episode, score and whether it was kept, best first."""


@dataclass(frozen=True, slots=True)
class End:
    """What must not depend on what befell a sweep."""

    best: tuple[str, float, int] | None
    """Episode, score and evaluation."""
    cuts: Mapping[tuple[int, int], Ranked]
    verdicts: Mapping[str, str]
    """By episode: Finished, Lost, Failed or Diverged; those that a budget does not carry are left out."""


def fault_free_end(
    sweep: Object, script: Script, breaks: Mapping[str, int] = NOBODY, diverges: Mapping[str, int] = NOBODY
) -> End:
    """Worked out by brute force.

    `breaks` and `diverges`: evaluations that no attempt of an episode reaches, by its name, and how it ends there.
    """
    parsed = SeedSweep.model_validate_json(json.dumps(sweep))
    truths = {}
    for episode in Layout.of(parsed).episodes:
        curve = script.behaviour(episode, 0).curve
        truths[episode] = Truth(curve.scores, curve.losses, diverges.get(episode.name), breaks.get(episode.name))
    outcome = work_out(Case(parsed, script.evaluations, script.evaluations * script.steps_per_evaluation, truths))
    return End(
        best=(outcome.best[0].name, *outcome.best[1:]) if outcome.best is not None else None,
        cuts={
            key: tuple((e.name, score, e in outcome.kept[key]) for e, score in ranking)
            for key, ranking in outcome.rankings.items()
        },
        verdicts={e.name: how for e, (how, _) in outcome.verdicts.items()},
    )


def end_of(status: Object, episodes: Iterable[Object], cuts: Iterable[Object]) -> End:
    """As it is on record: the sweep's status, its Episodes and Cuts."""
    best = status.get("best")
    return End(
        best=(best["episode"], best["score"], best["evaluation"]) if best else None,
        cuts={
            (cut["data"]["bracket"], cut["data"]["rung"]): tuple(
                (row.episode, row.score, row.episode in kept(cut["data"])) for row in rows(cut["data"])
            )
            for cut in cuts
        },
        verdicts={item["metadata"]["labels"][LABEL_EPISODE]: _verdict(item) for item in episodes},
    )


def _verdict(item: Object) -> str:
    verdict = item.get("status", {}).get("verdict")
    if verdict is None:
        return "none"
    outcome: str = verdict["outcome"]
    # One that had come to its end before the sweep got the seeds that outrank it keeps its verdict.
    return "Lost" if outcome.startswith("Lost") or item["status"]["state"] == "Lost" else outcome
