"""A comparison as text for people, and as JSON for programs."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seedsweep.api.seeds import MAX_EPISODES
from seedsweep.report.words import counted, metric_words, p_text, score_text, share_text
from seedsweep.science.arms.difference import CONFIDENCE, SHUFFLES, Difference
from seedsweep.studies.compare.comparison import BEST_OF, Arm, Comparison, Verdict
from seedsweep.studies.compare.sameness import what_differs
from seedsweep.terminal.wrapping import Wrapped

SHOWN_NOTES = 5
"""Of either arm; the JSON has them all."""
_INTERVAL = f"{CONFIDENCE:.0%} interval".replace("%", " %")


def comparison_text(found: Comparison, remarks: Sequence[str]) -> RenderableType:
    """What to show; `remarks` are what has to be said of pairs and data."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, text in _facts(found):
        facts.add_row(label, Wrapped(text))
    for i, text in enumerate((*_what_is_compared(found), *remarks, *_notes(found))):
        facts.add_row("" if i else "read as", Wrapped(text))
    return Group(Text(_headline(found), style="bold"), Text(), Padding(facts, (0, 0, 0, 2), expand=False))


def comparison_json(found: Comparison, remarks: Sequence[str]) -> dict[str, Any]:
    """The same for programs; null where something is withheld, for which `why` has the reason."""
    difference = found.difference
    return {
        "verdict": found.verdict,
        "why": found.why or None,
        "metric": _metric(found),
        "goal": "maximize" if found.maximize else "minimize",
        "score": found.score,
        "confidence": CONFIDENCE,
        "paired": found.paired,
        "arms": {name: _arm_json(arm) for name, arm in zip("AB", found.arms, strict=True)},
        "difference": None
        if difference is None
        else {
            "of": "mean over pairs of B less A" if found.paired else "mean of B less mean of A",
            "estimate": difference.estimate,
            "interval": difference.interval,
            "p": difference.p,
            "smallestP": difference.smallest_p,
            "method": difference.method,
        },
        "medianDifference": found.arms[1].analysis.summary.median - found.arms[0].analysis.summary.median,
        "probabilityThatBBeatsA": {"estimate": found.superiority.chance, "interval": found.superiority.interval},
        "pairs": None if found.pairs is None else {"better": found.pairs[0], "n": found.pairs[1]},
        "expectedBest": None
        if found.best_of is None
        else {"runs": BEST_OF, "A": found.best_of[0], "B": found.best_of[1]},
        "smallest": found.smallest,
        "smallerThanSmallest": None if found.smallest is None else found.fewer_than_smallest,
        "detectable": found.detectable,
        "runsToTell": [{"difference": need.difference, "runs": need.runs} for need in found.needed],
        "meanAndChanceDisagree": found.disagree,
        "differs": what_differs(found.arms[0].record, found.arms[1].record),
        "remarks": list(remarks),
    }


def _arm_json(arm: Arm) -> dict[str, Any]:
    summary, failed = arm.analysis.summary, arm.analysis.failed
    return {
        "record": arm.folder,
        "scores": arm.analysis.source,
        "n": summary.n,
        "mean": summary.mean,
        "deviation": summary.deviation,
        "median": summary.median,
        "min": summary.minimum,
        "max": summary.maximum,
        "failed": None
        if failed is None
        else {"count": failed.count, "n": failed.n, "interval": [failed.low, failed.high]},
        "baseline": arm.analysis.baseline,
        "notes": list(arm.analysis.notes),
    }


def _headline(found: Comparison) -> str:
    if found.verdict is Verdict.CANNOT_TELL:
        return f"Cannot tell whether B is better than A{f': {found.why}' if found.why else ''}."
    limit = "" if found.smallest is None else _number(found.smallest)
    if found.verdict is Verdict.SMALLER:
        return f"No difference of {limit} or more between A and B."
    within = f", by less than {limit}" if found.fewer_than_smallest else ""
    return f"B is {found.verdict} than A{within}."


def _facts(found: Comparison) -> Iterator[tuple[str, str]]:
    for name, arm in zip("AB", found.arms, strict=True):
        yield name, _arm_words(arm)
    if found.difference is not None:
        yield "B - A", _difference_words(found, found.difference)
    yield "one run", _one_run_words(found)
    if found.best_of is not None:
        one, other = found.best_of
        about = "; approximate, as runs share seeds" if found.shared else ""
        yield (
            f"best of {BEST_OF}",
            f"expected {score_text(one)} from A, {score_text(other)} from B ({_signed(other - one)}); no interval, as "
            f"ordinary ones are too narrow for a maximum{about}",
        )
    yield "failed", "; ".join(f"{name} {_failed_words(arm)}" for name, arm in zip("AB", found.arms, strict=True))
    if found.detectable is not None:
        yield "noise floor", f"these runs find a difference of {_number(found.detectable)} four times of five"
    for need in found.needed:
        yield "to tell", _needed_words(found, need.difference, need.runs)
    differs = what_differs(found.arms[0].record, found.arms[1].record)
    if differs:
        yield "differs", f"A / B: {'; '.join(differs)}"


def _arm_words(arm: Arm) -> str:
    summary = arm.analysis.summary
    spread = "" if summary.deviation is None else f", standard deviation {_number(summary.deviation)}"
    return (
        f"{arm.folder}: mean {score_text(summary.mean)}{spread}, median {score_text(summary.median)}, n = {summary.n}"
    )


def _difference_words(found: Comparison, difference: Difference) -> str:
    medians = [arm.analysis.summary.median for arm in found.arms]
    interval = "no interval"
    if difference.interval is not None:
        interval = f"{_INTERVAL} {_signed(difference.interval[0])} to {_signed(difference.interval[1])}"
    over = "" if found.pairs is None else f" over {counted(found.pairs[1], 'pair')}"
    better = "" if found.maximize else " (lower is better)"
    return (
        f"{_signed(difference.estimate)} {_metric(found)}{better}{over}, {interval}, p = {p_text(difference.p)}; "
        f"medians {_signed(medians[1] - medians[0])}"
    )


def _one_run_words(found: Comparison) -> str:
    chance, interval = found.superiority.chance, found.superiority.interval
    text = f"of B beats one of A with a chance of {share_text(chance, 1)}"
    if interval is not None:
        low, high = (100 * bound for bound in interval)
        text += f", {_INTERVAL} {low:.0f} to {high:.0f} %"
    if found.pairs is not None:
        text += f"; with the same seeds in {found.pairs[0]} of {counted(found.pairs[1], 'pair')}"
    return text


def _failed_words(arm: Arm) -> str:
    failed = arm.analysis.failed
    if failed is None:
        return "not known, because no score of a constant answer is on record"
    low, high = 100 * failed.low, 100 * failed.high
    return f"{failed.count} of {failed.n} ({share_text(failed.count, failed.n)}, {_INTERVAL} {low:.0f} to {high:.0f} %)"


def _needed_words(found: Comparison, difference: float, runs: int | None) -> str:
    what = "pairs of runs" if found.paired else "runs of each"
    many = f"more than {MAX_EPISODES:,}" if runs is None else f"{runs:,}"
    observed = found.difference is not None and difference == abs(found.difference.estimate)
    which = "a true difference as large as the observed one" if observed else f"one of {_number(difference)}"
    own = ", with seeds of their own," if found.shared else ""
    return f"{many} {what}{own} find {which} four times of five"


def _what_is_compared(found: Comparison) -> Iterator[str]:
    evaluations = [(arm.record.sweep.status.evaluations if arm.record.sweep.status else None) for arm in found.arms]
    if found.score == "final":
        yield "Scores are those of the last evaluation."
    elif evaluations != [1, 1]:
        yield (
            "Scores are the best of each run's evaluations on the data that the evaluation was picked on, and so "
            "optimistic: compare them with each other alone."
        )
        if evaluations[0] != evaluations[1]:
            one, other = (counted(many, "evaluation") if many else "unknown evaluations" for many in evaluations)
            yield (
                f"A has {one} a run and B {other}: the best of more is better by itself. --score final compares the "
                "last."
            )
    if found.disagree:
        yield (
            "The mean and the chance of one run point to different arms: a few runs far from the others decide the "
            "mean. Look at the medians and at failed runs."
        )
    if found.difference is not None:
        yield _METHODS[found.difference.method, found.paired]
    for name, arm in zip("AB", found.arms, strict=True):
        for axis, kind in enumerate(("weight-init", "data-order")):
            seeds = {seeds[axis] for seeds in arm.by_seeds}
            if len(seeds) == 1 < len(arm.by_seeds):
                yield f"All runs of {name} have one {kind} seed: nothing is said of others."


_METHODS = {
    ("shuffled", False): (
        f"The test shuffles runs between the arms ({SHUFFLES:,} times, or in every way), and has Welch's t test beside "
        "it: the more cautious of the two counts."
    ),
    ("flipped", True): f"The test swaps the scores within pairs ({SHUFFLES:,} times, or in every way).",
    ("clustered", False): "Runs that share a seed are not independent: a t test with both seeds as clusters.",
    ("clustered", True): (
        "Pairs that share a seed are not independent: a t test of the differences with both seeds as clusters."
    ),
}


def _notes(found: Comparison) -> Iterator[str]:
    for name, arm in zip("AB", found.arms, strict=True):
        notes = arm.analysis.notes
        yield from (f"{name}: {note}" for note in notes[:SHOWN_NOTES])
        if len(notes) > SHOWN_NOTES:
            yield f"{name}: and {len(notes) - SHOWN_NOTES:,} more such; --json has them all."


def _metric(found: Comparison) -> str:
    sweep = found.arms[0].record.sweep
    return metric_words(sweep.spec.trainer, sweep.status)


def _number(value: float) -> str:
    """A difference of scores: four decimals, or three digits where these would hide it."""
    return score_text(value) if abs(value) >= 0.001 or value == 0 else f"{value:.3g}"


def _signed(value: float) -> str:
    return f"{'+' if value >= 0 else '-'}{_number(abs(value))}"
