"""A world in memory for the engine's plans: all that is planned is done at once, and nothing goes wrong."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from seedsweep.api.cut import CutData
from seedsweep.api.episode import EndReason, EpisodeId, EpisodeStatus
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import Plan, RecordCut, RecordEpisode, StartEpisode, StopAttempt
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Ending, HandOverOutcome, Observation, Reading, SeenAttempt


class WorldInMemory:
    """The record and the attempts of one sweep."""

    def __init__(self, layout: Layout, places: int) -> None:
        self.layout, self.places = layout, places
        self.records: dict[EpisodeId, EpisodeStatus] = {}
        self.cuts: dict[tuple[int, int], CutData] = {}
        self.attempts: dict[EpisodeId, SeenAttempt] = {}
        self.status = SweepStatus()
        self._hand_over: HandOverOutcome | None = None

    def observe(self) -> Observation:
        """What the next plan is made from."""
        return Observation(
            status=self.status,
            episodes=dict(self.records),
            cuts=dict(self.cuts),
            attempts=tuple(self.attempts.values()),
            parallelism=self.places,
            hand_over=self._hand_over,
        )

    def carry_out(self, todo: Plan, now: datetime, first_reading: Callable[[EpisodeId, int], Reading]) -> None:
        """Record and do what is planned; an attempt starts with the reading of so many evaluations of its episode."""
        for record in todo.records:
            if isinstance(record, RecordCut):
                self.cuts[record.cut.bracket, record.cut.rung] = record.cut
            elif isinstance(record, RecordEpisode):
                self.records[record.episode] = record.status
        on_record = {a.uid for status in self.records.values() for a in status.attempts if a.reason is not None}
        self.attempts = {e: a for e, a in self.attempts.items() if a.uid not in on_record}
        for decision in todo.decisions:
            if isinstance(decision, StartEpisode):
                episode = decision.episode
                done = len(self.records[episode].scores) if episode in self.records else 0
                self.attempts[episode] = SeenAttempt(
                    episode=episode,
                    uid=f"{episode.name}-{decision.attempt}",
                    created=now,
                    bound=now,
                    stop_after=decision.stop_after,
                    reading=first_reading(episode, done),
                )
            elif isinstance(decision, StopAttempt):
                stopped = self.attempts[decision.episode]
                self.attempts[decision.episode] = replace(stopped, ending=Ending(EndReason.INTERRUPTED, now))
        self.status = todo.status
        if todo.status.phase == "Concluding" and todo.status.best is not None:
            self._hand_over = HandOverOutcome(todo.status.best.episode)
