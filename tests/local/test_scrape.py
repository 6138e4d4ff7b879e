"""A trainer's metrics become a Reading, and nothing that a hostile or broken trainer publishes does harm."""

import contextlib
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from local.metrics_texts import CURVE, EXPECTED, GOOD, INFO, STEPS, parse
from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import Metric, MetricRange
from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract.consistency import Limits
from seedsweep.contract.exposition import MAX_LABELS, MAX_LINES, ScrapeError, parse_samples
from seedsweep.contract.message import Message, Outcome, TrainerInfo
from seedsweep.contract.metrics_client import MAX_BYTES
from seedsweep.contract.scrape import Expected, NeverUsableError, parse_reading, reading_of
from seedsweep.engine.observation import Reading

PIECES = [*GOOD, *GOOD.splitlines(keepends=True), "\\", "NaN", "9" * 400]


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
