"""A record as a paper tells it: a sentence, and a table in Markdown and LaTeX, led by the test score and its n."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from seedsweep.api.card import plain
from seedsweep.api.status import Best, SweepStatus
from seedsweep.report.facts import imported_from, steps_trained
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Analysis, analyses
from seedsweep.report.statistics.floor import at_floor
from seedsweep.report.words import counted, metric_words, one_line, score_text, share_text
from seedsweep.version import __version__

PUBLISHED_COLUMNS = ("MRPC", "RTE", "CoLA", "SST-2")
PUBLISHED = (
    ("BERT (Phang et al. 2018)", (90.7, 70.0, 62.1, 92.5)),
    ("BERT (Liu et al. 2019)", (88.0, 70.4, 60.6, 93.2)),
    ("BERT, best of many seeds (Dodge et al. 2020)", (91.4, 77.3, 67.6, 95.1)),
    ("STILTs (Phang et al. 2018)", (90.9, 83.4, 62.1, 93.2)),
    ("XLNet (Yang et al. 2019)", (89.2, 83.8, 63.6, 95.6)),
    ("RoBERTa (Liu et al. 2019)", (90.9, 86.6, 68.0, 96.4)),
    ("ALBERT (Lan et al. 2019)", (90.9, 89.2, 71.4, 96.9)),
)
"""Validation scores as Table 1 of Dodge et al. (2020, arXiv 2002.06305) prints them, of large models."""
_TASKS = frozenset({"mrpc", "rte", "cola", "sst2"})
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


@dataclass(frozen=True, slots=True)
class Paper:
    """Texts to paste."""

    sentence: str
    markdown: str
    latex: str
    published: bool
    """Whether the sweep is of a task that the published table is about."""


def paper_of(record: Record) -> Paper | None:
    """None for a record without a result."""
    status = record.sweep.status or SweepStatus()
    if status.best is None:
        return None
    tuning = record.sweep.spec.trainer.fine_tuning
    rows = list(_rows(record, status))
    return Paper(
        _sentence(record, status),
        _markdown(rows),
        _latex(rows),
        tuning is not None and tuning.dataset.task in _TASKS,
    )


def _sentence(record: Record, status: SweepStatus) -> str:
    best = status.best
    assert best is not None
    metric = metric_words(record.sweep.spec.trainer, status)
    tuning = record.sweep.spec.trainer.fine_tuning
    what = f"fine-tuned {one_line(tuning.model)}" if tuning is not None else "trained a model"
    text = f"We {what} with {_seeds(record)} and otherwise the same settings"
    if imported_from(status) is None:
        text += f" (SeedSweep {__version__})"
    text += f"{_stopped(record)}. "
    test = best.test
    if test is not None and test.score is not None:
        interval = ""
        if test.interval is not None:
            low, high = map(score_text, test.interval)
            interval = f" ({100 * test.confidence:.0f} % interval over examples {low} to {high})"
        text += f"{_tested(best, metric)} a test {metric} of {score_text(test.score)}{interval}, n = {test.n:,}; "
        chosen = (
            f"the best run's validation {metric}"
            if best.is_average
            else f"its validation {metric}, by which it was chosen,"
        )
        text += f"{chosen} is {score_text(best.score)}."
    else:
        text += f"The best validation {metric}, optimistic because it was used to choose, is {score_text(best.score)}; "
        text += "there is no test score." if test is None else f"the test score is undefined (n = {test.n:,})."
    return text + "".join(f" {_spread(analysis)}" for analysis in analyses(record)[:1])


def _stopped(record: Record) -> str:
    """What stopped episodes early, as the end of a sentence; empty where nothing did."""
    t, floor = len(record.episodes), at_floor(record)
    if floor is not None:
        rule = f"not better than a constant answer by more than {floor.margin_words}"
        text = f"; a floor at evaluation {floor.evaluation} stopped {len(floor.fallen)} of {t}, those {rule}"
        for cut in (cut.data for cut in record.cuts):
            text += f", and a cut at evaluation {cut.evaluation} kept {len(cut.kept)} of the rest"
        return text
    if not record.cuts:
        return ""
    # The last one of a bracket stands; where none was made, all go on.
    kept = {cut.data.bracket: len(cut.data.kept) for cut in record.cuts}
    sizes = Counter(episode.spec.bracket for episode in record.episodes)
    through = sum(kept.get(bracket, size) for bracket, size in sizes.items())
    cuts = "an early cut" if len(record.cuts) == 1 else f"{len(record.cuts)} early cuts"
    return f"; after {cuts}, {through} of {t} continued"


def _tested(best: Best, metric: str) -> str:
    """Who has the test score."""
    if best.average is None:
        return f"The run with the best validation {metric} has"
    if not best.average.handed_over:
        why = "which took the place of the average of weights that was declared, has"
        return f"The run with the best validation {metric}, {why}"
    declared = f"The average of the weights of {best.average.members} runs, declared before the start, has"
    return f"{declared} a validation {metric} of {score_text(best.average.score)} and"


def _seeds(record: Record) -> str:
    axes = [len({episode.spec.id[axis] for episode in record.episodes}) for axis in (0, 1)]
    if axes[0] * axes[1] == len(record.episodes) and min(axes) > 1:
        return f"{axes[0]} weight-initialization seeds by {axes[1]} data-order seeds"
    return counted(len(record.episodes), "pair") + " of random seeds"


def _spread(analysis: Analysis) -> str:
    s = analysis.summary
    text = f"The {analysis.title[0].lower()}{analysis.title[1:]} (n = {s.n}) have a mean of {score_text(s.mean)}"
    text += f" and a standard deviation of {score_text(s.deviation)}" if s.deviation is not None else ""
    f = analysis.failed
    return f"{text}; {f.count} of {f.n} did no better than a constant answer." if f is not None else f"{text}."


def _rows(record: Record, status: SweepStatus) -> Iterator[tuple[str, str]]:
    best = status.best
    assert best is not None
    metric, test = metric_words(record.sweep.spec.trainer, status), best.test
    if test is not None and test.score is not None:
        yield f"test {metric}", score_text(test.score)
        yield "test examples", f"{test.n:,}"
        if test.interval is not None:
            yield f"{100 * test.confidence:.0f} % interval", " to ".join(map(score_text, test.interval))
        if test.baseline is not None:
            yield "constant answer, test", score_text(test.baseline)
    else:
        yield f"test {metric}", "none" if test is None else "undefined"
    if best.is_average and best.average is not None:
        yield f"result: average of {best.average.members}, validation {metric}", score_text(best.average.score)
        yield f"best run, validation {metric}", score_text(best.score)
    else:
        yield f"validation {metric}, used to choose", score_text(best.score)
    if best.baseline is not None:
        yield "constant answer, validation", score_text(best.baseline)
    yield "episodes", f"{len(record.episodes):,}"
    for analysis in analyses(record)[:1]:
        s = analysis.summary
        name = f"{analysis.title[0].lower()}{analysis.title[1:]}"
        yield f"{name}, n", f"{s.n:,}"
        yield f"{name}, mean", score_text(s.mean)
        yield f"{name}, standard deviation", score_text(s.deviation)
        if analysis.failed is not None:
            yield "failed runs", share_text(analysis.failed.count, analysis.failed.n)
    if status.cost.full_steps:
        share = share_text(steps_trained(status.cost), status.cost.full_steps)
        yield "optimizer steps, of training all fully", share


def _markdown(rows: list[tuple[str, str]]) -> str:
    lines = [f"| {plain(name)} | {plain(value)} |" for name, value in rows]
    return "\n".join(["| | |", "| --- | --: |", *lines])


def _latex(rows: list[tuple[str, str]]) -> str:
    lines = [f"  {_escaped(name)} & {_escaped(value)} \\\\" for name, value in rows]
    return "\n".join([r"\begin{tabular}{lr}", r"  \hline", *lines, r"  \hline", r"\end{tabular}"])


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text.replace("–", "--"))
