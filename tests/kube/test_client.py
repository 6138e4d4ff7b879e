"""What the API server answers becomes a value or one stated error, in plain words."""

import errno
import json
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio.client.exceptions import ApiException

from garbage import JSON, TEXTS, is_recordable
from seedsweep.kube.apiserver.client import ApiError, _api_error, _unreachable

KEY = ConnectionKey("127.0.0.1", 6443, True, None, None, None, None)


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
