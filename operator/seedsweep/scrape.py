"""One trainer's /metrics becomes one Reading. The only reader of trainers' metrics, and it trusts nothing in them.

Whatever a body holds, the outcome is a whole Reading or a ScrapeError, within a bounded time and memory.
"""

import math
from dataclasses import dataclass

import aiohttp

from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import Metric, MetricRange
from seedsweep.api.sweep import MetricNames
from seedsweep.engine.observation import Reading
from seedsweep.exposition import Samples, ScrapeError, count, defined, parse_samples, single
from seedsweep.sampling import sample
from seedsweep_trainer.contract import CONTRACT_VERSION, Message, MetricName, TrainerInfo, as_published

MAX_BYTES = 1 << 20
MAX_LABEL = 256
"""Characters of a label that goes on record."""
CONNECT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 90.0

_LEVELS = frozenset({"L0", "L1", "L2", "L3"})
_CONTRACT = frozenset(name.value for name in MetricName)
_CONTRACTS_NAMES = MetricNames()


class UnreachableError(ScrapeError):
    """Nobody answered, or not in HTTP."""

    kind = "unreachable"


class TooSlowError(ScrapeError):
    """There was no whole answer in time."""

    kind = "slow"


@dataclass(frozen=True, slots=True)
class Expected:
    """Whose metrics these have to be, and the values a score can take."""

    episode: str
    uid: str
    lowest: float = -math.inf
    highest: float = math.inf

    @classmethod
    def of(cls, metric: Metric | None, episode: EpisodeId, uid: str) -> "Expected":
        """What an attempt must publish; `metric` has the range."""
        limits = (metric.range if metric is not None else None) or MetricRange()
        # Rounded as scores are: 0.1 is a score of 0.1 in float32, which is a little more.
        return cls(
            episode=episode.name,
            uid=uid,
            lowest=-math.inf if limits.min is None else as_published(float(limits.min)),
            highest=math.inf if limits.max is None else as_published(float(limits.max)),
        )


def metrics_session() -> aiohttp.ClientSession:
    """A session for all trainers: connections are kept, no proxy, no cookies, nothing is decompressed."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "identity"},
    )


async def fetch(session: aiohttp.ClientSession, url: str, timeout_seconds: float) -> bytes:
    """What one trainer publishes now, unread.

    Raises:
        ScrapeError: unreachable, too slow, too large, or not a plain answer.
    """
    try:
        return await _fetch(session, url, timeout_seconds)
    except TimeoutError as error:
        raise TooSlowError(f"no whole answer within {timeout_seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise UnreachableError(f"cannot be read: {error or type(error).__name__}") from error


def parse_reading(
    body: bytes, expected: Expected, names: MetricNames = _CONTRACTS_NAMES, before: Reading | None = None
) -> Reading:
    """The Reading in a body of the Prometheus text format.

    Args:
        names: where it gives any, a body without the contract's info metric is taken as a sample of two gauges. The
            caller vouches for whose it is.
        before: what the same attempt published last; it cannot go back behind that.

    Raises:
        ScrapeError: not the expected trainer's metrics, or none that can be.
    """
    given = {name for name in (names.score, names.progress) if name is not None}
    samples = parse_samples(body, _CONTRACT | given if given else _CONTRACT)
    if given and MetricName.INFO not in samples:
        reading = sample(before, samples, names)
    else:
        info = _info(samples)
        reading = _published(samples, info)
        _check_identity(info, expected)
    _check(reading, expected)
    if before is not None:
        _refuse_going_back(before, reading)
    return reading


def reading_of(message: Message, expected: Expected) -> Reading:
    """The Reading in a termination message, held to the same rules; raises ScrapeError."""
    _check_kinds(message)
    reading = Reading(
        scores=tuple(map(defined, message.scores)),
        losses=None if message.losses is None else tuple(map(defined, message.losses)),
        # 0: it ended before it knew.
        evaluations_planned=message.evaluations_planned or None,
        steps_done=message.steps_done,
        steps_planned=message.steps_planned or None,
        steps_at_start=message.steps_at_start,
        checkpoint=message.checkpoint,
        diverged_at=message.diverged_at,
        baseline=defined(message.baseline),
        level=message.info.level,
        fingerprint=message.info.fingerprint,
        data=message.info.data,
    )
    _check_identity(message.info, expected)
    _check(reading, expected)
    return reading


async def _fetch(session: aiohttp.ClientSession, url: str, timeout_seconds: float) -> bytes:
    timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=min(CONNECT_SECONDS, timeout_seconds))
    async with session.get(url, timeout=timeout, allow_redirects=False) as response:
        if response.status != 200:
            raise ScrapeError(f"answered with status {response.status} instead of 200")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise ScrapeError(f"answered with Content-Encoding {encoding!r}, which was not asked for")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ScrapeError(f"the body is larger than {MAX_BYTES} bytes")
        return bytes(body)


def _published(samples: Samples, info: TrainerInfo) -> Reading:
    scores, losses = _curve(samples, MetricName.CURVE_SCORE), _curve(samples, MetricName.CURVE_LOSS)
    if losses and abs(len(scores) - len(losses)) > 1:
        raise ScrapeError(f"{len(scores)} scores but {len(losses)} losses: publish a loss for each or none")
    # An evaluation may end between the reading of two gauges: it counts once both are there.
    known = min(len(scores), len(losses)) if losses else len(scores)
    return Reading(
        scores=scores[:known],
        losses=losses[:known] if losses else None,
        evaluations_planned=count(samples, MetricName.EVALUATIONS_PLANNED) or None,
        steps_done=count(samples, MetricName.STEPS_DONE) or 0,
        steps_planned=count(samples, MetricName.STEPS_PLANNED) or None,
        steps_at_start=count(samples, MetricName.STEPS_AT_START) or 0,
        checkpoint=count(samples, MetricName.CHECKPOINT) or 0,
        baseline=defined(single(samples, MetricName.BASELINE)),
        level=info.level,
        fingerprint=info.fingerprint,
        data=info.data,
    )


def _curve(samples: Samples, name: MetricName) -> tuple[float | None, ...]:
    """Values of evaluation 1, 2, ... without a gap."""
    points: dict[str, float] = {}
    for labels, value in samples.get(name, ()):
        evaluation = labels.get("evaluation", "")
        if evaluation in points:
            raise ScrapeError(f"{name} is there twice for evaluation {evaluation!r}")
        points[evaluation] = value
    try:
        return tuple(defined(points[str(i)]) for i in range(1, len(points) + 1))
    except KeyError as missing:
        raise ScrapeError(
            f"{name} has {len(points)} evaluations, but not evaluation {missing}: label them from 1 up"
        ) from None


def _info(samples: Samples) -> TrainerInfo:
    found = samples.get(MetricName.INFO, ())
    if len(found) != 1:
        raise ScrapeError(f"{MetricName.INFO} is there {len(found)} times instead of once: is this a trainer?")
    labels = found[0][0]
    wanted = {key: labels[key] for key in TrainerInfo.__dataclass_fields__ if key in labels}
    return TrainerInfo(**{"episode": "", "uid": "", **wanted})


def _check_kinds(message: Message) -> None:
    """A checksum only says that a message is whole, not that its JSON holds what it should."""
    counts = (message.evaluations_planned, message.steps_done, message.steps_planned, message.steps_at_start)
    for number in (*counts, message.checkpoint, message.diverged_at or 0):
        if not isinstance(number, int) or number < 0:
            raise ScrapeError(f"the message has {number!r} where a whole number from 0 up has to be")
    for text in (message.reason, *(getattr(message.info, field) for field in TrainerInfo.__dataclass_fields__)):
        if not isinstance(text, str):
            raise ScrapeError(f"the message has {text!r} where text has to be")
    if not isinstance(message.baseline, int | float | None):
        raise ScrapeError(f"the message has {message.baseline!r} as baseline")


def _check_identity(info: TrainerInfo, expected: Expected) -> None:
    """Raise ScrapeError for the wrong trainer."""
    for name, found, wanted in (
        ("episode", info.episode, expected.episode),
        ("uid", info.uid, expected.uid),
        ("contract", info.contract, str(CONTRACT_VERSION)),
    ):
        if found != wanted:
            raise ScrapeError(f"these are the metrics of {name} {found[:80]!r}, not of {wanted!r}")
    if info.level not in _LEVELS:
        raise ScrapeError(f"level {info.level[:80]!r} is none of {', '.join(sorted(_LEVELS))}")
    if max(len(info.fingerprint), len(info.data)) > MAX_LABEL:
        raise ScrapeError(f"a label is longer than {MAX_LABEL} characters")


def _check(reading: Reading, expected: Expected) -> None:
    """Raise ScrapeError for values that cannot be."""
    for i, score in enumerate(reading.scores):
        if score is not None and not expected.lowest <= score <= expected.highest:
            bounds = f"{expected.lowest:g} to {expected.highest:g}"
            raise ScrapeError(f"the score of evaluation {i + 1} is {score}, outside the metric's range {bounds}")
    evaluations, steps = reading.evaluations_planned, reading.steps_planned
    if evaluations is not None and max(len(reading.scores), reading.checkpoint) > evaluations:
        raise ScrapeError(f"evaluation {max(len(reading.scores), reading.checkpoint)} of only {evaluations}")
    if steps is not None and max(reading.steps_done, reading.steps_at_start) > steps:
        raise ScrapeError(f"step {max(reading.steps_done, reading.steps_at_start)} of only {steps}")


def _refuse_going_back(before: Reading, now: Reading) -> None:
    for what, old, new in (
        ("step", before.steps_done, now.steps_done),
        ("evaluation", len(before.scores), len(now.scores)),
    ):
        if new < old:
            raise ScrapeError(f"went back from {what} {old} to {new}")
