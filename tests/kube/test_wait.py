"""`seedsweep wait`: what a script learns of a sweep, in a cluster and in the folder of a run."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from host.read_sweep import Cluster, body_of, finished_cluster, running, served
from inputs import records
from inputs.floored import floored_and_cut
from seedsweep.api.core.objects import Condition
from seedsweep.api.sweep import SeedSweep
from seedsweep.cluster import following, wait
from seedsweep.cluster.following import Follower
from seedsweep.cluster.wait import Event, Request, Source, happened, look_into, wait_for
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.apiserver.client import Api

WITHOUT_CLUSTER = """
import sys
sys.modules["kubernetes"] = sys.modules["kopf"] = None
from seedsweep.cli import main
main(sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What scripts wait for would only slow the tests down."""
    monkeypatch.setattr(wait, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)


async def waited(cluster: Cluster, event: Event = "complete", seconds: float | None = None) -> str:
    """What is said at the end; raises CommandError."""
    async with served(cluster) as api:
        return await wait_for(Request("rte", event, seconds), follow(api))


def follow(api: Api) -> Source:
    return Follower(api, "nlp", "rte", lambda _: None).look


def failing(**update: Any) -> records.Record:
    failed = Condition(
        type="Failed",
        status="True",
        reason="BadConfiguration",
        message="no such model",
        last_transition_time=records.START.isoformat(),
    )
    return records.finished().with_status(**{"phase": "Failed", "best": None, "conditions": [failed], **update})


async def test_the_end_is_waited_for_and_told_with_the_winner() -> None:
    record = records.finished()
    cluster = finished_cluster()
    cluster.sweeps[:0] = [running(record)] * 3
    best = record.status.best
    assert best is not None
    assert await waited(cluster) == f"rte is complete: best {best.score:.4f} by {best.episode}"
    assert len(cluster.sweeps) == 1


async def test_waiting_reads_the_sweep_alone() -> None:
    cluster = finished_cluster()
    cluster.sweeps.insert(0, running(records.finished()))
    await waited(cluster)
    assert (cluster.lists, cluster.keys) == (0, [])


async def test_the_first_cut_is_told_while_the_sweep_goes_on() -> None:
    record = records.finished()
    before = running(record)
    before["status"]["cuts"] = []
    cluster = Cluster(sweeps=[before, before, running(record)])
    threshold = record.cuts[0].data.threshold
    assert await waited(cluster, "cut") == f"rte: the cut at evaluation 6 has kept 3 of 8, threshold {threshold:.4f}"


def grown(record: records.Record) -> records.Record:
    return replace(record, sweep=record.sweep.evolve(spec=records.parse(5, 2).spec))


def test_a_cut_from_before_more_seeds_came_is_not_the_one_that_is_waited_for() -> None:
    assert happened(records.finished().sweep, "cut", over=False)
    assert not happened(grown(records.finished()).sweep, "cut", over=False)


def test_a_cut_beside_a_floor_is_waited_for_though_it_is_not_of_all_seeds() -> None:
    sweep = floored_and_cut().sweep
    assert happened(sweep, "cut", over=False) == "rte: the cut at evaluation 10 has kept 2 of 6, threshold 0.6624"
    assert sweep.status is not None
    assert not happened(sweep.evolve(status=sweep.status.evolve(cuts=[])), "cut", over=False)


async def test_a_finished_sweep_that_its_operator_has_yet_to_see_grown_is_not_over() -> None:
    body = body_of(grown(records.finished().with_status(observed_generation=1)))
    for generation, expected in ((1, True), (2, False)):
        body["metadata"]["generation"] = generation
        async with served(Cluster(sweeps=[body])) as api:
            _, over = await follow(api)()
        assert over == expected


@pytest.mark.parametrize("event", ["complete", "cut"])
async def test_a_failed_sweep_ends_the_wait_with_1_and_its_reason(event: Event) -> None:
    with pytest.raises(CommandError, match="rte failed: BadConfiguration: no such model") as caught:
        await waited(Cluster(sweeps=[body_of(failing(cuts=[]))]), event)
    assert caught.value.code == Exit.FAILED


async def test_a_cut_that_was_made_has_happened_whatever_came_after_it() -> None:
    assert "kept 3 of 8" in await waited(Cluster(sweeps=[body_of(failing())]), "cut")


async def test_a_sweep_that_is_over_without_its_cut_ends_the_wait_for_it() -> None:
    with pytest.raises(CommandError, match="rte is over, and was not cut") as caught:
        await waited(Cluster(sweeps=[body_of(records.finished(), cuts=[])]), "cut")
    assert caught.value.code == Exit.FAILED


async def test_no_cut_is_waited_for_where_the_spec_has_none() -> None:
    whole = running(records.fully_trained())
    with pytest.raises(CommandError, match=r"--for cut: rte has no cut.*wait for complete") as caught:
        await waited(Cluster(sweeps=[whole]), "cut")
    assert caught.value.code == Exit.BAD_INPUT


async def test_a_sweep_that_takes_too_long_ends_with_124_and_how_far_it_is() -> None:
    sweep = records.finished().with_status(phase="Running", message="survivors train").sweep

    async def look() -> tuple[SeedSweep, bool]:
        return sweep, False

    with pytest.raises(CommandError, match="rte: not complete after under 1 s: Running; survivors train") as caught:
        await wait_for(Request("rte", "complete", 0.05), look)
    assert caught.value.code == Exit.TIMED_OUT


async def test_the_time_is_over_too_while_the_api_server_is_away() -> None:
    with pytest.raises(CommandError, match=r"rte: not complete after under 1 s$") as caught:
        await waited(Cluster(sweeps=[503]), seconds=0.05)
    assert caught.value.code == Exit.TIMED_OUT


async def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(CommandError, match="no SeedSweep rte in namespace nlp: there are mrpc") as caught:
        await waited(Cluster(sweeps=[404], others=["mrpc"]))
    assert caught.value.code == Exit.BAD_INPUT


async def test_an_empty_name_is_none() -> None:
    async with served(finished_cluster(others=["mrpc"])) as api:
        with pytest.raises(CommandError, match="no SeedSweep '' in namespace nlp: there are mrpc"):
            await Follower(api, "nlp", "", lambda _: None).look()


async def test_a_sweep_that_is_deleted_ends_the_wait() -> None:
    with pytest.raises(CommandError, match="rte was deleted") as caught:
        await waited(Cluster(sweeps=[running(records.finished()), 404]))
    assert caught.value.code == Exit.FAILED


def still_running() -> records.Record:
    return records.finished().with_status(phase="Running", completion_time=None, conditions=[], best=None, cuts=[])


async def test_a_run_on_this_machine_is_waited_for_by_its_folder(tmp_path: Path) -> None:
    records.write(tmp_path, still_running())
    looked = asyncio.Event()
    look = look_into(tmp_path)

    async def observed() -> Any:
        seen = await look()
        looked.set()
        return seen

    waiting = asyncio.create_task(wait_for(Request(str(tmp_path), "complete", None), observed))
    await looked.wait()
    assert not waiting.done()
    (tmp_path / "sweep.json").write_text(records.finished().sweep.model_dump_json(by_alias=True, exclude_none=True))
    assert (await waiting).startswith("rte is complete: best 0.")


async def test_a_run_whose_folder_goes_away_ends_the_wait_another_way_than_none(tmp_path: Path) -> None:
    look = look_into(records.write(tmp_path, still_running()))
    await look()
    (tmp_path / "sweep.json").unlink()
    for source, code in ((look, Exit.FAILED), (look_into(tmp_path), Exit.BAD_INPUT)):
        with pytest.raises(CommandError, match=r"no sweep\.json in it") as caught:
            await source()
        assert caught.value.code == code


def typed(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """`seedsweep wait` where nothing that a cluster takes is installed."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_CLUSTER, "wait", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["{done}"], Exit.COMPLETE, "rte is complete: best 0.", ""),
        (["{done}", "--for", "cut", "--timeout", "1h30m"], Exit.COMPLETE, "rte: the cut at evaluation 6", ""),
        (["{open}", "--timeout", "1s"], Exit.TIMED_OUT, "", "not complete after 1 s: Running"),
        (["{failed}"], Exit.FAILED, "", "rte failed: BadConfiguration: no such model"),
        (["{none}"], Exit.BAD_INPUT, "", "no sweep.json in it"),
        (["sweep/a/b"], Exit.BAD_INPUT, "", "sweep/a/b: no sweep.json in it"),
        (["{done}", "--for", "cuts"], Exit.BAD_INPUT, "", "--for: 'cuts' is not known: give complete or cut"),
        (["{done}", "--timeout", "30"], Exit.BAD_INPUT, "", "--timeout: '30' is no time above 0"),
        (["rte"], Exit.MISSING_PART, "", "kubernetes is not installed: pip install"),
    ],
)
def test_each_end_has_its_exit_code_and_one_line(
    tmp_path: Path, arguments: list[str], code: Exit, out: str, err: str
) -> None:
    folders = {"done": records.finished(), "open": still_running(), "failed": failing()}
    for name, record in folders.items():
        (tmp_path / name).mkdir()
        records.write(tmp_path / name, record)
    done = typed(*(a.format(**{n: tmp_path / n for n in (*folders, "none")}) for a in arguments))
    assert done.returncode == code
    for text, expected in ((done.stdout, out), (done.stderr, err)):
        assert expected in text
        assert len(text.splitlines()) == bool(expected)
