"""`seedsweep run --web`: the page goes with the run, from its first turn to how it ended."""

import re
import signal
import socket

import pytest

from host.live_pages import news
from host.runners import runner
from inputs.fake_sweeps import FakeSweep
from local.conftest import Command


def test_the_page_follows_a_run_to_its_result(fake_sweep: FakeSweep) -> None:
    held = fake_sweep.hold("wi2-do2")
    with runner(*fake_sweep.arguments("--web")) as process:
        following = news(process)
        told = [next(following)]
        held.unlink()
        told += following
        process.communicate()
    assert process.returncode == 0
    assert told[0]["anew"] is True
    assert any("order" in part for part in told[1:])
    ending = told[-1]["ending"]
    best = fake_sweep.record.sweep.status.best  # type: ignore[union-attr]
    assert best is not None
    assert ending["words"] == f"fake is complete: best {best.score:.4f} by {best.episode}"
    assert f"python -m webbrowser {fake_sweep.out / 'report.html'}" in [
        c for s in ending["steps"] for c in s["commands"]
    ]
    heads = [part["head"] for part in told if "head" in part]
    assert heads[-1]["phase"] == "Complete"


def test_an_interrupted_run_tells_its_page(fake_sweep: FakeSweep) -> None:
    fake_sweep.seconds = 3600.0
    with runner(*fake_sweep.arguments("--web")) as process:
        told = news(process)
        next(told)
        process.send_signal(signal.SIGINT)
        *_, last = told
        process.communicate()
    assert process.returncode == 130
    said = r"Interrupted: the same command goes on from here\. On record: .*; steps 0.*\."
    assert re.fullmatch(said, last["ending"]["words"])


def test_nothing_starts_where_the_port_of_the_page_is_taken(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = seedsweep(*fake_sweep.arguments("--web-port", str(port)))
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"--web-port: {port} of 127.0.0.1 cannot be listened on")
    assert not fake_sweep.out.exists()


def test_a_run_that_is_over_has_no_page_but_its_result(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    fake_sweep.weight_inits = fake_sweep.data_orders = 1
    fake_sweep.spec = {"earlyStopping": None}
    assert seedsweep(*fake_sweep.arguments()).code == 0
    again = seedsweep(*fake_sweep.arguments("--web"))
    assert again.code == 0
    assert "is over already" in again.out
    assert "Live page" not in again.out


@pytest.mark.parametrize("option", [["--web"], ["--web-port", "8000"]])
def test_an_episode_that_is_trained_again_has_no_page(
    seedsweep: Command, fake_sweep: FakeSweep, option: list[str]
) -> None:
    result = seedsweep(*fake_sweep.arguments("--episode", "wi0-do0", *option))
    assert result.code == 2
    assert "leave one of them out" in result.err
