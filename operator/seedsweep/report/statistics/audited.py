"""What the audit of a record tells: its losers that were drawn before the start and trained on to the end."""

from collections.abc import Sequence
from dataclasses import dataclass

from seedsweep.api.episode import BestEvaluation, EndReason, Episode
from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import Layout
from seedsweep.report.facts import has_lost
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import WOULD_HAVE_WON, Withheld, best_possible, known_baseline
from seedsweep.report.words import counted
from seedsweep.science.stopping.audit import AuditEstimate, estimate_regret


@dataclass(frozen=True, slots=True)
class Audit:
    """The estimate, with what it was made from."""

    estimate: AuditEstimate
    losers: int
    """All of them, audited or not."""
    drawn: int
    """Losers that were drawn, whether or not their final score is known."""
    percent: int
    most: float | None
    """The largest regret that the metric allows; None where its best value is not known."""
    notes: tuple[str, ...]

    @property
    def limit(self) -> float | None:
        """The largest regret that the metric allows, where the interval of the bound reaches further."""
        high = self.estimate.interval[1] if self.estimate.interval is not None else None
        return self.most if high is not None and self.most is not None and high > self.most else None

    @property
    def complete(self) -> bool:
        """Whether the final score of every loser that was drawn is known: only then is the estimate unbiased."""
        return self.estimate.winners.n == self.drawn


@dataclass(frozen=True, slots=True)
class _Final:
    """What one loser that was drawn came to."""

    score: float | None
    """None where it is not known."""
    note: str = ""


def audit_of(record: Record) -> Audit | Withheld | None:
    """The audit's estimate, or why there is none yet; None for a record that was not audited."""
    status, layout = record.sweep.status or SweepStatus(), Layout.of(record.sweep)
    stopping = record.sweep.spec.early_stopping
    if stopping is None or stopping.audit is None or status.design != "cut+audit":
        return None
    if not (status.over or status.failed or status.phase == "Concluding"):
        return Withheld(WOULD_HAVE_WON, "the sweep is not over. The estimate is made at the end.")
    losers = [e for e in record.episodes if has_lost(e)]
    flagged = [e for e in losers if e.spec.audited]
    if status.best is None or not losers:
        missing = "no episode lost" if status.best is not None else "no episode has a score to compare losers with"
        return Withheld(WOULD_HAVE_WON, f"{missing}. Run a sweep whose cut stops episodes to get an estimate.")
    baseline = known_baseline(status, record.episodes)
    found = [_final(episode, status.evaluations, baseline, maximize=layout.maximize) for episode in flagged]
    finals = [final.score for final in found if final.score is not None]
    if not finals:
        return Withheld(WOULD_HAVE_WON, _none_known(losers, flagged))
    # Which of those drawn crashed is taken for chance: nothing better is known.
    chance = stopping.audit.percent / 100 * len(finals) / len(flagged)
    result, best = status.best.score, best_possible(layout)
    estimate = estimate_regret(finals, result, chance, maximize=layout.maximize, best_possible=best)
    most = abs(best - result) if best is not None else None
    notes = tuple(final.note for final in found if final.note)
    return Audit(estimate, len(losers), len(flagged), stopping.audit.percent, most, notes)


def _none_known(losers: Sequence[Episode], flagged: Sequence[Episode]) -> str:
    if not flagged:
        none = f"of {counted(len(losers), 'loser')} none was drawn for the audit"
    else:
        none = f"of {counted(len(flagged), 'loser')} drawn for the audit none has a final score"
    return f"{none}. Raise earlyStopping.audit.percent to get an estimate."


def _final(episode: Episode, evaluations: int | None, baseline: float | None, *, maximize: bool) -> _Final:
    """The best score of the whole run; one that diverged counts with what it had, as everywhere in a report."""
    name, scores = episode.spec.id.name, episode.status.scores
    ended = [attempt.reason for attempt in episode.status.attempts if attempt.reason is not None]
    whole = evaluations is not None and len(scores) >= evaluations
    diverged = not whole and bool(ended) and ended[-1] is EndReason.DIVERGED
    if not whole and not diverged:
        return _Final(None, f"{name} did not train to the end: not among the audited.")
    best = BestEvaluation.of(scores, (), len(scores), maximize=maximize)
    if best is not None:
        return _Final(best.score, f"{name} diverged: counted with its best score until then." if diverged else "")
    why = "diverged before any score" if diverged else "has no defined score"
    if baseline is not None:
        return _Final(baseline, f"{name} {why}: counted with the constant baseline.")
    return _Final(None, f"{name} {why}, and no baseline is known: not among the audited.")
