"""Scores, baselines and intervals against values worked out by hand or published."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, mean_squared_error

from seedsweep.api.finetuning import Metric
from seedsweep_trainer.data.metrics import (
    TASK_METRICS,
    baseline,
    baseline_error,
    check_labels,
    check_positive,
    interval,
    score,
)
from seedsweep_trainer.errors import ConfigurationError

# A failed run predicts constants; that must not fill its log with warnings.
pytestmark = pytest.mark.filterwarnings("error")

CLASSIFICATION = ("accuracy", "f1", "accuracyAndF1", "mcc", "loss")
REGRESSION = ("pearson", "spearman", "pearsonAndSpearman", "mse", "loss")


def logits(predicted: list[int], classes: int = 2) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[predicted]


def values(*predicted: float) -> np.ndarray:
    return np.array(predicted, dtype=np.float32)[:, None]


# 3 true positives, 1 false positive, 2 false negatives, 4 true negatives.
LABELS = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0])
OUTPUTS = logits([1, 1, 1, 0, 0, 1, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 0.7),
        ("f1", 6 / 9),
        ("accuracyAndF1", (0.7 + 6 / 9) / 2),
        ("mcc", (3 * 4 - 1 * 2) / math.sqrt(4 * 5 * 5 * 6)),
    ],
)
def test_score_follows_its_definition(name: str, expected: float) -> None:
    assert score(name, OUTPUTS, LABELS, positive=1) == pytest.approx(expected, abs=1e-12)


def test_f1_is_about_the_positive_class() -> None:
    assert score("f1", OUTPUTS, LABELS, positive=0) == pytest.approx(8 / 11)


def test_f1_of_one_class_among_three_counts_the_others_as_negative() -> None:
    outputs, labels = logits([2, 2, 0, 1], classes=3), np.array([2, 0, 2, 1])
    assert score("f1", outputs, labels, positive=2) == pytest.approx(0.5)


def test_f1_without_a_true_or_predicted_positive_is_zero() -> None:
    assert score("f1", logits([0, 0]), np.array([0, 0]), positive=1) == 0


@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]])
def test_mcc_of_one_predicted_class_is_zero(labels: list[int]) -> None:
    assert score("mcc", logits([0, 0, 0, 0]), np.array(labels)) == 0


def test_correlations_follow_their_definitions() -> None:
    labels = np.array([1.0, 2.0, 3.0, 4.0], dtype=np.float32)
    outputs = values(1, 2, 4, 3)
    assert score("pearson", outputs, labels) == pytest.approx(0.8)
    assert score("spearman", outputs, labels) == pytest.approx(0.8)
    assert score("pearsonAndSpearman", values(1, 2, 3, 40), labels) == pytest.approx(
        (1 + score("pearson", values(1, 2, 3, 40), labels)) / 2
    )


@pytest.mark.parametrize("name", ["pearson", "spearman", "pearsonAndSpearman"])
@pytest.mark.parametrize("outputs", [values(2, 2, 2, 2), values(2)])
def test_correlation_of_constant_predictions_is_undefined(name: str, outputs: np.ndarray) -> None:
    assert math.isnan(score(name, outputs, np.arange(len(outputs), dtype=np.float32)))


def test_correlation_of_almost_constant_predictions_does_not_warn() -> None:
    outputs = values(1, 1, 1, 1).astype(np.float64) + np.array([[0], [1e-15], [0], [1e-15]])
    score("pearson", outputs, np.arange(4, dtype=np.float32))


def test_squared_error_and_loss_of_regression_agree() -> None:
    outputs, labels = values(1, 3), np.array([1.0, 1.0], dtype=np.float32)
    assert score("mse", outputs, labels) == score("loss", outputs, labels) == pytest.approx(2)


def test_loss_is_the_mean_cross_entropy_in_nats() -> None:
    outputs = np.log(np.array([[0.25, 0.75], [0.5, 0.5]]))
    assert score("loss", outputs, np.array([1, 0])) == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)


def test_loss_of_extreme_outputs_stays_finite() -> None:
    assert score("loss", np.array([[1e4, -1e4]], dtype=np.float32), np.array([1])) == pytest.approx(2e4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", sorted({*CLASSIFICATION, *REGRESSION}))
def test_score_of_outputs_that_are_not_finite_is_undefined(name: str, bad: float) -> None:
    outputs = values(0, bad) if name in REGRESSION and name != "loss" else np.array([[0.0, 1.0], [bad, 0.0]])
    assert math.isnan(score(name, outputs, np.array([0, 1]), positive=1))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_scores_of_glue_tasks_stay_within_their_stated_range(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = np.array(pairs).T
    for metric in TASK_METRICS.values():
        assert metric.range
        value = score(metric.name, logits(list(predicted)), labels, positive=1)
        assert float(metric.range.min or "nan") <= value <= float(metric.range.max or "nan")


def test_baseline_answers_the_majority_class_of_train() -> None:
    train, validation = np.array([0, 1, 1]), np.array([0, 0, 0, 1])
    assert baseline("accuracy", train, validation, num_labels=2) == 0.25
    assert baseline("f1", train, validation, num_labels=2, positive=1) == pytest.approx(0.4)
    assert baseline("mcc", train, validation, num_labels=2) == 0


def test_baseline_loss_answers_the_class_shares_of_train() -> None:
    train, validation = np.array([0, 1, 1, 1]), np.array([0, 1])
    assert baseline("loss", train, validation, num_labels=2) == pytest.approx(-(math.log(0.25) + math.log(0.75)) / 2)


def test_baseline_loss_stays_finite_where_train_lacks_a_class() -> None:
    assert math.isfinite(baseline("loss", np.array([0, 1]), np.array([2]), num_labels=3))


def test_baseline_of_regression_answers_the_mean_of_train() -> None:
    train, validation = np.array([1.0, 3.0], dtype=np.float32), np.array([2.0, 5.0], dtype=np.float32)
    assert baseline("mse", train, validation, num_labels=1) == pytest.approx(4.5)
    assert baseline("pearson", train, validation, num_labels=1) == 0


@pytest.mark.parametrize("name", ["accuracy", "f1", "accuracyAndF1", "loss", "mse"])
@pytest.mark.parametrize("positive", [0, 1])
def test_baseline_error_is_the_deviation_over_draws_of_as_many_examples(name: str, positive: int) -> None:
    rng, size, share = np.random.default_rng(0), 150, 0.7
    classes = 1 if name == "mse" else 2
    train = np.array([0, 1, 1] * 10)
    draws = [(rng.random(size) < share).astype(np.int64) for _ in range(4_000)]
    scores = [baseline(name, train, labels, classes, positive) for labels in draws]
    errors = [baseline_error(name, train, labels, classes, positive) for labels in draws[:50]]
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.06, abs=1e-12)


@pytest.mark.parametrize("name", ["mcc", "pearson", "spearman"])
def test_baseline_error_of_a_correlation_is_that_of_answers_without_skill(name: str) -> None:
    rng, size = np.random.default_rng(0), 120
    labels = (rng.random(size) < 0.6).astype(np.int64)
    found = [
        score(name, one_hot(rng.permutation(labels)) if name == "mcc" else rng.normal(size=(size, 1)), labels)
        for _ in range(2_000)
    ]
    classes = 2 if name == "mcc" else 1
    assert baseline_error(name, labels, labels, classes) == pytest.approx(np.std(found), rel=0.06)


def one_hot(ids: np.ndarray) -> np.ndarray:
    return np.stack([ids == 0, ids == 1], axis=1).astype(np.float64)


def test_interval_of_accuracy_is_wilsons() -> None:
    outputs, labels = logits([1] * 8 + [0] * 2), np.ones(10, dtype=np.int64)
    assert interval("accuracy", outputs, labels) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_bootstrap_interval_holds_the_score_and_is_always_the_same() -> None:
    first = interval("mcc", np.tile(OUTPUTS, (4, 1)), np.tile(LABELS, 4))
    again = interval("mcc", np.tile(OUTPUTS, (4, 1)), np.tile(LABELS, 4))
    assert first == again
    assert first[0] < score("mcc", OUTPUTS, LABELS) < first[1]


def test_bootstrap_interval_of_a_mean_agrees_with_its_standard_error() -> None:
    generator = np.random.default_rng(1)
    labels = np.zeros(400, dtype=np.float32)
    outputs = generator.normal(size=(400, 1))
    low, high = interval("mse", outputs, labels)
    half_width = 1.96 * (outputs**2).std() / math.sqrt(400)
    assert (high - low) / 2 == pytest.approx(half_width, rel=0.15)


@pytest.mark.parametrize("name", ["accuracy", "mcc", "loss"])
def test_interval_of_an_undefined_score_is_undefined(name: str) -> None:
    low, high = interval(name, np.array([[math.nan, 0.0], [0.0, 1.0]]), np.array([0, 1]))
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize(("name", "labels"), [("f1", [0, 1] * 20), ("mcc", [0, 1] * 20), ("mcc", [1] * 3)])
def test_interval_is_undefined_where_every_resample_scores_the_same(name: str, labels: list[int]) -> None:
    sure = np.eye(2)[labels]
    assert all(map(math.isnan, interval(name, sure, np.array(labels), positive=1)))
    low, high = interval("accuracy", sure, np.array(labels))
    assert low < high == 1.0


@pytest.mark.parametrize("name", ["f1", "accuracyAndF1"])
def test_f1_needs_to_know_its_class(name: str) -> None:
    metric = Metric.model_validate({"name": name, "goal": "maximize"})
    with pytest.raises(ConfigurationError, match=r"dataset\.positiveLabel"):
        check_positive(metric, None)
    check_positive(metric, 1)


@pytest.mark.parametrize("seed", range(40))
def test_scores_are_to_the_last_bit_those_of_scikit_learn(seed: int) -> None:
    source = np.random.default_rng(seed)
    size, classes = int(source.integers(20, 900)), int(source.integers(2, 5))
    outputs = (source.normal(size=(size, classes)) * 10.0 ** (seed % 3)).astype(np.float32)
    labels, predicted = source.integers(0, classes, size), outputs.argmax(axis=1)
    assert score("accuracy", outputs, labels) == accuracy_score(labels, predicted)
    assert score("f1", outputs, labels, positive=1) == f1_score(labels == 1, predicted == 1)
    assert score("mcc", outputs, labels) == matthews_corrcoef(labels, predicted)
    shares = log_softmax(outputs.astype(np.float64), axis=1)
    assert score("loss", outputs, labels) == -shares[np.arange(size), labels].mean()
    answers = outputs[:, :1]
    for truth in (source.normal(size=size).astype(np.float32), source.normal(size=size)):
        assert score("mse", answers, truth) == mean_squared_error(truth, answers[:, 0])


@pytest.mark.parametrize("name", ["pearson", "spearman", "pearsonAndSpearman"])
def test_a_correlation_with_labels_that_are_all_alike_is_refused(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"all 3 validation labels are 2\.5, and a correlation with a constant"
    ):
        check_labels(Metric(name=name, goal="maximize"), np.full(3, 2.5, dtype=np.float32), None)
    check_labels(Metric(name=name, goal="maximize"), np.array([1.0, 2.0], dtype=np.float32), None)
    check_labels(Metric(name="mse", goal="minimize"), np.full(3, 2.5, dtype=np.float32), None)


@pytest.mark.parametrize(("name", "labels"), [("mcc", [0, 0, 0]), ("mcc", [1, 1]), ("f1", [0, 0, 2])])
def test_labels_over_which_every_model_would_score_zero_are_refused(name: str, labels: list[int]) -> None:
    metric = Metric(name=name, goal="maximize")
    with pytest.raises(ConfigurationError, match=rf"metric.name '{name}': .*{len(labels)} validation .* score 0; give"):
        check_labels(metric, np.array(labels), positive=1)
    check_labels(metric, np.array([*labels, 0, 1]), positive=1)
    check_labels(Metric(name="accuracy", goal="maximize"), np.array(labels), positive=1)
