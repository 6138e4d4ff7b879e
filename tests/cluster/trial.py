"""A small sweep on a real API server, to which bad things are done, and whose end has to be the fault-free one."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes.aio.config import new_client_from_config

from cluster.audit import AuditEvent
from cluster.controlplane import ControlPlane
from cluster.ends import End, end_of, fault_free_end
from cluster.invariants import violations
from cluster.objects import install_kinds
from cluster.operator import Operator, kubeconfig_through, operating
from cluster.polling import PATIENCE, eventually, settled
from cluster.proxy import Proxy, proxying
from cluster.rights import USER, Right, grant_rights
from cluster.simulator.script import Script
from cluster.simulator.simulator import SimulatedTrainers, simulate
from host.ports import free_port
from seedsweep.api.sweep import API_VERSION
from seedsweep.kube.objects.names import owner_uid

CORE = frozenset({"pods", "events", "resourcequotas"})
AUTHORITY = "certificate-authority"
SCRAPE_PORT = 9417
"""Not the default, on which whoever tries things by hand may listen."""
NAME = "demo"
REFUSED = "refused"
KINDS = {"seedsweeps": "SeedSweep", "pods": "Pod", "episodes": "Episode", "cuts": "Cut", "events": "Event"}
"""Of what is left of a sweep."""

Object = dict[str, Any]


OUR_TRAINER = {
    "image": "example/trainer:1",
    "fineTuning": {
        "model": "/models/tiny",
        "dataset": {"train": "/data/train.csv", "validation": "/data/validation.csv"},
        "metric": {"name": "accuracy", "goal": "maximize", "range": {"min": "0", "max": "1"}},
        "epochs": 1,
        "evaluationsPerEpoch": 10,
    },
    "resources": {"limits": {"nvidia.com/gpu": 1}},
}
BUCKET = {"uri": "s3://bucket/runs"}


def sweep_of(**spec: Any) -> Object:
    """Eight episodes at once, of which three survive evaluation 3 of 10; `spec` by its wire names."""
    return {
        "apiVersion": API_VERSION,
        "kind": "SeedSweep",
        "metadata": {"name": NAME},
        "spec": {
            "seeds": {"grid": {"weightInits": {"count": 2}, "dataOrders": {"count": 4}}},
            "parallelism": 8,
            "earlyStopping": {"rungs": [{"atPercent": 30, "keep": 3}]},
            "trainer": {
                "image": "example/trainer:1",
                "command": ["train"],
                "metric": {"name": "accuracy", "goal": "maximize", "range": {"min": "0", "max": "1"}},
                "resources": {"limits": {"nvidia.com/gpu": 1}},
            },
            "scrape": {"intervalSeconds": 1, "port": SCRAPE_PORT},
            **spec,
        },
    }


def stored_sweep(storage: Object = BUCKET, **spec: Any) -> Object:
    """Our own trainer, with storage that outlives its pods."""
    return sweep_of(**{"trainer": OUR_TRAINER, "storage": storage, "parallelism": 4, **spec})


@dataclass
class Trial:
    """One namespace with an operator, its way to the API server, and trainers."""

    control_plane: ControlPlane
    namespace: str
    proxy: Proxy
    operator: Operator
    trainers: SimulatedTrainers
    _since: int
    """Position in the audit log."""

    async def request(self, method: str, path: str, body: object = None, **options: Any) -> tuple[int, Any]:
        """As admin, past the proxy."""
        return await asyncio.to_thread(self.control_plane.request, method, path, body, **options)

    def path(self, plural: str, name: str = "") -> str:
        """Of what is in the namespace."""
        group = "/api/v1" if plural in CORE else f"/apis/{API_VERSION}"
        return f"{group}/namespaces/{self.namespace}/{plural}" + (f"/{name}" if name else "")

    async def apply(self, sweep: Object) -> str:
        """Create a sweep; returns its UID."""
        code, created = await self.request("POST", self.path("seedsweeps"), sweep)
        assert code == 201, created
        uid: str = created["metadata"]["uid"]
        return uid

    async def items(self, plural: str) -> list[Object]:
        """All of a kind in the namespace."""
        code, found = await self.request("GET", self.path(plural))
        assert code == 200, found
        items: list[Object] = found["items"]
        return items

    async def delete(self, plural: str, name: str) -> None:
        """As a user does, in the background."""
        await self.request("DELETE", self.path(plural, name), {"propagationPolicy": "Background"})

    async def edit(self, **spec: Any) -> None:
        """Change fields of the sweep's spec, as a user does; None takes one away."""
        code, answer = await self.request("PATCH", self.path("seedsweeps", NAME), {"spec": spec})
        assert code == 200, answer

    async def none_left(self, plural: str) -> None:
        """Wait until there is none of a kind in the namespace."""

        async def look() -> bool | None:
            return not await self.items(plural) or None

        await eventually(look)

    async def sweep(self) -> Object:
        """As it stands now."""
        code, found = await self.request("GET", self.path("seedsweeps", NAME))
        assert code == 200, found
        sweep: Object = {"status": {}, **found}
        return sweep

    async def status(self) -> Object:
        """Of the sweep."""
        status: Object = (await self.sweep())["status"]
        return status

    async def condition(
        self, kind: str, patience: float = PATIENCE, holds: Callable[[Object], bool] = lambda _: True
    ) -> Object:
        """Wait until the sweep has it, and something holds of it; fails with all that the sweep says."""

        async def look() -> Object | None:
            conditions = (await self.status()).get("conditions", ())
            found = next((c for c in conditions if (c["type"], c["status"]) == (kind, "True")), None)
            return found if found is not None and holds(found) else None

        try:
            return await eventually(look, patience)
        except TimeoutError:
            said = json.dumps(await self.status(), indent=1)
            raise AssertionError(f"never {kind}: {said}\n{self.operator.log.read_text()[-3000:]}") from None

    async def stalled(self, reason: str, said: str = "") -> Object:
        """Wait until it is stalled for this reason, with this in the message: it may be for another one before."""

        def holds(condition: Object) -> bool:
            return condition["reason"] == reason and said in condition["message"]

        return await self.condition("Stalled", holds=holds)

    async def cut(self) -> Object:
        """Wait for the first cut; its data."""

        async def look() -> Object | None:
            return next((item["data"] for item in await self.items("cuts")), None)

        return await eventually(look)

    async def running(self, number: int) -> None:
        """Wait until so many trainers at least have begun."""

        async def look() -> bool | None:
            return len(self.trainers.record.attempts) >= number or None

        await eventually(look)

    async def wrong(self) -> list[str]:
        """What has been violated so far."""
        remaining: list[Object] = []
        for plural, kind in KINDS.items():
            remaining += [{**item, "kind": kind} for item in await self.items(plural)]
        return violations(self.audit(), [USER], remaining)

    def audit(self) -> list[AuditEvent]:
        """What the API server has answered in this namespace since the beginning."""
        return [event for event in self.control_plane.audit(self._since) if event.namespace == self.namespace]

    async def settled_wrong(self) -> list[str]:
        """What has been violated, once Events are there, which may follow late."""
        return await settled(self.wrong, [])

    async def completed(
        self, sweep: Object, script: Script, patience: float = PATIENCE, **out: Mapping[str, int]
    ) -> None:
        """Wait for the end: it has to be the fault-free one, and the invariants have to hold on the way there.

        `out`: see `fault_free_end`.
        """
        await self.condition("Complete", patience)
        end, expected = await self._end(), fault_free_end(sweep, script, **out)
        assert end == expected, f"{end}\ninstead of\n{expected}"
        wrong = await self.settled_wrong()
        assert not wrong, "\n".join(wrong)

    async def _end(self) -> End:
        sweep = await self.sweep()
        uid = sweep["metadata"]["uid"]
        episodes, cuts = [
            [item for item in await self.items(plural) if owner_uid(item["metadata"]) == uid]
            for plural in ("episodes", "cuts")
        ]
        return end_of(sweep["status"], episodes, cuts)


async def refuse_twice(trial: Trial) -> None:
    """Have a sweep rejected for the same reason before and after an edit: what comes again counts an Event up."""
    refused = sweep_of(podTemplate={"spec": {"serviceAccountName": "root"}})
    refused["metadata"]["name"] = REFUSED
    uid = await trial.apply(refused)

    async def told() -> bool | None:
        return any(item["involvedObject"].get("uid") == uid for item in await trial.items("events")) or None

    # Else both could be told at once.
    await eventually(told)
    for generation in (1, 2):

        async def look(generation: int = generation) -> bool | None:
            _, found = await trial.request("GET", trial.path("seedsweeps", REFUSED))
            return found.get("status", {}).get("observedGeneration") == generation or None

        await eventually(look)
        await trial.request("PATCH", trial.path("seedsweeps", REFUSED), {"spec": {"parallelism": 3}})
    await trial.delete("seedsweeps", REFUSED)


@asynccontextmanager
async def on_trial(
    control_plane: ControlPlane,
    namespace: str,
    script: Script,
    relist_seconds: float = 300.0,
    options: tuple[str, ...] = (),
) -> AsyncIterator[Trial]:
    """Everything that a sweep in this namespace needs, within this context; the operator has started."""
    scene = Scene(script)
    async with on_trials(control_plane, {namespace: scene}, relist_seconds, options) as trials:
        yield trials[namespace]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is special about a namespace."""

    script: Script
    """What its trainers play."""
    missing: Right | None = None
    """What the operator may not do there."""


@asynccontextmanager
async def on_trials(
    control_plane: ControlPlane,
    scenes: Mapping[str, Scene],
    relist_seconds: float = 300.0,
    options: tuple[str, ...] = (),
) -> AsyncIterator[dict[str, Trial]]:
    """The same for some namespaces with one operator, each with trainers and rights of its own."""
    await asyncio.to_thread(install_kinds, control_plane)
    for namespace, scene in scenes.items():
        await asyncio.to_thread(grant_rights, control_plane, namespace, scene.missing)
    since = control_plane.audit_position()
    kubeconfig = control_plane.kubeconfig()
    tls = ssl.create_default_context(cafile=json.loads(kubeconfig.read_text())["clusters"][0]["cluster"][AUTHORITY])
    files = control_plane.folder / next(iter(scenes))
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await new_client_from_config(str(kubeconfig)))
        trainers = {
            namespace: await stack.enter_async_context(simulate(client, scene.script, namespace))
            for namespace, scene in scenes.items()
        }
        proxy = await stack.enter_async_context(proxying(control_plane.url, tls))
        operator = Operator(
            kubeconfig_through(control_plane, proxy.url, files.with_suffix(".kubeconfig")),
            list(scenes),
            free_port(),
            files.with_suffix(".log"),
            relist_seconds,
            options,
        )
        await stack.enter_async_context(operating(operator))
        yield {
            namespace: Trial(control_plane, namespace, proxy, operator, trainers[namespace], since)
            for namespace in scenes
        }
