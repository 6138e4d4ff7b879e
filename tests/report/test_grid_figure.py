"""The heat map of scores by seeds."""

import math
from dataclasses import replace

import numpy as np
import pytest

from inputs import records
from seedsweep.api.seeds import Seeds
from seedsweep.report.figures.drawing import page_svg
from seedsweep.report.figures.grid_figure import grid_figure, no_grid, seed_grid
from seedsweep.report.record import Record


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def with_seeds(record: records.Record, seeds: dict[str, object]) -> Record:
    spec = record.sweep.spec.evolve(seeds=Seeds.model_validate(seeds))
    return of(replace(record, sweep=record.sweep.evolve(spec=spec)))


def test_cells_and_means_are_those_of_the_scores_in_the_statistics() -> None:
    record = records.finished()
    grid = seed_grid(of(record))
    assert grid is not None
    at_cut = dict(zip(record.cuts[0].data.ranked, record.cuts[0].data.scores, strict=True))
    at_cut[records.DIVERGED] = max(records.curve(4)[:3], key=lambda score: score or 0)
    for i, w in enumerate(grid.weight_inits):
        row = [at_cut.get(f"wi{w}-do{d}") for d in grid.data_orders]
        known = [score for score in row if score is not None]
        assert [None if math.isnan(score) else score for score in grid.scores[i]] == row
        assert grid.means[0][i] == pytest.approx(np.mean(known))
    assert grid.missing == 1


def test_a_seed_without_any_score_has_no_mean() -> None:
    record = records.fully_trained(3, 2)
    waiting = [e.status.evolve(scores=[], verdict=None, best=None) for e in record.episodes[:2]]
    for i, status in enumerate(waiting):
        record.episodes[i] = record.episodes[i].evolve(status=status)
    grid = seed_grid(of(record))
    assert grid is not None
    assert math.isnan(grid.means[0][0])
    drawing = grid_figure(of(record))
    assert drawing is not None
    assert "mean of weight-init seed 0: –" in page_svg(drawing)


def test_every_cell_can_be_pointed_at() -> None:
    record = records.fully_trained(5, 4)
    drawing = grid_figure(of(record))
    assert drawing is not None
    cells = {area.id for area in drawing.areas if area.id.startswith("cell-")}
    assert cells == {f"cell-{e.spec.id.name}" for e in record.episodes}
    svg = page_svg(drawing)
    assert all(f'id="{cell}"' in svg for cell in cells)


@pytest.mark.parametrize(
    ("seeds", "reason"),
    [
        ({"pairs": [{"weightInit": i, "dataOrder": i + 10} for i in range(8)]}, "seeds of its own"),
        ({"grid": {"weightInits": {"count": 8}, "dataOrders": {"count": 1}}}, "share one of the seeds"),
        (
            {"grid": {"weightInits": {"count": 300}, "dataOrders": {"count": 60}, "sample": {"size": 1000}}},
            "more than can be told apart",
        ),
    ],
)
def test_without_a_grid_there_is_no_heat_map_and_a_reason(seeds: dict[str, object], reason: str) -> None:
    record = with_seeds(records.fully_trained(), seeds)
    assert reason in no_grid(record)
    assert grid_figure(record) is None


def test_before_any_score_counts_there_is_no_heat_map() -> None:
    record = Record(records.parse(), [], [])
    assert "no episode has a score" in no_grid(record)
    assert grid_figure(record) is None
