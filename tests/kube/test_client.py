"""What the API server answers becomes a value or one stated error, in plain words."""

import errno
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.utils import Backoff

from inputs.garbage import JSON, TEXTS, is_recordable
from seedsweep.kube.apiserver.client import ONCE, Api, ApiError, _api_error, _unreachable, refusal_reason

COUNTING = (
    'Operation cannot be fulfilled on resourcequotas "few": the object has been modified; '
    "please apply your changes to the latest version and try again"
)
KEY = ConnectionKey("127.0.0.1", 6443, True, True, None, None, None)


def refused(body: str | None, status: int = 403) -> ApiError:
    error = ApiException(status, "Forbidden")
    error.body = body
    return _api_error(error)


def test_a_status_of_the_api_gives_its_reason_and_message():
    error = refused(json.dumps({"kind": "Status", "reason": "Forbidden", "message": "exceeded quota: few"}))
    assert (error.status, error.reason, str(error)) == (403, "Forbidden", "exceeded quota: few")


def test_the_page_of_a_proxy_is_told_with_its_status():
    assert str(refused("<html>\n<b>Bad Gateway</b></html>", 502)) == "status 502: <html> <b>Bad Gateway</b></html>"


@given(JSON.map(json.dumps) | TEXTS | st.none() | st.just("[" * 2_000))
def test_any_answer_is_an_error_that_a_record_takes(body: Any):
    error = refused(body)
    assert str(error)
    assert is_recordable(str(error), 1_100)
    assert is_recordable(error.reason, 300)


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        aiohttp.ClientConnectorError(KEY, OSError(errno.ECONNREFUSED, "Connect call failed")),
        aiohttp.ClientConnectorError(KEY, OSError(errno.ENETUNREACH, "Network is unreachable")),
        aiohttp.ServerDisconnectedError(),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    ],
)
def test_an_api_server_that_is_away_is_told_without_the_words_of_a_library(error: Exception):
    told = _unreachable(error)
    assert told.startswith("the API server cannot be reached: ")
    for word in ("ssl:", "Errno", "Connect call", "Server disconnected", "Cannot connect"):
        assert word not in told


@asynccontextmanager
async def answering(status: int, body: Any) -> AsyncIterator[Api]:
    """An API server that answers everything alike."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server, ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))) as client:
        yield Api(client, ONCE)


@pytest.mark.parametrize("status", [404, 409, 429, 500])
async def test_a_denial_by_admission_is_one_whatever_its_status(status: int):
    """A webhook that looked for something in vain passes on the 404 of that."""
    message = 'admission webhook "keeper.example" denied the request: configmaps "rules" not found'
    async with answering(status, {"kind": "Status", "reason": "NotFound", "message": message}) as api:
        with pytest.raises(ApiError) as refused:
            await api.delete("/api/v1/namespaces/team/pods/a", "uid")
    assert refusal_reason(refused.value) == "AdmissionDenied"
    assert not refused.value.passing
    assert not refused.value.missing


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"kind": "Status", "reason": "NotFound", "message": 'pods "a" not found'}, True),
        ("404 page not found", False),
        ({"code": "NotFound", "message": "no such cluster"}, False),
    ],
)
async def test_only_the_api_server_itself_says_that_an_object_is_missing(body: Any, missing: bool):
    async with answering(404, body) as api:
        if missing:
            await api.delete("/api/v1/namespaces/team/pods/a", "uid")
        with pytest.raises(ApiError) as refused:
            await api.get("/api/v1/namespaces/team/pods/a")
        assert refused.value.missing is missing
        if not missing:
            assert refusal_reason(refused.value) == "NotServed"
            with pytest.raises(ApiError):
                await api.delete("/api/v1/namespaces/team/pods/a", "uid")


@pytest.mark.parametrize(("times", "asked"), [(2, 3), (9, 3)])
async def test_what_a_quota_could_not_count_in_time_is_asked_for_again_at_once(times: int, asked: int):
    requests = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        if requests > times:
            return web.json_response({"metadata": {}}, status=201)
        return web.json_response({"kind": "Status", "reason": "Conflict", "message": COUNTING}, status=409)

    app = web.Application()
    app.router.add_post("/pods", answer)
    async with TestServer(app) as server, ApiClient(Configuration(host=str(server.make_url("")).rstrip("/"))) as client:
        api = Api(client, Backoff(steps=3, duration=0.01, factor=1.0))
        if times < asked:
            await api.create("/pods", {})
        else:
            with pytest.raises(ApiError) as refused:
                await api.create("/pods", {})
            assert refusal_reason(refused.value) == "QuotaExceeded"
        assert requests == asked
