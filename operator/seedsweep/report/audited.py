"""What the audit of a record tells: its losers that were drawn before the start and trained on to the end."""

from dataclasses import dataclass

from seedsweep.api.episode import BestEvaluation, Episode
from seedsweep.api.status import SweepStatus
from seedsweep.engine.layout import Layout
from seedsweep.report.analysis import WOULD_HAVE_WON, Withheld, known_baseline
from seedsweep.report.record import Record
from seedsweep.report.words import counted
from seedsweep.science.audit import AuditEstimate, estimate_regret


@dataclass(frozen=True, slots=True)
class Audit:
    """The estimate, with what it was made from."""

    estimate: AuditEstimate
    losers: int
    """All of them, audited or not."""
    percent: int
    notes: tuple[str, ...]


def audit_of(record: Record) -> Audit | Withheld | None:
    """The audit's estimate, or why there is none yet; None for a record that was not audited."""
    status, layout = record.sweep.status or SweepStatus(), Layout.of(record.sweep)
    stopping = record.sweep.spec.early_stopping
    if stopping is None or stopping.audit is None or status.design != "cut+audit":
        return None
    losers = [e for e in record.episodes if e.status.verdict and e.status.verdict.outcome.startswith("Lost")]
    flagged = [e for e in losers if e.spec.audited]
    if status.best is None or not losers:
        return Withheld(WOULD_HAVE_WON, "no episode has lost yet. The estimate is made at the end.")
    finals: list[float] = []
    notes: list[str] = []
    baseline = known_baseline(status, record.episodes)
    for episode in flagged:
        final = _final(episode, status.evaluations, layout.maximize)
        name = episode.spec.id.name
        if final is not None:
            finals.append(final)
        elif not _whole(episode, status.evaluations):
            notes.append(f"{name} has not trained to the end: not among the audited.")
        elif baseline is not None:
            finals.append(baseline)
            notes.append(f"{name} has no defined score: counted with the constant baseline.")
        else:
            notes.append(f"{name} has no defined score, and no baseline is known: not among the audited.")
    if not finals:
        why = (
            f"of {counted(len(losers), 'loser')} none was drawn for the audit and trained to the end. "
            "Raise earlyStopping.audit.percent to get an estimate."
        )
        return Withheld(WOULD_HAVE_WON, why)
    chance = stopping.audit.percent / 100
    estimate = estimate_regret(finals, status.best.score, chance, maximize=layout.maximize)
    return Audit(estimate, len(losers), stopping.audit.percent, tuple(notes))


def _whole(episode: Episode, evaluations: int | None) -> bool:
    return evaluations is not None and len(episode.status.scores) >= evaluations


def _final(episode: Episode, evaluations: int | None, maximize: bool) -> float | None:
    """The best score of the whole run; None before its end, or where all is undefined."""
    scores = episode.status.scores
    best = BestEvaluation.of(scores, (), len(scores), maximize=maximize)
    return best.score if best is not None and _whole(episode, evaluations) else None
