"""The watch of pods goes on where it was, begins with all pods where it cannot, and is never given up."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kube.stand_in import write_kubeconfig
from seedsweep.kube.watching import pods, watches
from seedsweep.kube.watching.pods import PodWatch
from seedsweep.kube.watching.watches import Watches

PODS = "/api/v1/namespaces/nlp/pods"


def event(kind: str, version: int, name: str = "a") -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": str(version)}}}


BOOKMARK = event("BOOKMARK", 20)
EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}


class Server:
    """Answers the first request with the first of `answers`, and so on; the one after the last never ends."""

    def __init__(self) -> None:
        self.answers: list[int | list[Any]] = []
        """Each a status, or events of an answer that ends; text is sent as it is, and None breaks the answer off."""
        self.asked: list[dict[str, str]] = []
        self.all_asked = asyncio.Event()
        self.shown: list[tuple[str, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        place = len(self.asked) - 1
        answer = self.answers[place] if place < len(self.answers) else []
        if isinstance(answer, int):
            return web.Response(status=answer)
        response = web.StreamResponse()
        await response.prepare(request)
        for sent in answer:
            if sent is None:
                assert request.transport is not None
                request.transport.close()
                return response
            await response.write((sent if isinstance(sent, str) else json.dumps(sent)).encode() + b"\n")
        if place == len(self.answers):
            self.all_asked.set()
            await asyncio.sleep(60)
        return response

    def saw(self, event: Any) -> None:
        self.shown.append((event["type"], event["object"]["metadata"]["name"]))

    @property
    def versions(self) -> list[str]:
        """From which each request wanted to go on."""
        return [asked.get("resourceVersion", "") for asked in self.asked]


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(watches, "MIN_GAP_SECONDS", 0.0)
    monkeypatch.setattr(pods, "Backoffs", lambda: [0.0] * 9)
    found, app = Server(), web.Application()
    app.router.add_get(PODS, found.handle)
    async with TestServer(app) as running:
        write_kubeconfig(tmp_path / "kubeconfig", str(running.make_url("")))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        yield found


async def watch(server: Server, *answers: int | list[Any]) -> Watches:
    """Watch until all answers were given and another one is asked for."""
    server.answers, seen = list(answers), Watches()
    watching = asyncio.create_task(PodWatch(seen, "nlp", server.saw).run())
    await asyncio.wait_for(server.all_asked.wait(), 30)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return seen


async def test_events_are_shown_in_their_order_and_bookmarks_are_not(server: Server):
    await watch(server, [event("ADDED", 11), event("MODIFIED", 12), BOOKMARK, event("DELETED", 21)])
    assert server.shown == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_only_pods_of_sweeps_are_asked_for_and_bookmarks_with_them(server: Server):
    await watch(server)
    wanted = {"watch": "true", "allowWatchBookmarks": "true", "labelSelector": "seedsweep.io/sweep-uid"}
    assert server.asked == [wanted]


@pytest.mark.parametrize("broken_off", [[], [None]])
async def test_it_goes_on_from_the_last_event_after_an_answer_that_ends_or_breaks_off(
    server: Server, broken_off: list[None]
):
    await watch(server, [event("ADDED", 11), BOOKMARK, event("MODIFIED", 23), *broken_off], [event("MODIFIED", 24)])
    assert server.versions == ["", "23", "24"]


async def test_it_begins_anew_if_it_breaks_off_before_all_pods_are_known_to_have_been_shown(server: Server):
    """They come in no order of versions: to go on from one of them would leave others out."""
    await watch(server, [event("ADDED", 15, "b"), None], [event("ADDED", 11, "a"), event("ADDED", 15, "b"), BOOKMARK])
    assert server.versions == ["", "", "20"]
    assert server.shown[1:] == [("ADDED", "a"), ("ADDED", "b")]


@pytest.mark.parametrize("too_old", [410, [EXPIRED]])
async def test_it_begins_with_all_pods_again_where_its_version_is_too_old(server: Server, too_old: int | list[Any]):
    await watch(server, [BOOKMARK], too_old)
    assert server.versions == ["", "20", ""]


async def test_it_begins_anew_after_a_pause_where_the_stream_tells_another_error(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    paused = []

    def waits() -> Iterator[float]:
        for wait in (0.0, 0.1):
            paused.append(wait)
            yield wait

    monkeypatch.setattr(pods, "Backoffs", waits)
    await watch(server, [BOOKMARK], [{"type": "ERROR", "object": {"kind": "Status", "code": 500}}])
    assert server.versions == ["", "20", ""]
    assert paused == [0.0]


async def test_a_refusal_is_trouble_until_it_is_over_and_what_was_missed_meanwhile_is_shown(server: Server):
    seen = await watch(server, [BOOKMARK], 403, 500, [event("MODIFIED", 22)])
    assert server.versions == ["", "20", "20", "20", "22"]
    assert server.shown == [("MODIFIED", "a")]
    assert seen.troubles == []


async def test_trouble_is_told_while_it_lasts(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pods, "Backoffs", lambda: [3600.0])
    told = asyncio.Event()
    server.answers, seen = [403], Watches(told.set)
    watching = asyncio.create_task(PodWatch(seen, "nlp", server.saw).run())
    await asyncio.wait_for(told.wait(), 30)
    watching.cancel()
    assert seen.trouble_with_pods("nlp").startswith("pods in namespace nlp cannot be watched: the operator needs")


@pytest.mark.parametrize("line", ["<html>", "[" * 100_000])
async def test_what_is_no_json_is_asked_for_again(server: Server, line: str):
    await watch(server, [BOOKMARK, line], [event("MODIFIED", 22)])
    assert server.versions == ["", "20", "22"]


@pytest.mark.parametrize("line", ["[]", "{}", '{"type": "ADDED"}', '{"type": "LATER", "object": {"metadata": {}}}'])
async def test_what_is_no_event_has_it_begin_with_all_pods_again(server: Server, line: str):
    await watch(server, [BOOKMARK, line])
    assert server.versions == ["", ""]
