"""A sweep at one moment, as live views show it: ranked and reckoned once, however many show it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from seedsweep.api.status import Cost, SweepStatus
from seedsweep.engine.decisions import Plan
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation
from seedsweep.report.words import counted, duration_text, metric_words, share_text
from seedsweep.terminal.board import Board, make_board
from seedsweep.terminal.remaining import time_left


@dataclass(frozen=True, slots=True)
class Moment:
    """What is seen of it now."""

    layout: Layout
    seen: Observation
    status: SweepStatus
    board: Board
    now: datetime
    elapsed: timedelta
    left: float | None
    """Seconds until the last survivor ends; None while nobody can tell."""

    @classmethod
    def of(cls, layout: Layout, seen: Observation, plan: Plan, now: datetime, elapsed: timedelta) -> "Moment":
        """From one turn of its loop; `elapsed` since the sweep started."""
        board = make_board(layout, seen, plan)
        return cls(layout, seen, plan.status, board, now, elapsed, time_left(layout, board, seen, now))

    @property
    def compared(self) -> str:
        """What is compared with what."""
        direction = "higher" if self.layout.maximize else "lower"
        metric = metric_words(self.layout.spec.trainer, self.status)
        return f"{counted(len(self.layout.episodes), 'episode')}, {metric} ({direction} is better)"

    @property
    def elapsed_text(self) -> str:
        """How long it has taken."""
        return f"{duration_text(self.elapsed.total_seconds())} elapsed"

    @property
    def left_text(self) -> str:
        """How long it will take; empty while nobody can tell."""
        return f"about {duration_text(self.left)} left" if self.left is not None and self.left > 0 else ""

    @property
    def places_text(self) -> str:
        """How many places there are, and how many of them are in use."""
        places = min(self.seen.parallelism, self.status.observed_places or self.seen.parallelism)
        busy = sum(1 for attempt in self.seen.attempts if attempt.live and attempt.bound is not None)
        return f"{busy:,} of {counted(places, 'place')} in use"

    @property
    def counts_text(self) -> str:
        """How many episodes are where."""
        return counts_text(self.status)


def counts_text(status: SweepStatus) -> str:
    """How many episodes are where."""
    return ", ".join(f"{n:,} {name}" for name, n in status.counts if n) or "nothing started"


def progress_text(status: SweepStatus) -> str:
    """How far a sweep has come."""
    return f"{counts_text(status)}; steps {steps_text(status.cost)}"


def steps_text(cost: Cost) -> str:
    """Steps taken against the plan, each kind apart."""
    planned = f" of {cost.planned_steps:,} planned" if cost.planned_steps else ""
    text = f"{cost.useful_steps:,}{planned}"
    for kind, steps in (
        ("overshoot", cost.overshoot_steps),
        ("wasted", cost.wasted_steps),
        ("audit", cost.audit_steps),
    ):
        if steps:
            text += f" + {steps:,} {kind}"
    return text


def saving_text(cost: Cost) -> str:
    """What the plan saves, less what overshoot and interruptions have cost; empty where it saves nothing."""
    if not cost.planned_steps or not cost.full_steps:
        return ""
    saved = cost.full_steps - cost.planned_steps - cost.overshoot_steps - cost.wasted_steps - cost.audit_steps
    return f"{share_text(saved, cost.full_steps)} of {cost.full_steps:,} for training all fully" if saved > 0 else ""
