"""The checker of API writes itself: a clean story passes, and each way to go wrong is caught."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cluster import audit
from cluster.audit import AuditEvent
from cluster.invariants import violations
from cluster.rules import wrong_in_cut

LONG_AGO, JUST_NOW = "2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z"
OPERATOR, USER = "operator", "someone"
SWEEP = "uid-of-sweep"
SCORES = {"wi0-do0": 0.9, "wi1-do1": 0.7, "wi2-do2": 0.8}

Object = dict[str, Any]
Story = list[AuditEvent]


def _event(version: int | None, verb: str, resource: str, answer: Mapping[str, Any] | None, **more: Any) -> AuditEvent:
    answer = deepcopy(answer)
    if answer is not None and version is not None:
        answer["metadata"]["resourceVersion"] = str(version)
    subresource = more.pop("subresource", "")
    return AuditEvent(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        user=more.pop("user", OPERATOR),
        verb=verb,
        group="",
        resource=resource,
        subresource=subresource,
        namespace="ns",
        name=more.pop("name", (answer or {}).get("metadata", {}).get("name", "")),
        code=more.pop("code", 200),
        body=more.pop("body", None),
        answer=answer,
    )


def _metadata(episode: str | None = None, uid: str = "") -> Object:
    labels = {"seedsweep.io/sweep-uid": SWEEP} | ({"seedsweep.io/episode": episode} if episode else {})
    name = f"demo-{episode}" if episode else "demo-b0-r0"
    owner = {"kind": "SeedSweep", "uid": SWEEP, "controller": True}
    return {"name": name, "namespace": "ns", "uid": uid, "labels": labels, "ownerReferences": [owner]}


def sweep(version: int, verb: str = "update", user: str = OPERATOR, **status: Any) -> AuditEvent:
    spec = {
        "earlyStopping": {"rungs": [{"atPercent": 30, "keep": 1}]},
        "trainer": {"metric": {"goal": "maximize"}},
    }
    body = {"metadata": {"name": "demo", "namespace": "ns", "uid": SWEEP, "generation": 1}, "spec": spec}
    return _event(version, verb, "seedsweeps", {**body, "status": status}, user=user)


def pod(version: int, episode: str, uid: str = "") -> AuditEvent:
    return _event(version, "create", "pods", {"metadata": _metadata(episode, uid or f"pod-{episode}")}, code=201)


def deleted(version: int, episode: str, *, user: str = OPERATOR, precondition: bool = True) -> AuditEvent:
    uid = f"pod-{episode}"
    body = {"preconditions": {"uid": uid}} if precondition else {}
    return _event(version, "delete", "pods", {"metadata": _metadata(episode, uid)}, user=user, body=body)


def episode(version: int, name: str, **status: Any) -> AuditEvent:
    body = {"metadata": _metadata(name), "spec": {"bracket": 0, "audited": False}, "status": status}
    return _event(version, "update", "episodes", body)


def scored(version: int, name: str, **status: Any) -> AuditEvent:
    return episode(version, name, rungScores=[{"rung": 0, "evaluation": 3, "score": SCORES[name]}], **status)


EVIDENCE = {"alike": 1, "toldApart": 1}
RANKED = ("wi0-do0", "wi2-do2", "wi1-do1")


def cut(version: int, ranked: tuple[str, ...] = RANKED, **changes: Any) -> AuditEvent:
    columns = {"ranked": list(ranked), "scores": [SCORES[name] for name in ranked]}
    data = {"bracket": 0, "rung": 0, "keep": 1, **columns, "threshold": 0.9, "tiedAtThreshold": 1, **changes}
    return _event(version, "create", "cuts", {"metadata": _metadata(), "data": data}, code=201)


def explained(version: int, evidence: Object | None = EVIDENCE, **changes: Any) -> AuditEvent:
    """The cut gets its evidence."""
    answer = cut(10, **changes).answer
    assert answer is not None
    return _event(version, "update", "cuts", {**answer, "evidence": evidence})


def condition(kind: str, status: str = "True", **changes: Any) -> Object:
    return {"type": kind, "status": status, "reason": "Because", "observedGeneration": 1, **changes}


def told(reason: str) -> Object:
    return {"kind": "Event", "metadata": {"name": "e"}, "involvedObject": {"uid": SWEEP}, "reason": reason}


def fallen(score: float, margin: str) -> AuditEvent:
    """By the floor 0.5 + 0.1 margin."""
    fall = {"score": score, "baseline": 0.5, "standardError": 0.1, "margin": margin}
    return scored(7, "wi1-do1", verdict={"outcome": "LostByFloor", "rung": 0, "fall": fall})


STORY: Mapping[str, AuditEvent] = {
    "sweep": sweep(1, "create", USER),
    "pod 0": pod(2, "wi0-do0"),
    "pod 1": pod(3, "wi1-do1"),
    "pod 2": pod(4, "wi2-do2"),
    "score 0": scored(5, "wi0-do0"),
    "score 1": scored(6, "wi1-do1"),
    "verdict 1": scored(7, "wi1-do1", verdict={"outcome": "LostByDominance", "rung": 0, "dominators": ["wi0-do0"]}),
    "deleted 1": deleted(8, "wi1-do1"),
    "score 2": scored(9, "wi2-do2"),
    "cut": cut(10),
    "deleted 2": deleted(11, "wi2-do2"),
    "verdict 2": scored(12, "wi2-do2", verdict={"outcome": "LostByCut", "rung": 0, "cut": "demo-b0-r0"}),
    "done": sweep(13, observedGeneration=1, conditions=[condition("Complete")]),
}


def chore_deleted(seconds: int, phase: str = "Running", user: str = OPERATOR) -> AuditEvent:
    """A housekeeping pod of at most a minute, deleted so many seconds after its creation."""
    labels = {"seedsweep.io/sweep-uid": SWEEP, "app.kubernetes.io/component": "housekeeping"}
    created = (datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=seconds)).isoformat()
    metadata = {**_metadata(), "labels": labels, "uid": "chore", "creationTimestamp": created}
    body = {"metadata": metadata, "spec": {"activeDeadlineSeconds": 60}, "status": {"phase": phase}}
    return _event(14, "delete", "pods", body, user=user, body={"preconditions": {"uid": "chore"}})


def sweep_deleted(precondition: str | None = SWEEP) -> AuditEvent:
    """By the operator."""
    options = {"preconditions": {"uid": precondition}} if precondition else {}
    return _event(None, "delete", "seedsweeps", {"metadata": {}, "details": {"uid": SWEEP}}, body=options)


def with_life(seconds: int | None, completed: str | None) -> AuditEvent:
    """The sweep at its end, with a time to live."""
    done = sweep(13, observedGeneration=1, conditions=[condition("Complete")], completionTime=completed)
    assert done.answer is not None
    done.answer["spec"]["ttlSecondsAfterFinished"] = seconds
    return done


def found(remaining: tuple[Object, ...] = (told("Complete"),), **changes: AuditEvent | None) -> list[str]:
    """What is wrong with the story when some of it went another way; keys have `_` for the blank."""
    story = {**STORY, **{key.replace("_", " "): event for key, event in changes.items()}}
    return violations([event for event in story.values() if event is not None], [OPERATOR], remaining)


def test_the_story_of_a_good_sweep_has_nothing_wrong():
    assert found() == []


def suspended(version: int, *, suspend: bool = True) -> AuditEvent:
    event = sweep(version, user=USER)
    assert event.answer is not None
    event.answer["spec"]["suspend"] = suspend
    return event


@pytest.mark.parametrize(
    "halt", [suspended(5), sweep(5, observedGeneration=1, conditions=[condition("Failed", reason="DeadlineExceeded")])]
)
def test_of_a_sweep_that_is_suspended_or_has_failed_any_pod_may_be_deleted(halt: AuditEvent):
    story = [STORY["sweep"], STORY["pod 0"], halt, deleted(6, "wi0-do0")]
    assert violations(story, [OPERATOR]) == []


def test_answers_may_be_logged_in_another_order_than_they_came_about():
    assert violations(reversed([*STORY.values()]), [OPERATOR]) == []


@pytest.mark.parametrize("after", [True, False])
def test_a_deletion_that_another_operator_overtook_is_answered_by_what_was_read_before(after: bool):
    """With the version that the pod had when both asked: that says nothing about when."""
    overtaken = {"overtaken": deleted(3, "wi1-do1")}
    at = list(STORY).index("deleted 1") + after
    story = {**dict(list(STORY.items())[:at]), **overtaken, **dict(list(STORY.items())[at:])}
    assert violations(story.values(), [OPERATOR], [told("Complete")]) == []
    del story["verdict 1"]
    assert _about(violations(story.values(), [OPERATOR]), "without a record that says why")


def test_what_was_refused_or_only_tried_did_not_happen():
    refused = _event(None, "create", "pods", None, code=409)
    dry_run = _event(None, "create", "pods", {"metadata": _metadata("wi0-do0", "pod-again")}, code=201)
    assert found(refused=refused, dry_run=dry_run) == []


def unanswered(event: AuditEvent, base: int | None = None) -> AuditEvent:
    """A write of this content, made from a version, whose client hung up before it was answered."""
    content = deepcopy(dict(event.answer or {}))
    content["metadata"] = {k: v for k, v in content["metadata"].items() if k not in ("resourceVersion", "uid")}
    if base is not None:
        content["metadata"]["resourceVersion"] = str(base)
    status = {"kind": "Status", "metadata": {}, "status": "Failure", "reason": "Timeout"}
    return replace(event, code=504, body=event.body or content, answer=status)


def built_on(base: int, event: AuditEvent) -> AuditEvent:
    """A write that was made from a version."""
    return replace(event, body={"metadata": {"resourceVersion": str(base)}})


def left(kind: str, event: AuditEvent) -> Object:
    """What a write has made, as it is there at the end."""
    assert event.answer is not None
    return {**event.answer, "kind": kind}


def test_an_unanswered_score_on_which_a_later_write_builds_is_on_record():
    later = built_on(9, STORY["verdict 2"])
    assert found(score_2=unanswered(scored(9, "wi2-do2"), base=4), verdict_2=later) == []


def test_an_unanswered_score_that_is_there_at_the_end_is_on_record():
    lost, there = unanswered(scored(9, "wi2-do2"), base=4), left("Episode", scored(9, "wi2-do2"))
    assert found((told("Complete"), there), score_2=lost, deleted_2=None, verdict_2=None) == []


def test_an_unanswered_score_that_nothing_shows_is_on_no_record():
    lost = unanswered(scored(9, "wi2-do2"), base=4)
    assert _about(found(score_2=lost), "not on record")


def test_of_two_writes_made_from_one_version_only_the_answered_one_took_effect():
    lost = unanswered(scored(9, "wi2-do2"), base=4)
    other = built_on(4, episode(10, "wi2-do2"))
    story = [*list(STORY.values())[:8], lost, other, built_on(10, episode(11, "wi2-do2")), cut(12)]
    assert _about(violations(story, [OPERATOR]), "not on record")


@pytest.mark.parametrize("again", [None, _event(None, "create", "cuts", None, code=409, name="demo-b0-r0")])
def test_an_unanswered_cut_that_is_there_or_whose_name_is_taken_was_made(again: AuditEvent | None):
    remaining = (told("Complete"), *((left("Cut", cut(10)),) if again is None else ()))
    story = {**STORY, "cut": unanswered(cut(10)), "again": again}
    in_order = [story[key] for key in (*list(STORY)[:10], "again", *list(STORY)[10:])]
    assert violations([event for event in in_order if event is not None], [OPERATOR], remaining) == []
    assert _about(found(cut=unanswered(cut(10))), "no cut says so")


def test_a_pod_whose_unanswered_deletion_made_its_name_free_is_no_second_one_and_needs_a_record():
    ended = episode(5, "wi2-do2", attempts=[{"uid": "pod-wi2-do2", "reason": "Interrupted"}])
    anew = [unanswered(deleted(6, "wi2-do2")), pod(7, "wi2-do2", "pod-anew")]
    assert violations([STORY["sweep"], STORY["pod 2"], ended, *anew], [OPERATOR]) == []
    assert _about(violations([STORY["sweep"], STORY["pod 2"], *anew], [OPERATOR]), "without a record that says why")


def test_a_pod_that_was_created_without_an_answer_is_a_live_one():
    story = [
        STORY["sweep"],
        unanswered(pod(2, "wi0-do0")),
        built_on(3, _event(3, "patch", "pods", pod(3, "wi0-do0").answer)),
    ]
    assert violations(story, [OPERATOR]) == []
    assert _about(violations([*story, pod(4, "wi0-do0", "another")], [OPERATOR]), "I2")


def test_a_status_that_was_written_alone_is_that_of_the_whole_object():
    done = sweep(13, observedGeneration=1, conditions=[condition("Complete")])
    minimizes = sweep(1, "create", USER)
    assert done.answer is not None
    assert minimizes.answer is not None
    done = replace(done, answer={key: part for key, part in done.answer.items() if key != "spec"})
    minimizes.answer["spec"]["trainer"]["metric"]["goal"] = "minimize"
    late_cut = cut(14)
    assert _about(found(sweep=minimizes, cut=None, deleted_2=None, done=done, late_cut=late_cut), "I4")


@pytest.mark.parametrize("resource", ["pods", "seedsweeps"])
def test_a_deletion_that_was_forbidden_shows_nothing(resource: str):
    assert found(more=_event(None, "delete", resource, None, code=403)) == []


def test_a_cut_may_get_its_evidence_once():
    assert found(more=explained(14)) == []


def test_a_second_cut_is_made_of_the_survivors_of_the_first():
    one = scored(11, "wi0-do0")
    assert one.answer is not None
    one.answer["status"]["rungScores"].append({"rung": 1, "evaluation": 6, "score": 0.9})
    second = cut(12, ("wi0-do0",), rung=1)
    assert found(score_again=one, second=second) == []
    assert _about(found(score_again=one, second=cut(12, ("wi0-do0", "wi2-do2"), rung=1)), "survivors of the one")


def test_an_ended_pod_makes_way_for_the_next_attempt():
    ended = episode(5, "wi2-do2", attempts=[{"uid": "pod-wi2-do2", "reason": "Interrupted"}])
    again = scored(9, "wi2-do2", attempts=[{"uid": "pod-wi2-do2", "reason": "Interrupted"}])
    story = [STORY["sweep"], STORY["pod 2"], ended, deleted(6, "wi2-do2"), pod(7, "wi2-do2", "pod-anew"), again]
    assert violations(story, [OPERATOR]) == []


def test_a_housekeeping_pod_goes_when_it_has_ended_or_had_its_time():
    assert found(more=chore_deleted(5, "Succeeded")) == []
    assert found(more=chore_deleted(60)) == []
    assert found(more=chore_deleted(5, user=USER)) == []


def test_a_finished_sweep_goes_when_its_time_is_over():
    assert found(done=with_life(30, LONG_AGO), more=sweep_deleted()) == []


def _about(messages: list[str], words: str) -> bool:
    assert messages, "nothing was found"
    return any(words in message for message in messages)


WRONG: dict[str, tuple[str, Callable[[], list[str]]]] = {
    "a pod deleted by its name alone": ("I1", lambda: found(deleted_1=deleted(8, "wi1-do1", precondition=False))),
    "a refused deletion by name alone": (
        "I1",
        lambda: found(more=_event(None, "delete", "pods", None, code=404, body={})),
    ),
    "a pod deleted before its verdict": ("I1", lambda: found(deleted_1=deleted(6, "wi1-do1"))),
    "a pod deleted before its sweep is suspended": (
        "I1",
        lambda: violations([*list(STORY.values())[:2], deleted(3, "wi0-do0"), suspended(4)], [OPERATOR]),
    ),
    "a pod deleted after its sweep goes on": (
        "I1",
        lambda: violations(
            [*list(STORY.values())[:2], suspended(3), suspended(4, suspend=False), deleted(5, "wi0-do0")], [OPERATOR]
        ),
    ),
    "a pod deleted while the sweep has not failed": (
        "I1",
        lambda: violations(
            [*list(STORY.values())[:2], sweep(3, conditions=[condition("Failed", "False")]), deleted(4, "wi0-do0")],
            [OPERATOR],
        ),
    ),
    "a pod deleted before the cut": ("I1", lambda: found(deleted_2=deleted(9, "wi2-do2"))),
    "a survivor deleted": ("I1", lambda: found(more=deleted(12, "wi0-do0"))),
    "a stop that cites the cut which kept it": (
        "I1",
        lambda: found(
            word=scored(11, "wi0-do0", attempts=[{"uid": "pod-wi0-do0", "stop": "Cut"}]), more=deleted(12, "wi0-do0")
        ),
    ),
    "a second pod beside a live one": ("I2", lambda: found(more=pod(5, "wi0-do0", "another"))),
    "a start after the cut": ("started after it had lost", lambda: found(more=pod(14, "wi2-do2", "another"))),
    "a cut made twice": ("made twice", lambda: found(more=cut(14))),
    "a cut that changed": ("was changed", lambda: found(more=explained(14, keep=2))),
    "a cut that changed without evidence": ("was changed", lambda: found(more=explained(14, evidence=None))),
    "a cut whose evidence changed": ("was changed", lambda: found(more=explained(14), again=explained(15))),
    "a cut before a score": ("not on record", lambda: found(score_2=scored(11, "wi2-do2"))),
    "a cut by another score": (
        "not on record",
        lambda: found(score_2=episode(9, "wi2-do2", rungScores=[{"rung": 0, "score": 1}])),
    ),
    "records deleted by the operator": (
        "the operator deleted cuts",
        lambda: found(more=_event(14, "delete", "cuts", {"metadata": {}})),
    ),
    "a housekeeping pod deleted at work": ("deleted at work", lambda: found(more=chore_deleted(5))),
    "a sweep deleted that was to stay": (
        "whose time was not over",
        lambda: found(done=with_life(None, LONG_AGO), more=sweep_deleted()),
    ),
    "a sweep deleted before its time": (
        "whose time was not over",
        lambda: found(done=with_life(30, JUST_NOW), more=sweep_deleted()),
    ),
    "a sweep deleted before its end": (
        "whose time was not over",
        lambda: found(done=with_life(30, None), more=sweep_deleted()),
    ),
    "a sweep deleted by its name alone": (
        "whose time was not over",
        lambda: found(done=with_life(30, LONG_AGO), more=sweep_deleted(None)),
    ),
    "a verdict without a cut": ("no cut says so", lambda: found(cut=None, deleted_2=None)),
    "a verdict against a survivor": (
        "was kept by the cut",
        lambda: found(more=scored(14, "wi0-do0", verdict={"outcome": "LostByCut", "rung": 0})),
    ),
    "too few dominators": (
        "names 0 dominators of 1",
        lambda: found(verdict_1=scored(7, "wi1-do1", verdict={"outcome": "LostByDominance", "rung": 0})),
    ),
    "a dominator without a score": ("before all scores", lambda: found(score_0=None)),
    "a dominator that is outranked": (
        "outranks one of its dominators",
        lambda: found(score_0=episode(5, "wi0-do0", rungScores=[{"rung": 0, "score": 0.1}])),
    ),
    "a fall from above the floor": (
        "wi1-do1: it fell with 0.7, above its floor",
        lambda: found(verdict_1=fallen(score=0.7, margin="1.5")),
    ),
    "a fall with another score than the recorded one": (
        "wi1-do1: it fell with a score that is not on record",
        lambda: found(verdict_1=fallen(score=0.6, margin="2")),
    ),
    "a rung score that changed": (
        "recorded rungScores changed",
        lambda: found(more=episode(14, "wi0-do0", rungScores=[{"rung": 0}])),
    ),
    "a verdict taken back": ("verdict LostByCut changed", lambda: found(more=scored(14, "wi2-do2"))),
    "a record that lost an attempt": (
        "dropped",
        lambda: found(score_0=scored(5, "wi0-do0", attempts=[{"uid": "a"}]), more=scored(14, "wi0-do0")),
    ),
    "an ended attempt that changed": (
        "changed after its end",
        lambda: found(
            score_0=scored(5, "wi0-do0", attempts=[{"uid": "a", "reason": "Done"}]),
            more=scored(14, "wi0-do0", attempts=[{"uid": "a", "reason": "Failed"}]),
        ),
    ),
    "ranks out of order": ("I4", lambda: found(cut=cut(10, ("wi0-do0", "wi1-do1", "wi2-do2")))),
    "a wrong threshold": ("I4", lambda: found(cut=cut(10, threshold=0.8))),
    "the wrong ones kept": ("I5", lambda: found(cut=cut(10, ("wi2-do2", "wi0-do0", "wi1-do1")))),
    "a pod that outlived its sweep": (
        "I7",
        lambda: found(
            remaining=(told("Complete"), {"kind": "Pod", "metadata": _metadata("wi0-do0")}),
            gone=_event(None, "delete", "seedsweeps", {"details": {"uid": SWEEP}}, user=USER),
        ),
    ),
    "an end without an Event": ("without an Event Complete", lambda: found(remaining=(told("Started"),))),
    "an end without a reason": (
        "without a reason",
        lambda: found(done=sweep(13, observedGeneration=1, conditions=[condition("Complete", reason="")])),
    ),
    "a refusal without an Event": (
        "without an Event Rejected",
        lambda: found(done=sweep(13, observedGeneration=1, conditions=[condition("Accepted", "False")])),
    ),
    "a generation that does not exist": ("generation 2 of 1", lambda: found(done=sweep(13, observedGeneration=2))),
    "more useful steps than planned": (
        "I11",
        lambda: found(done=sweep(13, cost={"usefulSteps": 11, "plannedSteps": 10})),
    ),
    "a finalizer": (
        "finalizers",
        lambda: found(
            more=_event(14, "patch", "pods", {"metadata": {"name": "p"}}, body={"metadata": {"finalizers": ["kopf"]}})
        ),
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_catches(what: str):
    words, story = WRONG[what]
    assert _about(story(), words)


def _cut_of(*rows: tuple[str, float | None, float | None], keep: int, **changes: Any) -> Object:
    names, scores, losses = map(list, zip(*rows, strict=True))
    columns = {"ranked": names, "scores": scores, "losses": losses}
    return {"keep": keep, **columns, "threshold": None, "tiedAtThreshold": len(rows), **changes}


def test_what_is_missing_ranks_last_in_either_direction():
    rows = (("wi0-do0", 0.5, None), ("wi1-do1", None, None))
    good = _cut_of(*rows, keep=1, threshold=0.5, tiedAtThreshold=1)
    bad = _cut_of(*reversed(rows), keep=1)
    for maximize in (True, False):
        assert wrong_in_cut(good, maximize, 0) == []
        assert _about(wrong_in_cut(bad, maximize, 0), "I5")


def test_ties_go_to_the_lower_loss_where_all_have_one_and_else_to_the_hash():
    rows = (("wi0-do0", 0.5, 0.1), ("wi1-do1", 0.5, 0.2))
    assert wrong_in_cut(_cut_of(*rows, keep=1, threshold=0.5), True, 0) == []
    assert _about(wrong_in_cut(_cut_of(*reversed(rows), keep=1, threshold=0.5), True, 0), "I4")
    blank = [(name, score, None) for name, score, _ in rows]
    fitting = [
        order for order in (blank, blank[::-1]) if not wrong_in_cut(_cut_of(*order, keep=1, threshold=0.5), True, 0)
    ]
    assert len(fitting) == 1


@pytest.mark.parametrize("rest", ["", "{", "x" * 200_000])
def test_a_half_written_line_of_the_log_is_read_whole_later(tmp_path: Path, rest: str):
    log = tmp_path / "audit.log"
    log.write_text("{}\n{}\n" + rest)
    assert audit.end(log) == len("{}\n{}\n")
    assert audit.end(empty(tmp_path)) == 0


def empty(folder: Path) -> Path:
    path = folder / "empty.log"
    path.touch()
    return path
