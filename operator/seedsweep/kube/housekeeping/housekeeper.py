"""A sweep's housekeeping pod: one at a time, asked for what the engine wants, its answer taken in, and made anew.

Little is remembered here: what a pod was asked, and how often, stands in the pod, and so does its answer until it is
on record; what is wanted follows anew from the record in every turn.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from seedsweep.api.episode import EpisodeId
from seedsweep.api.housekeeping import HousekeepingAnswer, HousekeepingTask
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.observation import HandOverOutcome, Housekeeping, WarmedUp
from seedsweep.kube.apiserver.client import ApiError, Object, refusal_reason
from seedsweep.kube.apiserver.gates import ClosedError, GatedApi, Refusals
from seedsweep.kube.housekeeping.comparisons import Comparisons
from seedsweep.kube.housekeeping.failures import HELD, PRUNING, WARM_UP, Failures, stage_of, times_refused
from seedsweep.kube.housekeeping.manifest import (
    Chore,
    ChoreEnd,
    chore_of,
    housekeeping_manifest,
    image_of,
    seconds_for,
)
from seedsweep.kube.housekeeping.outcomes import freed_by, handed_over, not_found, without_stale_hand_over
from seedsweep.kube.housekeeping.recent import Recent
from seedsweep.kube.housekeeping.tried import TriedAverage
from seedsweep.kube.housekeeping.wanted import Wanted
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.facts import finalizers_of, still_there
from seedsweep.kube.pods.manifest import PodSettings
from seedsweep.kube.process.alarm import Alarm
from seedsweep.kube.process.log import SweepLog

SOON_SECONDS = 1.0
BEGINS_WITHIN = timedelta(seconds=30)
"""What keeps a pod from beginning for longer is told."""
OVERDUE_COUNTS = 2
"""As so many failures: it has cost much more time than any other."""
_UNABLE = "the operator was started without --housekeeping-image: nothing of what this trainer stores is removed"

_log = logging.getLogger(__name__)


class Housekeeper:
    """The housekeeping pod of one sweep."""

    def __init__(
        self, api: GatedApi, home: Home, settings: PodSettings, news: Callable[[], None], clock: Callable[[], datetime]
    ) -> None:
        """`news` is called when something has become known, or is due."""
        self._api = api
        self._home = home
        self._settings = settings
        self._news = news
        self._clock = clock
        self._pod: Chore | None = None
        self._since = clock()
        """When the pod was first seen, by our clock: the API server's may differ."""
        self._deleted = clock()
        """When a pod was deleted last."""
        self._missing = False
        """The watch does not show the pod any more."""
        self._gone = Recent()
        """UIDs of pods that were deleted: a watch may still show them."""
        self._failures = Failures(clock)
        self.undeleted = Refusals[str](clock, news)
        """Its pod, by UID, where its deletion was refused."""
        self._tried = TriedAverage()
        self.comparisons = Comparisons(clock, SweepLog(_log, home.namespace, home.name))
        self._alarm = Alarm(news)

    # --- what is known of the pod

    async def load(self) -> None:
        """Read the pod. Raises ApiError."""
        known = self._pod
        try:
            found = await self._api.get(self._home.pod(names.housekeeping_name(self._home.name)))
        except ApiError as error:
            if not error.missing:
                raise
            if known is not None and known is self._pod:
                self._vanished(known, "its pod is gone")
        else:
            self.saw(found)
        self._missing = False

    def saw(self, pod: Object) -> bool:
        """Take in a pod as a watch or an answer shows it; false where it is not this sweep's."""
        chore, known = chore_of(pod), self._pod
        if chore is None:
            return False
        # What was ours once stays so, whoever takes its owner away.
        if chore.owner_uid != self._home.uid and (known is None or known.uid != chore.uid):
            return False
        if chore.uid in self._gone or (known is not None and chore.version <= known.version):
            return True
        if known is None or known.uid != chore.uid:
            self._since = self._clock()
        self._pod = chore
        self._tried.note(chore)
        if chore.end is not None:
            self._note_end(chore, chore.end)
        self._news()
        return True

    def _note_end(self, chore: Chore, end: ChoreEnd) -> None:
        if chore.task.compare is not None:
            self.comparisons.note(chore.task.compare, chore.attempt + 1, end.answer, final=end.final)
        elif end.answer.error:
            self._failures.add(chore.task, chore.attempt + 1, end.answer, final=end.final)
        else:
            self._failures.last = None

    def _failed(self, task: HousekeepingTask, times: int, error: str) -> None:
        """It failed so often in a row, without an answer of a pod."""
        answer = HousekeepingAnswer(error=error)
        if task.compare is not None:
            self.comparisons.note(task.compare, times, answer)
        else:
            self._failures.add(task, times, answer)

    def saw_deleted(self, pod: Object) -> None:
        """The last state of a pod that is gone, or that has lost the label by which it is watched."""
        if not self.saw(pod) or self._pod is None or self._pod.uid != pod["metadata"]["uid"]:
            return
        if self._pod.deleted:
            self._vanished(self._pod, "its pod was deleted")
        else:
            self._missing = True
            self._news()

    def _vanished(self, pod: Chore, why: str) -> None:
        self._gone.add(pod.uid)
        self.undeleted.done(pod.uid)
        self._pod = None
        if pod.end is None:
            self._failed(pod.task, pod.attempt + 1, why)
        self._news()

    # --- what the engine is told of it

    def seen(self, sweep: SeedSweep, status: SweepStatus, episodes: Mapping[str, EpisodeId]) -> Housekeeping:
        """As the engine sees it; `status` is what was planned last, `episodes` are by name."""
        done = self._answered()
        pruned = dict(freed_by(self._pod.task, episodes)) if self._pod is not None else {}
        warmed = status.condition("WarmedUp")
        warm_up = None if warmed is not None and warmed.status == "True" else self._warmed_up(sweep)
        return Housekeeping(
            warm_up=warm_up,
            freeing=frozenset(pruned) if self._working else frozenset(),
            freed=pruned if done is not None else {},
            unable=_UNABLE if image_of(sweep, self._settings) is None else "",
            trouble=self._trouble(),
            exhausted=self._failures.exhausted(PRUNING),
        )

    @property
    def comparing(self) -> str | None:
        """Name of the cut whose losers a pod compares."""
        asked = self._pod.task.compare if self._working and self._pod is not None else None
        return asked.cut if asked is not None else None

    def can_compare(self, sweep: SeedSweep) -> bool:
        """There is an image that compares, and the storage is not known to fail."""
        return image_of(sweep, self._settings) is not None and not self._failures.exhausted(PRUNING)

    @property
    def handing_over(self) -> bool:
        """The winner is being handed over."""
        return self._working and self._pod is not None and self._pod.task.hand_over is not None

    def hand_over_outcome(self, sweep: SeedSweep, status: SweepStatus) -> HandOverOutcome | None:
        """What became of handing over the winner, as far as that is known."""
        best, done, export = status.best, self._answered(), sweep.spec.export
        if best is None:
            return None
        given_up = self._failures.given_up
        # One that was asked for another export does not count: it is done once more, which harms nothing. Nor does a
        # failure with the winner among fewer episodes.
        if given_up is not None and given_up.target == (best.episode, export):
            return handed_over(sweep, best.episode, given_up.answer)
        asked = self._pod.task.hand_over if self._pod is not None else None
        if done is not None and asked is not None and asked.export == export:
            return not_found(asked, done) if done.instead else handed_over(sweep, asked.episode, done)
        if best.weights is None or status.hand_over_failed:
            return None
        # Nothing of it is left but the record.
        return HandOverOutcome(best.episode, best.weights, best.exported, best.test, best.average)

    @property
    def _working(self) -> bool:
        return self._pod is not None and self._pod.end is None

    def _answered(self) -> HousekeepingAnswer | None:
        """What a pod has done; None where it has failed, or has come no further than an average without a score."""
        end = self._pod.end if self._pod is not None else None
        return end.answer if end is not None and not (end.answer.error or end.answer.only_tried) else None

    def _warmed_up(self, sweep: SeedSweep) -> WarmedUp | None:
        if sweep.spec.storage is None or sweep.spec.trainer.fine_tuning is None:
            return None
        done, failure = self._answered(), self._failures.of(WARM_UP)
        if self._pod is not None and self._pod.task.warm_up and done is not None:
            return WarmedUp(over=True, parameters=done.parameters)
        if failure is not None and failure.final:
            return WarmedUp(refused=failure.answer.error)
        if failure is not None and failure.exhausted:
            return WarmedUp(over=True, error=str(failure))
        return WarmedUp(under_way=self._working)

    def _trouble(self) -> str:
        pod = self._pod
        if pod is not None and pod.end is None and pod.trouble and self._clock() >= self._since + BEGINS_WITHIN:
            return f"{pod.name} cannot begin: {pod.trouble}"
        skipped = self._failures.exhausted(WARM_UP)
        if self._failures.last is not None and not skipped:
            return str(self._failures.last)
        return self.comparisons.trouble

    # --- what is done about it

    async def act(self, sweep: SeedSweep, wanted: Wanted, on_record: Callable[[HousekeepingTask], bool]) -> None:
        """Create the pod that is wanted, once the last one is over and what it said is on record."""
        if self._missing:
            # It is gone, or has only lost its label; where it cannot be read, the next turn tries again.
            with suppress(ApiError):
                await self.load()
        self._set_alarm()
        pod, task = self._pod, self._tried.replace_in(wanted.task())
        stage = stage_of(task)
        if pod is not None and pod.end is None:
            await self._end_overdue(pod)
            return
        done, compare = self._answered(), task.compare
        if done is None and not stage and compare is None:
            return
        only_compared = stage and pod is not None and pod.task.compare is not None
        recorded = pod is None or done is None or on_record(without_stale_hand_over(pod.task, sweep))
        # Nothing else waits until what was compared is on record.
        if not (recorded or only_compared):
            return
        failure = self._failures.of_task(task)
        if failure is not None and self._clock() < failure.until:
            return
        if compare is not None and self.comparisons.waits(compare.cut):
            return
        times = failure.times if failure is not None else 0
        if compare is not None:
            times = self.comparisons.attempts(compare.cut)
        if (pod is None or await self._delete(pod)) and (stage or compare is not None):
            await self._create(sweep, task, times)

    def look_again_soon(self) -> None:
        """What is wanted is not known well enough yet."""
        self._alarm.within(SOON_SECONDS)

    def begin_again(self) -> None:
        """A person wants what failed to be tried again."""
        self._failures.forget()
        self._tried.forget()

    async def close(self) -> None:
        """The sweep is over, and all that was said is on record."""
        self._alarm.cancel()
        if self._pod is not None and self._pod.end is not None:
            await self._delete(self._pod)

    async def _end_overdue(self, pod: Chore) -> None:
        if self._clock() >= self._overdue:
            why = pod.trouble or "it neither ended nor failed"
            if await self._delete(pod):
                text = f"not done after {seconds_for(pod.task, self._settings)} s: {why}"
                self._failed(pod.task, pod.attempt + OVERDUE_COUNTS, text)
                self._news()

    async def _delete(self, pod: Chore) -> bool:
        if self.undeleted.waits(pod.uid):
            return False
        try:
            await self._api.delete(self._home.pod(pod.name), pod.uid)
        except ApiError as error:
            if not isinstance(error, ClosedError):
                text = f"cannot delete pods, such as {pod.name}: {error}"
                self.undeleted.add(pod.uid, refusal_reason(error), text, error)
            self.look_again_soon()
            return False
        self.undeleted.done(pod.uid)
        self._gone.add(pod.uid)
        self._pod, self._deleted = None, self._clock()
        return True

    async def _create(self, sweep: SeedSweep, task: HousekeepingTask, attempt: int) -> None:
        manifest = housekeeping_manifest(sweep, self._settings, task, attempt)
        try:
            created = await self._api.create(self._home.pods, lambda: manifest)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._find_out(manifest["metadata"]["name"], task, attempt)
            else:
                self._turned_down(task, attempt, error)
        else:
            self.saw(created)

    async def _find_out(self, name: str, task: HousekeepingTask, attempt: int) -> None:
        """Whose pod has the name: ours, on its way out perhaps, or another's."""
        try:
            found = await self._api.get(self._home.pod(name))
        except ApiError as error:
            self._turned_down(task, attempt, error)
            return
        if not self.saw(found):
            taken = f"pod {name} exists and is not this sweep's: delete it or rename the sweep"
            self._turned_down(task, attempt, ApiError(409, "NameTaken", taken))
        elif self._pod is None and self._clock() >= self._deleted + BEGINS_WITHIN:
            self._turned_down(task, attempt, ApiError(409, HELD, still_there(name, finalizers_of(found["metadata"]))))
        else:
            self.look_again_soon()

    def _turned_down(self, task: HousekeepingTask, attempt: int, error: ApiError) -> None:
        """No pod."""
        self._failed(task, times_refused(attempt, error), str(error))
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Be called again when time alone changes something."""
        moments = self.comparisons.again_at()
        if self._failures.last is not None:
            moments.append(self._failures.last.until)
        if self._pod is not None and self._pod.end is None:
            moments = [self._since + BEGINS_WITHIN, self._overdue]
        waits = [(moment - self._clock()).total_seconds() for moment in moments]
        if coming := [wait for wait in waits if wait > 0]:
            self._alarm.within(min(coming))

    @property
    def _overdue(self) -> datetime:
        """While an average is scored, its node ends the pod at its own deadline, and tells that."""
        seconds = self._settings.housekeeping_seconds
        if self._pod is not None:
            seconds = seconds_for(self._pod.task, self._settings) * (2 if self._pod.scoring else 1)
        return self._since + timedelta(seconds=seconds)
