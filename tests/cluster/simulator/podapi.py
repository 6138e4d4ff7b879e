"""The API server as a kubelet uses it: pods watched, patched and deleted, whatever happens to it."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import aiohttp
from kubernetes.aio.client.api_client import ApiClient

Object = dict[str, Any]

PAGE = 500
RETRY_SECONDS = 0.2
WATCH_SECONDS = 300
_IS_ANOTHER = b'"field":"metadata.uid"'
"""What the API server says of a patch with the UID of a pod whose name is another's by now."""
_TROUBLE = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
"""No answer, or none that is JSON."""


class ExpiredError(Exception):
    """The API server does not know that version any more: list again."""


class PodApi:
    """Pods of one namespace, or of all; those that have a label, or all."""

    def __init__(self, client: ApiClient, namespace: str | None = None, label: str = "") -> None:
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        self._label = label

    async def changes(self) -> AsyncGenerator[tuple[str, Object | None]]:
        """UID and pod, first of all there are and then of each that changes; None: it is gone. Never ends."""
        known: set[str] = set()
        version = ""
        while True:
            try:
                if not version:
                    listed, version = await self._list()
                    for uid in known - listed.keys():
                        yield uid, None
                    known = set(listed)
                    for uid, pod in listed.items():
                        yield uid, pod
                async with aclosing(self._watch(version)) as events:
                    async for kind, found in events:
                        version = found["metadata"]["resourceVersion"]
                        if kind == "BOOKMARK":
                            continue
                        uid = found["metadata"]["uid"]
                        (known.discard if kind == "DELETED" else known.add)(uid)
                        yield uid, found if kind != "DELETED" else None
            except ExpiredError:
                version = ""
                await asyncio.sleep(RETRY_SECONDS)
            except _TROUBLE:
                await asyncio.sleep(RETRY_SECONDS)

    async def patch_status(self, path: str, uid: str, patch: Object) -> None:
        """Patch a pod's status, again and again until it is written; a pod that is gone is fine."""
        # With its UID: another pod may have the name by now.
        await self._insist("PATCH", f"{path}/status", {"metadata": {"uid": uid}, **patch})

    async def delete(self, path: str, uid: str, grace_seconds: int | None = None) -> None:
        """Delete a pod; one that is gone is fine. Without seconds of grace it has its own."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        await self._insist("DELETE", path, options)

    async def _insist(self, method: str, path: str, body: Object) -> None:
        while True:
            try:
                status, told = await self._ask(method, path, body=body)
            except _TROUBLE:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if status < 300 or status in (404, 409) or (status == 422 and _IS_ANOTHER in told):
                return
            if status != 429 and status < 500:
                raise RuntimeError(f"{method} {path}: status {status}: {told.decode(errors='replace')[:500]}")
            await asyncio.sleep(RETRY_SECONDS)

    async def _list(self) -> tuple[dict[str, Object], str]:
        pods: dict[str, Object] = {}
        query = {"labelSelector": self._label, "limit": str(PAGE)}
        while True:
            status, told = await self._ask("GET", self._path, query)
            page = json.loads(told)
            if status >= 300:
                raise aiohttp.ClientError(page.get("message"))
            pods |= {pod["metadata"]["uid"]: pod for pod in page["items"]}
            if not (token := page["metadata"].get("continue")):
                return pods, page["metadata"]["resourceVersion"]
            query["continue"] = token

    async def _watch(self, version: str) -> AsyncGenerator[tuple[str, Object]]:
        query = {
            "labelSelector": self._label,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        response = await self._request("GET", self._path, query, timeout_seconds=WATCH_SECONDS + 30)
        try:
            async for line in response.content:
                event = json.loads(line)
                if event.get("type") not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
                    # An ERROR event, or a Status instead of a watch.
                    raise ExpiredError
                yield event["type"], event["object"]
        finally:
            # A TLS connection that is closed in good order outlives an event loop that ends next.
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            response.close()

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Object | None = None
    ) -> tuple[int, bytes]:
        """Status and body of a whole answer; a request that was begun is not given up, for the same reason."""

        async def ask() -> tuple[int, bytes]:
            response = await self._request(method, path, query, body)
            return response.status, await response.read()

        asking = asyncio.create_task(ask())
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            with suppress(*_TROUBLE):
                await asking
            raise

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        timeout_seconds: float = 30.0,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json"}
        if method == "PATCH":
            headers["Content-Type"] = "application/strategic-merge-patch+json"
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        answer: Any = await self._client.call_api(*request, _request_timeout=timeout_seconds)
        response: aiohttp.ClientResponse = answer.response
        return response
