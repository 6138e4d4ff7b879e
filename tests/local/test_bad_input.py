"""Bad input ends with exit code 2 and an error that names field, value and remedy; nothing is started."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.ports import free_port
from inputs.fake_sweeps import FakeSweep
from local.conftest import Command, Result

METRIC = {"name": "accuracy", "goal": "maximize"}


def grid(weight_inits: int, data_orders: int, **more: object) -> dict[str, Any]:
    return {"grid": {"weightInits": {"count": weight_inits}, "dataOrders": {"count": data_orders}, **more}}


def rungs(*pairs: tuple[int, int]) -> dict[str, Any]:
    return {"rungs": [{"atPercent": at, "keep": keep} for at, keep in pairs]}


def assert_refused(result: Result, sweep: FakeSweep, *said: str) -> None:
    assert result.code == 2, result.out + result.err
    for words in said:
        assert words in result.err
    assert "Traceback" not in result.err
    assert not (sweep.out / "attempts").exists()


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"earlyStopping": rungs((0, 2))}, ("spec.earlyStopping.rungs[0].atPercent", "found 0")),
        ({"earlyStopping": rungs((100, 2))}, ("spec.earlyStopping.rungs[0].atPercent", "found 100")),
        ({"earlyStopping": rungs((40, 10))}, ("spec.earlyStopping.rungs[0].keep", "9 or fewer", "found 10")),
        ({"earlyStopping": rungs((40, 0))}, ("spec.earlyStopping.rungs[0].keep", "found 0")),
        ({"earlyStopping": rungs((40, 4), (20, 2))}, ("rungs[1].atPercent 20 must be above the 40 before it",)),
        ({"earlyStopping": rungs((20, 2), (40, 4))}, ("rungs[1].keep 4 is more than the 2 kept before it",)),
        (
            {"seeds": {"pairs": [{"weightInit": 1, "dataOrder": 2}] * 2}},
            ("spec.seeds", "weightInit 1, dataOrder 2 is listed 2 times: list it once"),
        ),
        ({"seeds": grid(0, 3)}, ("spec.seeds.grid.weightInits.count", "found 0")),
        ({"seeds": {"grid": {"weightInits": {"values": []}, "dataOrders": {"count": 1}}}}, ("weightInits.values",)),
        ({"seeds": grid(3, 3, sample={"size": 10})}, ("sample.size 10 is larger than the grid of 9 cells: lower it",)),
        ({"paralelism": 4}, ("spec.paralelism", "did you mean parallelism?")),
        ({"parallelism": "many"}, ("spec.parallelism", "whole number", "found 'many'")),
        ({"parallelism": None}, ("spec.parallelism", "is required")),
        ({"trainer": {"command": ["x"]}}, ("spec.trainer", "metric (name and goal)")),
        ({"trainer": {"command": ["x"], "metric": {"name": "acc"}}}, ("spec.trainer.metric.goal", "is required")),
        ({"trainer": {"metric": METRIC}}, ("spec.trainer.command", "is required on one machine")),
        (
            {
                "trainer": {
                    "command": ["x"],
                    "metric": METRIC,
                    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                }
            },
            ("spec.trainer.env[0].valueFrom", "on a cluster only: give a value"),
        ),
        (
            {"trainer": {"command": ["x"], "metric": METRIC, "envFrom": [{"secretRef": {"name": "s"}}]}},
            ("spec.trainer.envFrom", "on a cluster only"),
        ),
        (
            {"trainer": {"command": ["x"], "metric": METRIC, "config": {"configMap": {"name": "a", "key": "b"}}}},
            ("spec.trainer.config.configMap", "on a cluster only"),
        ),
        ({"suspend": True}, ("spec.suspend", "found true")),
    ],
)
def test_sweep_that_is_not_valid_is_refused(
    seedsweep: Command, fake_sweep: FakeSweep, spec: dict[str, Any], said: tuple[str, ...]
) -> None:
    fake_sweep.spec = spec
    assert_refused(seedsweep(*fake_sweep.arguments()), fake_sweep, *said)


def test_every_problem_is_told_at_once(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    fake_sweep.spec = {"paralelism": 4, "seeds": grid(0, 3), "earlyStopping": rungs((0, 2))}
    said = ("spec.paralelism", "spec.seeds.grid.weightInits.count", "spec.earlyStopping.rungs[0].atPercent")
    assert_refused(seedsweep(*fake_sweep.arguments()), fake_sweep, *said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "is not valid YAML"),
        ("- 1\n- 2", "must be a mapping"),
        ("", "is empty: describe a SeedSweep in it"),
        ("a: 1\n---\nb: 2", "holds 2 documents, and not one SeedSweep alone"),
        ("apiVersion: seedsweep.io/v1alpha1\nkind: Pod", "kind: must be SeedSweep (found 'Pod')"),
        ("apiVersion: v1\nkind: SeedSweep", "apiVersion: must be seedsweep.io/v1alpha1 (found 'v1')"),
    ],
)
def test_file_that_holds_no_sweep_is_refused(seedsweep: Command, fake_sweep: FakeSweep, text: str, said: str) -> None:
    arguments = fake_sweep.arguments()
    (fake_sweep.folder / "sweep.yaml").write_text(text)
    assert_refused(seedsweep(*arguments), fake_sweep, said)


def test_missing_file_is_refused(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    assert_refused(
        seedsweep("run", str(fake_sweep.folder / "none.yaml")), fake_sweep, "none.yaml", "there is no such file"
    )


def test_folder_of_another_sweep_is_refused_and_left_alone(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    assert seedsweep(*fake_sweep.arguments()).code == 0
    before = {path: path.stat().st_mtime_ns for path in fake_sweep.out.rglob("*")}
    fake_sweep.spec = {"earlyStopping": rungs((40, 3))}
    result = seedsweep(*fake_sweep.arguments())
    assert result.code == 2
    assert "spec.earlyStopping.rungs" in result.err
    assert "'keep': 2" in result.err
    assert "'keep': 3" in result.err
    assert "--out" in result.err
    assert {path: path.stat().st_mtime_ns for path in fake_sweep.out.rglob("*")} == before


def test_folder_with_a_damaged_record_is_refused(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    arguments = fake_sweep.arguments()
    fake_sweep.out.mkdir()
    (fake_sweep.out / "sweep.json").write_text('{"kind"')
    assert_refused(seedsweep(*arguments), fake_sweep, "sweep.json", "restore the file")


def test_place_where_no_folder_can_be_made_is_refused(seedsweep: Command, fake_sweep: FakeSweep) -> None:
    arguments = fake_sweep.arguments()
    fake_sweep.out.write_text("a file")
    result = seedsweep(*arguments)
    assert result.code == 2
    assert "--out" in result.err


@pytest.fixture
def taken_port() -> Iterator[int]:
    """One after a free one."""
    port = free_port(in_a_row=2) + 1
    with socket.create_server(("127.0.0.1", port)):
        yield port


def test_taken_port_is_refused(seedsweep: Command, fake_sweep: FakeSweep, taken_port: int) -> None:
    fake_sweep.spec = {"scrape": {"port": taken_port}}
    said = ("spec.scrape.port", f"port {taken_port} is taken by another program")
    assert_refused(seedsweep(*fake_sweep.arguments()), fake_sweep, *said)


def test_every_place_needs_its_port(seedsweep: Command, fake_sweep: FakeSweep, taken_port: int) -> None:
    fake_sweep.spec = {"scrape": {"port": taken_port - 1}}
    assert_refused(seedsweep(*fake_sweep.arguments()), fake_sweep, f"port {taken_port} is taken")


def test_more_gpus_an_episode_than_there_are_is_refused(
    seedsweep: Command, fake_sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    trainer = json.loads(fake_sweep.write().read_text())["spec"]["trainer"]
    fake_sweep.spec = {"trainer": {**trainer, "resources": {"limits": {"nvidia.com/gpu": 4}}}}
    said = ("spec.trainer.resources.limits[nvidia.com/gpu]", "2 GPUs of this machine", "found 4")
    assert_refused(seedsweep(*fake_sweep.arguments()), fake_sweep, *said)


@pytest.mark.parametrize("arguments", [("--parallelism", "0"), ("--episode", "1"), ("--nonsense",)])
def test_options_that_mean_nothing_are_refused(
    seedsweep: Command, fake_sweep: FakeSweep, arguments: tuple[str, ...]
) -> None:
    assert_refused(seedsweep(*fake_sweep.arguments(*arguments)), fake_sweep, arguments[0])


def test_relative_folder_defaults_to_the_name_of_the_sweep(
    seedsweep: Command, fake_sweep: FakeSweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_sweep.weight_inits = fake_sweep.data_orders = 1
    fake_sweep.spec = {"earlyStopping": None}
    monkeypatch.chdir(tmp_path)
    assert seedsweep("run", str(fake_sweep.write())).code == 0
    assert (tmp_path / "runs" / "fake" / "sweep.json").exists()
