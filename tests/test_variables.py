"""Variables as every world sets them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedsweep.contract.variables import expand, literal


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("--seed=$(SEED)", "--seed=3"),
        ("$(SEED)$(SEED)", "33"),
        ("$$(SEED)", "$(SEED)"),
        ("$$$(SEED)", "$3"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$SEED and 5 $", "$SEED and 5 $"),
        ("$(SEED", "$(SEED"),
        ("costs $$5", "costs $5"),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, {"SEED": "3"}) == expanded


@given(st.text(alphabet="$()AB"))
def test_literal_text_arrives_as_it_is(text: str) -> None:
    assert expand(literal(text), {"": "x", "A": "x", "AB": "x"}) == text
