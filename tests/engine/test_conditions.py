"""What people read: states, counts, and conditions in the order in which they matter."""

from pathlib import Path

import pytest

from engine.situations import (
    condition,
    cut_of,
    ended,
    entry,
    episode,
    finished,
    look,
    on_record,
    recorded,
    running,
    stopped_at_rung,
    study,
)
from engine.trainees import moment
from seedsweep.api.core import Condition
from seedsweep.api.episode import EndReason
from seedsweep.api.status import MAX_CONDITIONS, SweepStatus
from seedsweep.engine import conditions
from seedsweep.engine.draft import timestamp
from seedsweep.engine.observation import Housekeeping, Refusal, WarmedUp

THREE = study(3, (3, 1), parallelism=3)
QUOTA = Refusal("QuotaExceeded", "exceeded quota: pods=2", moment(130))
TO_THE_END = on_record(*(10 * [0.5]), rungs=(3,), attempts=[entry("a", EndReason.DONE, evaluations=10)])
FRAMED = {"Complete", "Failed", "Stalled", "Suspended"}


def kinds(todo):
    return [c.type for c in todo.status.conditions]


# --- states


def test_an_episode_that_trained_to_the_end_before_the_cut_is_trained_not_paused():
    done = ended(running(0, *(10 * [0.5])), EndReason.DONE, exit_code=0)
    todo = look(THREE, done, running(1, 0.1), records={2: stopped_at_rung(2, 0.1, 0.2, 0.3)})
    assert recorded(todo, 0).state == "Trained"
    later = look(THREE, running(1, 0.1), records={0: TO_THE_END})
    assert (later.status.counts.trained, later.status.counts.paused) == (1, 0)
    assert "1 trained" in later.status.summary.episodes


def test_one_that_is_kept_then_is_finished():
    todo = look(study(2, (3, 1)), records={0: TO_THE_END}, cuts=[cut_of(study(2, (3, 1)), kept=[0], lost=[1])])
    assert recorded(todo, 0).state == "Finished"


# --- progress


def test_a_sweep_in_which_nothing_runs_and_nothing_can_makes_no_progress_and_says_why():
    progressing = condition(look(THREE, refused={episode(i): QUOTA for i in range(3)}), "Progressing")
    assert (progressing.status, progressing.reason) == ("False", "QuotaExceeded")


def test_one_in_which_something_runs_makes_progress_whatever_else_cannot_be_done():
    progressing = condition(look(THREE, running(0, 0.1), refused={episode(1): QUOTA}), "Progressing")
    assert (progressing.status, progressing.reason) == ("True", "Training")


def test_a_warm_up_that_cannot_be_done_is_no_progress():
    house = Housekeeping(warm_up=WarmedUp(under_way=True), trouble="no place for its pod")
    progressing = condition(look(THREE, housekeeping=house), "Progressing")
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


def test_a_turn_that_only_records_keeps_the_order(monkeypatch):
    before = look(THREE, running(0, 0.1)).status
    monkeypatch.setattr("seedsweep.engine.draft.MAX_WRITES", 1)
    todo = look(THREE, running(0, 0.1), running(1), hindrances=[QUOTA], status=before)
    assert todo.decisions == ()
    assert kinds(todo)[:4] == ["Stalled", "Complete", "Suspended", "Progressing"]


# --- what is over


def test_a_sweep_that_is_over_is_not_stalled():
    layout = study(2, (3, 1), ours=False)
    records = {0: finished(0, *(10 * [0.5])), 1: finished(1, *(10 * [0.4]))}
    cuts = [cut_of(layout, kept=[0, 1], lost=[])]
    todo = look(layout, records=records, cuts=cuts, hindrances=[QUOTA], status=SweepStatus(evaluations=10))
    assert todo.finished
    assert condition(todo, "Stalled").status == "False"


def test_the_docs_say_of_every_condition_what_it_means_and_which_status_is_good():
    page = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()
    table = page.partition("| condition | true when | good is | then |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert tuple(row[0].strip("`") for row in rows) == conditions.TYPES
    assert all(row[1] and row[2].split()[0] in ("True", "False", "as") for row in rows)
