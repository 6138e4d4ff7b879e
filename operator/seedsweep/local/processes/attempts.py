"""The attempts of this machine: started in a place, read while they live, and asked for their last words."""

import asyncio
import logging
import platform
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from seedsweep.api.episode import EndReason, EpisodeId, EpisodeStatus
from seedsweep.api.sweep import SweepSpec
from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.metrics_client import fetch, metrics_session
from seedsweep.contract.scrape import Expected, parse_reading
from seedsweep.contract.trouble import InternalError, Trouble
from seedsweep.engine.decisions import StartEpisode
from seedsweep.engine.observation import Ending, Reading, SeenAttempt
from seedsweep.local.directory.run_directory import RunDirectory
from seedsweep.local.machine.places import Place, port_for
from seedsweep.local.machine.ports import LOOPBACK
from seedsweep.local.processes.endings import ending_of, last_words
from seedsweep.local.processes.environment import Start, contract_variables, launch_form
from seedsweep.local.processes.launchers import Launcher, Running

DEFAULT_SCRAPE_SECONDS = 2.0
"""Where the file says nothing: reading costs little on this machine."""
DEFAULT_GRACE_SECONDS = 30
"""As Kubernetes has it."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Attempt:
    start: Start
    place: Place
    log: Path
    expected: Expected
    created: datetime
    running: Running | None = None
    reading: Reading | None = None
    progressed: datetime | None = None
    trouble: Trouble | None = None
    """Why its metrics could not be read when that was last tried."""
    stopping: bool = False
    ending: Ending | None = None

    def take(self, reading: Reading, now: datetime) -> None:
        """What it has published, unless more was known."""
        before = len(self.reading.scores) if self.reading is not None else 0
        if len(reading.scores) > before:
            self.progressed = now
        if len(reading.scores) >= before:
            self.reading = reading

    def seen(self, now: datetime) -> SeenAttempt:
        """As the engine sees it."""
        unread, lives = self.trouble, self.ending is None
        told = unread if unread is not None and lives and unread.lasts(now - self.created) else None
        return SeenAttempt(
            episode=self.start.episode,
            uid=self.start.uid,
            created=self.created,
            bound=self.created,
            stop_after=self.start.stop_after,
            stopping=self.stopping,
            reading=self.reading,
            progressed=self.progressed,
            ending=self.ending,
            node=platform.node(),
            device=self.place.device,
            gpus=float(max(1, len(self.place.gpus))),
            trouble=told.text if told is not None else "",
            trouble_kind=told.kind if told is not None else "CannotBegin",
            unusable=unread.unusable if unread is not None else "",
        )


class ProcessAttempts:
    """All attempts that live, and those whose end is not on record yet."""

    def __init__(self, spec: SweepSpec, directory: RunDirectory, launcher: Launcher, base: Path) -> None:
        """`base` is the folder that relative paths in the sweep's file start from."""
        self.news = asyncio.Event()
        """Set whenever something has become known."""
        self.resumable = spec.trainer.fine_tuning is not None
        """Attempts find the checkpoints of earlier ones, as far as is known."""
        self._spec = spec
        self._directory = directory
        self._launcher = launcher
        self._base = base
        self._attempts: dict[str, _Attempt] = {}
        self._watchers: set[asyncio.Task[None]] = set()

    def seen(self) -> list[SeenAttempt]:
        """As the engine sees them."""
        now = _now()
        return [attempt.seen(now) for attempt in self._attempts.values()]

    def forget_recorded(self, episodes: Mapping[EpisodeId, EpisodeStatus]) -> None:
        """Drop those whose end is on record."""
        for uid, attempt in list(self._attempts.items()):
            if attempt.ending is not None and attempt.start.episode in episodes:
                entries = episodes[attempt.start.episode].attempts
                if any(entry.uid == uid and entry.reason is not None for entry in entries):
                    del self._attempts[uid]

    async def start(self, decision: StartEpisode, places: Sequence[Place]) -> None:
        """Start an attempt in a free place; nothing where the episode lives or no place is free.

        Raises:
            OSError: the folder of the run cannot be written. What keeps the process from starting is its end instead.
        """
        live = [attempt for attempt in self._attempts.values() if attempt.ending is None]
        taken = [attempt.place for attempt in live]
        free = [place for place in places if place not in taken]
        if not free or any(attempt.start.episode == decision.episode for attempt in live):
            return
        attempt = self._prepare(decision, free[0])
        self._attempts[attempt.start.uid] = attempt
        self.news.set()
        variables = contract_variables(self._spec, attempt.start, LOOPBACK, self._base)
        command, environment = launch_form(self._spec.trainer, variables)
        try:
            attempt.running = await self._launcher.launch(command, environment, attempt.log)
        except OSError as error:
            attempt.ending = Ending(EndReason.FAILED, _now(), message=f"cannot be started: {error}")
            return
        watcher = asyncio.create_task(self._watch(attempt, attempt.running))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    def stop(self, uid: str, *, save: bool) -> None:
        """Tell an attempt to end: by SIGTERM and after the grace period SIGKILL to `save`, else at once."""
        attempt = self._attempts.get(uid)
        if attempt is None or attempt.running is None or attempt.ending is not None:
            return
        if not save:
            attempt.running.kill()
        elif not attempt.stopping:
            attempt.running.terminate()
            grace = self._spec.pod_template.spec.termination_grace_period_seconds or DEFAULT_GRACE_SECONDS
            asyncio.get_running_loop().call_later(grace, attempt.running.kill)
        attempt.stopping = True

    def stop_all(self, *, save: bool) -> None:
        """Tell all of them to end."""
        for uid in self._attempts:
            self.stop(uid, save=save)

    async def ended(self) -> None:
        """Return once none lives."""
        await asyncio.gather(*self._watchers)

    async def read_forever(self) -> None:
        """Read the metrics of all that live, again and again."""
        settings = self._spec.scrape
        given = "interval_seconds" in settings.model_fields_set
        interval = settings.interval_seconds if given else DEFAULT_SCRAPE_SECONDS
        async with metrics_session() as session:
            while True:
                await asyncio.sleep(interval)
                live = [attempt for attempt in self._attempts.values() if attempt.ending is None]
                await asyncio.gather(*(self._read(session, attempt) for attempt in live))

    def _prepare(self, decision: StartEpisode, place: Place) -> _Attempt:
        uid = str(uuid.uuid4())
        # Those that start up do not listen yet.
        promised = {attempt.start.port for attempt in self._attempts.values()}
        start = Start(
            episode=decision.episode,
            uid=uid,
            rungs=decision.rungs,
            stop_after=decision.stop_after,
            port=port_for(place, promised),
            work=self._directory.attempts / uid,
            checkpoints=self._directory.checkpoints(decision.episode),
            gpus=place.gpus,
        )
        start.work.mkdir()
        start.checkpoints.mkdir(exist_ok=True)
        return _Attempt(
            start=start,
            place=place,
            log=self._directory.log(decision.episode, decision.attempt),
            expected=Expected.of(self._spec.trainer.ranking_metric, decision.episode, uid),
            created=_now(),
        )

    async def _watch(self, attempt: _Attempt, running: Running) -> None:
        code = await running.wait()
        words = last_words(attempt.start.termination_log, attempt.expected)
        if words.reading is not None:
            attempt.take(words.reading, _now())
            self._learn_level(words.reading)
        unread = attempt.trouble.at_end(heard=attempt.reading is not None) if attempt.trouble is not None else ""
        attempt.ending = replace(ending_of(code, words, attempt.log, _now()), unread=unread)
        self.news.set()

    async def _read(self, session: aiohttp.ClientSession, attempt: _Attempt) -> None:
        url, before = f"http://{LOOPBACK}:{attempt.start.port}/metrics", attempt.trouble
        try:
            body = await fetch(session, url, self._spec.scrape.timeout_seconds)
            reading = parse_reading(body, attempt.expected, self._spec.trainer.gauges, attempt.reading)
        except ScrapeError as error:
            attempt.trouble = Trouble.after(before, error)
        except Exception as error:
            # Whatever it is, this one is read again, and the others are in any case.
            attempt.trouble = Trouble.after(before, InternalError())
            if before is None or before.error != attempt.trouble.error:
                _log.error("metrics of %s could not be read from %s", attempt.expected.episode, url, exc_info=error)
        else:
            attempt.trouble = None
            self._take(attempt, reading)
        if attempt.trouble is not None and attempt.trouble.is_news:
            self.news.set()

    def _take(self, attempt: _Attempt, reading: Reading) -> None:
        if attempt.ending is None and reading != attempt.reading:
            attempt.take(reading, _now())
            self._learn_level(reading)
            self.news.set()

    def _learn_level(self, reading: Reading) -> None:
        self.resumable = self.resumable or reading.resumes


def _now() -> datetime:
    return datetime.now(UTC)
