"""How much is stored at most, against what a simulated sweep really stores."""

from dataclasses import replace

import pytest

from engine.cases import make_sweep, uniform_case
from engine.fate import Hazards
from engine.simulator import World, simulate
from engine.situations import study
from seedsweep.engine.questions.footprint import Footprint, in_words

BUCKET = {"uri": "s3://bucket/sweep"}
ALL_STAYS = {**BUCKET, "retentionPolicy": {"whenFinished": "KeepAll"}}
RUNGS = [{"atPercent": 30, "keep": 4}]
AUDIT: dict[str, object] = {"audit": {"percent": 30, "seed": 1}}
WITHOUT_A_CUT: dict[str, object] = {"brackets": [{"episodes": 12, "rungs": RUNGS}, {"episodes": 28, "rungs": []}]}

FLOOR: dict[str, object] = {"floor": {"atPercent": 30, "margin": "2"}}


@pytest.mark.parametrize(
    ("layout", "places", "footprint"),
    [
        (study(20, (3, 4)), 5, Footprint(kept=4, live=5, best=19)),
        (study(20, (3, 4), (6, 2)), 5, Footprint(kept=4, live=5, best=28)),
        (study(4, (3, 2)), 50, Footprint(kept=0, live=4, best=9)),
        (study(6), 2, Footprint(kept=0, live=2, best=7)),
        (study(6, storage=ALL_STAYS), 2, Footprint(kept=4, live=2, best=7)),
        (study(40, stopping=WITHOUT_A_CUT), 3, Footprint(kept=4, live=3, best=71)),
        (study(40, stopping=FLOOR, budget=6), 2, Footprint(kept=0, live=2, best=13)),
        (study(40, stopping=FLOOR, budget=6, storage=ALL_STAYS), 2, Footprint(kept=4, live=2, best=13)),
        (study(40, stopping=FLOOR, budget=6), 10, Footprint(kept=0, live=6, best=13)),
        (study(40, (5, 3), stopping=FLOOR, budget=6), 5, Footprint(kept=3, live=5, best=25)),
    ],
    ids=[
        "cut",
        "two cuts",
        "more places than episodes",
        "no cut",
        "no cut, and all is kept",
        "a bracket without a cut",
        "a floor",
        "a floor, and all is kept",
        "more places than the budget has full runs",
        "a floor and a rung",
    ],
)
def test_no_more_is_stored_than_there_are_episodes(layout, places, footprint):
    assert Footprint.of(layout, places) == footprint


def test_audited_losers_keep_their_checkpoints_until_they_run():
    layout, plain = study(40, (3, 4), stopping=AUDIT), study(40, (3, 4))
    audited = len(layout.audited)
    assert audited > 5
    assert Footprint.of(layout, 5).kept == 4 + audited
    more = Footprint.of(layout, 5).bytes_of(10**8) - Footprint.of(plain, 5).bytes_of(10**8)
    # A checkpoint each, and best weights for the end and the rung.
    assert more == audited * (1_200_000_000 + 2 * 400_000_000)


def run(stopping: dict[str, object], places: int, **options: object) -> World:
    case = uniform_case(40, 10, 100, [], parallelism=places)
    pairs = [(episode.weight_init, episode.data_order) for episode in case.truths]
    sweep = make_sweep(pairs, 10, stopping, parallelism=places, **options)
    return simulate(replace(case, sweep=sweep), Hazards(), seed=1)


@pytest.mark.parametrize("places", [1, 4, 16])
@pytest.mark.parametrize(
    ("stopping", "options"),
    [
        ({"rungs": RUNGS, **AUDIT}, {}),
        (WITHOUT_A_CUT, {}),
        (FLOOR, {"budget": 8}),
        ({**FLOOR, "rungs": RUNGS}, {"budget": 8}),
    ],
    ids=["audit", "a bracket without a cut", "a floor", "a floor and a rung"],
)
def test_a_sweep_stores_no_more_than_was_told(stopping, options, places):
    world = run(stopping, places, **options)
    footprint = Footprint.of(world.case.layout, places)
    assert world.watch.peak_checkpoints <= footprint.kept + footprint.live
    # Each once for the end and once for the rung; the winner's copy is nobody's folder.
    assert 2 * world.watch.peak_weights <= footprint.best - 1


def test_a_sweep_with_an_audit_stores_more_than_one_without():
    assert run({"rungs": RUNGS, **AUDIT}, 4).watch.peak_checkpoints > 4 + 4


@pytest.mark.parametrize(("size", "words"), [(3_600_000_000, "3.6 GB"), (20_000_000, "20.0 MB")])
def test_people_read_it_in_large_units(size, words):
    assert in_words(size) == words
