"""The operator's rights: it uses every one that its chart gives it, and asks for nothing else.

All other tests of the operator run with these rights, too.
"""

from cluster.proxy import Answer, Rule
from cluster.rights import USER, right_of, rights
from cluster.simulator.faults import Fault, crash
from cluster.simulator.script import Script
from cluster.trial import NAME, Trial, eventually, on_trial, refuse_twice, sweep_of
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.objects.names import LABEL_SWEEP_UID

SCRIPT = Script(seconds=0.2, faults=(Fault(crash(1), "wi0-do2", attempt=0),))
"""A log is read where a trainer failed."""
GROUP = API_VERSION.split("/")[0]
NAMES_TAKEN = [("pods", "demo-wi0-do0"), ("episodes", "demo-wi0-do1"), ("cuts", "demo-b0-r0")]


def foreign(plural: str, name: str) -> dict[str, object]:
    """What somebody else has made under a name that the sweep needs."""
    metadata = {"name": name, "labels": {LABEL_SWEEP_UID: "another"}}
    if plural == "pods":
        return {"metadata": metadata, "spec": {"containers": [{"name": "x", "image": "x:1"}]}}
    if plural == "episodes":
        content: dict[str, object] = {"spec": {"sweep": "another", "weightInit": 0, "dataOrder": 1, "index": 1}}
    else:
        cut = {"bracket": 0, "rung": 0, "evaluation": 3, "keep": 1, "rankBy": "best", "ranked": []}
        content = {"data": {"sweep": "another", **cut}}
    return {"apiVersion": API_VERSION, "kind": plural[:-1].title(), "metadata": metadata, **content}


async def run_into_everything(trial: Trial) -> None:
    """A sweep whose names are taken for a while, whose status somebody else writes just then, and whose time ends."""
    await refuse_twice(trial)
    for plural, name in NAMES_TAKEN:
        code, answer = await trial.request("POST", trial.path(plural), foreign(plural, name))
        assert code == 201, answer
    conflict = Rule(Answer(409), "/seedsweeps/.*/status", "PUT", times=1)
    with trial.proxy.broken(conflict):
        sweep = sweep_of()
        await trial.apply(sweep)
        for plural, name in NAMES_TAKEN:
            await trial.stalled("NameTaken", name)
            await trial.delete(plural, name)
        await trial.completed(sweep, SCRIPT)
    assert conflict.hits
    await trial.request("PATCH", trial.path("seedsweeps", NAME), {"spec": {"ttlSecondsAfterFinished": 1}})

    async def gone() -> bool | None:
        return not await trial.items("seedsweeps") or None

    await eventually(gone)


async def test_the_operator_uses_every_right_it_has_and_asks_for_no_other(control_plane, namespace: str):
    since = control_plane.audit_position()
    async with on_trial(control_plane, namespace, SCRIPT) as trial:
        await run_into_everything(trial)
        # A watch is in the log once it has ended.
        await trial.operator.stop()

        async def watched() -> bool | None:
            verbs = {event.verb for event in control_plane.audit(since) if event.user == USER}
            return "watch" in verbs or None

        await eventually(watched)
    asked = [event for event in control_plane.audit(since) if event.user == USER and event.namespace == namespace]
    assert {right_of(event) for event in asked if event.code == 403} == set()
    assert {right_of(event) for event in asked} == set(rights())


def test_no_right_is_a_wildcard_and_none_reaches_secrets_or_processes():
    assert not [right for right in rights() if "*" in right]
    assert {right.group for right in rights()} == {"", GROUP}
    assert {right.resource for right in rights() if not right.group} == {"pods", "pods/log", "events"}
