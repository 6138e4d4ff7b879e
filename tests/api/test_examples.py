"""What the examples folder shows is valid."""

from pathlib import Path

import pytest

from seedsweep.api.reading.parse import load_sweep
from seedsweep.engine.layout import Layout

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = [*sorted(FOLDER.glob("*.yaml")), FOLDER / "cluster" / "quickstart.yaml"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_is_a_valid_sweep_that_stops_some_early(path: Path):
    layout = Layout.of(load_sweep(path))
    if layout.floor is not None:
        assert layout.budget < len(layout.episodes)
        return
    kept = sum(ladder[-1].keep for ladder in layout.rungs)
    assert 0 < kept < len(layout.episodes)
