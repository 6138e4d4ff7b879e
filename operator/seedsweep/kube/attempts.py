"""The attempts of one sweep: its pods as they were last seen, what their metrics said, and what they left behind."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

from seedsweep.api.episode import EpisodeId, EpisodeStatus, StopReason
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import StartEpisode, StopAttempt
from seedsweep.engine.observation import Ending, Refusal, SeenAttempt
from seedsweep.gpus import gpus_per_episode
from seedsweep.kube import names
from seedsweep.kube.attempt import Attempt, wants_log
from seedsweep.kube.client import Api, ApiError, Object
from seedsweep.kube.endings import ending_of
from seedsweep.kube.freshness import Freshness
from seedsweep.kube.pods import pod_manifest
from seedsweep.kube.records import Home
from seedsweep.kube.scraping import Scraper, Target
from seedsweep.kube.seen import PodFacts, facts_of
from seedsweep.kube.tail import read_tail
from seedsweep.scrape import Expected

NO_GRACE_SECONDS = 1
"""For what need not be saved. Not 0: the name would be free while the process still runs."""
MIN_BACK_OFF = timedelta(seconds=2)
MAX_BACK_OFF = timedelta(minutes=1)


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
        self._attempts: dict[str, Attempt] = {}
        self._stopping: dict[str, float] = {}
        """Pods whose deletion was accepted and has not been seen yet, and since when, by a steady clock."""
        self._forced: set[str] = set()
        """Pods that were given up with their node, and that something still keeps in the API."""
        self._reading_logs: set[asyncio.Task[None]] = set()
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
            known = self._attempts[facts.uid] = Attempt(facts, expected)
        elif facts.version <= known.facts.version or not known.exists:
            return facts
        known.take_facts(facts, self._clock())
        self._follow(sweep, known)
        self._news()
        return facts

    def gone(self, uid: str) -> None:
        """Its object does not exist any more."""
        attempt = self._attempts.get(uid)
        if attempt is None or not attempt.exists:
            return
        attempt.take_scraped(self._scraper)
        attempt.vanish(self._clock())
        self._scraper.forget(uid)
        self._stopping.pop(uid, None)
        self._forced.discard(uid)
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
        gpus, now = gpus_per_episode(sweep.spec), self._clock()
        return [
            attempt.seen(self._scraper, self._began, now, stopping=uid in self._stopping, gpus=gpus)
            for uid, attempt in self._attempts.items()
            if attempt.ending is None or not _is_recorded(attempt, episodes)
        ]

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
        if attempt is None or not attempt.exists or decision.uid in self._forced:
            return
        grace = 0 if decision.force else None if decision.save else NO_GRACE_SECONDS
        if decision.reason is StopReason.STUCK and not attempt.output:
            # Where it hangs; nobody can ask once it is gone.
            attempt.output = await read_tail(self._api, f"{self.pods}/{attempt.facts.name}")
        try:
            await self._api.delete(f"{self.pods}/{attempt.facts.name}", decision.uid, grace)
        except ApiError:
            asyncio.get_running_loop().call_later(MIN_BACK_OFF.total_seconds(), self._news)
            return
        self._stopping.setdefault(decision.uid, monotonic())
        if decision.force:
            self._forced.add(decision.uid)

    def read_often(self, uids: Collection[str]) -> None:
        """Read the metrics of these pods more often than those of the others."""
        self._scraper.read_often(self._home.uid, uids)

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
        facts = self.saw(sweep, found)
        if facts is not None and facts.held_by and facts.deleted:
            message = f"pod {name} was deleted and stays: the finalizers {facts.held_by} hold it"
            return Refusal("PodHeld", message, until)
        if facts is not None:
            return None
        return Refusal("NameTaken", f"pod {name} exists and is not this sweep's: delete it or rename the sweep", until)

    def _follow(self, sweep: SeedSweep, attempt: Attempt) -> None:
        """Read its metrics while it runs, and its last words once it has ended."""
        facts = attempt.facts
        if attempt.ending is not None or attempt.last is not None:
            return
        ended = ending_of(facts, attempt.expected, self._clock())
        if ended is not None:
            ending, attempt.reading = ended
            attempt.take_scraped(self._scraper)
            trouble = self._scraper.trouble(facts.uid)
            if attempt.reading is None and not ending.message and trouble is not None:
                ending = replace(ending, message=trouble.text)
            self._scraper.forget(facts.uid)
            self._end(attempt, ending)
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

    def _end(self, attempt: Attempt, ending: Ending) -> None:
        """Its end is known, once the end of its log is, where nothing else tells what it printed."""
        if attempt.output or not wants_log(ending):
            attempt.end(ending)
            return
        attempt.last = ending
        task = asyncio.create_task(self._read_log(attempt))
        self._reading_logs.add(task)
        task.add_done_callback(self._reading_logs.discard)

    async def _read_log(self, attempt: Attempt) -> None:
        attempt.output = await read_tail(self._api, f"{self.pods}/{attempt.facts.name}")
        if attempt.last is not None:
            attempt.end(attempt.last)
            self._news()


_OF_ONE_EPISODE = frozenset({"NameTaken", "PodHeld"})


def _is_recorded(attempt: Attempt, episodes: Mapping[EpisodeId, EpisodeStatus]) -> bool:
    status = episodes.get(attempt.facts.episode)
    return status is not None and any(a.uid == attempt.facts.uid and a.reason is not None for a in status.attempts)


def _host(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def now() -> datetime:
    """The clock of a cluster."""
    return datetime.now(UTC)
