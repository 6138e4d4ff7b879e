"""The attempts of one sweep: its pods as they were last seen, what their metrics said, and what they left behind."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import monotonic

from seedsweep.api.episode import EpisodeId, EpisodeStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import StartEpisode, StopAttempt
from seedsweep.engine.observation import Ending, Reading, Refusal, SeenAttempt
from seedsweep.kube import names
from seedsweep.kube.client import Api, ApiError, Object
from seedsweep.kube.freshness import Freshness
from seedsweep.kube.pods import gpus_of, pod_manifest
from seedsweep.kube.records import Home
from seedsweep.kube.scraping import Scraper, Target
from seedsweep.kube.seen import PodFacts, ending_of, facts_of, vanished
from seedsweep.scrape import Expected

NO_GRACE_SECONDS = 1
"""For what need not be saved. Not 0: the name would be free while the process still runs."""
UNREADABLE_TIMES = 5
UNREADABLE_AFTER = timedelta(minutes=1)
"""Scrapes in a row that fail, and time in its place, before people are told: a trainer that starts does not listen."""
MIN_BACK_OFF = timedelta(seconds=2)
MAX_BACK_OFF = timedelta(minutes=1)


@dataclass(slots=True)
class _Attempt:
    facts: PodFacts
    expected: Expected
    reading: Reading | None = None
    """Its last words, or what it had published when it was last read."""
    ending: Ending | None = None
    exists: bool = True


class Attempts:
    """Pods of one sweep, live ones and those whose end is not on record yet."""

    def __init__(
        self,
        api: Api,
        home: Home,
        scraper: Scraper,
        freshness: Freshness,
        news: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        """`news` is called when something has become known."""
        self.refused: dict[EpisodeId, Refusal] = {}
        """Starts that were turned down."""
        self._api = api
        self._home = home
        self._scraper = scraper
        self._freshness = freshness
        self._news = news
        self._clock = clock
        self._began = clock()
        self._attempts: dict[str, _Attempt] = {}
        self._stopping: dict[str, float] = {}
        """Pods whose deletion was accepted and has not been seen yet, and since when, by a steady clock."""
        self._back_off = MIN_BACK_OFF

    @property
    def pods(self) -> str:
        """Path of the pods of the sweep's namespace."""
        return f"/api/v1/namespaces/{self._home.namespace}/pods"

    @property
    def stopping_since(self) -> float | None:
        """When the first deletion was accepted that has not been seen yet, by a steady clock."""
        return min(self._stopping.values(), default=None)

    async def load(self, sweep: SeedSweep) -> None:
        """Read all pods; what is not there any more has vanished. Raises ApiError."""
        listed = set()
        known = set(self._attempts)
        async for pod in self._api.list(self.pods, self._home.selector):
            facts = self.saw(sweep, pod)
            if facts is not None:
                listed.add(facts.uid)
                self._freshness.listed(facts.uid, facts.version, monotonic())
        for uid in known - listed:
            self._freshness.not_listed(uid)
            self.gone(uid)

    def saw(self, sweep: SeedSweep, pod: Object) -> PodFacts | None:
        """Take in a pod as a list, a watch or an answer shows it; None if it is not this sweep's."""
        facts = facts_of(pod)
        if facts is None or facts.owner_uid != self._home.uid:
            return None
        known = self._attempts.get(facts.uid)
        if known is None:
            expected = Expected.of(sweep.spec.trainer.ranking_metric, facts.episode, facts.uid)
            known = self._attempts[facts.uid] = _Attempt(facts, expected)
        elif facts.version <= known.facts.version or not known.exists:
            return facts
        known.facts = facts
        self._follow(sweep, known)
        self._news()
        return facts

    def gone(self, uid: str) -> None:
        """Its object does not exist any more."""
        attempt = self._attempts.get(uid)
        if attempt is None or not attempt.exists:
            return
        attempt.exists = False
        if attempt.ending is None:
            attempt.ending = vanished(attempt.facts, self._clock())
            self._take_reading(attempt)
        self._scraper.forget(uid)
        self._stopping.pop(uid, None)
        self._news()

    def saw_deleted(self, sweep: SeedSweep, pod: Object) -> None:
        """The last state of a pod that is gone."""
        facts = self.saw(sweep, pod)
        if facts is not None:
            self.gone(facts.uid)

    def forget_recorded(self, episodes: Mapping[EpisodeId, EpisodeStatus]) -> None:
        """Drop what is gone and whose end is on record."""
        for uid, attempt in list(self._attempts.items()):
            if not attempt.exists and _is_recorded(attempt, episodes):
                del self._attempts[uid]

    def seen(self, sweep: SeedSweep, episodes: Mapping[EpisodeId, EpisodeStatus]) -> list[SeenAttempt]:
        """As the engine sees them: without those whose end is on record."""
        gpus = gpus_of(sweep.spec)
        shown = []
        for attempt in self._attempts.values():
            if attempt.ending is None or not _is_recorded(attempt, episodes):
                shown.append(self._seen(attempt, gpus))
        return shown

    async def start(self, sweep: SeedSweep, decisions: Iterable[StartEpisode]) -> None:
        """Create pods, all at once; the rest is not asked for once the API server has turned one down."""
        turned_down: list[Refusal] = []
        started = await asyncio.gather(*(self._start(sweep, decision, turned_down) for decision in decisions))
        if any(started):
            self._back_off = MIN_BACK_OFF
        elif turned_down:
            self._back_off = min(self._back_off * 2, MAX_BACK_OFF)
        if turned_down:
            self._news()

    async def stop(self, decision: StopAttempt) -> None:
        """Delete a pod by its UID; one that could not be deleted is still there for the next plan."""
        attempt = self._attempts.get(decision.uid)
        if attempt is None or not attempt.exists:
            return
        grace = None if decision.save else NO_GRACE_SECONDS
        try:
            await self._api.delete(f"{self.pods}/{attempt.facts.name}", decision.uid, grace)
        except ApiError:
            asyncio.get_running_loop().call_later(MIN_BACK_OFF.total_seconds(), self._news)
            return
        self._stopping.setdefault(decision.uid, monotonic())

    async def _start(self, sweep: SeedSweep, decision: StartEpisode, turned_down: list[Refusal]) -> bool:
        if turned_down:
            self.refused[decision.episode] = turned_down[0]
            return False
        try:
            await self._clear_name(decision.episode)
            created = await self._api.create(self.pods, pod_manifest(sweep, decision))
        except ApiError as error:
            refusal = await self._turned_down(sweep, decision.episode, error)
            if refusal is None:
                return True
            self.refused[decision.episode] = refusal
            if refusal.reason not in _OF_ONE_EPISODE:
                turned_down.append(refusal)
            return False
        self.refused.pop(decision.episode, None)
        self.saw(sweep, created)
        return True

    async def _clear_name(self, episode: EpisodeId) -> None:
        """Delete the episode's last pod, whose end is on record: the name is the next one's."""
        for uid, attempt in list(self._attempts.items()):
            if attempt.facts.episode == episode and attempt.exists and attempt.ending is not None:
                await self._api.delete(f"{self.pods}/{attempt.facts.name}", uid)
                self.gone(uid)

    async def _turned_down(self, sweep: SeedSweep, episode: EpisodeId, error: ApiError) -> Refusal | None:
        """Why a pod was not created; None where it turns out to be ours already."""
        until = self._clock() + self._back_off
        if error.reason == "AlreadyExists":
            return await self._taken(sweep, episode, until)
        if error.status is None or error.status >= 500 or error.status == 429:
            return Refusal("ApiServerUnavailable", str(error), until)
        if error.status == 403:
            return Refusal("QuotaExceeded" if "exceeded quota" in str(error) else "Forbidden", str(error), until)
        return Refusal("PodRejected", str(error), until)

    async def _taken(self, sweep: SeedSweep, episode: EpisodeId, until: datetime) -> Refusal | None:
        name = names.object_name(self._home.name, episode)
        try:
            found = await self._api.get(f"{self.pods}/{name}")
        except ApiError as error:
            return Refusal("ApiServerUnavailable", str(error), until)
        if self.saw(sweep, found) is not None:
            return None
        return Refusal("NameTaken", f"pod {name} exists and is not this sweep's: delete it or rename the sweep", until)

    def _follow(self, sweep: SeedSweep, attempt: _Attempt) -> None:
        """Read its metrics while it runs, and its last words once it has ended."""
        facts = attempt.facts
        if attempt.ending is not None:
            return
        ended = ending_of(facts, attempt.expected, self._clock())
        if ended is not None:
            attempt.ending, attempt.reading = ended
            self._take_reading(attempt)
            trouble = self._scraper.trouble(facts.uid)
            if attempt.reading is None and not attempt.ending.message and trouble is not None:
                attempt.ending = replace(attempt.ending, message=f"its metrics cannot be used: {trouble.error}")
            self._scraper.forget(facts.uid)
        elif facts.ip is not None and facts.running:
            scrape = sweep.spec.scrape
            self._scraper.watch(
                Target(
                    sweep=self._home.uid,
                    uid=facts.uid,
                    url=f"http://{_host(facts.ip)}:{scrape.port}/metrics",
                    expected=attempt.expected,
                    interval=float(scrape.interval_seconds),
                    timeout=float(scrape.timeout_seconds),
                    names=sweep.spec.trainer.metrics,
                )
            )

    def _unreadable(self, facts: PodFacts) -> str:
        trouble = self._scraper.trouble(facts.uid)
        if trouble is None or trouble.times < UNREADABLE_TIMES:
            return ""
        if facts.bound is None or self._clock() - facts.bound < UNREADABLE_AFTER:
            return ""
        return f"no metrics: {trouble.error}"

    def _take_reading(self, attempt: _Attempt) -> None:
        """Of its last words and what was read last, that which tells more."""
        read = self._scraper.reading(attempt.facts.uid)
        if read is not None and (attempt.reading is None or len(read.scores) > len(attempt.reading.scores)):
            attempt.reading = read

    def _seen(self, attempt: _Attempt, gpus: float) -> SeenAttempt:
        facts = attempt.facts
        progressed = self._scraper.progressed(facts.uid)
        return SeenAttempt(
            episode=facts.episode,
            uid=facts.uid,
            created=facts.created,
            bound=facts.bound,
            unschedulable_since=facts.unschedulable_since,
            trouble=facts.trouble or self._unreadable(facts),
            stop_after=facts.stop_after,
            stopping=facts.deleted is not None or facts.uid in self._stopping,
            reading=attempt.reading or self._scraper.reading(facts.uid),
            progressed=max(progressed or self._began, self._began),
            ending=attempt.ending,
            node=facts.node,
            image=facts.image,
            gpus=gpus,
        )


_OF_ONE_EPISODE = frozenset({"NameTaken"})


def _is_recorded(attempt: _Attempt, episodes: Mapping[EpisodeId, EpisodeStatus]) -> bool:
    status = episodes.get(attempt.facts.episode)
    return status is not None and any(a.uid == attempt.facts.uid and a.reason is not None for a in status.attempts)


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def now() -> datetime:
    """The clock of a cluster."""
    return datetime.now(UTC)
