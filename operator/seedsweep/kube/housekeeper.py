"""A sweep's housekeeping pod: one at a time, asked for what the engine wants, its answer taken in, and made anew.

Little is remembered here: what a pod was asked, and how often, stands in the pod, and so does its answer until it is
on record; what is wanted follows anew from the record in every turn.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from seedsweep.api.episode import EpisodeId
from seedsweep.api.housekeeping import HandOver, HousekeepingAnswer, HousekeepingTask, Pruning
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.backoff import backoff
from seedsweep.engine.observation import Conclusion, Housekeeping, WarmedUp
from seedsweep.kube import names
from seedsweep.kube.alarm import Alarm
from seedsweep.kube.chores import MAX_PRUNED, Chore, chore_of, housekeeping_manifest, image_of, readable_place
from seedsweep.kube.client import ApiError, Object
from seedsweep.kube.gates import ClosedError, GatedApi
from seedsweep.kube.home import Home
from seedsweep.kube.pods import PodSettings

BACK_OFF = timedelta(seconds=5)
MAX_BACK_OFF = timedelta(minutes=10)
SOON_SECONDS = 1.0
BEGINS_WITHIN = timedelta(seconds=30)
"""What keeps a pod from beginning for longer is told."""

WARM_UP, HAND_OVER, PRUNING = "warming up", "handing over the winner", "freeing what is no longer needed"
MAX_FAILURES = {WARM_UP: 4, HAND_OVER: 8, PRUNING: 8}
"""In a row, before a sweep begins or ends without: half a minute of pauses, and ten minutes."""
OVERDUE_COUNTS = 2
"""As so many failures: it has cost much more time than any other."""
_UNABLE = "the operator was started without --housekeeping-image: nothing of what this trainer stores is removed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the engine wants done, in this turn."""

    prune: Mapping[EpisodeId, Pruning] = field(default_factory=dict)
    hand_over: HandOver | None = None
    warm_up: bool = False

    def task(self) -> HousekeepingTask:
        """For one pod; the winner is handed over by the last."""
        chosen = list(self.prune.values())[:MAX_PRUNED]
        last = len(chosen) == len(self.prune)
        return HousekeepingTask(warm_up=self.warm_up, prune=chosen, hand_over=self.hand_over if last else None)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Of the last pod, or of the last try to have one."""

    stage: str
    times: int
    """In a row."""
    answer: HousekeepingAnswer
    until: datetime
    """When it is tried again."""
    final: bool = False
    """To try again would be in vain."""

    @property
    def exhausted(self) -> bool:
        return self.final or self.times >= MAX_FAILURES[self.stage]

    def __str__(self) -> str:
        again = "" if self.times < 2 else f" {self.times} times"
        return f"{self.stage} failed{again}: {self.answer.error}"


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
        self._gone: set[str] = set()
        """UIDs of pods that were deleted: a watch may still show them."""
        self._failure: _Failure | None = None
        self._given_up: _Failure | None = None
        """Of the hand-over: what is to be freed is still tried after it."""
        self._alarm = Alarm(news)

    # --- what is known of the pod

    async def load(self) -> None:
        """Read the pod. Raises ApiError."""
        try:
            found = await self._api.get(self._path(names.housekeeping_name(self._home.name)))
        except ApiError as error:
            if error.status != 404:
                raise
            if self._pod is not None:
                self._vanished(self._pod, "its pod is gone")
        else:
            self.saw(found)

    def saw(self, pod: Object) -> bool:
        """Take in a pod as a watch or an answer shows it; false where it is not this sweep's."""
        chore = chore_of(pod)
        if chore is None or chore.owner_uid != self._home.uid:
            return False
        known = self._pod
        if chore.uid in self._gone or (known is not None and chore.version <= known.version):
            return True
        if known is None or known.uid != chore.uid:
            self._since = self._clock()
        self._pod = chore
        if chore.end is not None and chore.end.answer.error:
            self._failed(_stage(chore.task), chore.attempt + 1, chore.end.answer, final=chore.end.final)
        elif chore.end is not None:
            self._failure = None
        self._news()
        return True

    def saw_deleted(self, pod: Object) -> None:
        """A pod of this sweep is gone."""
        if self.saw(pod) and self._pod is not None and self._pod.uid == pod["metadata"]["uid"]:
            self._vanished(self._pod, "its pod was deleted")

    def _vanished(self, pod: Chore, why: str) -> None:
        self._gone.add(pod.uid)
        self._pod = None
        if pod.end is None:
            self._failed(_stage(pod.task), pod.attempt + 1, HousekeepingAnswer(error=why))
        self._news()

    def _failed(self, stage: str, times: int, answer: HousekeepingAnswer, *, final: bool = False) -> None:
        until = self._clock() + backoff(times, BACK_OFF, MAX_BACK_OFF)
        self._failure = _Failure(stage, times, answer, until, final)
        if stage == HAND_OVER and self._failure.exhausted:
            self._given_up = self._failure

    # --- what the engine is told of it

    def seen(self, sweep: SeedSweep, status: SweepStatus, episodes: Mapping[str, EpisodeId]) -> Housekeeping:
        """As the engine sees it; `status` is what was planned last, `episodes` are by name."""
        done = self._answered()
        pruned = dict(_pruned(self._pod.task, episodes)) if self._pod is not None else {}
        warmed = status.condition("WarmedUp")
        warm_up = None if warmed is not None and warmed.status == "True" else self._warmed_up(sweep)
        return Housekeeping(
            warm_up=warm_up,
            freeing=frozenset(pruned) if self._working else frozenset(),
            freed=pruned if done is not None else {},
            unable=_UNABLE if image_of(sweep, self._settings) is None else "",
            trouble=self._trouble(),
            exhausted=self._failure is not None and self._failure.stage == PRUNING and self._failure.exhausted,
        )

    @property
    def concluding(self) -> bool:
        """The winner is being handed over."""
        return self._working and self._pod is not None and self._pod.task.hand_over is not None

    def conclusion(self, sweep: SeedSweep, status: SweepStatus) -> Conclusion | None:
        """What became of handing over the winner, as far as that is known."""
        best, done = status.best, self._answered()
        if best is None:
            return None
        if self._given_up is not None:
            return _conclusion(sweep, best.episode, self._given_up.answer)
        if done is not None and self._pod is not None and self._pod.task.hand_over is not None:
            return _conclusion(sweep, self._pod.task.hand_over.episode, done)
        # Nothing of it is left but the record.
        return Conclusion(best.episode, best.weights, best.exported, best.test) if best.weights is not None else None

    @property
    def _working(self) -> bool:
        return self._pod is not None and self._pod.end is None

    def _answered(self) -> HousekeepingAnswer | None:
        """What a pod has done; None where it has failed."""
        end = self._pod.end if self._pod is not None else None
        return end.answer if end is not None and not end.answer.error else None

    def _warmed_up(self, sweep: SeedSweep) -> WarmedUp | None:
        if sweep.spec.storage is None or sweep.spec.trainer.fine_tuning is None:
            return None
        done, failure = self._answered(), self._failure
        if self._pod is not None and self._pod.task.warm_up and done is not None:
            return WarmedUp(over=True, parameters=done.parameters)
        if failure is not None and failure.stage == WARM_UP and failure.final:
            return WarmedUp(refused=failure.answer.error)
        if failure is not None and failure.stage == WARM_UP and failure.exhausted:
            return WarmedUp(over=True, error=str(failure))
        return WarmedUp(under_way=self._working)

    def _trouble(self) -> str:
        pod = self._pod
        if pod is not None and pod.end is None and pod.trouble and self._clock() >= self._since + BEGINS_WITHIN:
            return f"{pod.name} cannot begin: {pod.trouble}"
        failure = self._failure
        skipped = failure is not None and failure.stage == WARM_UP and failure.exhausted
        return str(failure) if failure is not None and not skipped else ""

    # --- what is done about it

    async def act(self, sweep: SeedSweep, wanted: Wanted, on_record: Callable[[HousekeepingTask], bool]) -> None:
        """Create the pod that is wanted, once the last one is over and what it said is on record."""
        self._set_alarm()
        pod, task = self._pod, wanted.task()
        stage = _stage(task)
        if pod is not None and pod.end is None:
            await self._end_overdue(pod)
            return
        done = self._answered()
        if (done is not None and pod is not None and not on_record(pod.task)) or (done is None and not stage):
            return
        failure = self._failure if self._failure is not None and self._failure.stage == stage else None
        if failure is not None and self._clock() < failure.until:
            return
        if (pod is None or await self._delete(pod)) and stage:
            await self._create(sweep, task, failure.times if failure is not None else 0)

    def look_again_soon(self) -> None:
        """What is wanted is not known well enough yet."""
        self._alarm.within(SOON_SECONDS)

    async def close(self) -> None:
        """The sweep is over, and all that was said is on record."""
        self._alarm.cancel()
        if self._pod is not None and self._pod.end is not None:
            await self._delete(self._pod)

    async def _end_overdue(self, pod: Chore) -> None:
        if self._clock() >= self._overdue:
            why = pod.trouble or "it neither ended nor failed"
            if await self._delete(pod):
                text = f"not done after {self._settings.housekeeping_seconds} s: {why}"
                times = pod.attempt + OVERDUE_COUNTS
                self._failed(_stage(pod.task), times, HousekeepingAnswer(error=text))
                self._news()

    async def _delete(self, pod: Chore) -> bool:
        try:
            await self._api.delete(self._path(pod.name), pod.uid)
        except ApiError:
            self.look_again_soon()
            return False
        self._gone.add(pod.uid)
        self._pod = None
        return True

    async def _create(self, sweep: SeedSweep, task: HousekeepingTask, attempt: int) -> None:
        manifest = housekeeping_manifest(sweep, self._settings, task, attempt)
        try:
            created = await self._api.create(self._path(), manifest)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._find_out(manifest["metadata"]["name"], _stage(task), attempt)
            else:
                self._turned_down(_stage(task), attempt, error)
        else:
            self.saw(created)

    async def _find_out(self, name: str, stage: str, attempt: int) -> None:
        """Whose pod has the name: ours, on its way out perhaps, or another's."""
        try:
            found = await self._api.get(self._path(name))
        except ApiError as error:
            self._turned_down(stage, attempt, error)
            return
        if self.saw(found):
            self.look_again_soon()
        else:
            taken = f"pod {name} exists and is not this sweep's: delete it or rename the sweep"
            self._turned_down(stage, attempt, ApiError(409, "NameTaken", taken))

    def _turned_down(self, stage: str, attempt: int, error: ApiError) -> None:
        """No pod; an API server that is away is no reason to give up."""
        passing = (
            isinstance(error, ClosedError) or error.status is None or error.status >= 500 or error.status in (404, 429)
        )
        times = max(attempt, 1) if passing else attempt + 1
        self._failed(stage, times, HousekeepingAnswer(error=str(error)))
        self._set_alarm()

    def _set_alarm(self) -> None:
        """Be called again when time alone changes something."""
        moments = [self._failure.until] if self._failure is not None else []
        if self._pod is not None and self._pod.end is None:
            moments = [self._since + BEGINS_WITHIN, self._overdue]
        waits = [(moment - self._clock()).total_seconds() for moment in moments]
        if coming := [wait for wait in waits if wait > 0]:
            self._alarm.within(min(coming))

    @property
    def _overdue(self) -> datetime:
        return self._since + timedelta(seconds=self._settings.housekeeping_seconds)

    def _path(self, name: str = "") -> str:
        return f"/api/v1/namespaces/{self._home.namespace}/pods" + (f"/{name}" if name else "")


def _stage(task: HousekeepingTask) -> str:
    """What a task is for, in words; empty for one of nothing."""
    if task.warm_up:
        return WARM_UP
    if task.hand_over is not None:
        return HAND_OVER
    return PRUNING if task.prune else ""


def _pruned(task: HousekeepingTask, episodes: Mapping[str, EpisodeId]) -> Iterator[tuple[EpisodeId, bool]]:
    """Episodes that it frees, and whether their best weights stay."""
    for pruning in task.prune:
        if pruning.episode in episodes:
            yield episodes[pruning.episode], pruning.keep is not None


def _conclusion(sweep: SeedSweep, episode: str, answer: HousekeepingAnswer) -> Conclusion:
    weights = readable_place(sweep, answer.weights) if answer.weights is not None else None
    error = answer.error or ("" if weights is not None else "the hand-over left no weights")
    return Conclusion(episode, weights, answer.exported, answer.test, error)
