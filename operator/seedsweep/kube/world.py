"""The backend of a cluster: one sweep's record and pods behind the Protocol of the loop."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from seedsweep.api.housekeeping import HandOver, HousekeepingTask, Pruning
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import API_VERSION, SeedSweep
from seedsweep.engine.decisions import Conclude, Decision, Event, Prune, Record, StartEpisode, StopAttempt, WarmUp
from seedsweep.engine.observation import Observation
from seedsweep.engine.storage import stored_of
from seedsweep.kube.attempts import Attempts, now
from seedsweep.kube.client import Api, ApiError, Object
from seedsweep.kube.events import Recorder
from seedsweep.kube.housekeeper import Housekeeper, Wanted
from seedsweep.kube.records import Home, Records
from seedsweep.report.card import model_card

STATUS_PAUSE = timedelta(seconds=10)
"""Between two writes of a status in which only counts and costs changed."""
_RESUMING_LEVELS = frozenset({"L2", "L3"})


class KubeWorld:
    """Implements seedsweep.backend.Backend."""

    def __init__(
        self,
        api: Api,
        home: Home,
        sweep: SeedSweep,
        records: Records,
        attempts: Attempts,
        housekeeper: Housekeeper,
        recorder: Recorder,
    ) -> None:
        self.sweep = sweep
        """As last read; its spec may change in flight."""
        self.seen = Observation(status=sweep.status or SweepStatus())
        """The last observation."""
        self.behind = False
        """The status on record lacks counts that are known."""
        self.held_back = False
        """Something could not be recorded, and waits for the next turn with all that rests on it."""
        self._api = api
        self._home = home
        self._records = records
        self._attempts = attempts
        self._housekeeper = housekeeper
        self._recorder = recorder
        self._version = 0
        self.status = sweep.status or SweepStatus()
        """As last planned; what is on record may lack its newest counts."""
        self._written = self.status
        self._written_at: datetime | None = None
        self._untold: list[Event] = []

    def saw_version(self, version: str) -> None:
        """A resourceVersion of the sweep that was read or written; an older one than is known tells nothing."""
        self._version = max(self._version, int(version))

    async def observe(self) -> Observation:
        """See Backend. From memory: watches and answers keep it true."""
        self._attempts.forget_recorded(self._records.episodes)
        spec = self.sweep.spec
        attempts = self._attempts.seen(self.sweep, self._records.episodes)
        episodes = self._records.episodes
        stored = spec.storage is not None
        house = self._housekeeper.seen(self.sweep, self.status, {e.name: e for e in episodes}) if stored else None
        kept = self.status.condition("CheckpointsKept")
        # Once an attempt has shown that it resumes, all do; none need be live.
        shown = kept is not None and kept.status == "True"
        resumes = (
            self._ours or shown or any(a.reading is not None and a.reading.level in _RESUMING_LEVELS for a in attempts)
        )
        self.seen = Observation(
            status=self.status,
            episodes=self._records.episodes,
            cuts=self._records.cuts,
            attempts=attempts,
            refused=self._attempts.refused,
            unrecorded=self._records.refused,
            suspend=spec.suspend,
            parallelism=spec.parallelism,
            generation=self.sweep.metadata.generation,
            stored=stored_of(episodes) if house is not None and not house.unable else {},
            resumable=stored and resumes,
            conclusion=self._housekeeper.conclusion(self.sweep, self.status),
            concluding=self._housekeeper.concluding,
            housekeeping=house,
        )
        return self.seen

    async def record(self, records: Sequence[Record]) -> frozenset[str]:
        """See Backend."""
        unwritten = await self._records.write(records)
        self.held_back = bool(unwritten)
        return unwritten

    async def execute(self, decisions: Sequence[Decision]) -> None:
        """See Backend."""
        stops = [self._attempts.stop(decision) for decision in decisions if isinstance(decision, StopAttempt)]
        starts = [decision for decision in decisions if isinstance(decision, StartEpisode)]
        await asyncio.gather(*stops, self._attempts.start(self.sweep, starts), self._keep_house(decisions))

    async def _keep_house(self, decisions: Sequence[Decision]) -> None:
        """Have done in the storage what was decided; but not while a failure that it rests on is not on record."""
        if self.sweep.spec.storage is None or _is_news(self._written, self.status):
            return
        prune, hand_over = {}, None
        for decision in decisions:
            if isinstance(decision, Prune):
                best = self._records.episodes[decision.episode].best if decision.keep_best else None
                keep = best.evaluation if best is not None else None
                prune[decision.episode] = Pruning(episode=decision.episode.name, keep=keep)
            elif isinstance(decision, Conclude) and self._tells_of(decision):
                hand_over = self._hand_over(decision)
            elif isinstance(decision, Conclude):
                self._housekeeper.look_again_soon()
        wanted = Wanted(prune, hand_over, any(isinstance(decision, WarmUp) for decision in decisions))
        await self._housekeeper.act(self.sweep, wanted, self._is_on_record)

    @property
    def _ours(self) -> bool:
        return self.sweep.spec.trainer.fine_tuning is not None

    def _tells_of(self, decision: Conclude) -> bool:
        """Whether the status that was planned last is that of the end, for the winner's card."""
        best, failed = self.status.best, self.status.condition("Failed")
        over = self.status.phase == "Concluding" or (failed is not None and failed.status == "True")
        return (
            over
            and best is not None
            and (best.episode, best.evaluation)
            == (
                decision.episode.name,
                decision.evaluation,
            )
        )

    def _hand_over(self, decision: Conclude) -> HandOver:
        records = self._records
        card = model_card(self.sweep, self.status, records.episodes, records.cuts.values())
        name, export = decision.episode.name, self.sweep.spec.export
        return HandOver(episode=name, evaluation=decision.evaluation, card=card, export=export)

    def _is_on_record(self, task: HousekeepingTask) -> bool:
        """Whether the record has all that the answer to a task has told."""
        freed = {episode.name for episode, status in self._records.episodes.items() if status.freed is not None}
        warmed, best = self._written.condition("WarmedUp"), self._written.best
        return (
            all(pruning.episode in freed for pruning in task.prune)
            and (not task.warm_up or (warmed is not None and warmed.status == "True"))
            and (task.hand_over is None or (best is not None and best.weights is not None))
        )

    async def publish(self, status: SweepStatus, events: Sequence[Event]) -> None:
        """See Backend. What was held back is planned again, and its events are told then."""
        self.status = status
        self._untold += [event for event in events if event not in self._untold]
        moment = now()
        self.behind = status != self._written
        if self.behind and not _is_news(self._written, status):
            pause_over = self._written_at is None or moment - self._written_at >= STATUS_PAUSE
            self.behind = not (pause_over and await self._write(status))
        elif self.behind:
            if not await self._write(status):
                return
            self.behind = False
        if not self.behind:
            self._written, self._written_at = status, moment
        self._recorder.tell(self._home, [e for e in self._untold if self._is_true(e)], moment)
        self._untold = [event for event in self._untold if not self._is_true(event)]

    def _is_true(self, event: Event) -> bool:
        return not self.held_back or event.reason == "Stalled"

    async def _write(self, status: SweepStatus) -> bool:
        if status.completion_time is not None and (self.held_back or not await self._records.flush()):
            # A sweep that is over is never looked at again: first all of it has to be on record.
            return False
        try:
            await self._put(status)
        except ApiError as error:
            if error.status == 409:
                # The spec changed, or another operator wrote: what stands there is read before the next try.
                await self._read_version()
            return False
        return True

    async def _put(self, status: SweepStatus) -> None:
        body: Object = {
            "apiVersion": API_VERSION,
            "kind": "SeedSweep",
            "metadata": {"name": self._home.name, "namespace": self._home.namespace, "uid": self._home.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        body["metadata"]["resourceVersion"] = str(self._version)
        written = await self._api.replace(f"{self._home.path}/status", body)
        self.saw_version(written["metadata"]["resourceVersion"])

    async def _read_version(self) -> None:
        try:
            found = await self._api.get(self._home.path)
        except ApiError:
            return
        if found["metadata"]["uid"] == self._home.uid:
            self.saw_version(found["metadata"]["resourceVersion"])


def _is_news(before: SweepStatus, after: SweepStatus) -> bool:
    """Whether more than counts, costs and the best so far has changed."""
    return _outline(before) != _outline(after)


def _outline(status: SweepStatus) -> object:
    conditions = [(c.type, c.status, c.reason, c.observed_generation) for c in status.conditions]
    weights = status.best.weights if status.best is not None else None
    return (
        status.phase,
        conditions,
        status.cuts,
        status.start_time,
        status.completion_time,
        status.evaluations,
        weights,
    )
