"""What a broken or hostile trainer answers to a scrape: HTTP as bytes, for some of it is no HTTP at all."""

import gzip
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from cluster.simulator.exposition import metrics_body
from cluster.simulator.faults import Lies
from seedsweep.contract.message import Message
from seedsweep.contract.protocol import MetricName

SLOW_SECONDS = 0.5
"""Between two bytes of a slow answer."""
_HUGE = 8 << 20
_BOMB = gzip.compress(b"#" * _HUGE)
_CHUNK = b"10000\r\n" + b"#" * 0x10000 + b"\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """Chunks to be sent, endless ones too, with a pause after each; no chunks: hang up."""

    chunks: Iterable[bytes]
    pause: float = 0.0


def plain(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    """An ordinary answer."""
    head = (f"HTTP/1.0 {status}", f"Content-Length: {len(body)}", "Content-Type: text/plain; version=0.0.4", *headers)
    return Answer((("\r\n".join(head) + "\r\n\r\n").encode() + body,))


def lying(lie: Lies, truth: Message) -> Answer:
    """The answer of a trainer that should publish `truth`."""
    if lie in _FALSE:
        return plain(metrics_body(_FALSE[lie](truth)))
    return _BROKEN[lie](metrics_body(truth))


def _newest(truth: Message, score: float) -> Message:
    return replace(truth, scores=(*truth.scores[:-1], score))


_FALSE: dict[Lies, Callable[[Message], Message]] = {
    Lies.OTHER_EPISODE: lambda truth: replace(truth, info=replace(truth.info, episode="wi998-do999")),
    Lies.OTHER_UID: lambda truth: replace(truth, info=replace(truth.info, uid="someone-else")),
    Lies.OUT_OF_RANGE: lambda truth: _newest(truth, 1e6),
    Lies.NOT_A_NUMBER: lambda truth: _newest(truth, math.nan),
    Lies.GOES_BACK: lambda truth: replace(truth, steps_done=truth.steps_done // 2),
    Lies.BEYOND_ITS_STEPS: lambda truth: replace(truth, steps_done=truth.steps_planned + 1),
}


def _slow(body: bytes) -> Answer:
    whole = b"".join(plain(body).chunks)
    return Answer((whole[i : i + 1] for i in range(len(whole))), SLOW_SECONDS)


def _endless(_: bytes) -> Answer:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return Answer(itertools.chain((head,), itertools.repeat(_CHUNK)))


def _many_labels(body: bytes) -> Answer:
    labels = ",".join(f'l{i}="x"' for i in range(5_000))
    return plain(body + f"{MetricName.SCORE}{{{labels}}} 1\n".encode())


_BROKEN: dict[Lies, Callable[[bytes], Answer]] = {
    Lies.DUPLICATE: lambda body: plain(body + body),
    Lies.GARBAGE: lambda _: plain(bytes(range(256)) * 16),
    Lies.HUGE: lambda body: plain(body + b"#" * _HUGE),
    Lies.MANY_LABELS: _many_labels,
    Lies.ENDLESS: _endless,
    Lies.SLOW: _slow,
    # Nothing listens there, and a scraper that follows it has left the trainer.
    Lies.REDIRECT: lambda _: plain(b"", "302 Found", "Location: http://127.255.255.254:1/metrics"),
    Lies.GZIP: lambda _: plain(_BOMB, "200 OK", "Content-Encoding: gzip"),
    Lies.SERVER_ERROR: lambda _: plain(b"no luck\n", "500 Internal Server Error"),
    Lies.RESET: lambda _: Answer(()),
}
