"""Rules 11 and 12: losers that run on for the audit, and brackets that know nothing of each other."""

import re
from collections import Counter
from itertools import product

import pytest

from engine.cases import make_sweep
from engine.situations import (
    LOST,
    cut_of,
    ended,
    entry,
    episode,
    finished,
    look,
    on_record,
    running,
    stopped_at_rung,
    study,
)
from seedsweep.api.checks import rung_evaluation
from seedsweep.api.early_stopping import Hyperband
from seedsweep.api.episode import EndReason, StopReason, Verdict
from seedsweep.engine.decisions import HandOverWinner
from seedsweep.engine.hyperband import hyperband_brackets, hyperband_problems
from seedsweep.engine.layout import Layout


def audited_study(t, flagged, **options):
    """A study in which exactly episode `flagged` is audited."""
    for seed in range(10_000):
        layout = study(t, (3, 1), stopping={"audit": {"percent": 20, "seed": seed}}, **options)
        if layout.audited == {episode(flagged)}:
            return layout
    raise AssertionError("no audit seed flags this episode alone")


def test_about_the_asked_share_is_flagged_and_by_seeds_alone():
    layout = study(2000, (3, 1), stopping={"audit": {"percent": 20, "seed": 1}})
    again = study(2100, (3, 1), stopping={"audit": {"percent": 20, "seed": 1}})
    assert 340 <= len(layout.audited) <= 460
    assert {e for e in again.audited if e in layout.index} == layout.audited


def test_a_flagged_loser_runs_on():
    layout = audited_study(2, flagged=1)
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9), 1: on_record(0.1, 0.2, 0.3, rungs=(3,))}
    attempt = running(1, 0.1, 0.2, 0.3, 0.4)
    todo = look(layout, attempt, records=records, cuts=[cut_of(layout, kept=[0], lost=[1])])
    assert todo.stops == []
    assert todo.recorded(1).verdict == LOST
    assert todo.recorded(1).state == "Audited"


def test_a_dominated_episode_that_is_flagged_runs_on():
    layout = audited_study(3, flagged=1)
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.9)}
    todo = look(layout, running(1, 0.1, 0.2, 0.3), running(2, 0.1), records=records)
    assert todo.verdict_of(1).outcome == "LostByDominance"
    assert todo.stops == []


def test_the_audited_start_last_of_all():
    layout = audited_study(3, flagged=0, parallelism=1)
    records = {0: stopped_at_rung(0, 0.1, 0.2, 0.3).evolve(verdict=LOST), 1: stopped_at_rung(1, 0.1, 0.2, 0.9)}
    loser = stopped_at_rung(2, 0.1, 0.2, 0.3).evolve(verdict=LOST)
    cut = cut_of(layout, kept=[1], lost=[0, 2])
    assert look(layout, records=records | {2: loser}, cuts=[cut]).starts == [(1, None)]
    done = records | {1: finished(1, *(10 * [0.9])), 2: loser}
    assert look(layout, records=done, cuts=[cut]).starts == [(0, None)]


def test_a_leader_trains_on_before_an_audited_loser_does():
    layout = audited_study(4, flagged=1, parallelism=2)
    verdict = Verdict(outcome="LostByDominance", rung=0, dominators=[episode(0).name])
    records = {
        0: stopped_at_rung(0, 0.1, 0.2, 0.9),
        1: stopped_at_rung(1, 0.1, 0.2, 0.3).evolve(verdict=verdict),
        3: on_record(verdict=Verdict(outcome="Failed", rung=0)),
    }
    assert look(layout, running(2, 0.1, stop_after=3), records=records).starts == [(0, None)]


def test_the_audited_make_room_for_whoever_decides_something():
    layout = audited_study(4, flagged=1, parallelism=2)
    verdict = Verdict(outcome="LostByDominance", rung=0, dominators=[episode(0).name])
    records = {
        0: stopped_at_rung(0, 0.1, 0.2, 0.9),
        1: on_record(0.1, 0.2, 0.3, rungs=(3,), attempts=[entry("uid-1")], verdict=verdict),
    }
    attempts = (running(1, 0.1, 0.2, 0.3, 0.4), running(2, 0.1, stop_after=3))
    assert look(layout, *attempts, records=records).stops == [(1, StopReason.PAUSED)]


def test_an_audited_loser_is_never_the_result_and_its_steps_are_counted_apart():
    layout = audited_study(2, flagged=1)
    curve = [0.1, 0.2, 0.3, *(7 * [0.99])]
    lost = on_record(*curve[:3], rungs=(3,), verdict=LOST)
    winner = finished(0, *(10 * [0.5])).evolve(rung_scores=lost.rung_scores)
    records = {0: winner, 1: lost}
    last = ended(running(1, *curve), EndReason.DONE, exit_code=0)
    todo = look(layout, last, records=records, cuts=[cut_of(layout, kept=[0], lost=[1])])
    assert todo.recorded(1).scores == curve
    assert todo.status.best is not None
    assert todo.status.best.episode == episode(0).name
    cost = todo.status.cost
    assert (cost.useful_steps, cost.audit_steps, cost.overshoot_steps) == (130, 70, 0)
    assert todo.status.counts.audited == 1
    assert todo.status.design == "cut+audit"


def test_the_sweep_is_complete_only_when_the_audit_is():
    layout = audited_study(2, flagged=1)
    lost = stopped_at_rung(1, 0.1, 0.2, 0.3).evolve(verdict=LOST)
    records = {0: finished(0, *(10 * [0.5])), 1: lost}
    todo = look(layout, records=records, cuts=[cut_of(layout, kept=[0], lost=[1])])
    assert not todo.finished
    assert todo.of_kind(HandOverWinner) == []
    assert todo.condition("Complete").status == "False"


def test_an_audited_loser_that_fails_for_good_does_not_hold_up_the_sweep():
    layout = audited_study(2, flagged=1, backoffLimitPerEpisode=0)
    lost = on_record(0.1, 0.2, 0.3, rungs=(3,), verdict=LOST)
    last = ended(running(1, 0.1, 0.2, 0.3, 0.4), EndReason.FAILED, exit_code=1)
    records = {0: finished(0, *(10 * [0.5])), 1: lost}
    todo = look(layout, last, records=records, cuts=[cut_of(layout, kept=[0], lost=[1])], resumable=False)
    assert todo.finished
    assert todo.condition("Complete").status == "True"


def grid(stopping, rows=6, columns=6):
    return Layout.of(make_sweep([(w, d) for w in range(rows) for d in range(columns)], 10, stopping))


def test_brackets_have_their_sizes_and_spread_both_kinds_of_seeds():
    rungs = [{"atPercent": 30, "keep": 1}]
    layout = grid({"brackets": [{"episodes": 12, "rungs": rungs}, {"episodes": 24, "rungs": []}]})
    assert layout.sizes == (12, 24)
    for kind in (0, 1):
        counts = Counter(e[kind] for e in layout.members[0])
        assert set(counts) == set(range(6))
        assert max(counts.values()) <= 3


def test_the_bracket_seed_changes_who_is_where():
    brackets = [{"episodes": 18, "rungs": []}, {"episodes": 18, "rungs": []}]
    assert grid({"brackets": brackets}).bracket_of == grid({"brackets": brackets}).bracket_of
    assert grid({"brackets": brackets}).bracket_of != grid({"brackets": brackets, "bracketSeed": 1}).bracket_of


def test_one_bracket_does_not_dominate_another():
    rungs = [{"atPercent": 30, "keep": 1}]
    brackets = [{"episodes": 2, "rungs": rungs}, {"episodes": 2, "rungs": rungs}]
    layout = study(4, parallelism=4, stopping={"brackets": brackets})
    (a, b), (c, d) = (tuple(e.weight_init for e in members) for members in layout.members)
    records = {a: stopped_at_rung(a, 0.1, 0.2, 0.9)}
    todo = look(layout, running(c, 0.1, 0.2, 0.3, 0.4), running(b, 0.1), running(d, 0.1), records=records)
    assert todo.recorded(c).verdict is None
    assert todo.stops == []


def test_the_winner_is_the_best_over_all_brackets():
    layout = study(2, stopping={"brackets": [{"episodes": 1, "rungs": []}, {"episodes": 1, "rungs": []}]})
    records = {0: finished(0, *(10 * [0.5])), 1: finished(1, *(10 * [0.6]))}
    todo = look(layout, records=records)
    assert todo.status.best is not None
    assert todo.status.best.episode == episode(1).name


def test_hyperband_generates_the_published_brackets():
    """Li et al. 2018, table 1: R = 81, eta = 3, where t is the sum of the published sizes."""
    sizes, ladders = hyperband_brackets(Hyperband(eta=3, resource=81), 81 + 34 + 15 + 8 + 5)
    assert sizes == (81, 34, 15, 8, 5)
    assert [[rung.keep for rung in ladder] for ladder in ladders] == [[27, 9, 3, 1], [11, 3, 1], [5, 1], [2], []]
    evaluations = [[rung_evaluation(rung.at_percent, 81) for rung in ladder] for ladder in ladders]
    assert evaluations == [[1, 3, 9, 27], [3, 9, 27], [9, 27], [27], []]


def test_hyperband_scales_to_any_number_of_episodes():
    for t in (1, 2, 5, 17, 50, 400):
        sizes, ladders = hyperband_brackets(Hyperband(), t)
        assert sum(sizes) == t
        assert all(size > 0 for size in sizes)
        assert all(1 <= rung.keep <= size for size, ladder in zip(sizes, ladders, strict=True) for rung in ladder)


def test_a_resource_that_does_not_fit_the_evaluations_is_refused_by_its_own_field_and_with_values_that_do():
    (problem,) = study(10, evaluations=10, stopping={"hyperband": {}}).problems(10)
    assert (problem.path, problem.value) == ("spec.earlyStopping.hyperband.resource", 27)
    assert problem.remedy.endswith("use 9, or evaluate at least 25 times")


@pytest.mark.parametrize("eta", range(2, 11))
def test_every_remedy_for_hyperband_works(eta: int):
    refused = 0
    for resource, t, evaluations in product((2, 8, 9, 27, 64, 81, 100), (1, 5, 20, 400), (1, 3, 10, 20)):
        wanted = Hyperband(eta=eta, resource=resource)
        for problem in hyperband_problems(wanted, t, evaluations):
            refused += 1
            numbers = list(map(int, re.findall("[0-9]+", problem.remedy)))
            assert numbers[0] == evaluations
            assert all(hyperband_problems(wanted, t, more) == [] for more in (numbers[-1], 300))
            for lower in numbers[1:-1]:
                assert hyperband_problems(Hyperband(eta=eta, resource=lower), t, evaluations) == []
    assert refused
