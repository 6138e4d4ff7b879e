"""A file becomes a sweep, or one error that lists every problem with its path, value and remedy."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedsweep.api.parse import InvalidSweepError, parse_sweep
from sweeps import FINE_TUNING, changed

OWN_TRAINER = {"command": ["python", "loop.py"], "metric": {"name": "acc", "goal": "maximize"}}


def refusal(text: str) -> str:
    with pytest.raises(InvalidSweepError) as caught:
        parse_sweep(text)
    return str(caught.value)


def test_a_sweep_survives_the_way_through_json():
    sweep = parse_sweep(FINE_TUNING)
    assert parse_sweep(json.dumps(sweep.to_json())) == sweep


def test_a_written_out_sweep_holds_only_what_was_asked_for():
    assert "podTemplate" not in parse_sweep(FINE_TUNING).to_json()["spec"]


@pytest.mark.parametrize(
    ("path", "value", "field", "remedy"),
    [
        ("spec.earlyStopping.rungs", [{"atPercent": 0, "keep": 2}], "rungs[0].atPercent", "greater than or equal to 1"),
        ("spec.earlyStopping.rungs", [{"atPercent": 100, "keep": 2}], "rungs[0].atPercent", "less than or equal to 99"),
        ("spec.earlyStopping.rungs", [{"atPercent": 30, "keep": 9}], "rungs[0].keep", "keep 8 or fewer"),
        ("spec.earlyStopping.rungs", [{"atPercent": 30, "keep": 0}], "rungs[0].keep", "greater than or equal to 1"),
        (
            "spec.earlyStopping.rungs",
            [{"atPercent": 50, "keep": 4}, {"atPercent": 30, "keep": 2}],
            "rungs[1].atPercent",
            "must be above the 50",
        ),
        (
            "spec.earlyStopping.rungs",
            [{"atPercent": 30, "keep": 2}, {"atPercent": 50, "keep": 3}],
            "rungs[1].keep",
            "more than the 2 kept",
        ),
        ("spec.earlyStopping.rungs", [{"atPercent": 4, "keep": 2}], "rungs[0].atPercent", "use 5 or more"),
        ("spec.earlyStopping", {"brackets": [{"episodes": 5, "rungs": []}]}, "brackets", "all 8 episodes"),
        ("spec.seeds", {"pairs": [{"weightInit": 1, "dataOrder": 2}] * 2}, "spec.seeds", "listed 2 times"),
        ("spec.seeds.grid.weightInits", {"count": 0}, "weightInits.count", "greater than or equal to 1"),
        ("spec.seeds.grid.weightInits", {"values": [3, 3]}, "weightInits", "seed 3 is listed twice"),
        ("spec.seeds.grid.sample", {"size": 9}, "seeds.grid", "larger than the grid of 8 cells"),
        ("spec.seeds", {}, "spec.seeds", "exactly one of grid, pairs or single"),
        ("spec.trainer.fineTuning.metric", {"name": "accuracy"}, "metric.goal", "is required"),
        ("spec.trainer.fineTuning.metric", {"name": "acuracy", "goal": "maximize"}, "metric.name", "is not one of"),
        ("spec.trainer.fineTuning.metric", ..., "fineTuning", "metric is required"),
        ("spec.trainer.fineTuning.learningRate", 2e-5, "learningRate", "put it in quotes"),
        ("spec.trainer.fineTuning.learningRate", "fast", "learningRate", "decimal number"),
        ("spec.trainer.fineTuning.learningRate", "0", "learningRate", "above 0"),
        ("spec.trainer.fineTuning.epochs", "3", "epochs", "whole number"),
        ("spec.trainer.fineTuning.epochs", 200, "fineTuning", "more than 300"),
        ("spec.trainer.fineTuning.epoch", 3, "fineTuning.epoch", "did you mean epochs?"),
        ("spec.trainer.fineTuning.head", "keep", "fineTuning.head", "one weight-init seed"),
        ("spec.trainer.command", ["sh"], "spec.trainer", "remove command or remove fineTuning"),
        ("spec.trainer.env", [{"name": "SEEDSWEEP_SEED", "value": "1"}], "env[0]", "choose another"),
        ("spec.paralelism", 3, "spec.paralelism", "did you mean parallelism?"),
        ("spec.parallelism", True, "spec.parallelism", "whole number"),
        ("metadata.name", "Not_a_name", "metadata.name", "pattern"),
        ("kind", "Deployment", "kind", "must be SeedSweep"),
        ("apiVersion", "v1", "apiVersion", "must be seedsweep.io/v1alpha1"),
    ],
)
def test_what_is_wrong_is_refused_with_its_field_and_a_remedy(path: str, value: Any, field: str, remedy: str):
    message = refusal(changed(path, value))
    assert field in message
    assert remedy in message


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a: [", "not valid YAML"),
        ("", "exactly one document"),
        (FINE_TUNING + "---\n" + FINE_TUNING, "found 2: split the file"),
        ("- a\n- b\n", "must be a mapping"),
        (FINE_TUNING + "kind: SeedSweep\n", "not valid YAML"),
    ],
)
def test_what_is_no_single_sweep_is_refused(text: str, remedy: str):
    assert remedy in refusal(text)


def test_every_problem_is_reported_at_once():
    text = changed("spec.paralelism", 3, changed("spec.earlyStopping.rungs", [{"atPercent": 30, "keep": 9}]))
    message = refusal(changed("spec.trainer.fineTuning.epochs", "3", text))
    assert message.splitlines()[0] == "sweep: 3 problems"
    # The parts are compared even though a misspelt field keeps the whole from being built.
    for part in ("spec.paralelism", "fineTuning.epochs", "keep 8 or fewer"):
        assert part in message


def test_a_trainer_of_ones_own_needs_no_number_of_evaluations():
    sweep = parse_sweep(changed("spec.trainer", OWN_TRAINER))
    assert sweep.spec.trainer.fine_tuning is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_no_spec_whatever_brings_the_parser_down(spec: Any):
    document = {"apiVersion": "seedsweep.io/v1alpha1", "kind": "SeedSweep", "metadata": {"name": "x"}, "spec": spec}
    with pytest.raises(InvalidSweepError):
        parse_sweep(json.dumps(document))
