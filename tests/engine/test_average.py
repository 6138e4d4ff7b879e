"""`spec.result: average`: whose weights are averaged, and why the winner is handed over instead."""

import pytest

from engine.situations import (
    LOST,
    Planned,
    cut_of,
    entry,
    episode,
    finished,
    look,
    on_record,
    running,
    stopped_at_rung,
    study,
)
from engine.trainees import moment
from seedsweep.api.early_stopping import MAX_MEMBERS
from seedsweep.api.episode import EndReason, EpisodeStatus, RungScore, Verdict
from seedsweep.api.status import Average
from seedsweep.engine.decisions import HandOverWinner
from seedsweep.engine.observation import HandOverOutcome

THREE = study(3, (3, 2), result="average")
CUT = cut_of(THREE, kept=[2, 0], lost=[1])
GOOD = 7 * [0.5]
RECORDS = {
    0: finished(0, 0.1, 0.2, 0.8, *GOOD),
    1: stopped_at_rung(1, 0.1, 0.2, 0.3).evolve(verdict=LOST),
    2: finished(2, 0.1, 0.2, 0.9, *GOOD),
}
MEMBERS = [episode(0).name, episode(2).name]
MADE = Average(members=2, episodes=MEMBERS, score=0.85, members_score=0.85, handed_over=True)


def handed_over(todo: Planned) -> HandOverWinner:
    (decision,) = todo.of_kind(HandOverWinner)
    return decision


def average_in(todo: Planned) -> Average | None:
    assert todo.status.best is not None
    return todo.status.best.average


def diverged(i: int, *scores: float) -> EpisodeStatus:
    over = entry(f"old-{i}", EndReason.DIVERGED, evaluations=len(scores), diverged_at=len(scores) + 1, steps=50)
    return on_record(*scores, attempts=[over], verdict=Verdict(outcome="Diverged", reason="loss became non-finite"))


def test_the_average_is_of_the_survivors_best_weights_in_index_order():
    todo = look(THREE, records=RECORDS, cuts=[CUT])
    decision = handed_over(todo)
    assert decision.episode == episode(2)
    assert list(decision.average_of.items()) == [(episode(i), RECORDS[i].best) for i in (0, 2)]
    assert average_in(todo) is None


def test_where_the_winner_is_declared_nothing_is_averaged():
    todo = look(study(3, (3, 2)), records=RECORDS, cuts=[CUT])
    assert handed_over(todo).average_of == {}
    assert average_in(todo) is None


def test_a_loser_may_win_and_is_no_member():
    records = {**RECORDS, 1: stopped_at_rung(1, 0.1, 0.2, 0.95).evolve(verdict=LOST)}
    decision = handed_over(look(THREE, records=records, cuts=[CUT]))
    assert decision.episode == episode(1)
    assert list(decision.average_of) == [episode(0), episode(2)]


def test_what_became_of_the_average_is_on_record_and_the_winner_with_it():
    outcome = HandOverOutcome(episode(2).name, weights="file:///best", average=MADE)
    todo = look(THREE, records=RECORDS, cuts=[CUT], hand_over=outcome)
    assert todo.finished
    assert average_in(todo) == MADE
    assert todo.status.best is not None
    assert (todo.status.best.episode, todo.status.best.score) == (episode(2).name, 0.9)
    (told,) = [event.message for event in todo.events if event.reason == "HandedOver"]
    assert told == "the weights of the average of 2 survivors are at file:///best"


def test_an_average_that_gave_way_is_told_with_the_reason():
    gave_way = Average(members=2, episodes=MEMBERS, score=0.4, members_score=0.85, reason="a barrier")
    outcome = HandOverOutcome(episode(2).name, weights="file:///best", average=gave_way)
    todo = look(THREE, records=RECORDS, cuts=[CUT], hand_over=outcome)
    assert average_in(todo) == gave_way
    (told,) = [event.message for event in todo.events if event.reason == "HandedOver"]
    assert told == f"the weights of {episode(2).name}, not the average (a barrier), are at file:///best"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({0: diverged(0, 0.1, 0.2, 0.8)}, "wi0-do0 did not train to the end: Diverged: loss became non-finite"),
        ({0: on_record(0.1, 0.2, 0.8, verdict=Verdict(outcome="Failed"))}, "wi0-do0 did not train to the end: Failed"),
        ({0: finished(0, *(10 * [None]))}, "wi0-do0 has no defined score"),
    ],
)
def test_with_a_survivor_that_came_to_no_good_end_the_winner_is_handed_over(changed, reason):
    records = {**RECORDS, **changed}
    todo = look(THREE, records=records, cuts=[CUT])
    assert handed_over(todo).average_of == {}
    assert average_in(todo) == Average(members=2, episodes=MEMBERS, reason=reason)
    outcome = HandOverOutcome(episode(2).name, weights="file:///best")
    over = look(THREE, records=records, cuts=[CUT], hand_over=outcome)
    assert over.finished
    assert average_in(over) == Average(members=2, episodes=MEMBERS, reason=reason)


def test_one_survivor_is_no_average():
    layout = study(2, (3, 1), result="average")
    records = {0: RECORDS[0], 1: RECORDS[1]}
    todo = look(layout, records=records, cuts=[cut_of(layout, kept=[0], lost=[1])])
    expected = f"an average takes 2 to {MAX_MEMBERS} survivors, not 1"
    assert (handed_over(todo).average_of, average_in(todo)) == (
        {},
        Average(members=1, episodes=[episode(0).name], reason=expected),
    )


def test_a_sweep_that_fails_hands_the_winner_over():
    layout = study(3, (3, 2), result="average", activeDeadlineSeconds=60)
    records = {i: RECORDS[i] for i in (0, 1)}
    failed = look(layout, running(2, 0.1, 0.2, 0.9), records=records, cuts=[CUT], now=100).status
    todo = look(layout, records={**records, 2: on_record(0.1, 0.2, 0.9)}, cuts=[CUT], status=failed, now=101)
    assert handed_over(todo).average_of == {}
    found = average_in(todo)
    assert found is not None
    assert "the sweep failed (DeadlineExceeded)" in found.reason


def test_without_storage_it_is_said_that_there_is_nothing_to_average():
    todo = look(THREE, records=RECORDS, cuts=[CUT], resumable=False)
    assert todo.of_kind(HandOverWinner) == []
    assert average_in(todo) == Average(members=2, episodes=MEMBERS, reason="no weights are stored")


def test_until_all_is_settled_nothing_is_said_of_the_average():
    records = {i: RECORDS[i] for i in (0, 1)}
    todo = look(THREE, running(2, 0.1, 0.2, 0.9), records=records, cuts=[CUT], now=int(moment(10).second))
    assert average_in(todo) is None


def test_a_hand_over_that_failed_is_asked_for_the_average_again():
    broken = HandOverOutcome(episode(2).name, error="disk full")
    failed = look(THREE, records=RECORDS, cuts=[CUT], hand_over=broken).status
    assert failed.best is not None
    assert failed.best.average is None
    again = look(THREE, records=RECORDS, cuts=[CUT], status=failed)
    assert list(handed_over(again).average_of) == [episode(0), episode(2)]


def test_an_average_of_fewer_seeds_is_made_anew_once_another_survives():
    outcome = HandOverOutcome(
        episode(2).name, weights="file:///best", average=MADE.evolve(episodes=["wi0-do0", "wi9-do9"])
    )
    todo = look(THREE, records=RECORDS, cuts=[CUT], hand_over=outcome)
    assert list(handed_over(todo).average_of) == [episode(0), episode(2)]
    assert average_in(todo) is None
    assert todo.status.best is not None
    assert todo.status.best.weights is None


def test_the_average_that_was_handed_over_stays_on_record_while_more_seeds_train():
    four = study(4, (3, 2), result="average")
    cut = cut_of(THREE, kept=[2, 0], lost=[1])
    outcome = HandOverOutcome(episode(2).name, weights="file:///best", average=MADE)
    scored = {
        i: status.evolve(rung_scores=[RungScore(rung=0, evaluation=3, score=status.scores[2])])
        for i, status in RECORDS.items()
    }
    todo = look(four, running(3, 0.1), records=scored, cuts=[cut], hand_over=outcome)
    assert average_in(todo) == MADE
    assert todo.status.best is not None
    assert todo.status.best.weights == "file:///best"
