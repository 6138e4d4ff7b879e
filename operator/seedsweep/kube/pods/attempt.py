"""One attempt of an episode: its pod as it was last seen, and what became of it."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from seedsweep.api.episode import MAX_ATTEMPTS, EndReason, EpisodeStatus, Interruption, StopReason
from seedsweep.api.sweep import SweepSpec
from seedsweep.contract.scrape import Expected
from seedsweep.contract.trouble import Trouble
from seedsweep.engine.observation import Ending, Reading, SeenAttempt, TroubleKind
from seedsweep.kube.objects.home import Home
from seedsweep.kube.pods.endings import vanished
from seedsweep.kube.pods.facts import PodFacts
from seedsweep.kube.scraping.scraper import Scraper
from seedsweep.kube.scraping.target import Target

BEGINS_WITHIN = timedelta(minutes=5)
"""Time in its place without a container before people are told: most images are pulled by then."""
_FAILED = frozenset({EndReason.FAILED, EndReason.OUT_OF_MEMORY, EndReason.BAD_CONFIGURATION})


@dataclass(slots=True)
class PodAttempt:
    """A pod of the sweep, from when it was first seen until its end is on record."""

    facts: PodFacts
    expected: Expected
    first_seen: datetime
    """By our clock, as all times here: other machines' clocks differ."""
    bound: datetime | None = None
    """When it was first seen in its place."""
    unschedulable: datetime | None = None
    """Since when it is seen to find no place."""
    silent: datetime | None = None
    """Since when its node is seen to give no sign of life."""
    reading: Reading | None = None
    """Its last words, or what it had published when it was last read."""
    unusable: str = ""
    """Why what it published can never count, where that was known when it ended."""
    ending: Ending | None = None
    exists: bool = True
    stop: StopReason | None = None
    """Why we deleted it."""
    begins: bool = field(init=False)
    """It was seen before it ran: its trainer has only just begun when it is seen to run."""
    told_to_end: datetime | None = None
    """When its deletion was first seen."""
    told_unlabelled: bool = False
    """People were told that its pod has lost the label by which it is watched."""
    output: str = ""
    """The end of its log, where it was read."""
    last: Ending | None = None
    """Its end, while the end of its log is read."""

    def __post_init__(self) -> None:
        self.begins = not self.facts.running
        self.take_facts(self.facts, self.first_seen)

    def take_facts(self, facts: PodFacts, now: datetime) -> None:
        """Its pod as it is seen now."""
        before = self.facts
        if not facts.taken and before.interruption is Interruption.PREEMPTED_BY_QUEUE:
            # Volcano says it in a condition that is the kubelet's, who writes its own there in the end.
            facts = replace(facts, taken=before.taken, interruption=before.interruption)
        self.facts = facts
        if facts.bound and self.bound is None:
            self.bound = now
        self.unschedulable = (self.unschedulable or now) if facts.unschedulable else None
        self.silent = (self.silent or now) if facts.silent else None
        if facts.deleted and self.told_to_end is None:
            self.told_to_end = now

    def take_reading(self, read: Reading | None) -> None:
        """Of its last words and what was read last, keep that which tells more."""
        if read is not None and (self.reading is None or len(read.scores) > len(self.reading.scores)):
            self.reading = read

    def take_scraped(self, scraper: Scraper) -> None:
        """Keep what its metrics said to the last: they are not read any more."""
        unread = scraper.trouble(self.facts.uid)
        self.take_reading(scraper.reading(self.facts.uid))
        self.unusable = unread.unusable if unread is not None else self.unusable

    def end(self, ending: Ending) -> None:
        """It has ended so."""
        self.ending = replace(ending, output=ending.output or self.output)
        self.last = None

    def vanish(self, now: datetime) -> None:
        """Its pod does not exist any more."""
        self.exists = False
        if self.ending is None:
            self.end(self.last or vanished(self.facts, now))

    def is_recorded(self, status: EpisodeStatus | None) -> bool:
        """Whether its end is on record."""
        return status is not None and any(a.uid == self.facts.uid and a.reason is not None for a in status.attempts)

    def is_one_too_many(self, status: EpisodeStatus | None) -> bool:
        """Somebody else's, beyond what a record holds: it never will be on it."""
        full = status is not None and len(status.attempts) >= MAX_ATTEMPTS
        return full and status is not None and all(a.uid != self.facts.uid for a in status.attempts)

    def target(self, home: Home, spec: SweepSpec) -> Target | None:
        """What is read of it while it runs, by the spec of its sweep."""
        ip, scrape = self.facts.ip, spec.scrape
        if ip is None or not self.facts.running:
            return None
        host = f"[{ip}]" if ":" in ip else ip
        # What it was started with; the sweep may say another one by now.
        port = self.facts.port or scrape.port
        return Target(
            home=home,
            pod=self.facts.name,
            uid=self.facts.uid,
            url=f"http://{host}:{port}/metrics",
            expected=self.expected,
            interval=float(scrape.interval_seconds),
            timeout=float(scrape.timeout_seconds),
            names=spec.trainer.gauges,
        )

    def seen(self, scraper: Scraper, now: datetime, *, stopping: bool, gpus: float) -> SeenAttempt:
        """As the engine sees it."""
        facts = self.facts
        progressed, unread = scraper.progressed(facts.uid), scraper.trouble(facts.uid)
        kind, trouble = self._trouble(unread, self.bound, now)
        return SeenAttempt(
            episode=facts.episode,
            uid=facts.uid,
            created=self.first_seen,
            bound=self.bound,
            unschedulable_since=self.unschedulable,
            trouble=trouble,
            trouble_kind=kind,
            gated=facts.gated,
            stop_after=facts.stop_after,
            stopping=facts.deleted or stopping,
            stop=self.stop,
            due=self.told_to_end + facts.grace if self.told_to_end is not None else None,
            held_by=facts.held_by if facts.deleted else "",
            given_up=bool(facts.taken),
            silent_since=self.silent,
            reading=self.reading or scraper.reading(facts.uid),
            # What had hung before we looked cannot be told.
            progressed=progressed or self.first_seen,
            ending=self.ending,
            node=facts.node,
            image=facts.image,
            gpus=gpus,
            held=self._held_unseen(),
            unusable=unread.unusable if unread is not None else self.unusable,
        )

    def _held_unseen(self) -> timedelta | None:
        """How long it held its place by its node's own clock, where it had ended when it was first seen."""
        if self.ending is None or self.ending.at > self.first_seen or self.facts.terminated is None:
            return None
        return self.facts.terminated.lasted

    def _trouble(self, unread: Trouble | None, bound: datetime | None, now: datetime) -> tuple[TroubleKind, str]:
        """What keeps it from beginning, or its metrics from being read; `bound`: when it was seen to have a node."""
        told = self.facts.trouble
        if told or bound is None or self.ending is not None:
            return "CannotBegin", told
        placed = now - bound
        if not self.facts.running and placed >= BEGINS_WITHIN:
            # What keeps a volume from being mounted stands in events of the pod alone, which we may not read.
            return "CannotBegin", (
                "its container has not begun: its image is still pulled, or a volume cannot be mounted "
                f"(kubectl describe pod {self.facts.name})"
            )
        if unread is None or not unread.lasts(placed):
            return "CannotBegin", ""
        return unread.kind, unread.text


def wants_log(ending: Ending) -> bool:
    """Whether only its log can tell more: a kubelet passes on the end of it where a trainer leaves no message."""
    return ending.reason in _FAILED and not ending.output
