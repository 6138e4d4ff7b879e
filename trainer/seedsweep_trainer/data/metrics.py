"""Scores of predictions, pooled over a whole set: the numbers that rank episodes and that reports state."""

import math
import warnings

import numpy as np

from seedsweep.api.finetuning import Metric, MetricRange, Task
from seedsweep_trainer.data.contradictions import LOWER_IS_BETTER
from seedsweep_trainer.errors import ConfigurationError

# scipy takes seconds to import, and most scores do without: those that do not import it.

_UNIT = MetricRange(min="0", max="1")
TASK_METRICS: dict[Task, Metric] = {
    "mrpc": Metric(name="accuracyAndF1", goal="maximize", range=_UNIT),
    "rte": Metric(name="accuracy", goal="maximize", range=_UNIT),
    "cola": Metric(name="mcc", goal="maximize", range=MetricRange(min="-1", max="1")),
    "sst2": Metric(name="accuracy", goal="maximize", range=_UNIT),
}
"""The metrics that the GLUE leaderboard and Dodge et al. 2020 rank by."""

_CORRELATIONS = ("pearson", "spearman", "pearsonAndSpearman")
_RESAMPLES = 999


def check_positive(metric: Metric, positive: int | None) -> None:
    """Raise ConfigurationError for F1 where the id of the class that it is about is open."""
    if metric.name in ("f1", "accuracyAndF1") and positive is None:
        raise ConfigurationError(
            f"metric.name {metric.name!r} is about one class and there are more than two: "
            "name it in dataset.positiveLabel, or use accuracy or mcc (averages over classes are not offered)"
        )


def check_labels(metric: Metric, labels: np.ndarray, positive: int | None) -> None:
    """Raise ConfigurationError where these validation labels would make every score undefined, or 0 by convention."""
    if metric.name in _CORRELATIONS and len(np.unique(labels)) < 2:
        raise ConfigurationError(
            f"metric.name {metric.name!r}: all {len(labels)} validation labels are {labels[0]:g}, and a correlation "
            "with a constant is undefined; give validation examples that differ, or use mse"
        )
    if metric.name == "mcc" and len(np.unique(labels)) < 2:
        raise ConfigurationError(
            f"metric.name 'mcc': all {len(labels)} validation examples are of one class, so that every model would "
            "score 0; give validation examples of several classes, or use accuracy"
        )
    if metric.name == "f1" and not (labels == positive).any():
        raise ConfigurationError(
            f"metric.name 'f1': none of {len(labels)} validation examples is of the class that it is about, so that "
            "every model would score 0; give some, name another class in dataset.positiveLabel, or use accuracy"
        )


def score(name: str, outputs: np.ndarray, labels: np.ndarray, positive: int | None = None) -> float:
    """The metric `name` over n examples.

    outputs: (n, classes) logits, or (n, 1) predicted values for regression. labels: (n,) class ids or values.
    positive: the class that F1 is about.
    NaN where the score is undefined: outputs that are not finite, a correlation with a constant. By convention F1
    is 0 without a true or predicted positive, and MCC is 0 where labels or predictions are all of one class.
    """
    if not np.isfinite(outputs).all():
        return math.nan
    if name == "loss":
        return _loss(outputs, labels)
    predicted = outputs[:, 0] if outputs.shape[1] == 1 else outputs.argmax(axis=1)
    match name:
        case "accuracy":
            return float((labels == predicted).mean())
        case "f1":
            return _f1(labels == positive, predicted == positive)
        case "accuracyAndF1":
            return (score("accuracy", outputs, labels) + score("f1", outputs, labels, positive)) / 2
        case "mcc":
            one_class = len(np.unique(labels)) < 2 or len(np.unique(predicted)) < 2
            return 0.0 if one_class else _mcc(labels, predicted)
        case "pearson" | "spearman":
            return _correlation(name, predicted, labels)
        case "pearsonAndSpearman":
            return (score("pearson", outputs, labels) + score("spearman", outputs, labels)) / 2
        case "mse":
            return _squared_error(labels, predicted)
    raise ValueError(f"there is no metric {name!r}")


def baseline(
    name: str, train_labels: np.ndarray, labels: np.ndarray, num_labels: int, positive: int | None = None
) -> float:
    """Score over `labels` of answering the same for every example: what an episode has to beat to have learnt.

    The answer is the majority class of `train_labels` (for the loss: its class shares), for regression
    (`num_labels` 1) its mean. A correlation with a constant is undefined and counts as 0 here, as MCC does.
    """
    if name in _CORRELATIONS:
        return 0.0
    return score(name, np.tile(_constant_answer(train_labels, num_labels), (len(labels), 1)), labels, positive)


def baseline_error(
    name: str, train_labels: np.ndarray, labels: np.ndarray, num_labels: int, positive: int | None = None
) -> float:
    """Standard error of `baseline` over draws of as many validation examples: what is less above it is noise.

    Accuracy a: sqrt(a (1 - a) / n). F1 of answering `positive`, whose share is a: 2 a / (1 + a), by the delta method;
    else 0. Losses: the deviation of the examples' losses over sqrt(n). A correlation, MCC among them, of answers that
    have nothing to do with the labels has the deviation 1 / sqrt(n - 1).
    """
    size = len(labels)
    if name in _CORRELATIONS or name == "mcc":
        return 1 / math.sqrt(max(size - 1, 1))
    answer = _constant_answer(train_labels, num_labels)
    if name in LOWER_IS_BETTER:
        losses = (labels - answer[0]) ** 2 if num_labels == 1 else -answer[labels]
        return float(np.std(losses) / math.sqrt(size))
    answered = int(answer.argmax())
    right = float((labels == answered).mean())
    accuracy = math.sqrt(right * (1 - right) / size)
    f1 = accuracy * 2 / (1 + right) ** 2 if answered == positive else 0.0
    return {"accuracy": accuracy, "f1": f1, "accuracyAndF1": (accuracy + f1) / 2}[name]


def _constant_answer(train_labels: np.ndarray, num_labels: int) -> np.ndarray:
    """The outputs that fit train best: logits of its class shares, or its mean."""
    if num_labels == 1:
        return np.array([train_labels.mean(dtype=np.float64)])
    # Half an example for a class that train lacks keeps the loss finite.
    return np.log(np.maximum(np.bincount(train_labels, minlength=num_labels), 0.5))


def interval(
    name: str, outputs: np.ndarray, labels: np.ndarray, positive: int | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of `score` over draws of n examples; it says nothing about other seeds.

    Accuracy: Wilson 1927. Others: percentile bootstrap over examples (Efron 1979), always with the same resamples.
    (NaN, NaN) where the score is undefined or, but for accuracy, where there is one example only or every resample
    scores the same, as those of answers that are all right do: that tells nothing of other examples.
    """
    from scipy.stats import binomtest, bootstrap

    value = score(name, outputs, labels, positive)
    if name == "accuracy" and not math.isnan(value):
        correct = int((outputs.argmax(axis=1) == labels).sum())
        wilson = binomtest(correct, len(labels)).proportion_ci(confidence, method="wilson")
        return float(wilson.low), float(wilson.high)
    if math.isnan(value) or len(labels) < 2:
        return math.nan, math.nan
    result = bootstrap(
        (np.arange(len(labels)),),
        lambda drawn: score(name, outputs[drawn], labels[drawn], positive),
        vectorized=False,
        n_resamples=_RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = map(float, result.confidence_interval)
    return (low, high) if low < high else (math.nan, math.nan)


def _loss(outputs: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy in nats; mean squared error for regression."""
    if outputs.shape[1] == 1:
        return _squared_error(labels, outputs[:, 0])
    shifted = outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True)
    log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_shares[np.arange(len(labels)), labels].mean())


def _f1(true: np.ndarray, predicted: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN) of boolean answers; 0 where there is no positive at all."""
    positives = int(true.sum()) + int(predicted.sum())
    return 2 * int((true & predicted).sum()) / positives if positives else 0.0


def _mcc(true: np.ndarray, predicted: np.ndarray) -> float:
    """Gorodkin 2004's correlation of class ids, which for two classes is Matthews 1975's."""
    size, classes = len(true), int(max(true.max(), predicted.max())) + 1
    shares, answered = (np.bincount(ids, minlength=classes).astype(np.float64) for ids in (true, predicted))
    covariance = float((true == predicted).sum()) * size - shares @ answered
    return float(covariance / np.sqrt((size**2 - shares @ shares) * (size**2 - answered @ answered)))


def _squared_error(labels: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.average((labels - predicted) ** 2))


def _correlation(name: str, predicted: np.ndarray, labels: np.ndarray) -> float:
    if len(labels) < 2:
        return math.nan
    from scipy.stats import ConstantInputWarning, NearConstantInputWarning, pearsonr, spearmanr

    function = pearsonr if name == "pearson" else spearmanr
    with warnings.catch_warnings():
        # Constant predictions are an expected outcome of a failed run; NaN says it.
        warnings.simplefilter("ignore", ConstantInputWarning)
        warnings.simplefilter("ignore", NearConstantInputWarning)
        return float(function(predicted.astype(np.float64), labels.astype(np.float64)).statistic)
