"""Pods of episodes that a test makes itself, without an operator."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from kubernetes.aio.client import ApiClient, CoreV1Api, V1ContainerState, V1ObjectMeta, V1Pod, V1PodStatus
from kubernetes.aio.client.exceptions import NotFoundException

from cluster.polling import eventually
from inputs.sweeps import FINE_TUNING
from seedsweep.api.episode import EpisodeId
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.decisions import StartEpisode
from seedsweep.kube.pods.manifest import pod_manifest

START = StartEpisode(EpisodeId(1, 2), attempt=0, stop_after=None, rungs=(3,))
PORT = 9413


def metadata_of(pod: V1Pod) -> V1ObjectMeta:
    """Of a pod that the API server has shown, and so has it."""
    assert pod.metadata is not None
    return pod.metadata


def uid_of(pod: V1Pod) -> str:
    """Of a pod that the API server has shown."""
    uid = metadata_of(pod).uid
    assert uid is not None
    return uid


def status_of(pod: V1Pod) -> V1PodStatus:
    """Of a pod that the API server has shown, and so has it."""
    assert pod.status is not None
    return pod.status


def state_of(pod: V1Pod) -> V1ContainerState:
    """Of its trainer, once its node has told it."""
    containers = status_of(pod).container_statuses
    assert containers
    state = containers[0].state
    assert state is not None
    return state


class Pods:
    """Episodes' pods in one namespace."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self._api = CoreV1Api(client)

    async def create(self, sweep: SeedSweep | None = None, start: StartEpisode = START) -> str:
        """Create the pod that the operator would; returns its name."""
        sweep = sweep or parse_sweep(FINE_TUNING)
        metadata = sweep.metadata.evolve(namespace=self.namespace, uid="a-sweep")
        trainer = sweep.spec.trainer.evolve(image="trainer:1")
        spec = sweep.spec.evolve(trainer=trainer, scrape=sweep.spec.scrape.evolve(port=PORT))
        manifest = pod_manifest(sweep.evolve(metadata=metadata, spec=spec), start)
        # There is no such sweep, and what it owns would be collected.
        del manifest["metadata"]["ownerReferences"]
        # The client takes one in its wire form, too.
        pod = await self._api.create_namespaced_pod(self.namespace, cast("V1Pod", manifest))
        return str(metadata_of(pod).name)

    async def until(self, name: str, holds: Callable[[V1Pod], Any]) -> V1Pod:
        """The pod as soon as something holds of it."""

        async def look() -> V1Pod | None:
            pod = await self._api.read_namespaced_pod(name, self.namespace)
            return pod if holds(pod) else None

        return await eventually(look)

    async def ended(self, name: str) -> V1Pod:
        """The pod once it has ended."""
        return await self.until(name, lambda pod: status_of(pod).phase in ("Succeeded", "Failed"))

    async def delete(self, name: str) -> None:
        """Delete it and wait until it is gone."""
        await self._api.delete_namespaced_pod(name, self.namespace)
        await self.gone(name)

    async def gone(self, name: str) -> None:
        """Wait until it is gone."""
        with pytest.raises(NotFoundException):
            await self.until(name, lambda _: False)
