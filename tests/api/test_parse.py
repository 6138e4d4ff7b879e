"""A file becomes a sweep, or one error that lists every problem with its path, value and remedy."""

import json
import re
from collections.abc import Iterator

import pytest

from inputs.invalid_sweeps import INVALID, OWN, InvalidSweep
from inputs.sweeps import FINE_TUNING, as_resource, changed
from seedsweep.api.checks import Problem
from seedsweep.api.reading.lines import located
from seedsweep.api.reading.parse import InvalidSweepError, parse_sweep
from seedsweep.api.reading.remedies import PATTERNS
from seedsweep.api.recorded import REASON
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout


def refusal(text: str) -> str:
    with pytest.raises(InvalidSweepError) as caught:
        parse_sweep(text)
    return str(caught.value)


def test_a_sweep_survives_the_way_through_json():
    sweep = parse_sweep(FINE_TUNING)
    assert parse_sweep(json.dumps(as_resource(sweep))) == sweep


def test_a_written_out_sweep_holds_only_what_was_asked_for():
    assert "podTemplate" not in as_resource(parse_sweep(FINE_TUNING))["spec"]


@pytest.mark.parametrize("case", INVALID, ids=str)
def test_what_is_wrong_is_refused_with_its_field_and_a_remedy(case: InvalidSweep):
    message = refusal(case.text)
    assert case.field in message
    assert case.remedy in message


def test_a_budget_of_more_runs_than_there_are_episodes_is_refused():
    floored = changed("spec.earlyStopping", {"floor": {}})
    assert parse_sweep(changed("spec.budget", 8, floored)).spec.budget == 8
    assert "spec.seeds gives 8 episodes, fewer" in refusal(changed("spec.budget", 9, floored))


@pytest.mark.parametrize("at", [50, 80])
def test_one_rung_goes_with_a_floor_at_it_or_after_it(at: int):
    stopping = {"floor": {}, "rungs": [{"atPercent": at, "keep": 2}]}
    layout = Layout.of(parse_sweep(changed("spec.earlyStopping", stopping, changed("spec.budget", 4))))
    assert layout.rung_evaluations(10) == ((5, at // 10),)
    assert layout.rung(0, layout.first_cut).keep == 2


def test_a_rung_beside_a_floor_keeps_no_more_than_the_budget_pays_for():
    stopping = {"floor": {}, "rungs": [{"atPercent": 60, "keep": 5}]}
    floored = changed("spec.earlyStopping", stopping)
    assert parse_sweep(changed("spec.budget", 5, floored)).spec.budget == 5
    assert "spec.earlyStopping.rungs[0].keep: spec.budget pays for no more: keep 4 or fewer (found 5)" in refusal(
        changed("spec.budget", 4, floored)
    )


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a: [", "not valid YAML"),
        ("", "is empty: describe a SeedSweep in it"),
        ("# nothing\n---\n", "is empty: describe a SeedSweep in it"),
        (FINE_TUNING + "---\n" + FINE_TUNING, "holds 2 documents, and not one SeedSweep alone: split it"),
        ("- a\n- b\n", "must be a mapping"),
        (FINE_TUNING + "kind: SeedSweep\n", "has the key kind twice: keep one of them (line 15)"),
        ("kind: ConfigMap\napiVersion: v1\n", "kind: must be SeedSweep (found 'ConfigMap')"),
        ("kind: ConfigMap\napiVersion: v1\n", "apiVersion: must be seedsweep.io/v1alpha1 (found 'v1')"),
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


def test_an_average_of_too_many_is_told_beside_a_misspelt_field():
    many = changed("spec.seeds", {"single": {"count": 101}}, changed("spec.earlyStopping", ...))
    message = refusal(changed("spec.paralelism", 3, changed("spec.result", "average", many)))
    assert "spec.paralelism" in message
    assert "of up to 101 survivors" in message


def test_a_kept_head_above_parts_that_are_drawn_may_have_many_weight_inits():
    kept = changed("spec.trainer.fineTuning.head", "keep")
    assert "one weight-init seed" in refusal(kept)
    tuning = parse_sweep(changed("spec.trainer.fineTuning.reinit", ["bert.pooler"], kept)).spec.trainer.fine_tuning
    assert tuning is not None
    assert tuning.reinit == ["bert.pooler"]


def test_fields_in_snake_case_are_unknown_fields_wherever_they_stand():
    snake = re.sub(r"(?<=[a-z])([A-Z])(?=\w*:)", lambda found: f"_{found[1].lower()}", FINE_TUNING)
    snake = snake.replace("api_version", "apiVersion")
    message = refusal(snake)
    for field in ("weight_inits", "early_stopping", "fine_tuning"):
        assert f"{field}: is not a field; did you mean" in message


def test_characters_that_look_like_others_are_named():
    assert "it holds U+00A0" in refusal(FINE_TUNING.replace("  trainer:", "  \u00a0trainer:", 1))
    message = refusal(FINE_TUNING.replace("goal: maximize", "goal: “maximize”", 1))
    assert 'goal: stands in typographic quotes: use " instead; must be' in message


def test_every_pattern_of_a_field_is_told_in_words():
    def checked(schema: object) -> Iterator[str]:
        # Where a type has a check of its own, that has the words.
        if isinstance(schema, dict):
            if schema.get("type") == "str" and "pattern" in schema:
                yield schema["pattern"]
            schema = list(schema.values())
        if isinstance(schema, list):
            for part in schema:
                yield from checked(part)

    assert set(checked(SeedSweep.__pydantic_core_schema__)) <= {*PATTERNS, REASON}


def test_a_trainer_of_ones_own_needs_no_number_of_evaluations():
    sweep = parse_sweep(changed("spec.trainer", OWN))
    assert sweep.spec.trainer.fine_tuning is None


@pytest.mark.parametrize("name", ["a[b", "a]b", "a[", "[", "a.b[c", "a[0].b", "a..b", "."])
def test_a_name_with_brackets_or_dots_is_refused_on_the_line_of_what_holds_it(name: str) -> None:
    problems = located([Problem(f"spec.{name}", None, "is no field")], "metadata:\n  name: x\nspec:\n  a: 1\n")
    assert problems[0].line in (3, 4)
