"""The operator's rights: it uses every one that its chart gives it, and asks for nothing else.

All other tests of the operator run with these rights, too.
"""

from cluster.foreign import foreign
from cluster.polling import eventually
from cluster.proxy import Answer, Rule
from cluster.rights import USER, right_of, rights
from cluster.simulator.faults import Fault, crash
from cluster.simulator.script import Script
from cluster.trial import Trial, on_trial, refuse_twice, stored_sweep
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.objects.names import LABEL_SWEEP_UID

SCRIPT = Script(seconds=0.2, faults=(Fault(crash(1), "wi0-do2", attempt=0),))
"""A log is read where a trainer failed. With storage, the cut gets its evidence."""
GROUP = API_VERSION.split("/")[0]
NAMES_TAKEN = [("pods", "demo-wi0-do0"), ("episodes", "demo-wi0-do1"), ("cuts", "demo-b0-r0")]


async def run_into_everything(trial: Trial) -> None:
    """A sweep whose names are taken for a while, whose status somebody else writes just then, and whose time ends."""
    await refuse_twice(trial)
    for plural, name in NAMES_TAKEN:
        body = foreign(plural, name, labels={LABEL_SWEEP_UID: "another"})
        code, answer = await trial.request("POST", trial.path(plural), body)
        assert code == 201, answer
    conflict = Rule(Answer(409), "/seedsweeps/.*/status", "PUT", times=1)
    with trial.proxy.broken(conflict):
        sweep = stored_sweep()
        await trial.apply(sweep)
        for plural, name in NAMES_TAKEN:
            await trial.stalled("NameTaken", name)
            await trial.delete(plural, name)
        await trial.completed(sweep, SCRIPT)
    assert conflict.hits
    await trial.edit(ttlSecondsAfterFinished=1)
    await trial.none_left("seedsweeps")


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
