"""One attempt: what its pod does not say by itself, when it is overdue, and how its end survives its pod."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from inputs.pod_statuses import EXPECTED, NOW, Object, condition, container, facts
from seedsweep.api.episode import EndReason, Interruption
from seedsweep.contract.trouble import (
    UNREACHED_AFTER,
    UNREACHED_TIMES,
    UNUSABLE_TIMES,
    Trouble,
)
from seedsweep.engine.observation import Ending, Reading, SeenAttempt
from seedsweep.kube.pods.attempt import BEGINS_WITHIN, PodAttempt, wants_log
from seedsweep.kube.pods.facts import PodFacts
from seedsweep.kube.scraping.scraper import Scraper

PLACED = condition("PodScheduled", "True")
FAILED = Ending(EndReason.FAILED, NOW, 139, "ended by SIGSEGV")


class Unread(Scraper):
    """Reads nothing, and says why."""

    def __init__(self, unread: Trouble | None = None) -> None:
        super().__init__(lambda _: None)
        self._unread = unread

    def trouble(self, uid: str) -> Trouble | None:
        return self._unread


def placed(state: Object, **more: Any) -> PodFacts:
    return facts({"conditions": [PLACED], "containerStatuses": [container(state)]}, **more)


def seen(attempt: PodAttempt, after: timedelta, unread: Trouble | None = None) -> SeenAttempt:
    """So long after it was first seen."""
    return attempt.seen(Unread(unread), NOW + after, stopping=False, gpus=1.0)


def test_a_trainer_that_was_seen_before_it_ran_has_only_just_begun():
    attempt = PodAttempt(facts(), EXPECTED, NOW)
    attempt.take_facts(placed({"running": {}}, version=13), NOW)
    assert attempt.begins
    assert not PodAttempt(placed({"running": {}}), EXPECTED, NOW).begins


def test_a_container_that_does_not_begin_is_told_after_a_while_with_where_to_look():
    attempt = PodAttempt(placed({"waiting": {"reason": "ContainerCreating"}}), EXPECTED, NOW)
    assert seen(attempt, BEGINS_WITHIN - timedelta(seconds=1)).trouble == ""
    assert "kubectl describe pod demo-wi3-do7" in seen(attempt, BEGINS_WITHIN).trouble
    assert seen(PodAttempt(placed({"running": {}}), EXPECTED, NOW), BEGINS_WITHIN).trouble == ""


def test_metrics_that_cannot_be_read_are_told_after_a_while():
    attempt = PodAttempt(placed({"running": {}}), EXPECTED, NOW)
    once, often = Trouble(1, "refused"), Trouble(UNREACHED_TIMES, "refused")
    assert seen(attempt, UNREACHED_AFTER, once).trouble == ""
    assert seen(attempt, UNREACHED_AFTER - timedelta(seconds=1), often).trouble == ""
    shown = seen(attempt, UNREACHED_AFTER, often)
    assert (shown.trouble_kind, shown.trouble) == ("MetricsUnreachable", "its metrics cannot be reached: refused")
    shown = seen(attempt, timedelta(), Trouble(UNUSABLE_TIMES, "refused", "MetricsUnusable"))
    assert (shown.trouble_kind, shown.trouble) == ("MetricsUnusable", "its metrics cannot be used: refused")


def test_what_keeps_a_pod_from_beginning_is_told_before_its_metrics():
    waiting = placed({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    shown = seen(
        PodAttempt(waiting, EXPECTED, NOW), UNREACHED_AFTER, Trouble(UNREACHED_TIMES, "refused", "MetricsUnusable")
    )
    assert (shown.trouble_kind, shown.trouble) == ("CannotBegin", "ImagePullBackOff: no such image")


def test_what_can_never_be_used_is_told_at_once():
    attempt = PodAttempt(placed({"running": {}}), EXPECTED, NOW)
    out_of_range = Trouble(UNUSABLE_TIMES, "the score is 1.5", "MetricsUnusable", UNUSABLE_TIMES)
    shown = seen(attempt, timedelta(), out_of_range)
    assert (shown.unusable, shown.trouble) == ("the score is 1.5", "its metrics cannot be used: the score is 1.5")
    assert seen(attempt, timedelta(), replace(out_of_range, final_times=UNUSABLE_TIMES - 1)).unusable == ""


def test_what_its_metrics_said_to_the_last_outlives_them():
    attempt = PodAttempt(placed({"terminated": {"exitCode": 0}}), EXPECTED, NOW)
    attempt.take_scraped(Unread(Trouble(UNUSABLE_TIMES, "the score is 1.5", "MetricsUnusable", UNUSABLE_TIMES)))
    attempt.end(FAILED)
    shown = seen(attempt, UNREACHED_AFTER)
    assert (shown.unusable, shown.trouble) == ("the score is 1.5", "")


def test_it_is_due_when_its_grace_is_over_by_our_own_clock():
    attempt = PodAttempt(placed({"running": {}}), EXPECTED, NOW)
    assert seen(attempt, timedelta()).due is None
    told = placed({"running": {}}, deletionTimestamp="2030-01-01T00:00:00Z", deletionGracePeriodSeconds=90)
    attempt.take_facts(told, NOW)
    # Seen again, it is due no later.
    attempt.take_facts(told, NOW + timedelta(seconds=60))
    assert seen(attempt, timedelta()).due == NOW + timedelta(seconds=90)
    attempt.take_facts(replace(told, grace=timedelta(seconds=1)), NOW + timedelta(seconds=60))
    assert seen(attempt, timedelta()).due == NOW + timedelta(seconds=1)


@pytest.mark.parametrize("skew", [timedelta(hours=-2), timedelta(hours=2)])
def test_times_that_other_machines_wrote_are_seen_when_they_are_seen(skew: timedelta):
    elsewhere = (NOW + skew).isoformat()
    unplaced = {**condition("PodScheduled", "False", reason="Unschedulable"), "lastTransitionTime": elsewhere}
    attempt = PodAttempt(facts({"conditions": [unplaced]}, creationTimestamp=elsewhere), EXPECTED, NOW)
    waiting = seen(attempt, timedelta(seconds=30))
    assert (waiting.created, waiting.unschedulable_since, waiting.bound) == (NOW, NOW, None)
    bound = {"conditions": [{**PLACED, "lastTransitionTime": elsewhere}]}
    silent = {"conditions": [*bound["conditions"], {**condition("Ready", "False"), "lastTransitionTime": elsewhere}]}
    running = {"containerStatuses": [container({"running": {"startedAt": elsewhere}})]}
    later = NOW + timedelta(minutes=1)
    attempt.take_facts(facts({**bound, **running}), later)
    attempt.take_facts(facts({**silent, **running}), later + timedelta(minutes=1))
    at_work = seen(attempt, timedelta(minutes=3))
    assert (at_work.bound, at_work.unschedulable_since) == (later, None)
    assert at_work.silent_since == later + timedelta(minutes=1)
    assert at_work.progressed == NOW


def test_what_had_ended_before_anyone_looked_held_its_place_for_as_long_as_its_node_says():
    state = {"exitCode": 0, "startedAt": "2026-05-04T14:00:00Z", "finishedAt": "2026-05-04T14:05:00Z"}
    attempt = PodAttempt(placed({"terminated": state}), EXPECTED, NOW)
    attempt.end(Ending(EndReason.DONE, NOW, 0))
    assert seen(attempt, timedelta(hours=1)).held == timedelta(minutes=5)
    watched = PodAttempt(placed({"running": {}}), EXPECTED, NOW)
    watched.take_facts(placed({"terminated": state}), NOW + timedelta(minutes=6))
    watched.end(Ending(EndReason.DONE, NOW + timedelta(minutes=6), 0))
    assert seen(watched, timedelta(hours=1)).held is None


def test_a_pod_that_a_finalizer_holds_says_so():
    held = facts(deletionTimestamp="2030-01-01T00:00:00Z", finalizers=["kueue.x-k8s.io/managed"])
    shown = PodAttempt(held, EXPECTED, NOW).seen(Unread(), NOW, stopping=False, gpus=1.0)
    assert shown.held_by == "kueue.x-k8s.io/managed"
    kept = facts(finalizers=["kueue.x-k8s.io/managed"])
    assert PodAttempt(kept, EXPECTED, NOW).seen(Unread(), NOW, stopping=False, gpus=1.0).held_by == ""


def test_what_volcano_said_outlives_the_kubelet_that_writes_over_it():
    ready = condition("Ready", "False", reason="Evict", message="Pod is evicted, because of reclaim")
    attempt = PodAttempt(facts({"conditions": [ready]}), EXPECTED, NOW)
    attempt.take_facts(facts({"conditions": [condition("Ready", "False", reason="PodFailed")]}), NOW)
    attempt.vanish(NOW)
    assert attempt.ending is not None
    assert attempt.ending.interruption == Interruption.PREEMPTED_BY_QUEUE


def test_a_pod_that_goes_while_its_log_is_read_has_ended_as_it_did():
    attempt = PodAttempt(placed({"terminated": {"exitCode": 139}}), EXPECTED, NOW, last=FAILED)
    attempt.vanish(NOW)
    assert attempt.ending == FAILED


def test_one_that_goes_without_an_end_has_vanished():
    attempt = PodAttempt(placed({"running": {}}), EXPECTED, NOW)
    attempt.vanish(NOW)
    assert attempt.ending is not None
    assert attempt.ending.reason == EndReason.INTERRUPTED


def test_what_was_read_of_its_log_goes_with_its_end_unless_the_end_brings_its_own():
    for own, kept in (("", "of the log"), ("its own", "its own")):
        attempt = PodAttempt(placed({"running": {}}), EXPECTED, NOW, output="of the log")
        attempt.end(replace(FAILED, output=own))
        assert attempt.ending is not None
        assert attempt.ending.output == kept


@pytest.mark.parametrize(
    ("ending", "wanted"),
    [
        (FAILED, True),
        (Ending(EndReason.OUT_OF_MEMORY, NOW, 137), True),
        (replace(FAILED, output="Traceback"), False),
        (Ending(EndReason.INTERRUPTED, NOW, 143), False),
        (Ending(EndReason.DONE, NOW, 0), False),
    ],
)
def test_a_log_is_read_where_a_trainer_failed_and_its_end_does_not_tell_what_it_printed(ending: Ending, wanted: bool):
    assert wants_log(ending) == wanted


def test_of_two_readings_the_one_that_tells_more_is_kept():
    attempt = PodAttempt(placed({"running": {}}), EXPECTED, NOW, reading=Reading(scores=(0.5, 0.6)))
    for scores, kept in (((0.5,), 2), ((0.5, 0.6, 0.7), 3)):
        attempt.take_reading(Reading(scores=scores))
        assert attempt.reading is not None
        assert len(attempt.reading.scores) == kept
