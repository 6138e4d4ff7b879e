"""The Prometheus text format: the samples that were asked for, from a body that nobody vouches for."""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from seedsweep.contract.message import as_published
from seedsweep.contract.protocol import MAX_STEPS

MAX_SAMPLES = 1_000
"""Of the wanted metrics: the curves of MAX_EVALUATIONS take 600, the contract's other metrics 9."""
MAX_LINES = 10_000
"""Of the whole page, with comments and what others publish on it."""
MAX_LINE = 4_096
MAX_LABELS = 32
"""Of one sample."""

# Five times as fast as prometheus_client's parser, which takes 4 ms for the curves of 300 evaluations.
_BLANKS = " \t\r"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?(?:[ \t]*\{(.*)\}[ \t]*|[ \t]+)([^\s{}\"]+)(?:[ \t]+([^\s{}\"]+))?")
_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
# A label, or in quotes the name of the metric: since Prometheus 3 it may stand among the labels, and both in quotes.
_LABEL = re.compile(rf"[ \t]*(?:([a-zA-Z_][a-zA-Z0-9_]*)|{_QUOTED})[ \t]*(?:=[ \t]*{_QUOTED}[ \t]*)?(?:,[ \t]*|$)")
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


class CountError(ScrapeError):
    """A metric that counts something has another value than a whole number within bounds."""


def parse_samples(body: bytes, wanted: Collection[str]) -> Samples:
    """The samples of the wanted metrics; others are left alone.

    Raises:
        ScrapeError: not text, too many samples, or a wanted one that cannot be read.
    """
    if body.count(b"\n") > MAX_LINES:
        raise ScrapeError(f"more than {MAX_LINES} lines: publish fewer other metrics on this page")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise ScrapeError("the body is not UTF-8 text") from None
    samples: defaultdict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
    count = 0
    # Not splitlines(), which would also split at characters that a label may hold.
    for line in (raw.strip(_BLANKS) for raw in text.split("\n")):
        if not _may_be_wanted(line, wanted):
            continue
        name, labels, value = _parse_sample(line)
        if name not in wanted:
            continue
        count += 1
        if count > MAX_SAMPLES:
            raise ScrapeError(f"more than {MAX_SAMPLES} samples of the metrics that are read")
        samples[name].append((labels, value))
    return samples


def _may_be_wanted(line: str, wanted: Collection[str]) -> bool:
    name = _NAME.match(line)
    if name is not None:
        return name[0] in wanted
    return line.startswith("{") and any(f'"{name}"' in line for name in wanted)


def _parse_sample(line: str) -> tuple[str, dict[str, str], float]:
    match = _SAMPLE.fullmatch(line) if len(line) <= MAX_LINE else None
    if match is None:
        raise ScrapeError(f"not a sample: {line[:80]!r}")
    named, labels = _labels(match[2]) if match[2] else (None, {})
    if (match[1] is None) == (named is None):
        raise ScrapeError(f"not a sample, which has one name: {line[:80]!r}")
    name = match[1] or named or ""
    if match[4] is not None and _NUMBER.fullmatch(match[4]) is None:
        raise ScrapeError(f"{name} has a timestamp that is no number: {match[4][:40]!r}")
    return name, labels, _number(match[3], name)


def single(samples: Samples, name: str) -> float | None:
    """The value of a metric that has one sample; None where it has none. Raises ScrapeError where it has several."""
    found = samples.get(name, ())
    if len(found) > 1:
        raise ScrapeError(f"{name} is there {len(found)} times, {_difference([labels for labels, _ in found[:2]])}")
    return found[0][1] if found else None


def _difference(labels: Sequence[dict[str, str]]) -> str:
    """What tells two samples of one metric apart, and what to do about it."""
    names = sorted({name for found in labels for name in found})
    names = [name for name in names if len({found.get(name) for found in labels}) > 1]
    if not names:
        return "with the same labels: publish it once"
    first, second = (", ".join(f'{name}="{found.get(name, "")[:40]}"' for name in names[:3]) for found in labels)
    return f"once with {first} and once with {second}: publish one sample of it, as from one process alone"


def count(samples: Samples, name: str, most: int = MAX_STEPS) -> int | None:
    """The same for a whole number from 0 to `most`; raises CountError for any other."""
    value = single(samples, name)
    if value is None:
        return None
    if not (0 <= value <= most and value.is_integer()):
        raise CountError(f"{name} is {value}, not a whole number from 0 to {most}")
    return int(value)


def defined(value: float | None, what: str) -> float | None:
    """None for what is not finite; else rounded as every channel rounds. Raises ScrapeError for what is too large."""
    if value is None or not math.isfinite(value):
        return None
    try:
        return as_published(value)
    except ValueError as error:
        raise ScrapeError(f"{what}: {error}") from None


def _labels(text: str) -> tuple[str | None, dict[str, str]]:
    """The name of the metric, where it stands among the labels, and the labels."""
    # Prometheus' own parsers take a comma before the first label, and one after the last.
    rest = text.strip(_BLANKS).removeprefix(",")
    named: str | None = None
    labels: dict[str, str] = {}
    at = 0
    # One after the other: a search would try the rest of the text at every place.
    while at < len(rest):
        match = _LABEL.match(rest, at)
        if match is None or (match[3] is None and (match[2] is None or named is not None)):
            raise ScrapeError(f"not labels: {text.strip(_BLANKS)[:80]!r}")
        name = match[1] if match[1] is not None else _unescaped(match[2])
        if match[3] is None:
            named = name
        else:
            _add_label(labels, name, _unescaped(match[3]))
        at = match.end()
    return named, labels


def _add_label(labels: dict[str, str], name: str, value: str) -> None:
    if len(labels) == MAX_LABELS:
        raise ScrapeError(f"a sample has more than {MAX_LABELS} labels")
    if name in labels:
        raise ScrapeError(f"a sample has the label {name[:40]} twice")
    labels[name] = value


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    # Escaped backslashes first, which leaves none that could be taken for the beginning of another escape.
    return "\\".join(part.replace(r"\n", "\n").replace(r"\"", '"') for part in value.split(r"\\"))


def _number(text: str, name: str) -> float:
    if _NUMBER.fullmatch(text) is None:
        raise ScrapeError(f"{name} is no number: {text[:40]!r}")
    return float(text)
