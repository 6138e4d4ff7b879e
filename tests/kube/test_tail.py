"""The end of a log: best effort, within a limit of time."""

import asyncio
from typing import cast

import pytest

from seedsweep.kube.apiserver.client import ApiError
from seedsweep.kube.apiserver.gates import GatedApi
from seedsweep.kube.pods import log_tail


class Logs:
    """An API server that answers so, or does not answer."""

    def __init__(self, answer: bytes | ApiError | None) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def read(self, path: str) -> bytes:
        self.asked.append(path)
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, ApiError):
            raise self.answer
        return self.answer or b""


async def read(logs: Logs) -> str:
    return await log_tail.read_tail(cast(GatedApi, logs), "/api/v1/namespaces/team/pods/demo-wi3-do7")


async def test_only_a_few_lines_of_the_trainer_are_asked_for():
    logs = Logs(b"step 1\n\nstep 2\xff\n")
    assert await read(logs) == "step 1\nstep 2\N{REPLACEMENT CHARACTER}"
    (path,) = logs.asked
    assert path == ("/api/v1/namespaces/team/pods/demo-wi3-do7/log?container=trainer&tailLines=10&limitBytes=16384")


@pytest.mark.parametrize("status", [403, 404, 500, None])
async def test_a_log_that_cannot_be_had_is_done_without(status: int | None):
    assert await read(Logs(ApiError(status, "x", "no"))) == ""


async def test_a_node_that_does_not_answer_holds_nothing_up(monkeypatch):
    monkeypatch.setattr(log_tail, "WITHIN_SECONDS", 0.01)
    assert await read(Logs(None)) == ""
