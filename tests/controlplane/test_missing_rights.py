"""A right that the operator lacks: people are told which one, the API server is not asked for it again and again, and
once it is given the sweep ends as it would have.

All are tried at once, each in a namespace of its own: what is missing in one namespace holds up no other.
"""

import asyncio
import itertools
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from typing import Any, TypeVar

import pytest

from cluster.audit import AuditEvent
from cluster.controlplane import ControlPlane
from cluster.ends import fault_free_end
from cluster.foreign import foreign
from cluster.operator import Operator
from cluster.polling import PATIENCE, eventually
from cluster.proxy import Answer, Rule
from cluster.rights import USER, Right, change_rights, rights
from cluster.simulator.faults import Fault, crash, stall
from cluster.simulator.script import Script
from cluster.trial import BUCKET, NAME, OUR_TRAINER, Scene, Trial, on_trials, refuse_twice, sweep_of
from seedsweep.api.sweep import API_VERSION

EPISODES, KEEP = 4, 2
VICTIM = "wi0-do0"
WINDOW = timedelta(seconds=10)
"""In which refused requests are counted, from the first."""
MOST_REFUSED = 10 + 2 * EPISODES
"""About one a second, beside what was under way for each episode."""
LOOK_SECONDS = 0.3
METRIC = "seedsweep_operator_refusals_total"
TAKEN = {"pods": f"{NAME}-{VICTIM}", "episodes": f"{NAME}-{VICTIM}", "cuts": f"{NAME}-b0-r0"}

Object = dict[str, Any]
T = TypeVar("T")
_numbers = itertools.count(1)


class Told(Enum):
    """Where people find out."""

    STALLED = auto()
    """In the sweep's condition."""
    LOG_AND_METRIC = auto()
    """Where the sweep itself cannot say it."""
    LOG = auto()
    ANYWHERE = auto()
    """In the condition as long as something waits for it, else in log and metric."""


ELSEWHERE = {
    "list seedsweeps": Told.LOG_AND_METRIC,
    "watch seedsweeps": Told.LOG_AND_METRIC,
    "get seedsweeps": Told.ANYWHERE,
    "update seedsweeps/status": Told.LOG_AND_METRIC,
    "delete seedsweeps": Told.LOG_AND_METRIC,
    "get pods/log": Told.LOG_AND_METRIC,
    "create events": Told.LOG,
    "update events": Told.LOG,
    "patch events": Told.LOG,
}
IN_FLIGHT = ("create pods", "delete pods", "create cuts", "patch episodes", "update seedsweeps/status")
OF_ALL_WATCHES = ("list seedsweeps", "watch seedsweeps", "list pods", "watch pods")
"""An operator each: its watches are one program."""


@dataclass(frozen=True, slots=True)
class Case:
    """One right, missing from the start or taken away in flight."""

    right: Right
    in_flight: bool = False

    def __str__(self) -> str:
        return f"{self.right}, in flight" if self.in_flight else str(self.right)

    @property
    def told(self) -> Told:
        return ELSEWHERE.get(str(self.right), Told.STALLED)

    @property
    def sweep(self) -> Object:
        """Four episodes that need no GPU, of which two are kept."""
        sweep = sweep_of(
            seeds={"grid": {"weightInits": {"count": 2}, "dataOrders": {"count": EPISODES // 2}}},
            parallelism=EPISODES,
            earlyStopping={"rungs": [{"atPercent": 30, "keep": KEEP}]},
        )
        if str(self.right) == "patch cuts":
            # Without storage there is no evidence to add.
            sweep["spec"] |= {"storage": BUCKET, "trainer": {**OUR_TRAINER}}
        del sweep["spec"]["trainer"]["resources"]
        if str(self.right) == "delete seedsweeps":
            sweep["spec"]["ttlSecondsAfterFinished"] = 1
        return sweep

    @property
    def script(self) -> Script:
        """What makes the operator use the right."""
        script = Script(seconds=0.15)
        faults: list[Fault] = []
        if self.in_flight:
            # Nobody comes any further before the right is gone, and the pods with it.
            faults.append(Fault(stall(after=1), attempt=0))
        if str(self.right) == "get pods/log":
            faults.append(Fault(crash(1, outcome=None), VICTIM, attempt=0))
        if str(self.right) == "delete pods":
            # Whoever loses trains no further, so that somebody has to be deleted.
            verdicts = fault_free_end(self.sweep, script).verdicts
            faults += [Fault(stall(after=4), episode) for episode, verdict in verdicts.items() if verdict == "Lost"]
        return replace(script, faults=tuple(faults))

    @property
    def tells_again(self) -> bool:
        """It is about Events that were told before."""
        return self.right.resource == "events" and self.right.verb != "create"


CASES = [Case(right) for right in rights()]
CASES += [Case(right, in_flight=True) for right in rights() if str(right) in IN_FLIGHT]


@dataclass(slots=True)
class Outcome:
    """What came of a case."""

    problem: str = ""
    """What went wrong, with what was to be seen then."""
    refused: Sequence[AuditEvent] = ()
    """Requests of the operator that the API server forbade, in the order in which it did."""


class Board:
    """What is to be seen of all namespaces of one operator, looked at for all at once."""

    def __init__(self, control_plane: ControlPlane, operator: Operator) -> None:
        self.sweeps: dict[str, Object] = {}
        """By namespace."""
        self.metrics: list[str] = []
        self._control_plane = control_plane
        self._operator = operator

    @property
    def log(self) -> list[str]:
        return self._operator.log.read_text().splitlines()

    def stalled(self, namespace: str) -> Object:
        """The condition; empty as long as it does not hold."""
        conditions = self.sweeps.get(namespace, {}).get("status", {}).get("conditions", ())
        return next((c for c in conditions if (c["type"], c["status"]) == ("Stalled", "True")), {})

    def says(self, case: Case, namespace: str) -> bool:
        """Whether people are told of the missing right."""
        stalled = _names(case.right, self.stalled(namespace).get("message", ""))
        logged = any(_names(case.right, line) and namespace in line for line in self.log)
        labels = (f'verb="{case.right.verb}"', f'resource="{case.right.resource}"')
        counted = any(line.startswith(METRIC) and all(label in line for label in labels) for line in self.metrics)
        match case.told:
            case Told.STALLED:
                return stalled
            case Told.LOG:
                return logged
            case Told.LOG_AND_METRIC:
                return logged and counted
            case Told.ANYWHERE:
                return stalled or (logged and counted)

    async def look_forever(self) -> None:
        while True:
            _, found = await asyncio.to_thread(self._control_plane.request, "GET", f"/apis/{API_VERSION}/seedsweeps")
            self.sweeps = {item["metadata"]["namespace"]: item for item in found["items"]}
            with suppress(OSError):
                self.metrics = (await self._operator.metrics()).splitlines()
            await asyncio.sleep(LOOK_SECONDS)


def _names(right: Right, text: str) -> bool:
    """Whether a text says what cannot be done, and with what."""
    return bool(re.search(rf"\b{right.verb}\b", text) and re.search(rf"\b{re.escape(right.resource)}\b", text))


@asynccontextmanager
async def looking(board: Board) -> AsyncIterator[Board]:
    task = asyncio.create_task(board.look_forever())
    try:
        yield board
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(look: Callable[[], T | None], what: str) -> T:
    """What is to be seen at last."""

    async def look_again() -> T | None:
        return look()

    try:
        return await eventually(look_again)
    except TimeoutError:
        raise AssertionError(f"not within {PATIENCE:.0f} s: {what}") from None


async def begin(trial: Trial, case: Case) -> None:
    """Start the sweep, and have the operator need the right."""
    right = case.right
    if right.verb == "get" and right.resource in TAKEN:
        body = foreign(right.resource, TAKEN[right.resource])
        code, answer = await trial.request("POST", trial.path(right.resource), body)
        assert code == 201, answer
    if str(right) == "get seedsweeps":
        trial.proxy.rules.append(Rule(Answer(409), f"/{trial.namespace}/seedsweeps/.*/status", "PUT", times=1))
    await trial.apply(case.sweep)
    if case.in_flight:
        await trial.running(EPISODES)
        await asyncio.to_thread(change_rights, trial.control_plane, trial.namespace, right)
        for pod in await trial.items("pods"):
            await trial.delete("pods", pod["metadata"]["name"])
    if case.tells_again:
        await refuse_twice(trial)


async def finish(trial: Trial, board: Board, case: Case) -> None:
    """With the right given back, the end that it would have had."""
    if case.right.verb == "get" and case.right.resource in TAKEN:
        await trial.delete(case.right.resource, TAKEN[case.right.resource])
    if str(case.right) == "delete seedsweeps":
        await until(lambda: trial.namespace not in board.sweeps or None, "the sweep deleted")
        return
    await trial.completed(case.sweep, case.script)
    await until(lambda: not board.stalled(trial.namespace) or None, "Stalled taken back")


async def play(trial: Trial, board: Board, case: Case) -> str:
    """What went wrong; empty where nothing did."""
    try:
        await begin(trial, case)
        if str(case.right) == "delete seedsweeps":
            await trial.completed(case.sweep, case.script)
        await until(lambda: board.says(case, trial.namespace) or None, f"told by {case.told.name}")
        await asyncio.sleep(WINDOW.total_seconds())
        await asyncio.to_thread(change_rights, trial.control_plane, trial.namespace)
        await finish(trial, board, case)
    except (AssertionError, TimeoutError) as error:
        said = [line for line in board.log if trial.namespace in line][-10:]
        status = board.sweeps.get(trial.namespace, {}).get("status", {})
        stalled = [condition for condition in status.get("conditions", ()) if condition["type"] == "Stalled"]
        return "\n".join([f"{type(error).__name__}: {error}", f"{status.get('phase')}: {stalled}", *said])
    return ""


async def play_all(control_plane: ControlPlane, cases: Sequence[Case]) -> dict[Case, Outcome]:
    """With one operator, in a namespace for each."""
    namespaces = {f"right-{os.getpid()}-{next(_numbers)}": case for case in cases}
    for namespace in namespaces:
        await asyncio.to_thread(control_plane.create_namespace, namespace)
    since = control_plane.audit_position()
    scenes = {
        namespace: Scene(case.script, None if case.in_flight else case.right) for namespace, case in namespaces.items()
    }
    try:
        async with on_trials(control_plane, scenes) as trials:
            operator = next(iter(trials.values())).operator
            async with looking(Board(control_plane, operator)) as board:
                problems = await asyncio.gather(*(play(trials[ns], board, case) for ns, case in namespaces.items()))
    finally:
        for namespace in namespaces:
            await asyncio.to_thread(control_plane.request, "DELETE", f"/api/v1/namespaces/{namespace}")
    refused = [event for event in control_plane.audit(since) if event.user == USER and event.code == 403]
    return {
        case: Outcome(problem, [event for event in refused if event.namespace == namespace])
        for (namespace, case), problem in zip(namespaces.items(), problems, strict=True)
    }


@pytest.fixture(scope="module")
def outcomes(control_plane: ControlPlane) -> dict[Case, Outcome]:
    """Of all cases."""
    apart = [[case] for case in CASES if str(case) in OF_ALL_WATCHES]
    together = [case for case in CASES if str(case) not in OF_ALL_WATCHES]

    async def play_groups() -> dict[Case, Outcome]:
        groups = await asyncio.gather(*(play_all(control_plane, cases) for cases in (together, *apart)))
        return {case: outcome for group in groups for case, outcome in group.items()}

    return asyncio.run(play_groups())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_missing_right_is_told_and_not_insisted_on_and_once_given_the_sweep_ends_as_it_would_have(
    outcomes: dict[Case, Outcome], case: Case
):
    outcome = outcomes[case]
    assert not outcome.problem, outcome.problem
    first = outcome.refused[0].at
    soon = [event for event in outcome.refused if event.at - first < WINDOW]
    assert len(soon) <= MOST_REFUSED, [(event.at, event.verb, event.resource, event.name) for event in soon]
