"""A file becomes a sweep, or one error that lists every problem with its path, value and remedy."""

import json

import pytest

from invalid_sweeps import INVALID, OWN, InvalidSweep
from seedsweep.api.parse import InvalidSweepError, parse_sweep
from sweeps import FINE_TUNING, changed


def refusal(text: str) -> str:
    with pytest.raises(InvalidSweepError) as caught:
        parse_sweep(text)
    return str(caught.value)


def test_a_sweep_survives_the_way_through_json():
    sweep = parse_sweep(FINE_TUNING)
    assert parse_sweep(json.dumps(sweep.to_json())) == sweep


def test_a_written_out_sweep_holds_only_what_was_asked_for():
    assert "podTemplate" not in parse_sweep(FINE_TUNING).to_json()["spec"]


@pytest.mark.parametrize("case", INVALID, ids=str)
def test_what_is_wrong_is_refused_with_its_field_and_a_remedy(case: InvalidSweep):
    message = refusal(case.text)
    assert case.field in message
    assert case.remedy in message


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


def test_a_kept_head_above_parts_that_are_drawn_may_have_many_weight_inits():
    kept = changed("spec.trainer.fineTuning.head", "keep")
    assert "one weight-init seed" in refusal(kept)
    tuning = parse_sweep(changed("spec.trainer.fineTuning.reinit", ["bert.pooler"], kept)).spec.trainer.fine_tuning
    assert tuning is not None
    assert tuning.reinit == ["bert.pooler"]


def test_a_trainer_of_ones_own_needs_no_number_of_evaluations():
    sweep = parse_sweep(changed("spec.trainer", OWN))
    assert sweep.spec.trainer.fine_tuning is None
