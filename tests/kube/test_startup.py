"""What an operator needs to start, and the one line that says what is missing."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.config import kube_config
from rich.console import Console

from host.ports import free_port
from kube.stand_in import StandIn, standing_in, write_kubeconfig
from seedsweep.cluster import fetch, watch
from seedsweep.cluster.observer import Service
from seedsweep.codes import CommandError, Exit
from seedsweep.kube import startup
from seedsweep.kube.apiserver.client import ONCE
from seedsweep.kube.apiserver.kubeconfig import open_api
from seedsweep.kube.startup import KINDS, listen, open_cluster

OURS = [{"name": name} for name in (*sorted(KINDS), "seedsweeps/status")]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    # The client has read the variable when it was imported.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    monkeypatch.setattr(startup, "open_api", partial(open_api, patience=ONCE))
    monkeypatch.setattr(startup, "ANSWER_WITHIN_SECONDS", 60.0)
    return tmp_path / "kubeconfig"


@pytest.fixture
async def cluster(config: Path) -> AsyncIterator[StandIn]:
    async with standing_in() as found:
        found.body = {"resources": OURS}
        write_kubeconfig(config, found.url)
        yield found


async def refusal() -> CommandError:
    async with AsyncExitStack() as stack:
        with pytest.raises(CommandError) as caught:
            await open_cluster(stack)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.usefixtures("cluster")
async def test_a_cluster_that_knows_our_kinds_will_do() -> None:
    async with AsyncExitStack() as stack:
        await open_cluster(stack)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, {"kind": "Status"}, "knows no SeedSweeps: apply the chart's definitions"),
        (200, {"resources": OURS[:1]}, "this cluster knows no episodes, seedsweeps: apply"),
        (200, {"resources": [*OURS, {"name": "episodes/status"}]}, "episodes/status is of an older release: apply"),
        (401, {"kind": "Status"}, "does not accept the operator's credentials (401): renew them"),
        (403, {"kind": "Status"}, "bind the ClusterRole system:discovery"),
        (500, {"kind": "Status"}, "answers 500: try again"),
    ],
)
async def test_an_answer_that_will_not_do_is_told_with_its_remedy(
    cluster: StandIn, status: int, body: Any, said: str
) -> None:
    cluster.status, cluster.body = status, body
    error = await refusal()
    assert said in str(error)
    assert error.code == Exit.FAILED


async def test_an_api_server_that_is_not_there_is_told_with_its_address(config: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    write_kubeconfig(config, address)
    error = await refusal()
    assert str(error).startswith(f"the API server {address} cannot be reached")
    assert error.code == Exit.FAILED


async def test_an_api_server_that_never_answers_is_not_waited_for_long(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(startup, "ANSWER_WITHIN_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        write_kubeconfig(config, f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "cannot be reached" in str(await refusal())


@pytest.mark.parametrize("content", [None, "", "{: no YAML", "[]", "{}", '{"current-context": "here"}', "\x00"])
def test_a_kubeconfig_that_names_no_cluster_is_bad_input(config: Path, content: str | None) -> None:
    if content is not None:
        config.write_text(content)
    error = asyncio.run(refusal())
    assert "set KUBECONFIG to a file with which" in str(error)
    assert error.code == Exit.BAD_INPUT


@pytest.mark.parametrize("content", [None, "{: no YAML", "[]"])
def test_people_without_a_usable_kubeconfig_are_told_so_and_not_that_a_folder_cannot_be_written(
    config: Path, content: str | None, tmp_path: Path
) -> None:
    if content is not None:
        config.write_text(content)
    watched = watch.Request("rte", None, Service("home", "operator", "http"))
    for command in (
        lambda: watch.watch_sweep(watched, Console()),
        lambda: fetch.fetch_sweep(fetch.Request("rte", "nlp", tmp_path / "to"), Console()),
    ):
        with pytest.raises(CommandError, match="set KUBECONFIG to a file with which") as caught:
            command()
        assert caught.value.code == Exit.BAD_INPUT


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on, on one address of this machine only."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_port_that_is_taken_is_told_with_its_remedy(taken: int) -> None:
    with pytest.raises(CommandError, match=f"port {taken} of this machine is taken: .* pass --port") as caught:
        listen(taken)
    assert caught.value.code == Exit.FAILED


def test_the_port_is_listened_on_for_both_families() -> None:
    port = free_port()
    with listen(port), socket.create_connection(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_operator_whose_port_is_taken_ends_at_once_with_one_line(taken: int, form: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seedsweep.kube", "--port", str(taken), "--log-format", form],
        env=os.environ | {"KUBECONFIG": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    [line] = (done.stdout + done.stderr).splitlines()
    said = json.loads(line)["message"] if form == "json" else line
    assert f"seedsweep operator: port {taken} of this machine is taken" in said


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--port", "70000"], "--port"),
        (["--namespace", "Team"], "is not the name of a namespace"),
        (["--housekeeping-requests", "cpu=much"], "is not NAME=QUANTITY"),
        (["--log-format", "xml"], "--log-format"),
        (["--webhook", "http://hooks.example/1"], "--webhook: is no URL that begins with https://"),
    ],
)
def test_an_option_that_is_none_is_bad_input(option: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    from seedsweep.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["operator", *option])
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
