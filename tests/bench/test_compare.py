"""The comparison with other schedulers: every method is driven fairly, and what it costs is counted rightly."""

from collections.abc import Collection, Sequence

import numpy as np
import pytest

from bench.made_up_curves import STEPS, in_order, made_up, with_a_star
from compare_clock import Answer, best_of, reached, replay
from compare_curves import FILE, Curves, draw, read
from compare_ours import Engine
from compare_rapidfire import MedianOfPeers

RUNG = {"rungs": [{"atPercent": 20, "keep": 2}]}


class Scripted:
    """Starts all in order, notes what it is told, and stops or pauses as it is told to."""

    def __init__(self, curves: Curves, episodes: int, **leaves: dict[int, int]) -> None:
        self.curves, self.waiting = curves, list(range(episodes))
        self.stops, self.pauses = leaves.get("stops", {}), leaves.get("pauses", {})
        self.ends: dict[tuple[int, int], int] = {}
        self.told: list[tuple[int, int, float]] = []
        self._to_end: list[int] = []

    def next_start(self) -> int | None:
        return self.waiting.pop(0) if self.waiting else None

    def report(self, episode: int, evaluation: int, score: float) -> Answer:
        self.told.append((episode, evaluation, score))
        if (episode, evaluation) in self.ends:
            self._to_end.append(self.ends[episode, evaluation])
        if self.pauses.get(episode) == evaluation:
            self.waiting.append(episode)
            return Answer.LEAVE
        return Answer.LEAVE if self.stops.get(episode) == evaluation else Answer.GO_ON

    def to_end(self) -> Collection[int]:
        ends, self._to_end = self._to_end, []
        return ends

    def found(self, trained: Sequence[int]) -> float:
        return best_of(self.curves, trained)

    def kept(self, trained: Sequence[int]) -> Collection[int]:
        return reached(10, trained)


def test_evaluations_are_reported_in_the_order_in_which_they_happen():
    curves = made_up(2)
    scheduler = Scripted(curves, 2, stops={0: 2, 1: 5})
    replay(scheduler, in_order(curves, [1.0, 0.3]), 2, workers=2)
    assert [(e, i) for e, i, _ in scheduler.told] == [(1, 1), (1, 2), (1, 3), (0, 1), (1, 4), (1, 5), (0, 2)]
    assert all(score == curves.scores[e, i - 1] for e, i, score in scheduler.told)


def test_one_worker_trains_one_episode_after_the_other():
    curves = made_up(3)
    scheduler = Scripted(curves, 3, stops={0: 2, 1: 1, 2: 1})
    replay(scheduler, in_order(curves), 3, workers=1)
    assert [(e, i) for e, i, _ in scheduler.told] == [(0, 1), (0, 2), (1, 1), (2, 1)]


def test_steps_are_those_of_every_evaluation_made():
    curves = made_up(3)
    result = replay(Scripted(curves, 3, stops={0: 2, 1: 1}), in_order(curves), 3, workers=2)
    assert result.trained == (2, 1, 10)
    assert result.steps == 12 + 6 + 60


def test_a_paused_episode_goes_on_where_it_was_and_pays_nothing_twice():
    curves = made_up(2)
    result = replay(Scripted(curves, 2, pauses={0: 3}, stops={1: 1}), in_order(curves), 2, workers=1)
    assert result.trained == (10, 1)
    assert result.steps == 60 + 6


def test_what_an_episode_trained_before_it_was_stopped_between_evaluations_is_paid_for():
    curves = made_up(2)
    scheduler = Scripted(curves, 2, stops={0: 1})
    scheduler.ends[0, 1] = 1
    result = replay(scheduler, in_order(curves, [1.0, 2.0]), 2, workers=2)
    assert result.trained == (1, 0)
    assert result.steps == 6 + 3  # half an evaluation of the second


def test_the_best_score_is_that_of_evaluations_that_were_made():
    curves = made_up(2)
    assert best_of(curves, (2, 0)) == curves.scores[0, :2].max()


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_our_engine_finds_what_the_rule_says_at_the_cost_it_promises(workers):
    curves = made_up(12)
    result = replay(Engine(curves, 12, workers, RUNG), in_order(curves), 12, workers)
    before = curves.scores[:, :2].max(axis=1)
    losses = curves.losses[np.arange(12), curves.scores[:, :2].argmax(axis=1)]
    kept = sorted(range(12), key=lambda i: (-before[i], losses[i]))[:2]
    assert result.kept == set(kept)
    assert result.found == max(before.max(), curves.scores[kept].max())
    assert result.steps == 12 * 12 + 2 * 48


def test_our_engine_pays_for_what_it_trains_past_the_rung_without_counting_it():
    curves = with_a_star(made_up(4), 3)
    paces = [0.1, 1.0, 1.0, 1.0]
    result = replay(Engine(curves, 4, 4, {"rungs": [{"atPercent": 20, "keep": 1}]}), in_order(curves, paces), 4, 4)
    assert result.trained[0] > 2
    assert result.found == 0.99
    assert result.steps > 4 * 12 + 48


LADDER = {"rungs": [{"atPercent": 10, "keep": 6}, {"atPercent": 30, "keep": 3}, {"atPercent": 50, "keep": 1}]}


@pytest.mark.parametrize("stopping", [RUNG, LADDER, {"hyperband": {"eta": 3, "resource": 9}}])
def test_our_result_does_not_hang_on_order_pace_or_workers(stopping):
    curves, rng = made_up(12), np.random.default_rng(1)
    found = set()
    for workers in (1, 3, 16):
        for _ in range(5):
            order = in_order(curves).shuffled(rng, 12)
            result = replay(Engine(order.curves, 12, workers, stopping), order, 12, workers)
            kept = frozenset(tuple(map(int, order.curves.seeds[i])) for i in result.kept)
            found.add((result.found, kept))
    assert len(found) == 1


def test_a_draw_holds_every_episode_once_with_its_own_curve():
    curves = made_up(20)
    drawn = draw(curves, np.random.default_rng(3), 0).curves
    assert sorted(map(tuple, drawn.seeds)) == sorted(map(tuple, curves.seeds))
    for seeds, scores in zip(drawn.seeds, drawn.scores, strict=True):
        row = int(np.flatnonzero((curves.seeds == seeds).all(axis=1))[0])
        assert (scores == curves.scores[row]).all()


def test_the_recorded_curves_are_a_full_grid():
    curves = read(FILE)
    assert len(curves) == 100
    assert curves.scores.shape == (len(curves), 10)
    assert curves.steps == STEPS
    rows, columns = (np.unique(seeds) for seeds in curves.seeds.T)
    assert sorted(map(tuple, curves.seeds)) == [(w, d) for w in rows for d in columns]
    assert min(*rows, *columns) >= 100  # none of the seeds that any setting was chosen with


def test_the_median_rule_prunes_whose_best_is_worse_than_the_median_of_all_others_there():
    """Of rapidfireai: the first to report is never pruned, an equal one is not, and an earlier best counts."""
    rule = MedianOfPeers(made_up(), 4)
    assert [rule.next_start() for _ in range(5)] == [0, 1, 2, 3, None]
    first = [rule.report(episode, 1, score) for episode, score in enumerate((0.2, 0.5, 0.3, 0.3))]
    # The medians of the others are none, 0.2, 0.35 and 0.3.
    assert first == [Answer.GO_ON, Answer.GO_ON, Answer.LEAVE, Answer.GO_ON]
    second = [rule.report(episode, 2, score) for episode, score in ((0, 0.4), (1, 0.1), (3, 0.2))]
    assert second == [Answer.GO_ON, Answer.GO_ON, Answer.GO_ON]
    assert rule.report(0, 3, 0.1) == Answer.GO_ON
    assert rule.report(3, 3, 0.0) == Answer.GO_ON
    assert MedianOfPeers(made_up(), 0).next_start() is None
