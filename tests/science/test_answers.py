"""Scores on drawn examples, paired tests, and skill apart from luck: against scikit-learn, scipy and brute force."""

from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, mean_squared_error

from seedsweep.science.examples import luck
from seedsweep.science.examples.answers import METRICS, Answers, scores
from seedsweep.science.examples.luck import redraw, take_apart
from seedsweep.science.examples.paired import paired_test


def drawn(metric: str = "accuracy", models: int = 5, examples: int = 40, seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    if metric == "mse":
        labels = rng.normal(size=examples)
        return Answers(metric, labels, labels + rng.normal(size=(models, examples)))
    labels = rng.integers(0, 2, examples).astype(float)
    wrong = rng.random((models, examples)) < 0.3
    return Answers(metric, labels, np.where(wrong, 1 - labels, labels), positive=1)


def by_sklearn(metric: str, labels: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    match metric:
        case "f1":
            return float(f1_score(labels, said, zero_division=0))
        case "accuracyAndF1":
            return float(accuracy_score(labels, said) + f1_score(labels, said, zero_division=0)) / 2
        case "mcc":
            return float(matthews_corrcoef(labels, said))
        case "mse":
            return float(mean_squared_error(labels, said))
    return float(accuracy_score(labels, said))


@pytest.mark.parametrize("metric", METRICS)
def test_scores_of_drawn_examples_are_those_of_scikit_learn(metric: str) -> None:
    answers = drawn(metric)
    rng = np.random.default_rng(1)
    weights = rng.multinomial(40, np.full(40, 1 / 40), size=7).astype(float)
    found = scores(answers, weights)
    for draw, row in zip(weights.astype(int), found, strict=True):
        at = np.repeat(np.arange(40), draw)
        for said, score in zip(answers.said, row, strict=True):
            assert score == pytest.approx(by_sklearn(metric, answers.labels[at], said[at]))
    assert scores(answers)[0].tolist() == pytest.approx(
        [by_sklearn(metric, answers.labels, said) for said in answers.said]
    )


def test_a_score_without_a_positive_or_of_one_class_is_zero() -> None:
    zeros = np.zeros(4)
    assert scores(Answers("f1", zeros, zeros[None], positive=1))[0, 0] == 0
    assert scores(Answers("mcc", np.array([0.0, 1, 0, 1]), zeros[None]))[0, 0] == 0


@pytest.mark.parametrize(("metric", "said"), [("pearson", np.zeros((1, 3))), ("mse", np.zeros((1, 4)))])
def test_answers_that_make_no_sense_are_refused(metric: str, said: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match=r"metric is|do not fit"):
        Answers(metric, np.zeros(3), said)


def test_accuracies_are_compared_by_mcnemars_exact_test() -> None:
    labels = np.zeros(30)
    first, second = np.zeros(30), np.zeros(30)
    first[:3], second[3:12] = 1, 1
    found = paired_test(Answers("accuracy", labels, np.array([first, second])))
    assert (found.first_alone, found.second_alone, found.exact) == (9, 3, True)
    assert found.p == pytest.approx(stats.binomtest(9, 12).pvalue)
    assert found.difference == pytest.approx(0.2)


def test_other_metrics_are_compared_by_every_way_to_swap_answers() -> None:
    answers = drawn("f1", models=2, examples=9, seed=5)
    found = paired_test(answers)
    differences = []
    for swap in product([False, True], repeat=9):
        one, other = (np.where(swap, answers.said[i], answers.said[1 - i]) for i in (0, 1))
        differences.append(by_sklearn("f1", answers.labels, one) - by_sklearn("f1", answers.labels, other))
    exact = np.mean(np.abs(differences) >= abs(found.difference) - 1e-9)
    assert not found.exact
    assert found.p == pytest.approx(float(exact), abs=0.04)


@pytest.mark.parametrize("metric", METRICS)
def test_models_that_answer_alike_are_not_told_apart(metric: str) -> None:
    answers = drawn(metric, models=1)
    found = paired_test(Answers(metric, answers.labels, np.repeat(answers.said, 2, axis=0), positive=1))
    assert (found.p, found.difference) == (1.0, 0.0)


def test_the_paired_test_rejects_equal_models_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    many, rejected = 300, {"accuracy": 0, "f1": 0}
    for _ in range(many):
        labels = rng.integers(0, 2, 60).astype(float)
        said = np.where(rng.random((2, 60)) < 0.3, 1 - labels, labels)
        for metric in rejected:
            rejected[metric] += paired_test(Answers(metric, labels, said, positive=1)).p <= 0.05
    assert rejected["accuracy"] / many <= 0.05
    assert 0.02 <= rejected["f1"] / many <= 0.09


def test_what_stays_is_the_covariance_over_all_halvings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luck, "SPLITS", 20_000)
    right = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 0], [1, 1, 1, 0, 1, 1]], dtype=float)
    covariances = []
    for half in combinations(range(6), 3):
        one, other = (right[:, sorted(part)].mean(axis=1) for part in (set(half), set(range(6)) - set(half)))
        covariances.append(float(np.cov(one, other)[0, 1]))
    found = take_apart(Answers("accuracy", np.ones(6), right), maximize=True)
    assert found.skill**2 == pytest.approx(np.mean(covariances), rel=0.02)
    assert found.observed**2 == pytest.approx(right.mean(axis=1).var(ddof=1))
    assert found.skill**2 + found.noise**2 == pytest.approx(found.observed**2)


def test_how_often_two_models_answer_alike_is_the_mean_over_pairs() -> None:
    answers = drawn(models=6)
    pairs = [float((a == b).mean()) for a, b in combinations(answers.said, 2)]
    assert take_apart(answers, maximize=True).alike == pytest.approx(np.mean(pairs))
    assert take_apart(drawn("mse"), maximize=False).alike is None


def test_neither_order_of_models_nor_of_examples_matters() -> None:
    answers = drawn(models=8, examples=200, seed=3)
    turned = Answers("accuracy", answers.labels[::-1], answers.said[::-1, ::-1])
    one, other = (take_apart(each, maximize=True) for each in (answers, turned))
    assert one.observed == pytest.approx(other.observed)
    assert one.alike == pytest.approx(other.alike)
    assert one.skill == pytest.approx(other.skill, abs=0.005)


def test_models_that_score_alike_have_neither_skill_nor_optimism() -> None:
    answers = drawn(models=1)
    found = take_apart(Answers("accuracy", answers.labels, np.repeat(answers.said, 4, axis=0)), maximize=True)
    assert (found.observed, found.skill, found.noise, found.optimism) == (0, 0, 0, 0)
    assert found.alike == 1


@pytest.mark.parametrize(("models", "examples"), [(1, 40), (3, 1)])
def test_one_model_or_one_example_is_too_few(models: int, examples: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        take_apart(drawn(models=models, examples=examples), maximize=True)
    with pytest.raises(ValueError, match="cannot be chosen"):
        redraw(drawn(models=models), models + 1, maximize=True)


def test_the_best_of_failed_runs_has_no_optimism_among_healthy_ones() -> None:
    answers = drawn(models=4)
    best = int(scores(answers)[0].argmax())
    healthy = np.arange(4) != best
    assert take_apart(answers, maximize=True, healthy=healthy).optimism is None


def simulate(skill: float, models: int, rng: np.random.Generator, examples: int = 300) -> tuple[Answers, Answers]:
    """The same models on two validation sets; those that are best on the first come first."""
    skills = 0.8 + skill * rng.normal(size=(models, 1))
    sets = []
    for _ in range(2):
        latent = skills - rng.normal(size=examples) + rng.normal(size=(models, examples))
        sets.append((latent > 0).astype(float))
    order = np.argsort(-sets[0].mean(axis=1), kind="stable")
    first, second = (Answers("accuracy", np.ones(examples), each[order]) for each in sets)
    return first, second


@pytest.mark.parametrize("skill", [0.0, 0.3])
def test_redraws_and_optimism_hold_on_average(monkeypatch: pytest.MonkeyPatch, skill: float) -> None:
    monkeypatch.setattr(luck, "SPLITS", 40)
    monkeypatch.setattr(luck, "DRAWS", 100)
    rng = np.random.default_rng(2)
    told, true = np.zeros(2), np.zeros(2)
    for _ in range(150):
        first, second = simulate(skill, 8, rng)
        before, after = scores(first)[0], scores(second)[0] + 1e-9 * rng.random(8)
        optimism = take_apart(first, maximize=True).optimism
        assert optimism is not None
        told += [redraw(first, 1, maximize=True).same, optimism]
        true += [after.argmax() == 0, before[0] - after[0]]
    assert told[0] / 150 == pytest.approx(true[0] / 150, abs=0.1)
    assert told[1] / 150 == pytest.approx(true[1] / 150, abs=0.006)


def test_every_choice_is_stable_where_all_are_chosen() -> None:
    found = redraw(drawn(), 5, maximize=True)
    assert (found.same, found.changed, found.chances) == (1.0, 0.0, (1.0,) * 5)
