"""The API server: plain JSON over the official client's connection, bounded, and patient with it.

Bodies stay dictionaries: the client's models cost more time than the requests themselves.
"""

import asyncio
import errno
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import (
    ConfigException,
    list_kube_config_contexts,
    load_incluster_config,
    load_kube_config,
)
from kubernetes.aio.utils import Backoff, on_retry_after_error
from pydantic_core import from_json

from seedsweep.contract.foreign import mapping, parse_json, recordable, text
from seedsweep.kube.apiserver.turns import Turns
from seedsweep.kube.process.metrics import API_CALLS, API_REFUSALS, API_SECONDS

Object = dict[str, Any]
Patch = list[Object]
"""Operations of a JSON Patch (RFC 6902)."""

MAX_AT_ONCE = 64
"""Requests in flight; more only queue in the API server."""
FOR_NEWCOMERS = 8
"""Of them, for namespaces that have none in flight."""
TIMEOUT_SECONDS = 30.0
MAX_WAIT_SECONDS = 10.0
"""Between two tries of one request, whatever Retry-After says."""
PAGE = 100
"""Objects a page of a list: of pods about 1 MB, which holds the event loop for some 20 ms."""
PATIENCE = Backoff(steps=5, duration=0.2, factor=3.0, jitter=0.5)
ONCE = Backoff(steps=1, duration=0.0, factor=1.0)
"""For people who wait: they are told at once, and who asks tries again."""
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_MAX_MESSAGE = 1_000
_MAX_SHOWN = 200
_JSON = "application/json"
_METADATA = f"{_JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_JSON_PATCH = "application/json-patch+json"
_METADATA_LIST = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_PASSING = frozenset({429, 500, 502, 503, 504})
_COUNTING = "Operation cannot be fulfilled on resourcequotas"


class ApiError(Exception):
    """The API server refused, or could not be reached.

    Attributes:
        status: the HTTP status; None where no answer came, so that a write may have been done all the same.
        reason: the API's one word, such as AlreadyExists.
    """

    def __init__(self, status: int | None, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def passing(self) -> bool:
        """Whether the API server was away or busy, so that the same request may succeed later."""
        return self.status is None or self.status in _PASSING

    @property
    def missing(self) -> bool:
        """Whether there is no such object: a 404 for a kind that is not served, or of a proxy, says nothing of any."""
        return self.status == 404 and self.reason == "NotFound"


class Api:
    """Requests to one API server."""

    def __init__(self, client: ApiClient, patience: Backoff = PATIENCE) -> None:
        self._client = client
        self._patience = patience
        self._turns = Turns(MAX_AT_ONCE, FOR_NEWCOMERS)

    async def get(self, path: str) -> Object:
        """One object. This and all others raise ApiError."""
        return await self._request("GET", path)

    async def read(self, path: str, part: range | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        """What a path answers, or these bytes of it, as it came: through the API server's proxy, anything may."""
        ranged = {"Range": f"bytes={part.start}-{part.stop - 1}"} if part is not None else {}
        return await self._send("GET", path, headers={**ranged, **(headers or {})})

    async def list(self, path: str, selector: str = "", *, metadata_only: bool = False) -> AsyncGenerator[Object]:
        """All objects of a collection that carry the labels, page by page; pages are dropped as they are used."""
        query: dict[str, str] = {"limit": str(PAGE)}
        if selector:
            query["labelSelector"] = selector
        while True:
            page = await self._request("GET", path, query=query, accept=_METADATA_LIST if metadata_only else _JSON)
            # An empty list of metadata has null for its items.
            for item in page.get("items") or ():
                yield item
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query["continue"] = token

    async def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """Create an object in a collection."""
        return await self._request("POST", path, body, {"dryRun": "All"} if dry_run else None)

    async def replace(self, path: str, body: Object) -> str:
        """Write an object, or its status, if its resourceVersion is still the one in the body; its new one."""
        # Of what was just written, only the version is news.
        return _version(await self._request("PUT", path, body, accept=_METADATA))

    async def set_field(self, path: str, field: str, value: Object, version: str) -> str:
        """Set one field at the top of an object, if this is still its resourceVersion. Returns its new one.

        Nothing else of the object changes, whoever wrote that.
        """
        patch: Patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            # Replaces what is there, unlike a merge, which would keep parts of it.
            {"op": "add", "path": f"/{field}", "value": value},
        ]
        return _version(await self._request("PATCH", path, patch, accept=_METADATA))

    async def delete(self, path: str, uid: str, grace_seconds: int | None = None) -> None:
        """Delete the object of this UID, and no other of the same name; one that is gone already is fine."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            await self._request("DELETE", path, options)
        except ApiError as error:
            # 409: another object has the name by now.
            if not (error.missing or error.status == 409):
                raise

    async def _request(
        self,
        method: str,
        path: str,
        body: Object | Patch | None = None,
        query: Mapping[str, str] | None = None,
        accept: str = _JSON,
    ) -> Object:
        data = await self._send(method, path, body, query, {"Accept": accept})
        try:
            answer = from_json(data)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            said = " ".join(recordable(data[:_MAX_SHOWN].decode(errors="replace")).split())
            raise ApiError(None, "Unreadable", f"what answers is not the API server: {said!r}")
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        body: Object | Patch | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        try:
            data: bytes = await on_retry_after_error(
                self._patience,
                _is_passing,
                lambda: self._once(method, path, body, query or {}, headers or {}),
                sleep_func=_sleep_a_little,
            )
            return data
        except ApiException as error:
            refused = _api_error(error)
            # That something is not there, or was changed, is an answer.
            if not (refused.missing or refused.status == 409) or is_quota_conflict(refused):
                API_REFUSALS.labels(*kind_of(method, path), refusal_reason(refused)).inc()
            raise refused from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiError(None, "Unreachable", _unreachable(error)) from error

    async def _once(
        self, method: str, path: str, body: Object | Patch | None, query: Mapping[str, str], extra: Mapping[str, str]
    ) -> bytes:
        async with self._turns.of(namespace_of(path)):
            content = _JSON_PATCH if method == "PATCH" else _JSON
            _, url, headers, *_ = await self._client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": _JSON, "Content-Type": content, **extra},
                auth_settings=["BearerToken"],
            )
            # The body is JSON already; the client would look through it for models of its own.
            with API_SECONDS.labels(method).time():
                response = await self._client.call_api(method, url, headers, body, _request_timeout=TIMEOUT_SECONDS)
                data: bytes = await response.response.read()
        API_CALLS.labels(method, str(response.status)).inc()
        if response.status >= 300:
            refusal = ApiException(response.status, response.reason, body=data.decode(errors="replace"))
            refusal.headers = response.headers
            raise refusal
        return data


def _version(body: Object) -> str:
    return str(body["metadata"]["resourceVersion"])


def is_quota_conflict(error: ApiError) -> bool:
    """Whether too many wrote one ResourceQuota at once, to count what they create: a moment later it may be created."""
    return error.status == 409 and _COUNTING in str(error)


def refusal_reason(error: ApiError) -> str:
    """One word for a condition."""
    if error.status is None or error.status >= 500 or error.status == 429:
        return "ApiServerUnavailable"
    if is_quota_conflict(error):
        return "QuotaExceeded"
    if _is_denial(str(error)):
        return "AdmissionDenied"
    if error.status == 403:
        return "QuotaExceeded" if "exceeded quota" in str(error) else "Forbidden"
    if error.status == 404 and not error.missing:
        return "NotServed"
    if error.status == 413:
        return "TooLarge"
    return "Rejected" if error.status in (400, 422) else error.reason


def _is_denial(message: str) -> bool:
    """Whether a webhook or a ValidatingAdmissionPolicy denied a request; RBAC and validation say neither."""
    return "denied the request" in message or "denied request" in message


def kind_of(method: str, path: str) -> tuple[str, str]:
    """Verb and resource of a request as a Role names them, such as ("get", "pods/log")."""
    below = _below_the_group(path)
    if below[:1] == ["namespaces"] and len(below) > 2:
        below = below[2:]
    resource, *named = below
    verb = "list" if method == "GET" and not named else _VERBS[method]
    return verb, "/".join([resource, *named[1:2]])


def namespace_of(path: str) -> str:
    """The namespace that a request is in; empty where it is in none."""
    below = _below_the_group(path)
    return below[1] if below[:1] == ["namespaces"] and len(below) > 2 else ""


def _below_the_group(path: str) -> list[str]:
    prefix, *parts = path.partition("?")[0].strip("/").split("/")
    return (parts[1:] if prefix == "api" else parts[2:]) or [prefix]


def default_namespace() -> str:
    """That of the pod this runs in, else of the kubeconfig's context, as for kubectl; raises ConfigException."""
    if _OWN_NAMESPACE.exists():
        return _OWN_NAMESPACE.read_text().strip()
    _, context = list_kube_config_contexts()  # type: ignore[no-untyped-call]
    return str(context["context"].get("namespace") or "default")


@asynccontextmanager
async def connect(patience: Backoff = PATIENCE) -> AsyncIterator[Api]:
    """The API server that KUBECONFIG, ~/.kube/config or the pod's own service account names.

    Raises:
        ConfigException: none of them does.
    """
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        loader = await load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        # Before every request: logins by a cloud's plugin end after minutes, and are renewed only when they are due.
        configuration.refresh_api_key_hook = loader.load_and_set
    configuration.connection_pool_maxsize = MAX_AT_ONCE
    # With it, every request looks for proxies and for a .netrc file in threads of its own.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
    async with ApiClient(configuration) as client:
        yield Api(client, patience)


async def _sleep_a_little(seconds: float) -> None:
    """As long as the server asks for, within reason: meanwhile nobody is told why."""
    await asyncio.sleep(min(seconds, MAX_WAIT_SECONDS))


def _is_passing(error: Exception) -> bool:
    if isinstance(error, ApiException):
        return error.status in _PASSING or (error.status == 409 and is_quota_conflict(_api_error(error)))
    return isinstance(error, aiohttp.ClientConnectionError | TimeoutError)


def _api_error(error: ApiException) -> ApiError:
    body = error.body or ""
    try:
        told = mapping(parse_json(body))
    except ValueError:
        told = {}
    message = text(told.get("message"), _MAX_MESSAGE)
    if not message:
        # Not the API's own words: a proxy's, or those of what stands behind one.
        said = " ".join(recordable(str(body or error.reason)).split())
        return ApiError(error.status, str(error.status), f"status {error.status}: {said}")
    # Who denies a request may give it any status. 404 and 409 would mean that there is nothing to do, or to read again.
    status = 403 if _is_denial(message) else error.status
    return ApiError(status, text(told.get("reason")) or str(status), message)


def _unreachable(error: Exception) -> str:
    """Why no answer came, without the words of a library."""
    match error:
        case TimeoutError():
            why = f"no answer within {TIMEOUT_SECONDS:.0f} s"
        case aiohttp.ClientSSLError():
            why = "its certificate is not trusted"
        case aiohttp.ClientConnectorDNSError():
            why = "its name is not known"
        case aiohttp.ClientConnectorError() if error.os_error.errno == errno.ECONNREFUSED:
            why = "nothing listens there"
        case aiohttp.ClientConnectorError():
            why = "no connection comes about"
        case _:
            why = "the connection was closed before there was an answer"
    return f"the API server cannot be reached: {why}"
