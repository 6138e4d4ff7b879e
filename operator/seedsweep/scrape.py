"""One trainer's /metrics becomes one Reading. The only reader of trainers' metrics, and it trusts nothing in them.

Whatever a body holds, the outcome is a whole Reading or a ScrapeError, within a bounded time and memory.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import Metric, MetricRange
from seedsweep.engine.observation import Reading
from seedsweep_trainer.contract import CONTRACT_VERSION, Message, MetricName, TrainerInfo, as_published

MAX_BYTES = 1 << 20
MAX_SAMPLES = 1_000
MAX_LINE = 4_096
MAX_LABEL = 256
"""Characters of a label that goes on record."""
CONNECT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 90.0

_LEVELS = frozenset({"L0", "L1", "L2", "L3"})
# Five times as fast as prometheus_client's parser, which takes 4 ms for the curves of 300 evaluations.
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t\r]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)')
_ESCAPE = re.compile(r"\\(.)")

Samples = Mapping[str, Sequence[tuple[dict[str, str], float]]]
"""By metric name: the labels and value of each sample."""


class ScrapeError(Exception):
    """Nothing usable was read; the message says why."""


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


async def scrape(
    session: aiohttp.ClientSession,
    url: str,
    expected: Expected,
    timeout_seconds: float,
    before: Reading | None = None,
) -> Reading:
    """Read one trainer's metrics once.

    Args:
        before: what the same attempt published last; it cannot go back behind that.

    Raises:
        ScrapeError: unreachable, too slow, too large, not the expected trainer's, or not metrics at all.
    """
    try:
        body = await _fetch(session, url, timeout_seconds)
    except TimeoutError as error:
        raise ScrapeError(f"no whole answer within {timeout_seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ScrapeError(f"cannot be read: {error or type(error).__name__}") from error
    reading = parse_reading(body, expected)
    if before is not None:
        _refuse_going_back(before, reading)
    return reading


def parse_reading(body: bytes, expected: Expected) -> Reading:
    """The Reading in a body of the Prometheus text format; raises ScrapeError."""
    samples = _samples(body)
    info = _info(samples)
    scores, losses = _curve(samples, MetricName.CURVE_SCORE), _curve(samples, MetricName.CURVE_LOSS)
    if losses and abs(len(scores) - len(losses)) > 1:
        raise ScrapeError(f"{len(scores)} scores but {len(losses)} losses: publish a loss for each or none")
    # An evaluation may end between the reading of two gauges: it counts once both are there.
    known = min(len(scores), len(losses)) if losses else len(scores)
    reading = Reading(
        scores=scores[:known],
        losses=losses[:known] if losses else None,
        evaluations_planned=_count(samples, MetricName.EVALUATIONS_PLANNED) or None,
        steps_done=_count(samples, MetricName.STEPS_DONE) or 0,
        steps_planned=_count(samples, MetricName.STEPS_PLANNED) or None,
        steps_at_start=_count(samples, MetricName.STEPS_AT_START) or 0,
        checkpoint=_count(samples, MetricName.CHECKPOINT) or 0,
        baseline=_defined(_single(samples, MetricName.BASELINE)),
        level=info.level,
        fingerprint=info.fingerprint,
        data=info.data,
    )
    _check(reading, info, expected)
    return reading


def reading_of(message: Message, expected: Expected) -> Reading:
    """The Reading in a termination message, held to the same rules; raises ScrapeError."""
    _check_kinds(message)
    reading = Reading(
        scores=tuple(map(_defined, message.scores)),
        losses=None if message.losses is None else tuple(map(_defined, message.losses)),
        # 0: it ended before it knew.
        evaluations_planned=message.evaluations_planned or None,
        steps_done=message.steps_done,
        steps_planned=message.steps_planned or None,
        steps_at_start=message.steps_at_start,
        checkpoint=message.checkpoint,
        diverged_at=message.diverged_at,
        baseline=_defined(message.baseline),
        level=message.info.level,
        fingerprint=message.info.fingerprint,
        data=message.info.data,
    )
    _check(reading, message.info, expected)
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


def _samples(body: bytes) -> Samples:
    """The contract's samples; others are counted and left alone."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ScrapeError("the body is not UTF-8 text") from None
    # Not splitlines(), which would also split at characters that a label may hold.
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    if len(lines) > MAX_SAMPLES:
        raise ScrapeError(f"{len(lines)} samples are more than {MAX_SAMPLES}")
    samples: defaultdict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    for line in lines:
        if not line.startswith("seedsweep_"):
            continue
        match = _SAMPLE.fullmatch(line) if len(line) <= MAX_LINE else None
        if match is None:
            raise ScrapeError(f"not a sample: {line[:80]!r}")
        if match[1] in _WANTED:
            samples[match[1]].append((_labels(match[2] or ""), _number(match[3], match[1])))
    return samples


_WANTED = frozenset(name.value for name in MetricName)


def _labels(text: str) -> dict[str, str]:
    labels = {name: _ESCAPE.sub(_unescape, value) for name, value in _LABEL.findall(text)}
    if _LABEL.sub("", text).strip():
        raise ScrapeError(f"not labels: {text[:80]!r}")
    return labels


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ScrapeError(f"{name} is no number: {text[:40]!r}") from None


def _single(samples: Samples, name: MetricName) -> float | None:
    found = samples.get(name, ())
    if len(found) > 1:
        raise ScrapeError(f"{name} is there {len(found)} times")
    return found[0][1] if found else None


def _count(samples: Samples, name: MetricName) -> int | None:
    value = _single(samples, name)
    if value is None:
        return None
    if not (math.isfinite(value) and value >= 0 and value.is_integer()):
        raise ScrapeError(f"{name} is {value}, not a whole number from 0 up")
    return int(value)


def _curve(samples: Samples, name: MetricName) -> tuple[float | None, ...]:
    """Values of evaluation 1, 2, ... without a gap."""
    points: dict[str, float] = {}
    for labels, value in samples.get(name, ()):
        evaluation = labels.get("evaluation", "")
        if evaluation in points:
            raise ScrapeError(f"{name} is there twice for evaluation {evaluation!r}")
        points[evaluation] = value
    try:
        return tuple(_defined(points[str(i)]) for i in range(1, len(points) + 1))
    except KeyError as missing:
        raise ScrapeError(
            f"{name} has {len(points)} evaluations, but not evaluation {missing}: label them from 1 up"
        ) from None


def _defined(value: float | None) -> float | None:
    """None for what is not finite; else rounded as every channel rounds."""
    if value is None or not math.isfinite(value):
        return None
    try:
        return as_published(value)
    except OverflowError:
        raise ScrapeError(f"{value} does not fit a float32") from None


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
    for count in (*counts, message.checkpoint, message.diverged_at or 0):
        if not isinstance(count, int) or count < 0:
            raise ScrapeError(f"the message has {count!r} where a whole number from 0 up has to be")
    for text in (message.reason, *(getattr(message.info, field) for field in TrainerInfo.__dataclass_fields__)):
        if not isinstance(text, str):
            raise ScrapeError(f"the message has {text!r} where text has to be")
    if not isinstance(message.baseline, int | float | None):
        raise ScrapeError(f"the message has {message.baseline!r} as baseline")


def _check(reading: Reading, info: TrainerInfo, expected: Expected) -> None:
    """Raise ScrapeError for the wrong trainer and for values that cannot be."""
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
