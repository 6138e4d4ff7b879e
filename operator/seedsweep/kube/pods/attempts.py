"""The attempts of one sweep: its pods as they were last seen, what their metrics said, and what they left behind."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic

from seedsweep.api.episode import EpisodeId, EpisodeStatus, StopReason
from seedsweep.api.gpus import gpus_per_episode
from seedsweep.api.sweep import SeedSweep
from seedsweep.contract.foreign import decimal, mapping, text
from seedsweep.contract.scrape import Expected
from seedsweep.engine.decisions import StartEpisode, StopAttempt
from seedsweep.engine.observation import Ending, SeenAttempt
from seedsweep.kube.apiserver.client import ApiError, Object
from seedsweep.kube.apiserver.crowd import for_each
from seedsweep.kube.apiserver.gates import GatedApi
from seedsweep.kube.objects import names
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.attempt import PodAttempt, wants_log
from seedsweep.kube.pods.deletions import Deletions
from seedsweep.kube.pods.endings import ending_of
from seedsweep.kube.pods.facts import PodFacts, facts_of
from seedsweep.kube.pods.log_tail import read_tail
from seedsweep.kube.pods.starts import Starts
from seedsweep.kube.process.log import Logger
from seedsweep.kube.scraping.scraper import Scraper
from seedsweep.kube.watching.freshness import Freshness

NO_GRACE_SECONDS = 1
"""For what need not be saved. Not 0: the name would be free while the process still runs."""
SEEN_AT_ONCE = 500
"""To look at 10,000 would hold the event loop for 150 ms."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the attempts of a sweep need."""

    api: GatedApi
    home: Home
    scraper: Scraper
    freshness: Freshness
    news: Callable[[], None]
    """Called when something has become known."""
    beginnings: Callable[[], None]
    """Called when nothing more has become known than that a pod got its place, or began."""
    clock: Callable[[], datetime]
    log: Logger


class PodAttempts:
    """Pods of one sweep, live ones and those whose end is not on record yet."""

    def __init__(self, around: Surroundings, sweep: SeedSweep, episodes: Collection[EpisodeId]) -> None:
        """`episodes`: those of the sweep; a pod of any other is told, and left alone."""
        self.sweep = sweep
        """As last read; its spec may change in flight."""
        self.starts = Starts(around.api, around.home, around.clock, around.news)
        self.deletions = Deletions(around.api, around.home, around.clock, around.news)
        self.lost_unasked = False
        """A pod went away that nobody here had deleted, as all do when their sweep is deleted."""
        self._around = around
        self._api, self._home, self._scraper, self._clock = around.api, around.home, around.scraper, around.clock
        self.episodes = episodes
        """May become more."""
        self._attempts: dict[str, PodAttempt] = {}
        self._of_episode: dict[EpisodeId, set[str]] = {}
        self._missing: set[str] = set()
        """Pods that lists and watches no longer show."""
        self._reading_logs: set[asyncio.Task[None]] = set()
        self._listing = False
        self._released = False

    async def lay_out(self, sweep: SeedSweep, episodes: Collection[EpisodeId]) -> None:
        """The spec may have changed: what lives is read as it says now, some of it at a time."""
        self.sweep, self.episodes = sweep, episodes
        for place, attempt in enumerate(list(self._attempts.values()), 1):
            self._follow(attempt)
            if place % SEEN_AT_ONCE == 0:
                await asyncio.sleep(0)

    def release(self) -> None:
        """Their sweep is over or gone: what is still on its way, such as a page of a list, tells nothing more."""
        self._released = True

    async def load(self) -> None:
        """Read all pods; what is not there any more has vanished. Raises ApiError."""
        self._listing = True
        try:
            await self._load()
        finally:
            self._listing = False
        await self.look_for_missing()

    async def _load(self) -> None:
        listed, fresh = set(), self._around.freshness
        known = {uid for uid, attempt in self._attempts.items() if attempt.exists}
        shown = fresh.known(self._home.uid)
        async for pod in self._api.list(self._home.pods, self._home.selector):
            listed.add(pod["metadata"]["uid"])
            facts = self.saw(pod)
            if facts is not None:
                fresh.listed(facts.uid, facts.version, monotonic(), self._home.uid)
        self._missing |= known - listed
        for uid in shown - listed - self._missing:
            fresh.not_listed(uid)

    def saw(self, pod: Object) -> PodFacts | None:
        """Take in a pod as a list, a watch or an answer shows it; None if it is not this sweep's."""
        metadata = mapping(pod.get("metadata"))
        known = self._attempts.get(text(metadata.get("uid")))
        if known is not None and not self._released and decimal(metadata.get("resourceVersion")) == known.facts.version:
            # A watch shows again what the answer to a creation has shown.
            return known.facts
        facts = facts_of(pod)
        if facts is None or self._released or not self._is_ours(facts):
            return None
        now, news = self._clock(), self._around.news
        if known is None:
            expected = Expected.of(self.sweep.spec.trainer.ranking_metric, facts.episode, facts.uid)
            known = self._attempts[facts.uid] = PodAttempt(facts, expected, first_seen=now)
            self._of_episode.setdefault(facts.episode, set()).add(facts.uid)
        elif facts.version <= known.facts.version or not known.exists:
            return facts
        else:
            news = self._around.beginnings if facts.only_begins(known.facts) else news
            known.take_facts(facts, now)
        self._follow(known)
        news()
        return facts

    def gone(self, uid: str) -> None:
        """Its object does not exist any more."""
        attempt = self._attempts.get(uid)
        if attempt is None or not attempt.exists:
            return
        self.lost_unasked = self.lost_unasked or uid not in self.deletions
        attempt.take_scraped(self._scraper)
        attempt.vanish(self._clock())
        self._scraper.forget(uid)
        self.deletions.note_gone(uid)
        self._around.news()

    def saw_deleted(self, pod: Object) -> None:
        """The last state of a pod that is gone, or that has lost the label by which it is watched."""
        facts = self.saw(pod)
        if facts is not None and facts.deleted:
            self.gone(facts.uid)
        elif facts is not None:
            self._missing.add(facts.uid)
            self._around.news()

    async def look_for_missing(self) -> None:
        """Find out which of the pods that lists and watches no longer show are gone: some may have lost a label."""
        await for_each(self._missing, self._look_for)

    def forget_recorded(self, episodes: Mapping[EpisodeId, EpisodeStatus]) -> None:
        """Drop what is gone and whose end is on record, or never can be."""
        if self._listing:
            # A page of a list that began before may still show it.
            return
        for uid, attempt in list(self._attempts.items()):
            status = episodes.get(attempt.facts.episode)
            unknown = attempt.facts.episode not in self.episodes
            if not attempt.exists and (unknown or attempt.is_recorded(status) or attempt.is_one_too_many(status)):
                del self._attempts[uid]
                others = self._of_episode[attempt.facts.episode]
                others.discard(uid)
                if not others:
                    del self._of_episode[attempt.facts.episode]

    async def seen(self, episodes: Mapping[EpisodeId, EpisodeStatus]) -> list[SeenAttempt]:
        """As the engine sees them: without those whose end is on record. Between some of them others get their turn."""
        gpus, now, seen = gpus_per_episode(self.sweep.spec), self._clock(), []
        for place, (uid, attempt) in enumerate(list(self._attempts.items()), 1):
            if attempt.ending is None or not attempt.is_recorded(episodes.get(attempt.facts.episode)):
                seen.append(attempt.seen(self._scraper, now, stopping=uid in self.deletions, gpus=gpus))
            if place % SEEN_AT_ONCE == 0:
                await asyncio.sleep(0)
        return seen

    async def start(self, decisions: Iterable[StartEpisode]) -> None:
        """Create pods, all that the API server lets pass."""
        await for_each(decisions, self._start)

    async def _start(self, decision: StartEpisode) -> None:
        # The name of a pod whose end is on record is the next one's. One that stays is told, and planned again.
        left = [attempt for attempt in self._of(decision.episode) if self._is_left_over(attempt)]
        if all([await self.deletions.delete(attempt) for attempt in left]):
            await self.starts.create(self.sweep, decision, self.saw)

    async def stop(self, decisions: Iterable[StopAttempt]) -> None:
        """Delete pods by their UIDs; one that could not be deleted is still there for the next plan."""
        await for_each(decisions, self._stop)

    def can_stop(self, uid: str) -> bool:
        """Whether there is a pod whose deletion can be asked for now."""
        attempt = self._attempts.get(uid)
        return attempt is not None and attempt.exists and self.deletions.can_ask(uid)

    def can_start(self, episode: EpisodeId) -> bool:
        """Whether no pod has the episode's name whose deletion cannot be asked for now."""
        left = (attempt for attempt in self._of(episode) if self._is_left_over(attempt))
        return all(self.deletions.can_ask(attempt.facts.uid) for attempt in left)

    def _of(self, episode: EpisodeId) -> list[PodAttempt]:
        return [self._attempts[uid] for uid in self._of_episode.get(episode, ())]

    async def _stop(self, decision: StopAttempt) -> None:
        if not self.can_stop(decision.uid):
            return
        attempt = self._attempts[decision.uid]
        grace = 0 if decision.force else None if decision.save else NO_GRACE_SECONDS
        if decision.reason is StopReason.STUCK and not attempt.output:
            # Where it hangs; nobody can ask once it is gone.
            attempt.output = await read_tail(self._api, self._path_of(attempt))
        if await self.deletions.delete(attempt, grace):
            attempt.stop = decision.reason

    def left_over(self, episodes: Mapping[EpisodeId, EpisodeStatus]) -> list[PodAttempt]:
        """Those that have ended, whose end is on record, and whose pods are there and can be deleted now."""
        return [
            attempt
            for attempt in self._attempts.values()
            if self._is_left_over(attempt)
            and self.deletions.can_ask(attempt.facts.uid)
            and attempt.is_recorded(episodes.get(attempt.facts.episode))
        ]

    async def remove(self, ended: Iterable[PodAttempt]) -> None:
        """Delete their pods: they count against quotas, and tell no more."""
        await for_each(ended, self.deletions.delete)

    def read_often(self, uids: Collection[str]) -> None:
        """Read the metrics of these pods more often than those of the others."""
        self._scraper.read_often(self._home.uid, uids)

    def _path_of(self, attempt: PodAttempt) -> str:
        return self._home.pod(attempt.facts.name)

    def _is_left_over(self, attempt: PodAttempt) -> bool:
        """It has ended, and nobody has deleted its pod yet."""
        return attempt.exists and attempt.ending is not None and attempt.facts.uid not in self.deletions

    def _is_ours(self, facts: PodFacts) -> bool:
        """By its owner, and by the name that the API server keeps unique. Any other pod that it owns is no attempt.

        What was ours once stays so, whoever takes its owner away.
        """
        if facts.uid in self._attempts:
            return True
        return facts.owner_uid == self._home.uid and facts.name == names.object_name(self._home.name, facts.episode)

    async def _look_for(self, uid: str) -> None:
        """Find out whether a pod that lists and watches do not show is gone, or has only lost its label."""
        attempt = self._attempts.get(uid)
        if attempt is None or not attempt.exists:
            self._missing.discard(uid)
            return
        try:
            found = await self._api.get(self._path_of(attempt))
        except ApiError as error:
            if not error.missing:
                # The next turn tries again.
                return
            self._missing.discard(uid)
        else:
            self._missing.discard(uid)
            if found["metadata"]["uid"] == uid:
                self.saw(found)
                self._tell_unlabelled(attempt)
                return
        self._around.freshness.not_listed(uid)
        self.gone(uid)

    def _tell_unlabelled(self, attempt: PodAttempt) -> None:
        if not attempt.told_unlabelled:
            attempt.told_unlabelled = True
            name, remedy = attempt.facts.name, "it is looked at less often; put the label back, or delete the pod"
            self._around.log.warning("pod %s has lost its label %s: %s", name, names.LABEL_SWEEP_UID, remedy)

    def _follow(self, attempt: PodAttempt) -> None:
        """Read its metrics while it runs, and its last words once it has ended."""
        facts = attempt.facts
        if attempt.ending is not None or attempt.last is not None or facts.episode not in self.episodes:
            return
        ended = ending_of(facts, attempt.expected, self._clock())
        if ended is not None:
            ending, attempt.reading = ended
            attempt.take_scraped(self._scraper)
            trouble = self._scraper.trouble(facts.uid)
            unread = trouble.at_end(heard=attempt.reading is not None) if trouble is not None else ""
            self._scraper.forget(facts.uid)
            self._end(attempt, replace(ending, unread=unread))
        elif (target := attempt.target(self._home, self.sweep.spec)) is not None:
            self._scraper.watch(target, begins=attempt.begins)

    def _end(self, attempt: PodAttempt, ending: Ending) -> None:
        """Its end is known, once the end of its log is, where nothing else tells what it printed."""
        if attempt.output or not wants_log(ending):
            attempt.end(ending)
            return
        attempt.last = ending
        task = asyncio.create_task(self._read_log(attempt))
        self._reading_logs.add(task)
        task.add_done_callback(self._reading_logs.discard)

    async def _read_log(self, attempt: PodAttempt) -> None:
        try:
            attempt.output = await read_tail(self._api, self._path_of(attempt))
        finally:
            # Whatever came of it, the attempt has ended.
            if attempt.last is not None:
                attempt.end(attempt.last)
                self._around.news()
