"""Rule 9: ends of attempts are told apart, and each costs what it should."""

import pytest

from engine.situations import cut_of, ended, entry, episode, finished, look, on_record, running, stopped_at_rung, study
from engine.trainees import moment, seconds
from seedsweep.api.episode import MAX_ATTEMPTS, EndReason, Interruption, StopReason
from seedsweep.api.status import SweepStatus
from seedsweep.engine.decisions import StopAttempt
from seedsweep.engine.facts.attempt_records import MAX_OUTPUTS
from seedsweep.engine.facts.retry import retry_at

RETRIED = study(1, (3, 1), backoffLimitPerEpisode=2)


def ends(*reasons, **fields):
    return on_record(attempts=[entry(f"a{i}", reason, **fields) for i, reason in enumerate(reasons)])


def verdict_after(todo, i=0):
    status = todo.recorded(i)
    return status.verdict.outcome if status.verdict is not None else None


@pytest.mark.parametrize("reason", [EndReason.FAILED, EndReason.OUT_OF_MEMORY, EndReason.STUCK])
def test_failures_spend_the_budget_and_then_end_the_episode(reason):
    third = ended(running(0, 0.5), reason)
    assert verdict_after(look(RETRIED, third, records={0: ends(reason)})) is None
    assert verdict_after(look(RETRIED, third, records={0: ends(reason, reason)})) == "Failed"


def test_a_failed_attempt_is_retried_after_a_back_off_that_doubles():
    once, twice = ends(EndReason.FAILED), ends(EndReason.FAILED, EndReason.FAILED)
    assert look(RETRIED, records={0: once}, now=55).starts == []
    first, second = look(RETRIED, records={0: once}, now=50), look(RETRIED, records={0: twice}, now=50)
    assert first.look_again_in is not None
    assert second.look_again_in == 2 * first.look_again_in
    assert look(RETRIED, records={0: once}, now=50 + int(first.look_again_in.total_seconds())).starts != []


BACK_OFFS = [*enumerate((10, 20, 40, 80, 160, 300, 300), start=1), (100, 300)]


@pytest.mark.parametrize(("failed", "wait"), BACK_OFFS)
def test_the_back_off_grows_to_five_minutes_and_an_interruption_does_not_add_to_it(failed: int, wait: int):
    attempts = ends(*failed * [EndReason.FAILED]).attempts
    assert retry_at(attempts, moment(50)) == moment(50 + wait)
    assert retry_at([*ends(EndReason.INTERRUPTED).attempts, *attempts], moment(50)) == moment(50 + wait)
    assert retry_at([*attempts, *ends(EndReason.INTERRUPTED).attempts], moment(50)) is None


@pytest.mark.parametrize(("more", "wait"), BACK_OFFS)
def test_what_nodes_turn_away_again_and_again_waits_before_it_starts_again(more: int, wait: int):
    turned_away = ends(*(more + 1) * [EndReason.INTERRUPTED], interruption=Interruption.NOT_ADMITTED).attempts
    assert retry_at(turned_away[:1], moment(50)) is None
    assert retry_at(turned_away, moment(50)) == moment(50 + wait)
    assert (
        retry_at([*turned_away, entry("b", EndReason.INTERRUPTED, interruption=Interruption.EVICTED)], moment(50))
        is None
    )


def test_a_back_off_keeps_no_other_episode_from_starting():
    todo = look(study(3, (3, 1), parallelism=2), records={0: ends(EndReason.FAILED)}, now=51)
    assert [i for i, _ in todo.starts] == [1, 2]


def test_preempted_episode_restarts_without_spending_its_failure_budget():
    layout = study(1, (3, 1), backoffLimitPerEpisode=0)
    todo = look(layout, ended(running(0, 0.5), EndReason.INTERRUPTED))
    assert verdict_after(todo) is None
    assert [i for i, _ in todo.starts] == [0]


def test_ten_interruptions_in_a_row_without_durable_progress_end_the_episode():
    tenth = ended(running(0, 0.5, checkpoint=0), EndReason.INTERRUPTED)
    assert verdict_after(look(RETRIED, tenth, records={0: ends(*8 * [EndReason.INTERRUPTED])})) is None
    assert verdict_after(look(RETRIED, tenth, records={0: ends(*9 * [EndReason.INTERRUPTED])})) == "Failed"


def test_interruptions_with_durable_progress_between_them_never_end_the_episode():
    attempts = [entry(f"a{i}", EndReason.INTERRUPTED, checkpoint=1 + i // 9, evaluations=2) for i in range(18)]
    tenth = ended(running(0, 0.5, 0.5, checkpoint=2), EndReason.INTERRUPTED)
    assert verdict_after(look(RETRIED, tenth, records={0: on_record(0.5, 0.5, attempts=attempts)})) is None


def test_resuming_from_the_same_checkpoint_again_and_again_is_no_durable_progress():
    attempts = [entry(f"a{i}", EndReason.INTERRUPTED, checkpoint=2, evaluations=2) for i in range(10)]
    tenth = ended(running(0, 0.5, 0.5, checkpoint=2), EndReason.INTERRUPTED)
    assert verdict_after(look(RETRIED, tenth, records={0: on_record(0.5, 0.5, attempts=attempts)})) == "Failed"


def test_an_attempt_that_vanished_without_record_counts_as_an_interruption():
    records = {0: on_record(attempts=[entry("gone")])}
    todo = look(RETRIED, records=records)
    assert todo.recorded(0).attempts[0].reason == EndReason.INTERRUPTED
    assert [i for i, _ in todo.starts] == [0]


def test_an_attempt_that_vanished_after_we_stopped_it_counts_as_stopped():
    records = {0: on_record(attempts=[entry("gone", stop=StopReason.SUSPENDED)])}
    assert look(RETRIED, records=records).recorded(0).attempts[0].reason == EndReason.STOPPED


def test_what_we_stopped_spends_nothing_however_it_ended():
    paused = on_record(0.5, attempts=[entry("uid-0", stop=StopReason.PAUSED)])
    todo = look(
        study(1, (3, 1), backoffLimitPerEpisode=0), ended(running(0, 0.5), EndReason.FAILED), records={0: paused}
    )
    assert todo.recorded(0).attempts[0].reason == EndReason.STOPPED
    assert verdict_after(todo) is None


def test_what_was_done_before_our_stop_reached_it_is_done():
    paused = on_record(0.5, attempts=[entry("uid-0", stop=StopReason.PAUSED)])
    done = ended(running(0, *(10 * [0.5])), EndReason.DONE, exit_code=0)
    todo = look(study(1), done, records={0: paused})
    assert todo.recorded(0).attempts[0].reason == EndReason.DONE
    assert verdict_after(todo) == "Finished"


def test_three_bad_configurations_fail_the_sweep_and_stop_the_rest():
    layout = study(5, (3, 1), parallelism=4)
    bad = [ended(running(i), EndReason.BAD_CONFIGURATION, exit_code=78, message="no such model") for i in range(3)]
    two = look(layout, *bad[:2], running(3))
    assert two.condition("Failed").status == "False"
    assert two.starts != []
    three = look(layout, *bad, running(3))
    assert three.condition("Failed").reason == "BadConfiguration"
    assert "no such model" in three.condition("Failed").message
    assert [i for i, _ in three.stops] == [3]
    assert three.starts == []


def test_a_bad_configuration_is_never_retried():
    todo = look(study(4, (3, 1)), ended(running(0), EndReason.BAD_CONFIGURATION, exit_code=78))
    assert 0 not in [i for i, _ in todo.starts]
    assert verdict_after(todo) == "Failed"


def test_a_clean_end_without_the_rung_score_is_replayed():
    clean = ended(running(0, 0.5, stop_after=3), EndReason.DONE, exit_code=0)
    todo = look(RETRIED, clean)
    assert todo.recorded(0).attempts[0].reason == EndReason.METRICS_UNAVAILABLE
    assert [i for i, _ in todo.starts] == [0]


def test_metrics_are_unavailable_after_two_clean_ends_without_a_score():
    clean = ended(running(0, stop_after=3), EndReason.DONE, exit_code=0)
    todo = look(RETRIED, clean, records={0: ends(EndReason.METRICS_UNAVAILABLE)})
    assert verdict_after(todo) == "Failed"
    assert todo.verdict_of(0).reason.startswith("MetricsUnavailable")


def test_a_clean_end_without_the_last_evaluation_does_not_finish_a_survivor():
    todo = look(study(1), ended(running(0, *(9 * [0.5])), EndReason.DONE, exit_code=0))
    assert verdict_after(todo) is None
    assert [i for i, _ in todo.starts] == [0]


def test_an_attempt_without_a_new_evaluation_until_the_deadline_is_stopped_as_stuck():
    layout = study(1, (3, 1), progressDeadlineSeconds=60)
    attempt = running(0, 0.5, progressed=moment(40))
    waiting = look(layout, attempt, now=99)
    assert (waiting.stops, waiting.look_again_in) == ([], seconds(1))
    todo = look(layout, attempt, now=100)
    assert todo.stops == [(0, StopReason.STUCK)]
    assert todo.recorded(0).attempts[0].stop == StopReason.STUCK


def test_being_stuck_spends_the_failure_budget():
    stuck = on_record(0.5, attempts=[entry("uid-0", stop=StopReason.STUCK)])
    todo = look(
        study(1, (3, 1), backoffLimitPerEpisode=0), ended(running(0, 0.5), EndReason.INTERRUPTED), records={0: stuck}
    )
    assert todo.recorded(0).attempts[0].reason == EndReason.STUCK
    assert verdict_after(todo) == "Failed"


def test_what_we_stopped_does_not_say_that_somebody_else_did():
    layout = study(1, (3, 1), progressDeadlineSeconds=60)
    killed = ended(running(0, 0.5), EndReason.INTERRUPTED, message="SIGKILL", interruption=Interruption.KILLED)
    for stop, said in (
        (StopReason.STUCK, "no new evaluation for 60 s (progressDeadlineSeconds)"),
        (StopReason.PAUSED, ""),
    ):
        attempt = look(layout, killed, records={0: on_record(0.5, attempts=[entry("uid-0", stop=stop)])}).recorded(0)
        assert (attempt.attempts[0].message, attempt.attempts[0].interruption) == (said, None)


def test_waiting_for_a_place_is_not_being_stuck():
    layout = study(1, (3, 1), progressDeadlineSeconds=60)
    assert look(layout, running(0, bound=None), now=1000).stops == []


def test_a_stop_that_a_crash_kept_from_being_carried_out_is_repeated_with_its_reason():
    records = {0: on_record(0.5, attempts=[entry("uid-0", stop=StopReason.STUCK)])}
    todo = look(study(1, (3, 1)), running(0, 0.5), records=records)
    assert [d for d in todo.decisions if isinstance(d, StopAttempt)] == [
        StopAttempt(episode(0), "uid-0", StopReason.STUCK, save=False)
    ]


def test_more_failed_episodes_than_allowed_fail_the_sweep():
    layout = study(4, (3, 1), parallelism=3, backoffLimitPerEpisode=0, maxFailedEpisodes=1)
    failed = [ended(running(i, 0.5), EndReason.FAILED, exit_code=1, message="boom") for i in range(2)]
    assert look(layout, failed[0], running(2)).condition("Failed").status == "False"
    todo = look(layout, *failed, running(2))
    assert todo.condition("Failed").reason == "MaxFailedEpisodesExceeded"
    assert [i for i, _ in todo.stops] == [2]


def test_episodes_that_disagree_on_their_length_before_it_is_on_record_fail_the_sweep():
    attempts = running(0, 0.5), running(1, 0.5, evaluations_planned=12)
    failed = look(study(2, (3, 1), ours=False), *attempts, status=SweepStatus()).condition("Failed")
    assert failed.reason == "EpisodesDisagree"
    assert "plans 12 evaluations, not 10 as others do" in failed.message


def test_rungs_that_do_not_fit_the_trainers_evaluations_fail_the_sweep_as_soon_as_they_are_known():
    layout = study(2, (3, 1), ours=False)
    seen = running(0, 0.5)
    short = running(0, 0.5, evaluations_planned=2)
    assert look(layout, seen, status=SweepStatus()).condition("Failed").status == "False"
    assert look(layout, short, status=SweepStatus()).condition("Failed").reason == "InvalidRungs"


def test_the_number_of_evaluations_is_remembered_by_a_turn_that_only_records():
    todo = look(study(1, (3, 1), ours=False), running(0, 0.5, 0.5, 0.5), status=SweepStatus())
    assert len(todo.cuts_made) == 1
    assert todo.decisions == ()
    assert (todo.status.evaluations, todo.status.steps) == (10, 100)


def test_generated_rungs_before_the_first_evaluation_fail_the_sweep_before_anything_starts():
    todo = look(study(9, stopping={"hyperband": {"eta": 3, "resource": 27}}))
    assert todo.starts == []
    assert todo.condition("Failed").reason == "InvalidRungs"


def test_complete_needs_one_finished_survivor_and_names_the_failures():
    layout = study(2, (3, 2), backoffLimitPerEpisode=0)
    records = {0: finished(0, *(10 * [0.5])), 1: stopped_at_rung(1, 0.1, 0.2, 0.3)}
    last = ended(running(1, 0.1, 0.2, 0.3, 0.4), EndReason.FAILED, exit_code=1)
    todo = look(layout, last, records=records, cuts=[cut_of(layout, kept=[0, 1], lost=[])], resumable=False)
    assert todo.finished
    assert todo.condition("Complete").status == "True"
    assert "1 failed" in todo.condition("Complete").message


def test_a_sweep_whose_episodes_all_fail_is_failed():
    layout = study(1, (3, 1), backoffLimitPerEpisode=0)
    todo = look(layout, ended(running(0, 0.5), EndReason.FAILED, message="boom"))
    assert todo.finished
    assert todo.condition("Failed").reason == "NoEpisodeFinished"
    assert "boom" in todo.condition("Failed").message
    assert todo.condition("Complete").status == "False"


def test_an_episode_that_has_used_as_many_attempts_as_its_record_holds_is_given_up():
    paused = [entry(f"a{i}", EndReason.STOPPED, stop=StopReason.SUSPENDED) for i in range(MAX_ATTEMPTS)]
    assert [i for i, _ in look(RETRIED, records={0: on_record(attempts=paused[1:])}).starts] == [0]
    todo = look(RETRIED, records={0: on_record(attempts=paused)})
    assert todo.starts == []
    assert todo.verdict_of(0).reason.startswith("TooManyAttempts")


def test_an_attempt_beyond_those_that_the_record_holds_is_not_recorded():
    paused = [entry(f"a{i}", EndReason.STOPPED, stop=StopReason.SUSPENDED) for i in range(MAX_ATTEMPTS)]
    todo = look(RETRIED, running(0, 0.1, 0.2, 0.3), records={0: on_record(attempts=paused)})
    assert len(todo.recorded(0).attempts) == MAX_ATTEMPTS
    assert len(todo.recorded(0).rung_scores) == 1


def test_a_leader_that_has_used_all_its_attempts_is_no_bet():
    paused = [entry(f"a{i}", EndReason.STOPPED, stop=StopReason.SUSPENDED) for i in range(MAX_ATTEMPTS)]
    records = {0: on_record(0.1, 0.2, 0.9, rungs=(3,), attempts=paused)}
    assert look(study(3, (3, 1), parallelism=3), running(1, 0.1), running(2, 0.1), records=records).starts == []


def test_only_the_newest_failed_attempts_keep_what_they_printed():
    failed = [entry(f"a{i}", EndReason.FAILED, output=f"line {i}") for i in range(MAX_OUTPUTS)]
    layout = study(1, (3, 1), backoffLimitPerEpisode=100)
    last = ended(running(0, 0.1), EndReason.FAILED, output="the last")
    attempts = look(layout, last, records={0: on_record(attempts=failed)}).recorded(0).attempts
    assert [a.output for a in attempts] == ["", *(f"line {i}" for i in range(1, MAX_OUTPUTS)), "the last"]
    killed = ended(running(0, 0.1), EndReason.INTERRUPTED, output="on its way")
    attempts = look(layout, killed, records={0: on_record(attempts=failed)}).recorded(0).attempts
    assert [a.output for a in attempts] == [*(f"line {i}" for i in range(MAX_OUTPUTS)), ""]
