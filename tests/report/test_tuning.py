"""The curve of the best of n with its bands, and the densities of best and worst seeds."""

import re
from collections import Counter
from dataclasses import replace

from inputs import records
from report.pages import words_of
from seedsweep.api.seeds import Seeds
from seedsweep.report.figures.densities import densities_figure, no_densities
from seedsweep.report.figures.drawing import page_svg
from seedsweep.report.figures.tuning import BANDS, bands_of, tuning_figure
from seedsweep.report.page import build_report
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Withheld
from seedsweep.report.statistics.whole import whole_runs
from seedsweep.science.bands import median_bands


def of(record: records.Record) -> Record:
    return Record(record.sweep, record.episodes, record.cuts)


def independent(many: int) -> records.Record:
    """Episodes that share no seed."""
    record = records.fully_trained(many, 1)
    episodes = [e.evolve(spec=e.spec.evolve(weight_init=i, data_order=i)) for i, e in enumerate(record.episodes)]
    seeds = Seeds.model_validate({"single": {"count": many}})
    return replace(record, sweep=record.sweep.evolve(spec=record.sweep.spec.evolve(seeds=seeds)), episodes=episodes)


def test_episodes_that_share_no_seed_have_bands() -> None:
    record = independent(8)
    expected = whole_runs(of(record)).expected
    assert expected is not None
    found = bands_of(of(record), expected)
    assert isinstance(found, tuple)
    scores = [e.status.best.score for e in record.episodes if e.status.best is not None]
    assert list(found) == median_bands(scores, expected.runs, maximize=True)
    assert "The band holds for all n at once with a probability of 95 %" in words_of(record)


def test_a_grid_withholds_bands_and_says_how_to_get_them() -> None:
    record = records.fully_trained(4, 2)
    expected = whole_runs(of(record)).expected
    assert expected is not None
    why = bands_of(of(record), expected)
    assert isinstance(why, Withheld)
    assert "Run the sweep with `seeds: {single: {count: N}}`" in why.why
    assert f"{BANDS} : episodes share seeds" in words_of(record)


def test_the_curve_is_drawn_against_episodes_steps_and_seconds() -> None:
    figure = tuning_figure(of(independent(10)))
    assert figure is not None
    for label in ("episodes", "optimizer steps", "GPU seconds", "one evaluation an epoch", "2,000", "1,000"):
        assert f">{label}</text>" in page_svg(figure)
    [table] = figure.tables
    assert table.columns[:3] == ("episodes", "optimizer_steps", "GPU_seconds")
    assert table.rows[-1][:3] == (10, 10 * records.STEPS, 10 * records.STEPS * records.SECONDS_PER_STEP)
    assert tuning_figure(of(records.finished())) is None


def test_densities_are_of_the_best_and_the_worst_seed_of_either_kind() -> None:
    record = records.fully_trained(6, 5)
    seeds = whole_runs(of(record)).seeds
    assert seeds is not None
    drawing = densities_figure(of(record))
    assert drawing is not None
    figure = page_svg(drawing)
    for kind, n in zip(seeds.kinds, (5, 6), strict=True):
        assert f">best: seed {kind.best}, n = {n}</text>" in figure
        assert f">worst: seed {kind.worst}, n = {n}</text>" in figure
    assert "Gaussian kernel densities" in words_of(record)


def test_seeds_of_few_scores_have_no_density_and_the_page_says_what_to_run() -> None:
    record = records.fully_trained(4, 3)
    assert densities_figure(of(record)) is None
    found = no_densities(of(record))
    assert found is not None
    assert "Run a grid of 5 x 5 or more seeds to get it" in found.why


def test_seeds_whose_scores_are_all_alike_are_drawn() -> None:
    record = records.fully_trained(5, 5)
    for i, episode in enumerate(record.episodes):
        level = 0.6 + 0.01 * episode.spec.weight_init
        status = episode.status.evolve(scores=[level] * records.EVALUATIONS)
        record.episodes[i] = episode.evolve(status=status)
    drawing = densities_figure(of(record))
    assert drawing is not None
    assert "n = 5, all alike</text>" in page_svg(drawing)


def test_no_two_elements_of_a_page_have_one_identifier() -> None:
    record = records.fully_trained(6, 5)
    page = build_report(record.sweep, record.episodes, record.cuts)
    shared = [name for name, many in Counter(re.findall(r'\bid="([^"]+)"', page)).items() if many > 1]
    assert shared == []
    assert build_report(record.sweep, record.episodes, record.cuts) == page
