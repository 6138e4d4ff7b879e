"""What the live view and the last screen show, at every width that people have: text to compare with files.

`PYTHONPATH=tests python -m inputs.screens` writes the files anew, to be looked at before they are committed.
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from inputs import moments, records
from seedsweep.api.episode import EpisodeStatus, Verdict
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.status import Cost, EpisodeCounts, SweepStatus
from seedsweep.engine.decisions import Event, Plan
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Observation, Reading, SeenAttempt
from seedsweep.local.next_steps import next_steps
from seedsweep.report.record import Record
from seedsweep.terminal import LiveView, last_screen

FOLDER = Path(__file__).parents[1] / "terminal" / "screens"
WIDTHS = (60, 80, 120, 200)
HEIGHT = 24
_CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_CROWDED = """
apiVersion: seedsweep.io/v1alpha1
kind: SeedSweep
metadata: {name: a-name-as-long-as-a-sweep-may-have-one-x}
spec:
  seeds: {grid: {weightInits: {values: [%s]}, dataOrders: {values: [2000000000]}}}
  parallelism: 4
  earlyStopping:
    brackets: [{episodes: 12, rungs: [{atPercent: 30, keep: 4}]}, {episodes: 3, rungs: []}]
  trainer: {image: any, command: [train], metric: {name: a_metric_with_a_long_name, goal: minimize}}
"""


def crowded() -> moments.Moment:
    """Long names, large seeds, many evaluations, two brackets, every state and a message of many words."""
    layout = Layout.of(parse_sweep(_CROWDED % ", ".join(str(2_000_000_000 + i) for i in range(15))))
    ended = [
        EpisodeStatus(state="Failed", verdict=Verdict(outcome="Failed")),
        EpisodeStatus(state="Diverged", verdict=Verdict(outcome="Diverged")),
        EpisodeStatus(state="Lost", scores=[2.5, 1.75], verdict=Verdict(outcome="LostByDominance")),
        EpisodeStatus(state="Finished", scores=[2.5, 1.75], verdict=Verdict(outcome="Finished")),
    ]
    statuses = dict(zip(layout.episodes, ended, strict=False))
    statuses[layout.episodes[4]] = EpisodeStatus(state="Paused", scores=[123.25])
    running = [
        SeenAttempt(
            episode,
            f"uid-{episode.name}",
            records.START,
            records.START,
            reading=Reading(scores=(3.5, 2.5 + i / 8), evaluations_planned=1_000, steps_planned=100_000),
        )
        for i, episode in enumerate(layout.episodes[6:10])
    ]
    status = SweepStatus(
        phase="Running",
        message="; ".join(
            ["the claim of spec.storage is full, so that no checkpoint is saved and nobody is paused"] * 4
        ),
        start_time=records.START.isoformat(),
        evaluations=1_000,
        steps=100_000,
        counts=EpisodeCounts(running=4, waiting=6, paused=1, lost=1, finished=1, failed=1, diverged=1),
        cost=Cost(
            useful_steps=1_234_567,
            overshoot_steps=123_456,
            wasted_steps=12_345,
            planned_steps=12_345_678,
            full_steps=123_456_789,
        ),
    )
    seen = Observation(status=status, episodes=statuses, attempts=running, parallelism=4)
    return moments.Moment(layout, seen, Plan((), (), status), records.START + timedelta(hours=7))


def frame(moment: moments.Moment, width: int) -> str:
    """The first frame in a terminal, with its codes."""
    out = io.StringIO()
    with LiveView(moment.layout, Console(file=out, force_terminal=True, width=width, height=HEIGHT)) as view:
        view.update(moment.seen, moment.plan, moment.now)
        return out.getvalue()


def log(*, terminal: bool = False) -> str:
    """The lines of a sweep where nothing can be redrawn."""
    moment, out = moments.before_the_cut(), io.StringIO()
    started = Event("Started", "attempt 1 of wi0-do0 started")
    diverged = Event("Diverged", "wi1-do0: loss became non-finite before evaluation 2", kind="Warning")
    with LiveView(moment.layout, Console(file=out, force_terminal=terminal, width=80)) as view:
        for seconds, events in ((0, (started,)), (10, (diverged,)), (29, ()), (30, ())):
            view.update(moment.seen, replace(moment.plan, events=events), moment.now + timedelta(seconds=seconds))
        after = moments.after_the_cut()
        view.update(after.seen, after.plan, after.now)
    return out.getvalue()


def last(width: int) -> str:
    """The last screen of a run on this machine."""
    record, out = records.finished(), io.StringIO()
    steps = list(next_steps(Path("rte.yaml"), Path("runs/rte"), Record(record.sweep, record.episodes, record.cuts)))
    noise = "within noise of wi0-do0, the runner-up: p = 0.481 on the same 400 examples"
    shown = last_screen(record.sweep, record.episodes, record.cuts, steps, noise)
    Console(file=out, width=width).print(shown, crop=False)
    return out.getvalue()


def plain(text: str) -> str:
    """Without codes, and without blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in _CODES.sub("", text).splitlines()) + "\n"


def _at_all_widths(draw: Callable[[int], str]) -> str:
    return "\n".join(f"=== {width} columns\n{plain(draw(width))}" for width in WIDTHS)


SCREENS: Mapping[str, Callable[[], str]] = {
    "before_the_cut": lambda: _at_all_widths(lambda width: frame(moments.before_the_cut(), width)),
    "after_the_cut": lambda: _at_all_widths(lambda width: frame(moments.after_the_cut(10, 12), width)),
    "crowded": lambda: _at_all_widths(lambda width: frame(crowded(), width)),
    "last": lambda: _at_all_widths(last),
    "log": lambda: plain(log()),
}
"""By the name of its file."""


if __name__ == "__main__":
    for name, draw in SCREENS.items():
        (FOLDER / f"{name}.txt").write_text(draw())
