"""Which sweeps may get more seeds once they exist, and why others may not."""

from typing import Any

import pytest

from inputs import sweeps
from inputs.growing import FEWER, MORE, failed
from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.rules.growth import HAS_FAILED, NO_GROWTH, ONLY_MORE, growth_problem
from seedsweep.api.seeds import Seeds
from seedsweep.api.status import HAND_OVER_FAILED, SweepStatus
from seedsweep.api.sweep import SweepSpec
from seedsweep.engine.layout import expand

SPEC = parse_sweep(sweeps.FINE_TUNING).spec
ONE_RUNG = {"rungs": [{"atPercent": 30, "keep": 2}]}


def problem(
    fewer: dict[str, Any],
    more: dict[str, Any],
    stopping: dict[str, Any] | None = ONE_RUNG,
    spec: SweepSpec = SPEC,
    **status: Any,
):
    before, after = [
        spec.evolve(
            seeds=Seeds.model_validate(seeds),
            early_stopping=EarlyStopping.model_validate(stopping) if stopping is not None else None,
        )
        for seeds in (fewer, more)
    ]
    return growth_problem(before, after, SweepStatus(**status))


@pytest.mark.parametrize("form", MORE)
def test_seeds_of_every_form_may_become_more(form: str) -> None:
    fewer, more = MORE[form]
    assert problem(fewer, more) is None
    assert problem(fewer, more, stopping=None) is None
    assert set(expand(Seeds.model_validate(fewer))) < set(expand(Seeds.model_validate(more)))


@pytest.mark.parametrize("form", MORE)
def test_seeds_may_not_become_fewer(form: str) -> None:
    fewer, more = MORE[form]
    assert problem(more, fewer) == ONLY_MORE


@pytest.mark.parametrize("form", FEWER)
def test_no_seed_may_be_taken_away_and_no_form_become_another(form: str) -> None:
    assert problem(*FEWER[form]) == ONLY_MORE


@pytest.mark.parametrize(
    "stopping",
    [
        {"rungs": [{"atPercent": 30, "keep": 3}, {"atPercent": 60, "keep": 2}]},
        {"brackets": [{"episodes": 4, "rungs": [{"atPercent": 30, "keep": 2}]}]},
        {"hyperband": {}},
        {"floor": {}},
        {"floor": {}, "rungs": [{"atPercent": 60, "keep": 2}]},
        {**ONE_RUNG, "rankBy": "latest"},
    ],
)
def test_where_a_loser_could_be_revived_or_its_weights_be_wanted_no_seeds_come(stopping: dict[str, Any]) -> None:
    fewer, more = MORE["single count"]
    assert problem(fewer, more, stopping) == NO_GROWTH
    assert problem(fewer, fewer, stopping) is None


def test_a_sweep_that_declares_an_average_may_grow_like_any_other() -> None:
    fewer, more = MORE["single count"]
    average = SPEC.evolve(result="average")
    assert problem(fewer, more, spec=average) is None
    assert problem(fewer, more, {"floor": {}}, spec=average) == NO_GROWTH


def test_a_sweep_that_failed_stays_failed_but_for_its_hand_over() -> None:
    fewer, more = MORE["single count"]
    assert problem(fewer, more, conditions=[failed("NoScore")]) == HAS_FAILED
    assert problem(fewer, fewer, conditions=[failed("NoScore")]) is None
    assert problem(fewer, more, conditions=[failed(HAND_OVER_FAILED)]) is None


def test_the_order_in_which_seeds_are_listed_does_not_matter() -> None:
    assert problem({"single": {"values": [3, 1]}}, {"single": {"values": [1, 3]}}, {"floor": {}}) is None
