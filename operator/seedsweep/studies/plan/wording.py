"""An answer as text for people, 80 columns wide."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from seedsweep.report.words import counted, metric_words, score_text
from seedsweep.science.stopping.planning import SPLITS, Estimate, Planned, Valued
from seedsweep.science.stopping.plans import Plan, at_percent, rule_of_thumb
from seedsweep.studies.plan.answer import UNKNOWN_RUN, Answer, Time, share_before_cut
from seedsweep.studies.plan.histories import History, shortened_list
from seedsweep.terminal.wrapping import wrapped

WIDTH = 80
_LABEL = 12
_SHOWN = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)
"""Budgets of the table, beside the one that was asked for; the JSON has all."""


def text_of(answer: Answer) -> str:
    """What the command prints."""
    blocks = [*_headline(answer), "", *_facts(answer)]
    if answer.planned is None:
        blocks += ["", *_advice(answer)]
    else:
        blocks += ["", *_why(answer, answer.planned), "", *_table(answer), "", *_basis(answer)]
    return "\n".join(blocks) + "\n"


def plan_words(plan: Plan, evaluations: int) -> str:
    """A plan in a few words."""
    if plan.evaluation is None:
        return f"train {counted(plan.started, 'episode')} fully"
    percent = at_percent(plan.evaluation, evaluations)
    return (
        f"start {counted(plan.started, 'episode')}, cut at evaluation {plan.evaluation} of {evaluations} "
        f"({percent} %), keep {plan.keep}"
    )


def _headline(answer: Answer) -> list[str]:
    words = plan_words(answer.plan, len(answer.shares))
    rule = " (rule of thumb)" if answer.planned is None and answer.budget > 1 else ""
    return _paragraph(f"{words[0].upper()}{words[1:]}{rule}")


def _spent(plan: Plan, shares: Sequence[Fraction]) -> float:
    """What it costs, in full runs."""
    share = share_before_cut(plan, shares)
    return float(plan.started * share + plan.keep * (1 - share))


def _facts(answer: Answer) -> Iterator[str]:
    plan = answer.plan
    yield from _row("budget", f"{counted(answer.budget, 'full run')}; the plan takes {_spent(plan, answer.shares):.4g}")
    planned = answer.planned
    if planned is not None:
        metric = metric_words(answer.histories[0].sweep.spec.trainer, None)
        cut = planned.cut if plan.evaluation is not None else None
        full = _score(planned.full, answer)
        if cut is None:
            yield from _row("expected", f"{metric} {full}")
        else:
            yield from _row("expected", f"{metric} {_score(cut.result, answer)}; {answer.budget} full runs {full}")
            yield from _row("gain", _gain(cut.gain))
            yield from _row("error", _reduction(cut, answer))
    if answer.time is not None and answer.time_of_full is not None:
        full_time = f"; {counted(answer.budget, 'full run')} {_time(answer.time_of_full)}"
        others = full_time if plan.evaluation is not None else ""
        yield from _row("time", f"on {counted(answer.gpus or 0, 'GPU')} {_time(answer.time)}{others}")
        if answer.time.hours is None:
            missing = (
                "an imported record has no seconds" if answer.histories else "they follow from a record of your own"
            )
            yield from _row("", f"hours are not known: {missing}")


def _row(label: str, text: str) -> Iterator[str]:
    lines = wrapped(text, WIDTH - _LABEL - 2)
    for i, line in enumerate(lines):
        yield f"  {label if i == 0 else '':<{_LABEL}}{line}"


def _paragraph(text: str) -> list[str]:
    return wrapped(text, WIDTH)


def _score(estimate: Estimate, answer: Answer) -> str:
    one, mean, other = (answer.turned(value) for value in (estimate.low, estimate.mean, estimate.high))
    return f"{score_text(mean)} ({score_text(min(one, other))} to {score_text(max(one, other))})"


def _signed(value: float) -> str:
    # A zero has no sign of its own.
    return ("+" if value > -0.00005 else "") + score_text(round(value, 4) + 0.0)


def _gain(estimate: Estimate) -> str:
    return f"{_signed(estimate.mean)} ({_signed(estimate.low)} to {_signed(estimate.high)})"


def _reduction(cut: Valued, answer: Answer) -> str:
    if cut.reduction is not None:
        part = cut.reduction
        return f"{100 * part.mean:.1f} % less than of full runs ({100 * part.low:.1f} to {100 * part.high:.1f} %)"
    if answer.best_possible is None:
        return "relative reduction withheld: no record tells the metric's best value; give it with --best-value"
    return "relative reduction withheld: full runs reach the metric's best value"


def _time(time: Time) -> str:
    if time.hours is None:
        return f"the time of {time.full_runs:.4g} full run{'' if time.full_runs == 1 else 's'}"
    return f"{time.hours:.2g} h" if time.hours < 10 else f"{time.hours:,.0f} h"


def _why(answer: Answer, planned: Planned) -> Iterator[str]:
    """The verdict in words, and both cuts that were looked at."""
    cut = planned.cut
    if cut is None:
        yield from _paragraph("One full run leaves nothing to compare, so there is no cut.")
        return
    if answer.plan.evaluation is not None:
        said = "Stopping early pays on these runs: the interval of the gain excludes 0."
    else:
        said = (
            "No cut is sure to pay on these runs, so do not stop early: the interval of the gain over full runs of the "
            "same cost holds 0 or less."
        )
    yield from _paragraph(said)
    yield ""
    evaluations = len(answer.shares)
    for name, one in (("tuned", planned.tuned), ("middle", planned.rule)):
        if one is not None:
            yield from _row(name, f"{plan_words(one.plan, evaluations)}: {_gain(one.gain)}")


def _table(answer: Answer) -> Iterator[str]:
    """The curve over budgets."""
    last = "error" if answer.best_possible is not None else ""
    yield f"{'budget':>6}  {'plan':<25}{'full runs':>9}  {'gain of the surer cut':<28}{last:>8}".rstrip()
    for planned in answer.curve:
        if planned.budget not in {*_SHOWN, answer.budget, answer.curve[-1].budget}:
            continue
        plan = planned.plan
        words = f"{plan.started} fully"
        if plan.evaluation is not None:
            words = f"{plan.started}, cut at {plan.evaluation}, keep {plan.keep}"
        cut = planned.cut
        gain = _gain(cut.gain) if cut is not None else ""
        less = f"{-100 * cut.reduction.mean + 0.0:+.1f} %" if cut is not None and cut.reduction is not None else ""
        full = score_text(answer.turned(planned.full.mean))
        yield f"{planned.budget:>6}  {words:<25}{full:>9}  {gain:<28}{less:>8}".rstrip()


def _basis(answer: Answer) -> Iterator[str]:
    for history in answer.histories:
        yield from _paragraph(f"From {history.name}: {_history_words(history)}.")
    if len(answer.histories) > 1:
        yield from _paragraph("Each number is the mean over these histories, whose runs are never mixed.")
    design = (
        f"Each number is the mean of {SPLITS} splits by seed, with what 95 % of them lie between. The tuned cut is "
        "chosen on one half and valued on the other; the cut in the middle keeps half of the budget, and is chosen by "
        "no data. "
        f"Plans of at most {answer.most:,} episodes were tried: docs/plan.md says why."
    )
    yield from _paragraph(design)


def _history_words(history: History) -> str:
    n, evaluations = len(history.runs), history.runs.scores.shape[1]
    parts = [f"{counted(n, 'whole run')} of {evaluations} evaluations"]
    if history.failed is not None:
        parts.append(f"{history.failed or 'none'} of them no better than a constant answer")
    else:
        parts.append("which of them failed is not known, as no score of a constant answer is on record")
    if history.diverged:
        parts.append(f"{history.diverged:,} diverged (last in rank from there on)")
    if history.left_out:
        parts.append(
            f"left out, for they crashed, are not finished or have no score: {shortened_list(history.left_out)}"
        )
    for axis, kind in enumerate(("weight-init", "data-order")):
        if len(set(history.runs.seeds[:, axis].tolist())) == 1 and n > 1:
            parts.append(f"all have {kind} seed {history.runs.seeds[0, axis]}, so that it holds for that seed")
    return "; ".join(parts)


def _advice(answer: Answer) -> Iterator[str]:
    """What the rule of thumb rests on, and how to get to know better."""
    if answer.budget == 1:
        yield from _paragraph("One full run leaves nothing to compare, so there is no cut.")
        return
    alternative = rule_of_thumb(answer.budget, UNKNOWN_RUN, UNKNOWN_RUN[11])
    yield from _row(
        "alternative", f"{plan_words(alternative, len(UNKNOWN_RUN))} takes {_spent(alternative, UNKNOWN_RUN):.4g}"
    )
    yield ""
    yield from _paragraph(
        "This rests on runs of others. On 300 of BERT-large (docs/comparison.md) cuts at 40 to 50 % gained 0.2 to 2.1 "
        "points over full runs of the same cost where 60 to 70 % of runs ended at a constant answer, and -0.6 to +0.3 "
        f"where none did. A floor (earlyStopping.floor with budget: {answer.budget}, docs/floor.md) gained 0.4 to 1.6 "
        "points, and lost nothing where none did: take it where you do not know whether runs fail."
    )
    yield from _paragraph(
        "So train a few seeds fully first, in a sweep without earlyStopping. Where none fails, train "
        f"{counted(answer.budget, 'episode')} fully. What a cut is worth on your runs can be told from "
        f"{4 * answer.plan.started:,} full ones: seedsweep plan --budget {answer.budget} --history RECORD"
    )
