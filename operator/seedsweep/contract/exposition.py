"""The Prometheus text format: the samples that were asked for, from a body that nobody vouches for."""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from seedsweep.contract.protocol import MAX_STEPS, as_published

MAX_SAMPLES = 1_000
"""The curves of MAX_EVALUATIONS take 600, the contract's other metrics 9; the rest is for a trainer's own."""
MAX_LINES = 10_000
"""With comments."""
MAX_LINE = 4_096
MAX_LABELS = 32
"""Of one sample."""

# Five times as fast as prometheus_client's parser, which takes 4 ms for the curves of 300 evaluations.
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SAMPLE = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]*\{(.*)\}[ \t]*|[ \t]+)([^\s{}\"]+)(?:[ \t]+-?[0-9]+)?[ \t\r]*"
)
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*(?:,[ \t]*|$)')
# float() would also take 1_000, and digits of other scripts.
_NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)", re.ASCII | re.IGNORECASE
)

Samples = Mapping[str, Sequence[tuple[dict[str, str], float]]]
"""By metric name: the labels and value of each sample."""


class ScrapeError(Exception):
    """Nothing usable was read; the message says why."""

    kind: ClassVar[str] = "unusable"
    """One word for a counter."""
    answered: ClassVar[bool] = True
    """Somebody did, so that waiting alone does not help."""


def parse_samples(body: bytes, wanted: Collection[str]) -> Samples:
    """The samples of the wanted metrics; others are counted and left alone.

    Raises:
        ScrapeError: not text, too many samples, or a wanted one that cannot be read.
    """
    if body.count(b"\n") > MAX_LINES:
        raise ScrapeError(f"more than {MAX_LINES} lines")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ScrapeError("the body is not UTF-8 text") from None
    # Not splitlines(), which would also split at characters that a label may hold.
    lines = [line for line in (raw.lstrip(" \t") for raw in text.split("\n")) if line.strip() and line[0] != "#"]
    if len(lines) > MAX_SAMPLES:
        raise ScrapeError(f"{len(lines)} samples are more than {MAX_SAMPLES}")
    samples: defaultdict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    for line in lines:
        name = _NAME.match(line)
        if name is None or name[0] not in wanted:
            continue
        match = _SAMPLE.fullmatch(line) if len(line) <= MAX_LINE else None
        if match is None:
            raise ScrapeError(f"not a sample: {line[:80]!r}")
        samples[match[1]].append((_labels(match[2]) if match[2] else {}, _number(match[3], match[1])))
    return samples


def single(samples: Samples, name: str) -> float | None:
    """The value of a metric without labels; None where it is not there. Raises ScrapeError where it is there twice."""
    found = samples.get(name, ())
    if len(found) > 1:
        raise ScrapeError(f"{name} is there {len(found)} times")
    return found[0][1] if found else None


def count(samples: Samples, name: str, most: int = MAX_STEPS) -> int | None:
    """The same for a whole number from 0 to `most`; raises ScrapeError for any other."""
    value = single(samples, name)
    if value is None:
        return None
    if not (0 <= value <= most and value.is_integer()):
        raise ScrapeError(f"{name} is {value}, not a whole number from 0 to {most}")
    return int(value)


def defined(value: float | None, what: str) -> float | None:
    """None for what is not finite; else rounded as every channel rounds. Raises ScrapeError for what is too large."""
    if value is None or not math.isfinite(value):
        return None
    try:
        return as_published(value)
    except ValueError as error:
        raise ScrapeError(f"{what}: {error}") from None


def _labels(text: str) -> dict[str, str]:
    text = text.strip()
    labels: dict[str, str] = {}
    at = 0
    # One after the other: a search would try the rest of the text at every place.
    while at < len(text):
        match = _LABEL.match(text, at)
        if match is None:
            raise ScrapeError(f"not labels: {text[:80]!r}")
        if len(labels) == MAX_LABELS:
            raise ScrapeError(f"a sample has more than {MAX_LABELS} labels")
        if match[1] in labels:
            raise ScrapeError(f"label {match[1][:40]} is there twice: {text[:80]!r}")
        labels[match[1]] = _unescaped(match[2])
        at = match.end()
    return labels


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    # Escaped backslashes first, which leaves none that could be taken for the beginning of another escape.
    return "\\".join(part.replace(r"\n", "\n").replace(r"\"", '"') for part in value.split(r"\\"))


def _number(text: str, name: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ScrapeError(f"{name} is no number: {text[:40]!r}")
    return float(text)
