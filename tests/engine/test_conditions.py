"""What people read: states, counts, and conditions in the order in which they matter."""

from pathlib import Path
from typing import Any

import pytest

from engine.situations import cut_of, ended, entry, episode, finished, look, on_record, running, stopped_at_rung, study
from engine.trainees import moment
from seedsweep.api.core.objects import Condition
from seedsweep.api.episode import EndReason, Interruption
from seedsweep.api.reading.stored import read_status
from seedsweep.api.recorded import timestamp
from seedsweep.api.status import MAX_CONDITIONS, SweepStatus
from seedsweep.api.status import TestScore as Score
from seedsweep.engine.observation import HandOverOutcome, Housekeeping, Refusal, WarmedUp
from seedsweep.engine.status import conditions

THREE = study(3, (3, 1), parallelism=3)
QUOTA = Refusal("QuotaExceeded", "exceeded quota: pods=2", moment(130))
TO_THE_END = on_record(*(10 * [0.5]), rungs=(3,), attempts=[entry("a", EndReason.DONE, evaluations=10)])
TEST = Score(metric="acc", score=0.5, n=10, interval=[0.4, 0.6], confidence=0.95)
FRAMED = {"Complete", "Failed", "Stalled", "Suspended"}


def kinds(todo):
    return [c.type for c in todo.status.conditions]


# --- states


def test_an_episode_that_trained_to_the_end_before_the_cut_is_trained_not_paused():
    done = ended(running(0, *(10 * [0.5])), EndReason.DONE, exit_code=0)
    todo = look(THREE, done, running(1, 0.1), records={2: stopped_at_rung(2, 0.1, 0.2, 0.3)})
    assert todo.recorded(0).state == "Trained"
    later = look(THREE, running(1, 0.1), records={0: TO_THE_END})
    assert (later.status.counts.trained, later.status.counts.paused) == (1, 0)
    assert "1 trained" in later.status.summary.episodes


def test_one_that_is_kept_then_is_finished():
    todo = look(study(2, (3, 1)), records={0: TO_THE_END}, cuts=[cut_of(study(2, (3, 1)), kept=[0], lost=[1])])
    assert todo.recorded(0).state == "Finished"


# --- progress


def test_a_sweep_in_which_nothing_runs_and_nothing_can_makes_no_progress_and_says_why():
    progressing = look(THREE, refused={episode(i): QUOTA for i in range(3)}).condition("Progressing")
    assert (progressing.status, progressing.reason) == ("False", "QuotaExceeded")


def test_one_in_which_something_runs_makes_progress_whatever_else_cannot_be_done():
    progressing = look(THREE, running(0, 0.1), refused={episode(1): QUOTA}).condition("Progressing")
    assert (progressing.status, progressing.reason) == ("True", "Training")


def test_a_cut_that_is_due_and_refused_is_told_apart_from_survivors_that_wait_for_a_place():
    waits = {i: stopped_at_rung(i, 0.1, 0.2, 0.3) for i in range(3)}
    due = look(THREE, records=waits, refused_cuts={(0, 0): QUOTA}).condition("Progressing")
    assert (due.status, due.reason) == ("False", "Cutting")
    early = look(THREE, records={**waits, 0: on_record(0.1)}, refused={episode(0): QUOTA}).condition("Progressing")
    assert (early.status, early.reason) == ("False", "QuotaExceeded")
    cut = cut_of(THREE, kept=[0], lost=[1, 2])
    later = look(THREE, records=waits, cuts=[cut], refused={episode(0): QUOTA}).condition("Progressing")
    assert (later.status, later.reason) == ("False", "QuotaExceeded")


def test_a_warm_up_that_cannot_be_done_is_no_progress():
    house = Housekeeping(warm_up=WarmedUp(under_way=True), trouble="no place for its pod")
    progressing = look(THREE, housekeeping=house).condition("Progressing")
    assert (progressing.status, progressing.reason) == ("False", "HousekeepingFails")


# --- order


def test_what_asks_for_attention_comes_first_and_what_always_holds_last():
    quiet = kinds(look(THREE, running(0, 0.1)))
    assert quiet[:3] == ["Complete", "Suspended", "Progressing"]
    assert quiet[-1] == "Accepted"
    stalled = kinds(look(THREE, running(0, 0.1), hindrances=[QUOTA]))
    assert stalled[:4] == ["Stalled", "Complete", "Suspended", "Progressing"]
    late = study(3, (3, 1), activeDeadlineSeconds=10)
    assert kinds(look(late, running(0, 0.1), hindrances=[QUOTA]))[:3] == ["Failed", "Stalled", "Complete"]


@pytest.mark.parametrize("housekeeping", [None, Housekeeping(warm_up=WarmedUp(under_way=True))])
def test_every_condition_has_its_place(housekeeping):
    todo = look(THREE, running(0, 0.1), housekeeping=housekeeping)
    assert set(kinds(todo)) <= set(conditions.TYPES)
    assert set(kinds(todo)) >= FRAMED
    assert len(set(kinds(todo))) == len(kinds(todo))


def test_conditions_that_a_newer_release_has_set_are_kept_at_the_end():
    newer = [
        Condition(type=f"Later{i}", status="True", reason="R", last_transition_time=timestamp(moment(0)))
        for i in range(MAX_CONDITIONS)
    ]
    first = look(THREE, running(0, 0.1)).status
    status = first.evolve(conditions=[newer[0], *first.conditions, *newer[1:]])
    again = look(THREE, running(0, 0.1), status=status).status
    assert again.conditions == [*first.conditions, *newer][:MAX_CONDITIONS]


def test_a_turn_that_only_records_keeps_the_order():
    before = look(THREE, running(0, 0.1)).status
    todo = look(THREE, *(running(i, 0.1, 0.1, 0.1) for i in range(3)), hindrances=[QUOTA], status=before)
    assert len(todo.cuts_made) == 1
    assert todo.decisions == ()
    assert kinds(todo)[:4] == ["Stalled", "Complete", "Suspended", "Progressing"]


# --- what is over


def test_a_sweep_that_is_over_is_not_stalled():
    layout = study(2, (3, 1), ours=False)
    records = {0: finished(0, *(10 * [0.5])), 1: finished(1, *(10 * [0.4]))}
    cuts = [cut_of(layout, kept=[0, 1], lost=[])]
    todo = look(layout, records=records, cuts=cuts, hindrances=[QUOTA], status=SweepStatus(evaluations=10))
    assert todo.finished
    assert todo.condition("Stalled").status == "False"


# --- what another release wrote


def every_object(value, path=()):
    """Objects in JSON, by their path; of list items by what they are about."""
    if isinstance(value, dict):
        yield path, value
        for name, item in value.items():
            yield from every_object(item, (*path, name))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from every_object(item, (*path, next(iter(item.values()))))


def with_news_everywhere(status):
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    for _, found in list(every_object(written)):
        found["newInV2"] = {"a": 1}
    return read_status(written)[0]


def where_news_is(status):
    written = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {path for path, found in every_object(written) if "newInV2" in found}


def test_what_another_release_wrote_outlives_a_new_status_at_every_depth():
    seen = (running(1, 0.1), ended(running(2, 0.3), EndReason.INTERRUPTED, interruption=Interruption.EVICTED))
    records = {0: on_record(*(10 * [0.5]), rungs=(3,), attempts=[entry("a", EndReason.DONE, evaluations=10)])}
    cuts = [cut_of(THREE, kept=[0], lost=[1, 2])]
    facts: dict[str, Any] = {"records": records, "cuts": cuts, "hand_over": HandOverOutcome("wi0-do0", test=TEST)}
    before = look(THREE, *seen, **facts).status
    assert before.best is not None
    assert before.interruptions
    news = where_news_is(with_news_everywhere(before))
    assert news >= {(), ("best",), ("best", "test"), ("cost",), ("counts",), ("summary",), ("cuts", 0)}
    after = look(THREE, *seen, **facts, status=with_news_everywhere(before), now=200).status
    assert after.cost != before.cost
    # A path in the new value is the other release's own.
    assert {path for path in where_news_is(after) if "newInV2" not in path} == news


def test_what_another_release_wrote_about_the_best_goes_with_it():
    one = {0: on_record(*(10 * [0.5]), rungs=(3,), attempts=[entry("a", EndReason.DONE, evaluations=10)])}
    before = look(THREE, records=one).status
    assert before.best is not None
    better = {**one, 1: on_record(*(10 * [0.6]), rungs=(3,), attempts=[entry("b", EndReason.DONE, evaluations=10)])}
    after = look(THREE, records=better, status=with_news_everywhere(before)).status
    assert after.best is not None
    assert after.best.episode == episode(1).name
    assert ("best",) not in where_news_is(after)
    assert ("counts",) in where_news_is(after)


def test_what_another_release_wrote_outlives_a_refusal_that_is_told():
    before = with_news_everywhere(look(THREE, running(0, 0.1)).status)
    full = Refusal("Forbidden", "no", moment(130))
    cutting = look(THREE, records={i: stopped_at_rung(i, 0.1, 0.2, 0.3) for i in range(3)}, hindrances=[full])
    assert cutting.records
    after = look(
        THREE, records={i: stopped_at_rung(i, 0.1, 0.2, 0.3) for i in range(3)}, hindrances=[full], status=before
    )
    assert after.condition("Stalled").status == "True"
    assert ("conditions", "Stalled") in where_news_is(after.status)


def test_the_docs_say_of_every_condition_what_it_means_and_which_status_is_good():
    page = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()
    table = page.partition("| condition | true when | healthy value | details |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert tuple(row[0].strip("`") for row in rows) == conditions.TYPES
    assert all(row[1] and row[2].split()[0] in ("True", "False", "as") for row in rows)
