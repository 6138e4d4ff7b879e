"""A trainer's metrics become a Reading, and nothing that a hostile or broken trainer sends does harm."""

import asyncio
import contextlib
import errno
import gzip
import math
import re
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from host.metrics_servers import Handler, MetricsServers, answering, endless, trickle
from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import Metric, MetricRange
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract import metrics_client
from seedsweep.contract.consistency import Limits
from seedsweep.contract.exposition import MAX_LABELS, MAX_LINES, ScrapeError, parse_samples
from seedsweep.contract.message import Message, Outcome, TrainerInfo
from seedsweep.contract.metrics_client import MAX_BYTES, fetch, metrics_session
from seedsweep.contract.scrape import Expected, NeverUsableError, parse_reading, reading_of
from seedsweep.engine.observation import Reading

EXPECTED = Expected(episode="wi1-do2", uid="u1", limits=Limits(0.0, 1.0))
INFO = (
    'seedsweep_trainer_info{episode="wi1-do2",uid="u1",contract="1",level="L3",fingerprint="f",data="d",'
    'initialization="i"} 1\n'
)
STEPS = "seedsweep_steps_done 20\nseedsweep_steps_planned 100\nseedsweep_evaluations_planned 10\n"
CURVE = 'seedsweep_evaluation_score{evaluation="1"} 0.25\nseedsweep_evaluation_score{evaluation="2"} 0.5\n'
GOOD = INFO + STEPS + CURVE
PATIENCE = 120.0
PIECES = [*GOOD, *GOOD.splitlines(keepends=True), "\\", "NaN", "9" * 400]


@pytest_asyncio.fixture
async def servers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MetricsServers]:
    # They answer, however busy this machine is.
    monkeypatch.setattr(metrics_client, "CONNECT_SECONDS", PATIENCE)
    async with MetricsServers() as opened:
        yield opened


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with metrics_session() as opened:
        yield opened


async def scrape(
    session: aiohttp.ClientSession, url: str, timeout_seconds: float = PATIENCE, before: Reading | None = None
) -> Reading:
    return parse_reading(await fetch(session, url, timeout_seconds), EXPECTED, before=before)


def parse(text: str, expected: Expected = EXPECTED) -> Reading:
    return parse_reading(text.encode(), expected)


def test_reading_holds_everything_that_was_published() -> None:
    losses = 'seedsweep_evaluation_loss{evaluation="1"} 1.5\nseedsweep_evaluation_loss{evaluation="2"} NaN\n'
    rest = "seedsweep_checkpoint_evaluation 2\nseedsweep_steps_at_start 10\nseedsweep_baseline_score 0.125\n"
    assert parse("# HELP x y\nprocess_cpu_seconds_total 3\n" + GOOD + losses + rest) == Reading(
        scores=(0.25, 0.5),
        losses=(1.5, None),
        evaluations_planned=10,
        steps_done=20,
        steps_planned=100,
        steps_at_start=10,
        checkpoint=2,
        baseline=0.125,
        level="L3",
        fingerprint="f",
        data="d",
        initialization="i",
    )


def test_scrape_and_termination_message_say_the_same() -> None:
    message = Message(
        info=TrainerInfo(episode="wi1-do2", uid="u1", level="L3", fingerprint="f", data="d", initialization="i"),
        outcome=Outcome.RUNNING,
        evaluations_planned=10,
        steps_done=20,
        steps_planned=100,
        scores=(0.25, 0.5),
    )
    assert reading_of(message, EXPECTED) == parse(GOOD)


@pytest.mark.parametrize("undefined", ["NaN", "+Inf", "-Inf", "inf", "nan"])
def test_score_that_is_not_finite_is_undefined(undefined: str) -> None:
    assert parse(INFO + f'seedsweep_evaluation_score{{evaluation="1"}} {undefined}\n').scores == (None,)


def test_undefined_score_in_a_message_is_undefined() -> None:
    info = TrainerInfo("wi1-do2", "u1")
    message = Message(info, Outcome.DONE, 2, 1, 1, scores=(math.nan, 0.5), losses=(1.0, math.inf))
    reading = reading_of(message, EXPECTED)
    assert (reading.scores, reading.losses) == ((None, 0.5), (1.0, None))


def test_curve_is_read_in_order_of_evaluation_and_not_of_lines() -> None:
    assert parse(INFO + "".join(reversed(CURVE.splitlines(keepends=True)))).scores == (0.25, 0.5)


def test_evaluation_counts_once_its_loss_is_there() -> None:
    assert parse(GOOD + 'seedsweep_evaluation_loss{evaluation="1"} 1.5\n').scores == (0.25,)


def test_label_values_may_be_escaped() -> None:
    info = INFO.replace('fingerprint="f"', r'fingerprint="a\"b\\c\nd}"')
    assert parse(info).fingerprint == 'a"b\\c\nd}'


def test_score_at_the_edge_of_the_range_is_inside_it_although_scores_are_rounded() -> None:
    metric = Metric(name="m", goal="maximize", range=MetricRange(min="0", max="0.1"))
    expected = Expected.of(metric, EpisodeId(1, 2), "u1")
    assert len(parse(INFO + 'seedsweep_evaluation_score{evaluation="1"} 0.1\n', expected).scores) == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (STEPS + CURVE, "is this a trainer"),
        (GOOD + INFO, "2 times instead of once"),
        (GOOD.replace("wi1-do2", "wi9-do9"), "episode 'wi9-do9'"),
        (GOOD.replace('uid="u1"', 'uid="u2"'), "uid 'u2'"),
        (GOOD.replace('contract="1"', 'contract="2"'), "contract '2'"),
        (GOOD.replace('level="L3"', 'level="L9"'), "level 'L9'"),
        (GOOD.replace('fingerprint="f"', f'fingerprint="{"f" * 300}"'), "longer than 256"),
        (GOOD.replace("0.5", "1.5"), "evaluation 2 is 1.5, outside the metric's range 0 to 1"),
        (GOOD.replace("0.5", "1e300"), "score of evaluation 2: 1e+300 does not fit a float32"),
        (GOOD.replace("0.5", "half"), "is no number: 'half'"),
        (GOOD + CURVE, "twice for evaluation '1'"),
        (GOOD + STEPS, "is there 2 times"),
        (GOOD.replace('"2"', '"3"'), "not evaluation '2'"),
        (GOOD.replace('"2"', '"02"'), "not evaluation '2'"),
        (GOOD.replace('{evaluation="2"}', ""), "not evaluation '2'"),
        (GOOD.replace('{evaluation="2"}', "{evaluation=2}"), "not labels"),
        (GOOD + "seedsweep_evaluation_score{\n", "not a sample"),
        (GOOD.replace("steps_done 20", "steps_done 101"), "more steps than the 100 that are planned"),
        (GOOD.replace("steps_done 20", "steps_done -1"), "steps_done is -1.0"),
        (GOOD.replace("steps_done 20", "steps_done 1.5"), "steps_done is 1.5"),
        (GOOD.replace("steps_done 20", "steps_done NaN"), "steps_done is nan"),
        (GOOD.replace("steps_done 20", "steps_done +Inf"), "steps_done is inf"),
        (
            GOOD.replace("evaluations_planned 10", "evaluations_planned 1"),
            "an evaluation beyond the 1 that are planned",
        ),
        (GOOD + "seedsweep_checkpoint_evaluation 11\n", "an evaluation beyond the 10 that are planned"),
        (INFO + "".join(f'seedsweep_evaluation_loss{{evaluation="{i}"}} 1\n' for i in (1, 2)), "0 scores but 2 losses"),
        (GOOD.replace("steps_done 20", "steps_done 1e300"), "not a whole number from 0 to 1000000000000"),
        (GOOD.replace("evaluations_planned 10", "evaluations_planned 301"), "an episode has at most 300 evaluations"),
        (GOOD.replace("0.5", "1_0"), "is no number: '1_0'"),
        (GOOD.replace("0.5", "\N{ARABIC-INDIC DIGIT ONE}"), "is no number"),
        (GOOD + "seedsweep_baseline_score 1e39\n", "seedsweep_baseline_score: 1e+39 does not fit a float32"),
        (GOOD.replace("{evaluation", '{evaluation="1",evaluation'), "has the label evaluation twice"),
        (INFO + "".join(f'seedsweep_evaluation_score{{evaluation="{i}"}} 1\n' for i in range(1, 302)), "at most 300"),
        (GOOD + "".join(f'seedsweep_steps_done{{a="{i}"}} 1\n' for i in range(1000)), "more than 1000"),
        (GOOD.replace("20", "20 soon"), "a timestamp that is no number: 'soon'"),
        (INFO + '{"seedsweep_steps_done","seedsweep_steps_planned"} 1\n', "not labels"),
        (INFO + 'seedsweep_steps_done{"seedsweep_steps_done"} 1\n', "not a sample, which has one name"),
        (GOOD + "#\n" * MAX_LINES, "more than 10000 lines"),
        (INFO.replace("{", "{" + "".join(f'x{i}="",' for i in range(MAX_LABELS))), "more than 32 labels"),
        (INFO.replace("{", '{x="a"y="b",'), "not labels"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(body: str, reason: str) -> None:
    with pytest.raises(ScrapeError) as refused:
        parse(body)
    assert reason in str(refused.value)


def test_message_of_another_attempt_is_refused() -> None:
    with pytest.raises(ScrapeError, match="uid 'other'"):
        reading_of(Message(TrainerInfo("wi1-do2", "other"), Outcome.DONE, 2, 1, 1), EXPECTED)


def test_sample_with_endless_labels_is_refused() -> None:
    labels = ",".join(f'l{i}="x"' for i in range(100_000))
    with pytest.raises(ScrapeError, match="not a sample"):
        parse(INFO + f"seedsweep_validation_score{{{labels}}} 1\n")


@pytest.mark.parametrize("padding", [" ", 'a="",', "}", "\\\\", '="'])
def test_labels_that_are_long_and_crooked_take_no_longer_than_others(padding: str) -> None:
    labels = padding * (4_000 // len(padding))
    body = INFO + "".join(f'seedsweep_evaluation_score{{evaluation="{i}",{labels}}} 1\n' for i in range(1, 250))
    began = time.process_time()
    with contextlib.suppress(ScrapeError):
        parse(body)
    # A search that begins anew at every character takes more than 10 s.
    assert time.process_time() - began < 1


@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_any_body_is_read_or_refused(parts: list[str]) -> None:
    for body in ("".join(parts), INFO + "".join(parts)):
        with contextlib.suppress(ScrapeError):
            parse(body)


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for given_bytes in (body, INFO.encode() + body):
        with contextlib.suppress(ScrapeError):
            parse_reading(given_bytes, EXPECTED)


BLANKS = st.sampled_from(["", " ", "\t", "  "])
NAMES = st.text("az_:", min_size=1, max_size=4)
LABELS = st.dictionaries(st.text("azA", min_size=1, max_size=3), st.text(max_size=5), max_size=3)
VALUES = st.floats().map(repr) | st.sampled_from(["NaN", "+Inf", "-Inf", "7", "+7", "1.", ".5", "1E-3"])
STAMPS = st.sampled_from(["", " 1700000000000", " -5", "\t1520879607.789"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    """A sample as Prometheus takes it, with blanks wherever they may be."""
    name, labels = draw(NAMES), draw(LABELS)
    terms = [_term(draw, *label) for label in labels.items()]
    if draw(st.integers(0, 3)) == 0:
        # Since Prometheus 3.
        terms.insert(0, f'"{name}"')
        name = ""
    elif not terms and draw(st.booleans()):
        gap = draw(st.sampled_from([" ", "\t ", "  "]))
        return f"{draw(BLANKS)}{name}{gap}{draw(VALUES)}{draw(STAMPS)}{draw(BLANKS)}"
    inside = f"{draw(BLANKS)},{draw(BLANKS)}".join(terms)
    comma = f",{draw(BLANKS)}" if bool(terms) and draw(st.booleans()) else ""
    braces = f"{draw(BLANKS)}{{{draw(BLANKS)}{inside}{comma}}}{draw(BLANKS)}"
    return f"{draw(BLANKS)}{name}{braces}{draw(VALUES)}{draw(STAMPS)}{draw(BLANKS)}"


def _term(draw: st.DrawFn, name: str, value: str) -> str:
    written = f'"{name}"' if draw(st.booleans()) else name
    return f'{written}{draw(BLANKS)}={draw(BLANKS)}"{_escaped(value)}"'


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@given(st.lists(lines() | st.sampled_from(["", "# a comment", "  # HELP x y", "# TYPE a gauge"]), max_size=5))
def test_samples_are_those_that_prometheus_reads(body: list[str]) -> None:
    text = "\n".join(body) + "\n"
    families = text_string_to_metric_families(text)
    wanted = [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]
    found = parse_samples(text.encode(), {name for name, *_ in wanted})
    ours = [(name, labels, value) for name, entries in found.items() for labels, value in entries]
    assert sorted(map(repr, ours)) == sorted(map(repr, ((n, lb, float(v)) for n, lb, v in wanted)))


def test_a_page_of_thousands_of_other_metrics_is_read() -> None:
    others = "".join(f'engine_latency_bucket{{le="{i}"}} {i}\n' for i in range(3_000))
    assert parse(others + GOOD).scores == (0.25, 0.5)
    assert len(others) < MAX_BYTES


def test_the_longest_curves_fit_however_they_are_written() -> None:
    curves = (
        f'{name}{{evaluation="{i}"}} -1.2345678901234567e-10\n'
        for name in ("seedsweep_evaluation_score", "seedsweep_evaluation_loss")
        for i in range(1, MAX_EVALUATIONS + 1)
    )
    body = (INFO + "".join(curves)).encode()
    assert len(body) < MAX_BYTES / 2
    assert len(parse_reading(body, Expected("wi1-do2", "u1")).scores) == MAX_EVALUATIONS


@pytest.mark.parametrize(
    ("body", "final"),
    [
        (GOOD.replace("0.5", "1.5"), True),
        (GOOD.replace("0.5", "1e300"), True),
        (GOOD.replace("evaluations_planned 10", "evaluations_planned 1"), True),
        (GOOD.replace("evaluations_planned 10", "evaluations_planned 301"), True),
        (GOOD.replace('contract="1"', 'contract="2"'), True),
        (GOOD.replace('level="L3"', 'level="L9"'), True),
        (GOOD.replace("steps_done 20", "steps_done 101"), True),
        (GOOD.replace("steps_planned 100", "steps_planned 187.5"), True),
        (GOOD.replace("evaluations_planned 10", "evaluations_planned 9.5"), True),
        (INFO.replace('data="d"', f'data="{"d" * 257}"'), True),
        # An address may be another pod's by now, and a trainer may be about to publish the rest.
        (GOOD.replace('uid="u1"', 'uid="u2"'), False),
        (GOOD.replace('uid="u1"', 'uid="u2"').replace("0.5", "1.5"), False),
        (STEPS + CURVE, False),
    ],
)
def test_what_no_later_reading_takes_back_can_never_be_used(body: str, final: bool) -> None:
    with pytest.raises(ScrapeError) as refused:
        parse(body)
    assert isinstance(refused.value, NeverUsableError) == final


def test_limits_that_no_score_can_reach_are_none() -> None:
    metric = Metric(name="m", goal="maximize", range=MetricRange(min="-1e99", max="1e99"))
    assert Expected.of(metric, EpisodeId(1, 2), "u1") == Expected("wi1-do2", "u1", Limits(-math.inf, math.inf))


def test_bad_utf8_is_refused() -> None:
    with pytest.raises(ScrapeError, match="not UTF-8"):
        parse_reading(GOOD.encode() + b"\xff\xfe", EXPECTED)


async def test_trainer_is_read_over_http(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    assert (await scrape(session, await servers.serve(answering(GOOD)))).scores == (0.25, 0.5)


async def test_connection_is_kept_between_scrapes(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    ports = set()

    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.Response(text=GOOD)

    url = await servers.serve(handle)
    for _ in range(3):
        await scrape(session, url)
    assert len(ports) == 1


@pytest.mark.parametrize("later", [GOOD.replace("steps_done 20", "steps_done 19"), INFO + STEPS])
async def test_attempt_cannot_go_back(servers: MetricsServers, session: aiohttp.ClientSession, later: str) -> None:
    with pytest.raises(ScrapeError, match="went back from"):
        await scrape(session, await servers.serve(answering(later)), before=parse(GOOD))


async def test_gzip_bomb_is_not_unpacked(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    with pytest.raises(ScrapeError, match="Content-Encoding 'gzip'"):
        await scrape(session, await servers.serve(answering(bomb, Content_Encoding="gzip")))


@pytest.mark.parametrize("chunk", [b"x" * 65536, b"seedsweep_steps_done 1\n" * 100])
async def test_endless_body_is_cut_off(servers: MetricsServers, session: aiohttp.ClientSession, chunk: bytes) -> None:
    sent: list[int] = []
    with pytest.raises(ScrapeError, match="larger than"):
        await scrape(session, await servers.serve(endless(chunk, sent)))
    assert sum(sent) < 50 * MAX_BYTES


async def test_announced_gigabyte_is_cut_off(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(1 << 30)})
        await response.prepare(request)
        while True:
            await response.write(b"\n" * 65536)

    with pytest.raises(ScrapeError, match="larger than"):
        await scrape(session, await servers.serve(handle))


async def silence(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("handler", [trickle, silence])
async def test_an_answer_that_does_not_come_to_its_end_is_given_up(
    servers: MetricsServers, session: aiohttp.ClientSession, handler: Handler
) -> None:
    handlers = iter([answering(GOOD), handler])

    async def handle(request: web.Request) -> web.StreamResponse:
        return await next(handlers)(request)

    url = await servers.serve(handle)
    # From here on there is a connection, so that none has to be made in the little time that there is.
    await scrape(session, url)
    with pytest.raises(ScrapeError, match=r"^no whole answer within 0\.2 s$") as refused:
        await scrape(session, url, 0.2)
    assert not refused.value.answered


@pytest.mark.parametrize(
    ("answer", "words", "answered"),
    [
        (b"", "the connection was closed before there was an answer", False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the answer is not HTTP", True),
        (b"\x16\x03\x01\x02\x00", "the answer is not HTTP", True),
        (b"\0" * 10_000, "the answer is not HTTP", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "the answer is not HTTP", True),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000, "the answer is not HTTP", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the answer is not HTTP", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + GOOD.encode()[:400], "the answer breaks off", True),
    ],
)
async def test_what_keeps_metrics_from_being_fetched_is_said_without_the_words_of_a_library(
    servers: MetricsServers, session: aiohttp.ClientSession, answer: bytes, words: str, answered: bool
) -> None:
    with pytest.raises(ScrapeError) as refused:
        await fetch(session, await servers.serve_raw(answer), PATIENCE)
    assert str(refused.value).startswith(words)
    assert refused.value.answered == answered


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no connection to port 9400 within 2 s: does a NetworkPolicy forbid it?"),
        (OSError(errno.EHOSTUNREACH, "x"), "there is no route to port 9400"),
        (OSError(errno.ENETUNREACH, "x"), "there is no route to port 9400"),
        (OSError(errno.ECONNREFUSED, "x"), "nothing listens on port 9400 (connection refused)"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "no connection to port 9400 (EADDRNOTAVAIL)"),
    ],
)
async def test_what_keeps_a_connection_from_being_made_is_said(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    key = ConnectionKey("10.0.0.7", 9400, False, True, None, None, None)

    async def connect(*_: object, **__: object) -> None:
        raise error if isinstance(error, TimeoutError) else aiohttp.ClientConnectorError(key, error)

    assert session.connector is not None
    monkeypatch.setattr(session.connector, "connect", connect)
    with pytest.raises(ScrapeError) as refused:
        await fetch(session, "http://10.0.0.7:9400/metrics", 5)
    assert str(refused.value) == words
    assert not refused.value.answered


@pytest.mark.parametrize("url", ["http://:9400/metrics", "http://127.0.0.1:99999/metrics", "http://[zz]:9400/metrics"])
async def test_what_is_no_address_is_said(session: aiohttp.ClientSession, url: str) -> None:
    with pytest.raises(ScrapeError, match=f"^{re.escape(repr(url))} is no address$"):
        await fetch(session, url, 5)


async def test_redirect_is_not_followed(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    followed = []

    async def target(_: web.Request) -> web.StreamResponse:
        followed.append(1)
        return web.Response(text=GOOD)

    elsewhere = await servers.serve(target)

    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": elsewhere})

    with pytest.raises(ScrapeError, match="status 302"):
        await scrape(session, await servers.serve(handle))
    assert not followed


async def test_proxy_of_the_environment_is_not_used(
    servers: MetricsServers, session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert (await scrape(session, await servers.serve(answering(GOOD)))).steps_done == 20


async def test_error_of_the_server_is_reported(servers: MetricsServers, session: aiohttp.ClientSession) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    with pytest.raises(ScrapeError, match="status 500"):
        await scrape(session, await servers.serve(handle))


async def test_refused_connection_is_reported(session: aiohttp.ClientSession) -> None:
    with pytest.raises(ScrapeError, match=r"^nothing listens on port 1 \(connection refused\)$"):
        await scrape(session, "http://127.0.0.1:1/metrics")
