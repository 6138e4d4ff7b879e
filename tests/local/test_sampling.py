"""Two gauges, scraped now and then, become a curve that says it was sampled."""

import math
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.metrics_texts import EXPECTED
from seedsweep.api.sweep import GaugeNames
from seedsweep.contract.exposition import ScrapeError
from seedsweep.contract.scrape import parse_reading
from seedsweep.engine.observation import Reading

NAMES = GaugeNames(score="val_accuracy", progress="epoch_share")
INFO = 'seedsweep_trainer_info{episode="wi1-do2",uid="u1",contract="1",level="L1"} 1\n'

Samples = Sequence[tuple[float, float]]
"""Progress and score of scrape after scrape."""


def read(progress: float, score: float, before: Reading | None = None) -> Reading:
    body = f"epoch_share {progress}\nval_accuracy{{run='x'}} {score}\n".replace("'", '"')
    return parse_reading(body.encode(), EXPECTED, NAMES, before)


def curve(samples: Samples) -> tuple[float | None, ...]:
    reading = None
    for progress, score in samples:
        reading = read(progress, score, reading)
    assert reading is not None
    return reading.scores


def test_curve_has_an_evaluation_for_each_percent_and_says_that_it_was_sampled() -> None:
    reading = read(0.02, 0.5)
    assert reading == Reading(scores=(0.5, 0.5), evaluations_planned=100, level="L0", sampled=True)


def test_sample_holds_until_the_next() -> None:
    assert curve([(0.02, 0.5), (0.05, 0.75)]) == (0.5, 0.5, 0.5, 0.5, 0.75)


def test_first_sample_of_an_evaluation_stays() -> None:
    assert curve([(0.02, 0.5), (0.029, 0.75)]) == (0.5, 0.5)


def test_score_before_the_first_percent_is_no_evaluation() -> None:
    assert curve([(0.0, 0.0)]) == ()
    assert curve([(0.0, 0.0), (0.01, 0.5)]) == (0.5,)


def test_until_there_is_a_score_there_is_no_evaluation() -> None:
    assert curve([(0.01, math.nan), (0.02, math.nan)]) == ()
    assert curve([(0.01, math.nan), (0.03, 0.5)]) == (0.5, 0.5, 0.5)


def test_score_that_becomes_undefined_is_undefined_there() -> None:
    assert curve([(0.01, 0.5), (0.03, math.nan), (0.04, 0.25)]) == (0.5, 0.5, None, 0.25)


@pytest.mark.parametrize("percent", range(1, 101))
def test_progress_in_single_precision_reaches_its_percent(percent: int) -> None:
    (single,) = struct.unpack("<f", struct.pack("<f", percent / 100))
    assert len(curve([(single, 0.5)])) == percent


shares = st.floats(0, 1)


@given(st.lists(st.tuples(shares, shares | st.just(math.nan)), min_size=1).map(sorted))
def test_what_a_curve_once_held_never_changes(samples: list[tuple[float, float]]) -> None:
    before: tuple[float | None, ...] = ()
    reading = None
    for progress, score in samples:
        reading = read(progress, score, reading)
        assert reading.scores[: len(before)] == before
        assert len(reading.scores) in (0, int(100 * progress + 1e-4))
        before = reading.scores


def test_attempt_cannot_go_back() -> None:
    with pytest.raises(ScrapeError, match="went back from evaluation 50 to 30"):
        read(0.3, 0.5, before=read(0.5, 0.5))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("val_accuracy 0.5\n", "epoch_share is None, not a share"),
        ("epoch_share 50\nval_accuracy 0.5\n", "epoch_share is 50.0, not a share of the episode from 0 to 1"),
        ("epoch_share NaN\nval_accuracy 0.5\n", "epoch_share is nan"),
        ("epoch_share 0.5\n", "val_accuracy is not there: publish it from the start"),
        ("epoch_share 0.5\nval_accuracy 1.5\n", "outside the metric's range 0 to 1"),
        (
            'epoch_share 0.5\nval_accuracy{pid="1",x="y"} 0.5\nval_accuracy{pid="2",x="y"} 0.5\n',
            'is there 2 times, once with pid="1" and once with pid="2": publish one sample of it',
        ),
        (
            'epoch_share 0.5\nval_accuracy 0.5\nval_accuracy{rank="0"} 0.5\n',
            'is there 2 times, once with rank="" and once with rank="0"',
        ),
        ("epoch_share 0.5\nepoch_share 0.5\nval_accuracy 0.5\n", "is there 2 times, with the same labels"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(body: str, reason: str) -> None:
    with pytest.raises(ScrapeError) as refused:
        parse_reading(body.encode(), EXPECTED, NAMES)
    assert reason in str(refused.value)


@pytest.mark.parametrize("names", [GaugeNames(score="quality"), GaugeNames(score="seedsweep_validation_score")])
def test_without_a_gauge_of_progress_the_contracts_counts_tell_it(names: GaugeNames) -> None:
    body = f"{names.score} 0.5\nseedsweep_evaluations_done 2\nseedsweep_evaluations_planned 8\n"
    reading = parse_reading(body.encode(), EXPECTED, names)
    assert (reading.scores, reading.evaluations_planned) == ((0.5, 0.5), 8)


@pytest.mark.parametrize(("done", "planned"), [(1e12, 1e12), (9, 8), (1, None), (None, 8)])
def test_counts_that_cannot_be_are_refused(done: float | None, planned: float | None) -> None:
    counts = {"seedsweep_evaluations_done": done, "seedsweep_evaluations_planned": planned}
    body = "quality 0.5\n" + "".join(f"{name} {value}\n" for name, value in counts.items() if value is not None)
    with pytest.raises(ScrapeError, match=r"spec\.trainer\.gauges\.progress"):
        parse_reading(body.encode(), EXPECTED, GaugeNames(score="quality"))


def test_trainer_that_publishes_its_curve_is_not_sampled_although_gauges_are_named() -> None:
    body = INFO + 'seedsweep_evaluation_score{evaluation="1"} 0.25\nepoch_share 0.5\nval_accuracy 0.5\n'
    assert parse_reading(body.encode(), EXPECTED, NAMES) == Reading(scores=(0.25,))


def test_metrics_of_another_episode_are_not_sampled() -> None:
    body = INFO.replace('uid="u1"', 'uid="u2"') + "epoch_share 0.5\nval_accuracy 0.5\n"
    with pytest.raises(ScrapeError, match="uid 'u2'"):
        parse_reading(body.encode(), EXPECTED, NAMES)


def test_only_a_sweep_that_names_its_gauges_is_sampled() -> None:
    body = b"seedsweep_validation_score 0.5\nseedsweep_evaluations_done 2\nseedsweep_evaluations_planned 8\n"
    with pytest.raises(ScrapeError, match="is this a trainer"):
        parse_reading(body, EXPECTED)
