"""What averaging the weights of a sweep's survivors gives, against its winner, on data that nothing was selected on.

    python bench/soups.py RUN...

RUN are folders of `seedsweep run` by our own trainer without `earlyStopping`, whose seeds are a whole grid, and in
which every episode's best weights are still stored. Prints the tables of docs/soups.md; without folders it says so, and
ends.

Each grid is taken apart into sets of episodes, as sweeps of their own would have been: its rows (one weight-init seed,
so one head), its columns (a head each), and its halves by rows. In each set the better half at half of the evaluations
survives. Rows share no episode with each other, nor do columns, nor halves.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy import stats
from scipy.special import softmax
from transformers import AutoModelForSequenceClassification

from seedsweep.api.episode import Episode
from seedsweep.api.finetuning import FineTuning
from seedsweep.api.sweep import SeedSweep
from seedsweep_trainer.data import metrics
from seedsweep_trainer.data.tasks import Part
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, prepare_torch
from seedsweep_trainer.inputs import load_data
from seedsweep_trainer.jobs.average import judged
from seedsweep_trainer.model import averaging
from seedsweep_trainer.model.averaging import Weights
from seedsweep_trainer.model.loading import load_model_config
from seedsweep_trainer.training.evaluation import Evaluation

Floats = np.ndarray


@dataclass(frozen=True)
class Member:
    """One episode's best weights."""

    seeds: tuple[int, int]
    at_rung: float
    """Best validation score up to half of the evaluations."""
    validation: float
    """Best of all."""
    last: float
    folder: Path

    @property
    def weights(self) -> Weights:
        """Read anew each time: a grid's together may not fit into memory."""
        return load_file(self.folder / "model.safetensors")


@dataclass(frozen=True)
class Outcome:
    """What the survivors of one set give. Scores of the metric."""

    scores: tuple[float, ...]
    """Validation scores of the survivors, best first."""
    uniform: float
    """Validation score of their average."""
    over_last: float
    """That less the mean of the survivors' last validation scores."""
    over_loss: float
    """Its validation loss less the mean of theirs."""
    taken: int
    """Members of the greedy average."""
    winner_test: float
    uniform_test: float
    greedy_test: float
    answers_test: float
    """Of the averaged answers."""
    depths: tuple[float, ...]
    """The barrier between each two survivors."""

    def passes(self, constant: float) -> bool:
        """Whether `result: average` hands over the average; else it hands over the winner."""
        return judged(self.uniform, self.scores, constant, maximize=True).handed_over

    @property
    def gained(self) -> bool:
        """Whether the average is better than the winner on test."""
        return self.uniform_test > self.winner_test

    def handed_over_test(self, constant: float) -> float:
        """Test score of what `result: average` hands over."""
        return self.uniform_test if self.passes(constant) else self.winner_test


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


def barriers(
    scores: Sequence[float], members: Sequence[Weights], score: Callable[[Weights], float]
) -> tuple[float, ...]:
    """Between each two: their mean score less that of their midpoint."""
    return tuple(
        (scores[i] + scores[j]) / 2 - score(average([members[i], members[j]]))
        for i, j in combinations(range(len(members)), 2)
    )


def sets_of(members: Sequence[Member]) -> dict[str, list[list[Member]]]:
    """The rows, columns and halves of a grid."""
    rows = _by(members, 0)
    half = len(rows) // 2
    halves = [[member for row in part for member in row] for part in (rows[:half], rows[half:])]
    return {"one head": rows, "a head each": _by(members, 1), "half of the grid": halves}


def _by(members: Sequence[Member], seed: int) -> list[list[Member]]:
    found: dict[int, list[Member]] = {}
    for member in members:
        found.setdefault(member.seeds[seed], []).append(member)
    return [found[key] for key in sorted(found)]


def survivors(members: Sequence[Member]) -> list[Member]:
    """The better half at the rung, at least two, sorted by what they came to; of equals the lower seeds."""
    kept = sorted(members, key=lambda member: (-member.at_rung, member.seeds))[: max(2, (len(members) + 1) // 2)]
    return sorted(kept, key=lambda member: (-member.validation, member.seeds))


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
        self._answers: dict[tuple[tuple[int, int], str], Floats] = {}
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

    def loss(self, outputs: Floats) -> float:
        """Mean cross-entropy of these answers to the validation examples."""
        return metrics.score("loss", outputs, self.data.validation.labels)

    def test(self, outputs: Floats) -> float:
        """Score of these answers to the test examples."""
        return self._score(outputs, self._test)

    def _score(self, outputs: Floats, part: Part) -> float:
        return metrics.score(self.data.metric.name, outputs, part.labels, self.data.positive)

    def outcome(self, kept: Sequence[Member]) -> Outcome:
        """Of survivors, best first."""
        weights = [member.weights for member in kept]
        answers = [self._answers_of(member, "test") for member in kept]
        scores = [member.validation for member in kept]
        taken = greedy(weights, self.validation)
        mean = average(weights)
        on_validation = self.outputs(mean, "validation")
        uniform = self._score(on_validation, self.data.validation)
        losses = [self.loss(self._answers_of(member, "validation")) for member in kept]
        uniform_test = self.test(self.outputs(mean, "test"))
        chosen = [weights[i] for i in taken]
        return Outcome(
            scores=tuple(scores),
            uniform=uniform,
            over_last=uniform - float(np.mean([member.last for member in kept])),
            over_loss=self.loss(on_validation) - float(np.mean(losses)),
            taken=len(taken),
            winner_test=self.test(answers[0]),
            uniform_test=uniform_test,
            greedy_test=uniform_test if len(taken) == len(kept) else self.test(self.outputs(average(chosen), "test")),
            answers_test=self.test(averaged_answers(answers)),
            depths=barriers(scores, weights, self.validation),
        )

    def _answers_of(self, member: Member, part: str) -> Floats:
        key = (member.seeds, part)
        if key not in self._answers:
            self._answers[key] = self.outputs(member.weights, part)
        return self._answers[key]


def read(folder: Path) -> tuple[FineTuning, float, list[Member]]:
    """A run's configuration, the score of a constant answer, and its episodes."""
    sweep = SeedSweep.model_validate_json((folder / "sweep.json").read_bytes())
    config = sweep.spec.trainer.fine_tuning
    if config is None:
        raise SystemExit(f"{folder}: its trainer is not our own, so that no weights are known")
    curves = {}
    for path in folder.glob("episodes/*.json"):
        episode = Episode.model_validate_json(path.read_bytes())
        curves[episode.spec.weight_init, episode.spec.data_order] = episode.status
    members = []
    for path in sorted(folder.glob("work/*/*/best/best.json")):
        facts = json.loads(path.read_text())
        seeds = (facts["weightInit"], facts["dataOrder"])
        scores = [score for score in curves[seeds].scores if score is not None]
        members.append(Member(seeds, max(scores[: len(scores) // 2]), facts["score"], scores[-1], path.parent))
    constant = next(iter(curves.values())).baseline
    if constant is None:
        raise SystemExit(f"{folder}: its first episode has not told the score of a constant answer")
    return config, constant, members


def interval(values: Sequence[float]) -> str:
    """Their mean, in points, with Student's 95 % interval."""
    points = 100 * np.array(values)
    if len(points) < 2:
        return f"{points.mean():+.1f}"
    reach = float(stats.t.ppf(0.975, len(points) - 1) * points.std(ddof=1) / np.sqrt(len(points)))
    return f"{points.mean():+.1f} ({points.mean() - reach:+.1f} to {points.mean() + reach:+.1f})"


def row(name: str, kind: str, outcomes: Sequence[Outcome], constant: float) -> str:
    """Differences of test scores from the winner's, over sets."""
    differences = (
        [own.uniform_test - own.winner_test for own in outcomes],
        [own.greedy_test - own.winner_test for own in outcomes],
        [own.answers_test - own.winner_test for own in outcomes],
        [own.handed_over_test(constant) - own.winner_test for own in outcomes],
    )
    kept = "/".join(map(str, sorted({len(own.scores) for own in outcomes})))
    winner = f"{100 * np.mean([own.winner_test for own in outcomes]):.1f}"
    return f"| {' | '.join([name, kind, str(len(outcomes)), kept, winner, *map(interval, differences)])} |"


def barrier_row(name: str, kind: str, outcomes: Sequence[Outcome], constant: float) -> str:
    """How often validation sees a barrier, and how deep it is between two."""
    depths = 100 * np.array([depth for own in outcomes for depth in own.depths])
    passed = sum(own.passes(constant) for own in outcomes)
    cells = [name, kind, f"{passed} of {len(outcomes)}", f"{(depths > 0).sum()} of {len(depths)}"]
    return f"| {' | '.join([*cells, f'{np.median(depths):.1f}', f'{depths.max():.1f}'])} |"


SIGNALS: dict[str, Callable[[Outcome, float], bool]] = {
    "the check: its score is no worse than its members' best ones": Outcome.passes,
    "its score is no worse than their last ones": lambda own, constant: own.over_last >= 0,
    "its loss is no higher than theirs": lambda own, constant: own.over_loss <= 0,
}
"""What may tell on validation, of all means over members, whether an average is better than the winner on test."""


MEASURES: dict[str, Callable[[Outcome], float]] = {
    "its score less its members' mean": lambda own: own.uniform - float(np.mean(own.scores)),
    "spread of its members' scores": lambda own: max(own.scores) - min(own.scores),
    "deepest barrier between two members": lambda own: max(own.depths),
}
"""On validation: what may tell how much better an average is than the winner on test."""


def measure_row(name: str, outcomes: Sequence[Outcome]) -> str:
    """Spearman's rank correlation of each measure with the gain on test, over sets; none where either does not vary."""
    gains = [own.uniform_test - own.winner_test for own in outcomes]
    cells = []
    for measure in MEASURES.values():
        values = [measure(own) for own in outcomes]
        varies = np.ptp(values) > 0 and np.ptp(gains) > 0
        cells.append(f"{stats.spearmanr(values, gains).statistic:+.2f}" if varies else "-")
    return f"| {' | '.join([name, str(len(outcomes)), *cells])} |"


def signal_rows(name: str, outcomes: Sequence[Outcome], constant: float) -> list[str]:
    """How many averages each signal lets pass and turns down, and how many of them are better on test."""
    rows = []
    for signal, holds in SIGNALS.items():
        passed = [own for own in outcomes if holds(own, constant)]
        others = [own for own in outcomes if not holds(own, constant)]
        better = [f"{sum(own.gained for own in part)} of {len(part)}" for part in (passed, others)]
        rows.append(f"| {' | '.join([name, signal, *better])} |")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*")
    options = parser.parse_args()
    if not options.runs:
        print("nothing is averaged: give folders of runs")
        return 0
    gains, barriers, signals, measures = [], [], [], []
    for folder in options.runs:
        config, constant, members = read(folder)
        name = ", ".join(folder.resolve().name.split("-")[:2])
        asked = Asked(config)
        found: list[Outcome] = []
        for kind, sets in sets_of(members).items():
            outcomes = [asked.outcome(survivors(own)) for own in sets if len(own) > 1]
            gains.append(row(name, kind, outcomes, constant))
            barriers.append(barrier_row(name, kind, outcomes, constant))
            print(gains[-1], file=sys.stderr, flush=True)
            found += outcomes
        signals += signal_rows(name, found, constant)
        measures.append(measure_row(name, found))
    print(
        "| record | sets | of them | kept of each | winner: test | average | greedy average | averaged answers "
        "| what `result: average` hands over |"
    )
    print(f"|{' --- |' * 9}")
    print("\n".join(gains))
    print("\n| record | sets | average passes the check | pairs with a barrier | depth: median | deepest |")
    print(f"|{' --- |' * 6}")
    print("\n".join(barriers))
    print("\n| record | signal | better on test where it holds | where it does not |")
    print(f"|{' --- |' * 4}")
    print("\n".join(signals))
    print(f"\n| record | sets | {' | '.join(MEASURES)} |")
    print(f"|{' --- |' * (2 + len(MEASURES))}")
    print("\n".join(measures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
