"""A sweep as it is seen from outside the cluster: as its operator sees it, or as the record has it.

The operator's own port shows every score that was scraped. It is reached through the API server's proxy to services,
a right of its own, and asks for the word that is in the sweep's status. Where the right, the word or the operator is
missing, the Episodes tell what was recorded.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from seedsweep.api.cut import Cut, standing_cuts
from seedsweep.api.episode import Episode, EpisodeId, EpisodeStatus
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.codes import CommandError, Exit
from seedsweep.engine.observation import Observation, Reading, SeenAttempt
from seedsweep.kube.apiserver.client import Api, ApiError
from seedsweep.kube.ledger.stored import list_cuts, list_episodes
from seedsweep.kube.objects.home import Home
from seedsweep.kube.process.clock import now
from seedsweep.kube.process.live_key import HEADER
from seedsweep.observation_json import load_observation

RECORD_SECONDS = 5.0
"""Between two looks at the record, which takes the API server a list and changes more slowly."""
LIVE_TIMEOUT_SECONDS = 5.0
"""An operator whose node is lost must not hold up the view."""
_SERVICE = re.compile(r"(?P<namespace>[-a-z0-9]+)/(?P<name>[-a-z0-9]+):(?P<port>[-a-z0-9]+)")


@dataclass(frozen=True, slots=True)
class Service:
    """Where the operator is asked."""

    namespace: str
    name: str
    port: str
    """Its name or number."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From NAMESPACE/SERVICE:PORT, as `--operator` has it; raises CommandError."""
        found = _SERVICE.fullmatch(text)
        if found is None:
            remedy = "give the operator's service, like seedsweep-system/seedsweep-operator:http"
            raise CommandError(f"--operator: {text!r} is not NAMESPACE/SERVICE:PORT: {remedy}", Exit.BAD_INPUT)
        return cls(**found.groupdict())

    @property
    def proxy(self) -> str:
        """Path at the API server that leads to it."""
        return f"/api/v1/namespaces/{self.namespace}/services/{self.name}:{self.port}/proxy"


class Observer:
    """Looks at one sweep."""

    def __init__(self, api: Api, home: Home, operator: Service) -> None:
        self.trouble = ""
        """Why the last look was at the record; empty where it was not."""
        self._api = api
        self._home = home
        self._live = f"{operator.proxy}/v1/namespaces/{home.namespace}/sweeps/{home.name}"

    async def look(self, sweep: SeedSweep) -> tuple[Observation, datetime]:
        """What is to be seen now, and its moment; raises ApiError where the record cannot be read either."""
        key = sweep.status.live_key if sweep.status is not None else None
        try:
            if key is None:
                raise ApiError(None, "NoKey", "its status has no liveKey: no operator of this release is at work on it")
            async with asyncio.timeout(LIVE_TIMEOUT_SECONDS):
                data = await self._api.read(self._live, headers={HEADER: key})
            seen = load_observation(data)
            self.trouble = ""
            return seen
        except ApiError as error:
            # Its own refusal names the header; all others are the API server's.
            stale = HEADER in str(error)
            self.trouble = "the liveKey in its status is not its operator's, or no more" if stale else str(error)
        except TimeoutError:
            self.trouble = f"no answer within {LIVE_TIMEOUT_SECONDS:.0f} s"
        except ValueError:
            self.trouble = "its answer is not of this release"
        return await self._recorded(sweep), now()

    async def _recorded(self, sweep: SeedSweep) -> Observation:
        episodes = [episode async for episode, _ in list_episodes(self._api, self._home)]
        cuts = [cut async for cut in list_cuts(self._api, self._home)]
        seen = on_record(sweep, episodes, cuts)
        # How far the living have come since is not on record: without S, nobody guesses the time that is left.
        return replace(seen, status=seen.status.evolve(steps=None))


def on_record(sweep: SeedSweep, episodes: Iterable[Episode], cuts: Iterable[Cut]) -> Observation:
    """What the record has of a sweep, as an observation."""
    known = {episode.spec.id: episode.status for episode in episodes}
    return Observation(
        status=sweep.status or SweepStatus(message="no operator has taken it up yet"),
        episodes=known,
        cuts={(cut.data.bracket, cut.data.rung): cut.data for cut in standing_cuts(cuts)},
        attempts=[a for episode, status in known.items() if (a := _living(episode, status)) is not None],
        suspend=sweep.spec.suspend,
        parallelism=sweep.spec.parallelism,
    )


def _living(episode: EpisodeId, known: EpisodeStatus) -> SeenAttempt | None:
    """The attempt that the record has not seen end, with the curve that is on record."""
    entry = known.attempts[-1] if known.attempts else None
    if entry is None or entry.reason is not None:
        return None
    bound = datetime.fromisoformat(entry.start_time) if entry.start_time is not None else None
    return SeenAttempt(
        episode=episode,
        uid=entry.uid,
        created=bound or now(),
        bound=bound,
        stop_after=entry.stop_after,
        stopping=entry.stop is not None or known.verdict is not None,
        reading=Reading(scores=tuple(known.scores), baseline=known.baseline),
    )
