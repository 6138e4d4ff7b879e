"""The last screen of a sweep: the result with what it is worth, what it cost, and what to type next."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from seedsweep.api.card import average_words
from seedsweep.api.cut import Cut, CutData, CutEvidence
from seedsweep.api.episode import Episode
from seedsweep.api.status import Best, Cost, SweepStatus, TestScore
from seedsweep.api.sweep import SeedSweep
from seedsweep.report.facts import (
    Casualty,
    beats_constant,
    casualties,
    chosen_among,
    full_duration,
    lost_score,
    saved_words,
    steps_trained,
    tie_words,
    wall_seconds,
    why_untested,
)
from seedsweep.report.record import Record
from seedsweep.report.statistics.floor import at_floor
from seedsweep.report.words import (
    NOBODY_BEAT_A_CONSTANT,
    counted,
    data_words,
    duration_text,
    metric_words,
    one_line,
    score_text,
)
from seedsweep.terminal.wrapping import Wrapped

NAMED_CASUALTIES = 5
"""More would push the result off the screen; the report has them all."""

_REMEDIES = {
    "BadConfiguration": "Correct spec.trainer in the sweep file, then start it again.",
    "MaxFailedEpisodesExceeded": "Remove the cause, or allow more with spec.maxFailedEpisodes; then start it again.",
    "NoEpisodeFinished": "Remove the cause below, then start it again.",
    "NoBaseline": "Publish both gauges, or use rungs instead; then start it again.",
    "NoScore": "Correct the data or the metric, then start it again.",
    "HandOverFailed": "The winner and its scores are kept. Remove the cause, then retry the hand-over.",
    "EpisodesDisagree": "All episodes must train on the same data with the same settings: look for what differs.",
    "InvalidRungs": "Change spec.earlyStopping as said above, or evaluate more often.",
    "DeadlineExceeded": "The best so far is kept. For more, raise spec.activeDeadlineSeconds and start it again.",
}


class NextStep(NamedTuple):
    """Something people may want to do now, and the lines to type for it."""

    what: str
    commands: Sequence[str]


def last_screen(
    sweep: SeedSweep,
    episodes: Sequence[Episode],
    cuts: Sequence[Cut],
    steps: Sequence[NextStep],
    noise: str = "",
) -> RenderableType:
    """What to show when a sweep is over, or when its runner ends.

    Print it with `crop=False`: commands longer than the terminal is wide are left whole, to be pasted.

    Args:
        sweep: with its status.
        episodes: all on record.
        cuts: all on record.
        steps: what to type next, in the world it ran in.
        noise: whether the winner is within noise of the runner-up, in words; empty where that is not known.
    """
    status = sweep.status or SweepStatus()
    lost = casualties(episodes)
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    if status.best is not None:
        for label, text in _result(sweep, status.best, status, episodes):
            facts.add_row(label, Wrapped(text))
    if noise:
        facts.add_row("noise", Wrapped(noise))
    if status.provenance is not None:
        facts.add_row("data", Wrapped(data_words(status.provenance)))
    for cut in cuts:
        facts.add_row("kept", Wrapped(_kept(cut.data, cut.evidence, many=len(cuts) > 1)))
    floor = at_floor(Record(sweep, list(episodes), list(cuts)))
    if floor is not None:
        facts.add_row("floor", Wrapped(floor.words))
    for label, text in (*_casualties(lost), *_cost(status.cost, status)):
        facts.add_row(label, Wrapped(text))
    parts: list[RenderableType] = [*_headline(sweep, status), Text(), Padding(facts, (0, 0, 0, 2), expand=False)]
    if steps:
        parts += [Text(), *_next_steps(steps)]
    return Group(*parts)


def _headline(sweep: SeedSweep, status: SweepStatus) -> Iterator[RenderableType]:
    name = sweep.metadata.name
    failed = status.failure
    if failed is not None:
        yield Text.assemble((f"✗ {name} failed: {failed.reason}", "bold red"))
        yield Padding(Text(one_line(failed.message)), (0, 0, 0, 2))
        if failed.reason in _REMEDIES:
            yield Padding(Text(_REMEDIES[failed.reason]), (0, 0, 0, 2))
    elif status.best is None:
        yield Text.assemble((name, "bold"), f" has no result yet: {one_line(status.message) or status.phase}")
    else:
        metric = metric_words(sweep.spec.trainer, status)
        complete = status.phase == "Complete"
        said = "is complete" if complete else f"is not over ({status.phase}); best so far"
        score = f"{metric} {score_text(status.best.score)} by {status.best.episode}"
        nobody = complete and beats_constant(status.best, maximize=sweep.spec.trainer.maximize) is False
        mark, style = ("! ", "bold yellow") if nobody else ("✓ ", "bold green") if complete else ("", "bold")
        yield Text(f"{mark}{name} {said}: {score}", style=style)
        if nobody:
            yield Padding(Text(NOBODY_BEAT_A_CONSTANT), (0, 0, 0, 2))


def _result(
    sweep: SeedSweep, best: Best, status: SweepStatus, episodes: Sequence[Episode]
) -> Iterator[tuple[str, str]]:
    seeds = f"weight-init seed {best.weight_init}, data-order seed {best.data_order}"
    at = f"evaluation {best.evaluation}" + (f" of {status.evaluations}" if status.evaluations else "")
    yield "seeds", f"{seeds}; best at {at}"
    yield "validation", score_text(best.score) + _against(best.baseline)
    if tie := tie_words(best, episodes):
        yield "", tie
    if lost := lost_score(best):
        yield "", lost
    if best.average is not None:
        yield "result", one_line(average_words(best.average))
    if best.test is not None:
        yield "test", _test(best.test)
    elif untested := why_untested(sweep):
        yield "test", untested
    else:
        extreme = "highest" if sweep.spec.trainer.maximize else "lowest"
        chosen = chosen_among(episodes)
        optimistic = f": the {extreme} of {chosen} on the data that chose it, so optimistic" if chosen else ""
        yield "test", f"no test set{optimistic}"
    handed_over = status.condition("HandedOver")
    if best.exported is not None:
        yield "copy", best.exported
    elif sweep.spec.export is not None and handed_over is not None:
        yield "copy", f"none: {one_line(handed_over.message)}"


def _test(test: TestScore) -> str:
    if test.score is None:
        return f"undefined: {test.metric} has no value on the {test.n:,} test examples"
    interval = ""
    if test.interval is not None:
        low, high = test.interval
        interval = f" {100 * test.confidence:.0f} % interval {score_text(low)} to {score_text(high)},"
    return f"{score_text(test.score)},{interval} n = {test.n:,}{_against(test.baseline)}"


def _against(baseline: float | None) -> str:
    return "" if baseline is None else f" (a constant answer scores {score_text(baseline)})"


def _kept(cut: CutData, evidence: CutEvidence | None, *, many: bool) -> str:
    where = f"bracket {cut.bracket}, " if many else ""
    text = f"{where}{len(cut.kept)} of {cut.size} at evaluation {cut.evaluation}, threshold {score_text(cut.threshold)}"
    if cut.decided_by_tie:
        text += f"; {cut.tied_at_threshold} tied there, and the validation loss or a hash of the seeds decided"
    if evidence is not None and evidence.compared:
        unknown = f", {evidence.unknown:,} not known," if evidence.unknown else ""
        losers = counted(evidence.compared, "loser")
        text += f"; {evidence.alike:,} of {losers}{unknown} could not be told apart from the last kept"
    return text


def _casualties(lost: Sequence[Casualty]) -> Iterator[tuple[str, str]]:
    for casualty in lost[:NAMED_CASUALTIES]:
        after = f"after {counted(casualty.evaluations, 'evaluation')}"
        yield casualty.outcome, f"{casualty.episode} {after}: {casualty.reason or 'no reason on record'}"
    if len(lost) > NAMED_CASUALTIES:
        yield "", f"and {len(lost) - NAMED_CASUALTIES} more"


def _cost(cost: Cost, status: SweepStatus) -> Iterator[tuple[str, str]]:
    trained = steps_trained(cost)
    text = counted(trained, "optimizer step")
    if cost.full_steps:
        saved = saved_words(status)
        text += f" of {cost.full_steps:,} for training all fully" + (f": {saved}" if saved else "")
    kinds = (("overshoot", cost.overshoot_steps), ("wasted", cost.wasted_steps), ("audit", cost.audit_steps))
    extra = ", ".join(f"{steps:,} {kind}" for kind, steps in kinds if steps)
    yield "cost", text + (f" ({extra} included)" if extra else "")
    wall, full = wall_seconds(status), full_duration(cost)
    times = [duration_text(wall)] if wall is not None else []
    if cost.gpu_seconds:
        fully = f", about {full} if all had trained fully" if full else ""
        times.append(f"places held for {duration_text(cost.gpu_seconds)}{fully}")
    if times:
        yield "time", "; ".join(times)


def _next_steps(steps: Sequence[NextStep]) -> Iterator[RenderableType]:
    for step in steps:
        yield Padding(Text(step.what, style="dim"), (0, 0, 0, 2))
        for line in step.commands:
            # Never wrapped here: a command with a line break in it cannot be pasted.
            yield Text(f"    {line}", no_wrap=True, overflow="ignore")
