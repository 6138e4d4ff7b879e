"""The opening statistics against numpy, textbook values and their own laws."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from seedsweep.science.summary import failed_runs, share, summarize

scores = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


def test_summary_of_a_textbook_sample() -> None:
    summary = summarize([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0])
    assert summary.mean == 5.0
    assert summary.deviation == pytest.approx(2.13809, abs=1e-5)
    assert (summary.lower_quartile, summary.median, summary.upper_quartile) == (4.0, 4.5, 5.5)
    assert (summary.n, summary.minimum, summary.maximum) == (8, 2.0, 9.0)


@given(scores)
def test_summary_agrees_with_the_standard_library(values: list[float]) -> None:
    summary = summarize(values)
    assert summary.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert summary.median == pytest.approx(statistics.median(values), abs=1e-6)
    if len(values) > 1:
        assert summary.deviation == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)
        lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
        assert summary.lower_quartile == pytest.approx(lower, abs=1e-6)
        assert summary.upper_quartile == pytest.approx(upper, abs=1e-6)


@given(scores)
def test_summary_does_not_depend_on_the_order_of_scores(values: list[float]) -> None:
    forwards, backwards = summarize(values), summarize(values[::-1])
    assert forwards.median == backwards.median
    assert forwards.mean == pytest.approx(backwards.mean, abs=1e-6)


def test_a_single_score_has_no_standard_deviation() -> None:
    assert summarize([0.5]).deviation is None


def test_no_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        summarize([])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_are_refused_with_the_remedy(bad: float) -> None:
    with pytest.raises(ValueError, match="best finite score"):
        summarize([0.5, bad])


def test_share_has_the_exact_interval_of_clopper_and_pearson() -> None:
    # 10 of 50: the tabulated interval of Clopper and Pearson is 10.03 % to 33.72 %.
    found = share(10, 50)
    assert found.low == pytest.approx(0.1003, abs=1e-4)
    assert found.high == pytest.approx(0.3372, abs=1e-4)


def test_share_of_none_follows_the_closed_form() -> None:
    assert share(0, 20).low == 0.0
    assert share(0, 20).high == pytest.approx(1 - 0.025 ** (1 / 20))


@given(st.integers(1, 200), st.data())
def test_share_lies_inside_its_interval(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    found = share(count, n)
    assert found.low <= count / n <= found.high


@given(st.integers(1, 3000), st.data())
def test_share_agrees_with_scipy(n: int, data: st.DataObject) -> None:
    count, confidence = data.draw(st.integers(0, n)), data.draw(st.sampled_from([0.5, 0.9, 0.95, 0.999]))
    interval = binomtest(count, n).proportion_ci(confidence_level=confidence, method="exact")
    found = share(count, n, confidence)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize(("count", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_is_refused(count: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        share(count, n)


def test_a_run_at_the_baseline_has_failed() -> None:
    assert failed_runs([0.4, 0.5, 0.6], 0.5, maximize=True).count == 2


def test_failed_runs_follow_the_direction_of_the_metric() -> None:
    assert failed_runs([0.4, 0.5, 0.6], 0.55, maximize=False).count == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_failed_runs_mirror_when_scores_change_sign(values: list[float], baseline: float) -> None:
    negated = [-value for value in values]
    assert failed_runs(values, baseline, maximize=True) == failed_runs(negated, -baseline, maximize=False)


def test_quartiles_are_numpys_default() -> None:
    values = [0.1, 0.9, 0.4, 0.35]
    assert summarize(values).upper_quartile == np.percentile(values, 75)
