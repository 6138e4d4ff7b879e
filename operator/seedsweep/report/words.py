"""Numbers, durations and names as people read them, the same in the terminal and on pages."""

from seedsweep.api.provenance import Provenance
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import Trainer

NOBODY_BEAT_A_CONSTANT = (
    "No episode beat a constant answer, which is the same for every example: no model here is worth using. "
    "Check labels and texts, then lower or raise the learning rate."
)
_METRICS = {
    "accuracy": "accuracy",
    "f1": "F1",
    "accuracyAndF1": "mean of accuracy and F1",
    "mcc": "Matthews correlation",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "pearsonAndSpearman": "mean of Pearson and Spearman correlation",
    "mse": "mean squared error",
    "loss": "loss",
}
_PARTS = ("train", "validation", "test")
_PUBLISHED = {"mrpc": "accuracyAndF1", "rte": "accuracy", "cola": "mcc", "sst2": "accuracy"}
"""The metric of a GLUE task whose sweep names none."""


def metric_name(trainer: Trainer) -> str | None:
    """The metric that ranks, under its name in a sweep's file; None for a data set that nobody knows one of."""
    if trainer.ranking_metric is not None:
        return trainer.ranking_metric.name
    task = trainer.fine_tuning.dataset.task if trainer.fine_tuning is not None else None
    return _PUBLISHED[task] if task is not None else None


def metric_words(trainer: Trainer, status: SweepStatus | None) -> str:
    """The metric that ranks, in words, with the class that an F1 is about where it is known."""
    name = metric_name(trainer)
    words = "score" if name is None else _METRICS.get(name, name)
    found = status.provenance if status is not None else None
    label = one_line(found.positive_label or "") if found is not None else ""
    return f"{words} of {label}" if label else words


def score_text(score: float | None) -> str:
    """A score with four decimals, which tell neighbours apart on a validation set of thousands."""
    if score is None:
        return "–"
    return f"{score:.4f}" if abs(score) < 1000 else f"{score:.5g}"


def share_text(part: float, whole: float) -> str:
    """A share in whole percent; one that is neither 0 nor 1 is never rounded to it."""
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "under 1 %"
    return "over 99 %" if 99 < percent < 100 else f"{percent:.0f} %"


def chance_text(chance: float) -> str:
    """A chance as draws estimate it: that none of them, or each, came out so does not make it 0 or 100 %."""
    return share_text(min(max(chance, 0.001), 0.999), 1)


def p_text(p: float) -> str:
    """A p-value: three decimals, four of one below 0.001, or two digits of a still smaller one, which is never 0."""
    if p < 1e-300:
        return "under 1e-300"
    if p >= 0.001:
        return f"{p:.3f}"
    return f"{p:.4f}" if p >= 0.0001 else f"{p:.1e}"


def duration_text(seconds: float) -> str:
    """A duration in its two largest units."""
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    if hours < 48:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{hours // 24} days {hours % 24} h"


def counted(n: int, noun: str) -> str:
    """A number with its noun: 1 episode, 2 episodes, 1,200 steps."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def data_words(found: Provenance) -> str:
    """How many examples there were, and how many of them were truncated."""
    parts = [(name, getattr(found.examples, name), getattr(found.truncated, name) or 0) for name in _PARTS]
    given = [(name, size, cut) for name, size, cut in parts if size is not None]
    text = ", ".join(f"{size:,} {name}" for name, size, _ in given) + " examples"
    truncated = [f"{cut:,} {name} ({share_text(cut, size)})" for name, size, cut in given if cut and size]
    return f"{text}; truncated to maxLength: {', '.join(truncated)}" if truncated else f"{text}, none truncated"


def end_words(name: str, status: SweepStatus) -> str:
    """How a sweep that is over has ended, on one line; `name`: as people know it."""
    if status.failure is not None:
        return f"{name} failed: {status.failure.reason}: {one_line(status.failure.message)}"
    best = f": best {score_text(status.best.score)} by {status.best.episode}" if status.best is not None else ""
    return f"{name} is complete{best}"


def one_line(text: str) -> str:
    """Foreign text on one line, without control characters: a trainer's last words may hold anything."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
