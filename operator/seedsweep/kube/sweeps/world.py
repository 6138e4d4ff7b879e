"""The backend of a cluster: one sweep's record and pods behind the Protocol of the loop."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import Decision, Event, Record, StartEpisode, StopAttempt
from seedsweep.engine.facts.freed import stored_of
from seedsweep.engine.observation import Evidence, Observation, Refusal
from seedsweep.kube.apiserver.client import ApiError, refusal_reason
from seedsweep.kube.apiserver.gates import ClosedError, Gates, Refusals
from seedsweep.kube.events.recorder import Recorder
from seedsweep.kube.housekeeping.housekeeper import Housekeeper
from seedsweep.kube.ledger.records import Records
from seedsweep.kube.ledger.status import StatusRecord
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.attempts import PodAttempts
from seedsweep.kube.process.clock import now
from seedsweep.kube.sweeps.storage_work import StorageWork
from seedsweep.kube.watching.watches import Watches

STATUS_PAUSE = timedelta(seconds=10)
"""Between two writes of a status in which only counts and costs changed."""
MAX_ACTS = 512
"""Starts of one turn, stops, and deletions of what has ended. At 30 a second, as a busy API server takes them, 10,000
would take minutes, in which no score is recorded, no loser stopped and no status written."""
MAX_UNTOLD = 2_000
"""Events that wait for the status to be written; the oldest give way, for they only tell what the record holds. One
turn has fewer: an end and a verdict of a sixteenth of 10,000 episodes."""
_TOLD_OTHERWISE = frozenset({"create pods", "delete pods", "create cuts", "create episodes", "patch episodes"})
"""Refusals that stand with the pod, episode or cut that they are about."""
_HOLDS_NOTHING_UP = frozenset({"get pods/log"})
_STATUS = "status"


@dataclass(frozen=True, slots=True)
class Hands:
    """By which a world acts."""

    records: Records
    attempts: PodAttempts
    housekeeper: Housekeeper
    recorder: Recorder
    status: StatusRecord
    gates: Gates
    watches: Watches


class KubeWorld:
    """Implements seedsweep.loop.Backend."""

    def __init__(self, home: Home, sweep: SeedSweep, hands: Hands, objections: Sequence[Refusal] = ()) -> None:
        """`objections`: what stands against the sweep's pods as its spec is now."""
        self.sweep = sweep
        """As last read; its spec may change in flight."""
        self.status = hands.status.written
        """As last planned; what is on record may lack its newest counts."""
        self.seen = Observation(status=self.status)
        """The last observation."""
        self.behind = False
        """The status on record lacks something that is known."""
        self.unfinished = False
        """More was decided than is done in one turn: it is decided anew at once, by what is known then."""
        self.held_back = False
        """Something could not be recorded, and waits for the next turn with all that rests on it."""
        self._home = home
        self._records = hands.records
        self._attempts = hands.attempts
        self._housekeeper = hands.housekeeper
        self._recorder = hands.recorder
        self._record = hands.status
        self._gates = hands.gates
        self._watches = hands.watches
        self.objections = objections
        self._unwritten = Refusals[str](now, lambda: None)
        if _is_news(self._record.written, self._record.planned):
            # What followed from a status that was never written is planned again, by the spec as it is now.
            self._record.untold = [event for event in self._record.untold if event.is_of_records]

    async def audit(self) -> None:
        """Compare what is on record with what is known, for nobody watches it; raises ApiError."""
        await self._records.audit()

    async def observe(self) -> Observation:
        """See Backend. From memory: watches and answers keep it true."""
        await self._attempts.look_for_missing()
        self._attempts.forget_recorded(self._records.episodes)
        spec = self.sweep.spec
        # As they stand now: another hand's write may be read before what is planned from these is recorded, and a plan
        # of thousands is made beside all that goes on.
        episodes = dict(self._records.episodes)
        attempts = await self._attempts.seen(episodes)
        stored = spec.storage is not None
        house = self._housekeeper.seen(self.sweep, self.status, {e.name: e for e in episodes}) if stored else None
        kept = self.status.condition("CheckpointsKept")
        # Once an attempt has shown that it resumes, all do; none need be live.
        shown = kept is not None and kept.status == "True"
        resumes = self._ours or shown or any(a.reading is not None and a.reading.resumes for a in attempts)
        self.seen = Observation(
            status=self.status,
            episodes=episodes,
            cuts=dict(self._records.cuts.known),
            attempts=attempts,
            refused=dict(self._attempts.starts.refused.standing),
            unrecorded=dict(self._records.unrecorded.standing),
            refused_cuts=dict(self._records.cuts.refused.standing),
            hindrances=tuple(self._hindrances(now())),
            suspend=spec.suspend,
            has_failed=self._record.written.failed,
            parallelism=spec.parallelism,
            generation=self.sweep.metadata.generation,
            stored=stored_of(episodes) if house is not None and not house.unable else {},
            resumable=stored and resumes,
            has_storage=stored,
            hand_over=self._housekeeper.hand_over_outcome(self.sweep, self.status),
            handing_over=self._housekeeper.handing_over,
            compares=stored and self._housekeeper.can_compare(self.sweep),
            evidence=self._evidence(),
            housekeeping=house,
        )
        return self.seen

    async def record(self, records: Sequence[Record]) -> frozenset[str] | None:
        """See Backend."""
        left = await self._records.write(records, self.seen.episodes)
        self.held_back = left is not None
        return left

    async def execute(self, decisions: Sequence[Decision]) -> None:
        """See Backend."""
        # What cannot be done now takes nobody's place among those of this turn.
        stops = [d for d in decisions if isinstance(d, StopAttempt) and self._attempts.can_stop(d.uid)]
        starts = [d for d in decisions if isinstance(d, StartEpisode) and self._attempts.can_start(d.episode)]
        ended = self._attempts.left_over(self._records.episodes)
        self.unfinished = max(len(stops), len(starts), len(ended)) > MAX_ACTS
        # What has ended first: it may hold the last place under a quota.
        await asyncio.gather(
            self._attempts.remove(ended[:MAX_ACTS]), self._attempts.stop(stops[:MAX_ACTS]), self._keep_house(decisions)
        )
        await self._attempts.start(starts[:MAX_ACTS])

    def tries_again_at(self, moment: datetime) -> datetime | None:
        """The next moment at which something is tried again that was refused; None where nothing is."""
        refused = [refusal for _, refusal in self._gates.refusals(moment)]
        refused += self._attempts.deletions.refused.standing.values()
        refused += self._records.cuts.unexplained.standing.values()
        return min((refusal.until for refusal in refused if refusal.until > moment), default=None)

    def _hindrances(self, moment: datetime) -> Iterator[Refusal]:
        """What is refused and is not about one episode or cut, the weightiest first."""
        undeleted = (self._attempts.deletions.refused, self._housekeeper.undeleted)
        yield from [refusal for refused in undeleted for refusal in refused.standing.values()][:1]
        yield from self.objections
        if unwatched := self._watches.trouble_with_pods(self._home.namespace):
            yield Refusal("PodsNotWatched", unwatched, moment)
        for kind, refusal in self._gates.refusals(moment):
            if kind not in _TOLD_OTHERWISE | _HOLDS_NOTHING_UP:
                yield refusal

    async def _keep_house(self, decisions: Sequence[Decision]) -> None:
        """Have done in the storage what was decided; but not while a failure that it rests on is not on record."""
        if self.sweep.spec.storage is None or _is_news(self._record.written, self.status):
            return
        work = StorageWork(self.sweep, self.status, self._record.written, self._records, self._housekeeper)
        await self._housekeeper.act(self.sweep, work.wanted(decisions), work.is_on_record)

    @property
    def _ours(self) -> bool:
        return self.sweep.spec.trainer.fine_tuning is not None

    def _evidence(self) -> dict[str, Evidence]:
        """See Observation."""
        cuts, comparisons = self._records.cuts, self._housekeeper.comparisons
        found = {cut.name: comparisons.evidence(cut, self._housekeeper.comparing) for cut in cuts.known.values()}
        return {**found, **dict.fromkeys(cuts.settled, Evidence(settled=True))}

    async def publish(self, status: SweepStatus, events: Sequence[Event]) -> None:
        """See Backend. What was held back is planned again, and its events are told then."""
        ends = status.completion_time is not None
        if ends and (self.held_back or not await self._records.flush() or self._is_outdated):
            # A sweep that is over is never looked at again: first all of it has to be on record, and its spec as it is
            # now has to be obeyed. It is planned anew.
            self._wait_to_tell(event for event in events if event.is_of_records)
            self.behind = True
            return
        # It shows the sweep live only as long as there is something to see.
        moment, written, at = now(), self._record.written, self._record.written_at
        key = self._record.key.choose(written.live_key, moment) if not ends else None
        status = status.evolve(live_key=key)
        self.status = self._record.planned = status
        # A cut that could not be created is planned again, and told then.
        self._wait_to_tell(event for event in events if not (self.held_back and event.rests_on == "Cut"))
        self.behind = status != written
        if self.behind and _is_news(written, status):
            self.behind = not await self._write(status, moment)
            if self.behind:
                return
        elif self.behind and (at is None or moment - at >= STATUS_PAUSE):
            self.behind = not await self._write(status, moment)
        waiting = self._record.untold
        self._recorder.tell(self._home, [event for event in waiting if self._is_true(event)], moment)
        self._record.untold = [event for event in waiting if not self._is_true(event)]

    def _wait_to_tell(self, events: Iterable[Event]) -> None:
        self._record.untold = list(dict.fromkeys((*self._record.untold, *events)))[-MAX_UNTOLD:]

    @property
    def _is_outdated(self) -> bool:
        """The spec has changed since this turn began."""
        return self._record.generation != self.sweep.metadata.generation

    def tell_rest(self) -> None:
        """Tell what waits for a status that turned out to be on record."""
        self._recorder.tell(self._home, self._record.untold, now())
        self._record.untold = []

    def _is_true(self, event: Event) -> bool:
        return not self.held_back or event.rests_on == "Nothing"

    async def _write(self, status: SweepStatus, moment: datetime) -> bool:
        if self._unwritten.waits(_STATUS):
            return False
        try:
            await self._record.write(status, moment)
        except ClosedError:
            return False
        except ApiError as error:
            if error.status not in (None, 409):
                self._unwritten.add(_STATUS, refusal_reason(error), str(error), error)
            if error.status not in (404, 409):
                # Its own status cannot say so.
                message = f"{refusal_reason(error)}: {error}"
                self._recorder.tell(self._home, [Event("StatusNotWritten", message, kind="Warning")], moment)
            return False
        self._unwritten.done(_STATUS)
        return True


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
