"""Removes deleted pods at once, each by its UID: `python -m cluster.reaper KUBECONFIG`.

kwok would delete by name alone, more than once for a pod, and end a new pod of the same name with the old one.
A pod with the annotation UNATTENDED stays as it is, as on a node that is lost.
"""

import asyncio
import sys
from contextlib import aclosing

from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.config import new_client_from_config

from cluster.simulator.podapi import Object, PodApi

UNATTENDED = "tests.seedsweep.io/unattended"


async def reap(client: ApiClient) -> None:
    """Until it is cancelled."""
    api, asked = PodApi(client), set()
    async with asyncio.TaskGroup() as group, aclosing(api.changes()) as changes:
        async for uid, pod in changes:
            if pod is None:
                asked.discard(uid)
            elif "deletionTimestamp" in pod["metadata"] and uid not in asked and not unattended(pod):
                asked.add(uid)
                path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
                group.create_task(api.delete(path, uid, grace_seconds=0))


def unattended(pod: Object) -> bool:
    """Nobody is there who would end it."""
    return UNATTENDED in (pod["metadata"].get("annotations") or {})


async def main() -> None:
    async with await new_client_from_config(sys.argv[1]) as client:
        await reap(client)


if __name__ == "__main__":
    asyncio.run(main())
