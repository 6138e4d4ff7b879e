"""Quotas on counts: what they let through is used, what they refuse is told and not insisted on, and more is used soon.

A quota on count/pods counts pods that have ended as well: their places come free only as the operator deletes them.
"""

from collections.abc import Sequence
from datetime import timedelta

from cluster.audit import AuditEvent
from cluster.commits import in_commit_order
from cluster.polling import eventually
from cluster.rights import USER
from cluster.simulator.faults import Fault, stall
from cluster.simulator.script import Script
from cluster.trial import Object, Trial, on_trial, sweep_of

SCRIPT = Script(seconds=0.2)
QUOTA = "few"
REFUSED_WHILE_IT_STANDS = 7
"""By then whoever waits twice as long each time would wait for more than a minute."""
USED_WITHIN = timedelta(seconds=20)
BEGINNING = 8
"""Requests that may be refused beside one a second: those that are under way when the first is."""


async def set_quota(trial: Trial, what: str, number: int) -> None:
    """Of the namespace, which is counted when this returns: until then it refuses for another reason."""
    body = {"metadata": {"name": QUOTA}, "spec": {"hard": {what: str(number)}}}
    code, answer = await trial.request("POST", trial.path("resourcequotas"), body)
    assert code == 201, answer

    async def counted() -> bool | None:
        _, found = await trial.request("GET", trial.path("resourcequotas", QUOTA))
        return what in found.get("status", {}).get("used", {}) or None

    await eventually(counted)


async def raise_quota(trial: Trial, what: str, number: int) -> None:
    hard = {"spec": {"hard": {what: str(number)}}}
    code, answer = await trial.request("PATCH", trial.path("resourcequotas", QUOTA), hard)
    assert code == 200, answer


def creations(trial: Trial, resource: str) -> list[AuditEvent]:
    """Asked for by the operator, but for trials without effect."""
    return [
        event
        for event in trial.audit()
        if (event.user, event.verb, event.resource) == (USER, "create", resource) and not event.name.endswith("-probe")
    ]


def assert_few_refused(asked: Sequence[AuditEvent]) -> None:
    """About one request a second, as long as any was refused."""
    refused = [event for event in asked if event.code == 403]
    assert refused
    seconds = (refused[-1].at - refused[0].at).total_seconds()
    assert len(refused) <= seconds + BEGINNING, [(event.at, event.name) for event in refused]


def stalls(trial: Trial) -> list[str]:
    """Reasons for which the sweep stalled, one after another, as its status was written."""
    told = [""]
    for event in in_commit_order(trial.audit()):
        if event.resource == "seedsweeps" and event.user == USER and event.answer is not None:
            conditions = (event.answer.get("status") or {}).get("conditions", ())
            stalled: Object = next((c for c in conditions if (c["type"], c["status"]) == ("Stalled", "True")), {})
            told += [stalled.get("reason", "")] if stalled.get("reason", "") != told[-1] else []
    return [reason for reason in told if reason]


async def test_a_sweep_comes_through_on_two_pods_and_says_all_the_while_that_it_could_use_more(
    control_plane, namespace: str
):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await set_quota(trial, "count/pods", 2)
        await trial.apply(sweep := sweep_of())
        await trial.stalled("QuotaExceeded", "count/pods")
        await trial.completed(sweep, SCRIPT)
        assert stalls(trial) == ["QuotaExceeded"]
        assert_few_refused(creations(trial, "pods"))


async def test_a_quota_that_opens_is_used_within_seconds(control_plane, namespace: str):
    script = Script(seconds=0.2, faults=(Fault(stall(after=1), attempt=0),))
    async with on_trial(control_plane, namespace, script) as trial:
        await set_quota(trial, "count/pods", 1)
        await trial.apply(sweep := sweep_of())
        await trial.stalled("QuotaExceeded", "count/pods")

        async def insisted() -> bool | None:
            refused = [event for event in creations(trial, "pods") if event.code == 403]
            return len({event.at.replace(microsecond=0) for event in refused}) >= REFUSED_WHILE_IT_STANDS or None

        await eventually(insisted)
        await raise_quota(trial, "count/pods", 8)
        await trial.running(8)
        raised = next(e.at for e in trial.audit() if (e.verb, e.resource) == ("patch", "resourcequotas"))
        last = [event.at for event in creations(trial, "pods") if event.code == 201][7]
        assert last - raised < USED_WITHIN
        assert_few_refused(creations(trial, "pods"))
        # They hang, each the first time.
        for pod in await trial.items("pods"):
            await trial.delete("pods", pod["metadata"]["name"])
        await trial.completed(sweep, script)


async def test_episodes_that_a_quota_keeps_off_the_record_hold_up_no_other(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await set_quota(trial, "count/episodes.seedsweep.io", 5)
        await trial.apply(sweep := sweep_of())
        await trial.stalled("QuotaExceeded", "count/episodes.seedsweep.io")

        async def scored() -> bool | None:
            items = await trial.items("episodes")
            return sum(bool(item.get("status", {}).get("rungScores")) for item in items) == 5 or None

        await eventually(scored)
        assert await trial.items("cuts") == [], "three have no score on record yet"
        await raise_quota(trial, "count/episodes.seedsweep.io", 8)
        await trial.completed(sweep, SCRIPT)
        assert stalls(trial) == ["QuotaExceeded"]
        assert_few_refused(creations(trial, "episodes"))


async def test_a_quota_of_no_pods_is_told_and_once_raised_the_sweep_runs(control_plane, namespace: str):
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await set_quota(trial, "pods", 0)
        await trial.apply(sweep := sweep_of())
        await trial.stalled("QuotaExceeded", "pods=0")
        await raise_quota(trial, "pods", 20)
        await trial.completed(sweep, SCRIPT)
