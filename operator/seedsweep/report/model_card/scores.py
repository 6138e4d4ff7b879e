"""The section of a model card on all scores, not only the winner's, in Markdown."""

from collections.abc import Iterator

from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import Layout
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import (
    EXPECTED_BEST,
    WOULD_HAVE_WON,
    Analysis,
    Withheld,
    analyses,
    round_numbers,
    share_no_seed,
    withheld,
)
from seedsweep.report.statistics.audited import Audit, audit_of
from seedsweep.report.words import counted, score_text, share_text
from seedsweep.science.expected import expected_best

ROWS = 6
"""Of any table; the record has them all."""


def scores_section(layout: Layout, status: SweepStatus, record: Record) -> Iterator[str]:
    """Lines of the section: all scores summarised, the best of n, and what an audit tells of the cut."""
    found = analyses(record)
    yield "## All scores, not only the best"
    yield ""
    if found:
        yield "| | n | mean | sd | min | quartile | median | quartile | max |"
        yield "| --- | --: | --: | --: | --: | --: | --: | --: | --: |"
        for analysis in found[:ROWS]:
            s = analysis.summary
            numbers = (s.mean, s.deviation, s.minimum, s.lower_quartile, s.median, s.upper_quartile, s.maximum)
            yield f"| {analysis.title} | {s.n} | {' | '.join(map(score_text, numbers))} |"
        yield ""
        for analysis in found[:ROWS]:
            yield _computed_from(analysis)
        if len(found) > ROWS:
            yield f"{counted(len(found) - ROWS, 'bracket')} more: see the record."
    yield ""
    yield from _expected(layout, status, found)
    yield from _audited(record)
    yield ""


def _computed_from(analysis: Analysis) -> str:
    text = f"{analysis.title}: {analysis.source}."
    if analysis.notes:
        text += f" {counted(len(analysis.notes), 'episode')} counted with a stand-in or not at all, as the report says."
    if analysis.failed is None:
        return f"{text} How many were no better than a constant answer is unknown: no trainer published its score."
    f = analysis.failed
    interval = f"exact {100 * f.confidence:.0f} % interval {share_text(f.low, 1)} to {share_text(f.high, 1)}"
    share = f"{f.count} of {f.n} ({share_text(f.count, f.n)}, {interval})"
    return f"{text} No better than a constant answer ({score_text(analysis.baseline)}): {share}."


def _expected(layout: Layout, status: SweepStatus, found: list[Analysis]) -> Iterator[str]:
    """The best of n from full runs; of any other record, why it is withheld."""
    if status.design != "full":
        for item in withheld(status):
            # The others are the report's to give.
            if item.what in (EXPECTED_BEST, WOULD_HAVE_WON):
                yield _withheld(item)
        return
    independent = share_no_seed(layout.episodes)
    kind = "unbiased" if independent else "an approximation"
    for analysis in found:
        yield f"Expected validation score of the best of n runs ({kind}, from the scores above):"
        yield ""
        some = round_numbers(len(analysis.scores), (1, 2, 5))
        best = (expected_best(analysis.scores, n, design=status.design, maximize=layout.maximize) for n in some)
        yield f"| n | {' | '.join(f'{n:,}' for n in some)} |"
        yield f"| --- |{' --: |' * len(some)}"
        yield f"| expected best | {' | '.join(map(score_text, best))} |"
        if not independent:
            yield ""
            yield "Episodes share seeds, so they are not independent: that is why it is an approximation."


def _audited(record: Record) -> Iterator[str]:
    """What the losers that ran on tell of the cut."""
    found = audit_of(record)
    if isinstance(found, Withheld):
        yield _withheld(found)
    elif isinstance(found, Audit):
        e = found.estimate
        share = f"{share_text(e.winners.low, 1)} to {share_text(e.winners.high, 1)}"
        among = "" if found.complete else f" ({e.winners.n} of {found.drawn} drawn: the others have no final score)"
        yield ""
        yield (
            f"What the cut cost: {e.winners.n} of {counted(found.losers, 'loser')} trained on for the audit{among}, "
            f"and {e.winners.count} would have beaten the winner (exact 95 % interval of the share: {share})."
        )
        if e.interval is not None:
            low, high = e.interval
            reach = f"{score_text(low)} to {score_text(high)}" if high is not None else f"{score_text(low)} or more"
            how = "without bias" if found.complete else "as if those without a final score were like the others"
            yield f"An upper bound on the regret is estimated at {score_text(e.regret)} (95 % interval {reach}), {how}."
            if found.limit is not None:
                most = score_text(found.limit)
                yield f"No cut costs more than {most}, the distance from the result to the metric's best value."
        if found.notes:
            yield f"{counted(len(found.notes), 'audited loser')} counted with a stand-in or not at all; see the report."


def _withheld(item: Withheld) -> str:
    return f"- **{item.what}** is withheld: {item.why}"
