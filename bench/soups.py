"""What averaging the weights of the best runs gives, against the winner, on data that nothing was selected on.

    python bench/soups.py RUN... [--most 4]

RUN are folders of `seedsweep run` by our own trainer without `earlyStopping`, in which every episode's best weights are
still there; those of one configuration count as one sweep. Prints the tables of docs/soups.md.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification

from seedsweep.api.finetuning import FineTuning
from seedsweep.api.sweep import SeedSweep
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import Part
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, config_digest, prepare_torch
from seedsweep_trainer.inputs import load_data
from seedsweep_trainer.model import averaging
from seedsweep_trainer.model.averaging import Weights
from seedsweep_trainer.model.loading import load_model_config
from seedsweep_trainer.training.evaluation import Evaluation

Floats = np.ndarray


@dataclass(frozen=True)
class Member:
    """One episode's best weights."""

    seeds: tuple[int, int]
    validation: float
    weights: Weights


@dataclass(frozen=True)
class Barrier:
    """What lies between two members."""

    seeds: tuple[tuple[int, int], tuple[int, int]]
    depth: float
    """Mean validation score of the two less that of their midpoint: positive where there is a barrier."""


def average(members: Sequence[Weights]) -> Weights:
    """The mean of each tensor, as the hand-over makes it."""
    opened = [partial[nullcontext[Weights]](nullcontext, weights) for weights in members]
    return averaging.average({f"{i:03}": own for i, own in enumerate(opened)})


def greedy(members: Sequence[Weights], score: Callable[[Weights], float]) -> list[int]:
    """Which members an average takes that begins with the first and takes whoever does not lower its score.

    Wortsman et al. (2022); `members` are sorted, best first.
    """
    taken = [0]
    best = score(members[0])
    for number in range(1, len(members)):
        found = score(average([members[i] for i in [*taken, number]]))
        if found >= best:
            taken.append(number)
            best = found
    return taken


def averaged_answers(outputs: Sequence[Floats]) -> Floats:
    """Mean probabilities of the classes, as logarithms: (n, classes)."""
    found: Floats = np.log(np.mean([softmax(own.astype(np.float64), axis=1) for own in outputs], axis=0))
    return found


def barriers(members: Sequence[Member], score: Callable[[Weights], float]) -> list[Barrier]:
    """At the midpoint of every pair."""
    return [
        Barrier(
            (one.seeds, other.seeds),
            (one.validation + other.validation) / 2 - score(average([one.weights, other.weights])),
        )
        for one, other in combinations(members, 2)
    ]


class Asked:
    """The model of a configuration, asked with any weights about its validation and test examples."""

    def __init__(self, config: FineTuning) -> None:
        self._device = prepare_torch(config)
        tokenizer, self.data = load_data(config)
        if self.data.test is None:
            raise SystemExit("there is no test set: nothing can be said of an average")
        self._model = AutoModelForSequenceClassification.from_config(
            load_model_config(config, self.data, tokenizer), dtype=torch.float32
        ).to(self._device)
        self._autocast = autocast_dtype(config, self._device)
        self._test = self.data.test
        self._parts = {
            "validation": Evaluation(self.data.validation, tokenizer, config.evaluation_batch_size),
            "test": Evaluation(self._test, tokenizer, config.evaluation_batch_size),
        }

    def outputs(self, weights: Weights, part: str) -> Floats:
        """Logits, (n, classes)."""
        self._model.load_state_dict(weights)
        return self._parts[part].outputs(self._model, self._autocast)

    def validation(self, weights: Weights) -> float:
        """Its score."""
        return self._score(self.outputs(weights, "validation"), self.data.validation)

    def test(self, outputs: Floats) -> float:
        """Score of these answers to the test examples."""
        return self._score(outputs, self._test)

    def _score(self, outputs: Floats, part: Part) -> float:
        return metrics.score(self.data.metric.name, outputs, part.labels, self.data.positive)


def read(folders: Sequence[Path]) -> dict[str, tuple[str, FineTuning, list[Member]]]:
    """By configuration: a name, it, and all members, best first; of equals the one whose seeds are lower."""
    found: dict[str, tuple[str, FineTuning, list[Member]]] = {}
    for folder in folders:
        sweep = SeedSweep.model_validate_json((folder / "sweep.json").read_bytes())
        config = sweep.spec.trainer.fine_tuning
        if config is None:
            raise SystemExit(f"{folder}: its trainer is not our own, so that no weights are known")
        name = ", ".join(sweep.metadata.name.split("-")[:2])
        members = found.setdefault(config_digest(config), (name, config, []))[2]
        for path in sorted(folder.glob("work/*/*/best/best.json")):
            facts = json.loads(path.read_text())
            weights = load_file(path.parent / "model.safetensors")
            members.append(Member((facts["weightInit"], facts["dataOrder"]), facts["score"], weights))
    for _, _, members in found.values():
        members.sort(key=lambda member: (-member.validation, member.seeds))
    return found


def print_results(asked: Asked, name: str, members: Sequence[Member], most: int) -> Iterator[str]:
    """Rows of the first table: test scores in points."""
    answers = [asked.outputs(member.weights, "test") for member in members[:most]]
    winner = asked.test(answers[0])
    for count in range(2, min(most, len(members)) + 1):
        chosen = [member.weights for member in members[:count]]
        taken = greedy(chosen, asked.validation)
        mean = average(chosen)
        uniform = asked.test(asked.outputs(mean, "test"))
        picked = asked.test(asked.outputs(average([chosen[i] for i in taken]), "test")) if len(taken) > 1 else winner
        told = asked.test(averaged_answers(answers[:count]))
        cells = [
            name,
            f"{len(members)}",
            f"{count}",
            f"{100 * members[0].validation:.1f}",
            f"{100 * asked.validation(mean):.1f}",
            *(f"{100 * score:.1f}" for score in (winner, uniform, picked, told)),
            f"{len(taken)}",
        ]
        yield f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--most", type=int, default=4, help="members of an average")
    options = parser.parse_args()
    found = {digest: own for digest, own in read(options.runs).items() if len(own[2]) > 1}
    head = ["sweep", "episodes", "averaged", "winner: validation", "average: validation"]
    head += ["winner: test", "uniform average", "greedy average", "averaged answers", "taken by greedy"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    depths: dict[str, list[Barrier]] = {}
    for name, config, members in found.values():
        asked = Asked(config)
        for row in print_results(asked, name, members, options.most):
            print(row, flush=True)
        depths[name] = barriers(members[: options.most], asked.validation)
    print("\n| sweep | pairs | with a barrier | depth: median | deepest | same head: median | other head: median |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, pairs in depths.items():
        depth = 100 * np.array([pair.depth for pair in pairs])
        same = np.array([pair.seeds[0][0] == pair.seeds[1][0] for pair in pairs])
        split = (f"{np.median(depth[which]):.1f}" if which.any() else "no pair" for which in (same, ~same))
        cells = [name, str(len(pairs)), str(int((depth > 0).sum())), f"{np.median(depth):.1f}", f"{depth.max():.1f}"]
        print(f"| {' | '.join([*cells, *split])} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
