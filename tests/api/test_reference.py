"""The reference of all fields says what the types say."""

from pathlib import Path

from seedsweep.api.schema.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "sweep.md"


def test_the_published_reference_is_the_one_that_the_types_give():
    assert PAGE.read_text() == reference(), "run: python -m seedsweep.api.schema.reference > docs/sweep.md"


def test_every_plain_field_is_described():
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    undescribed = [row for row in rows if row.endswith("|  |") and "object" not in row]
    assert undescribed == []
