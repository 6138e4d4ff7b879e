"""How many episodes train at once, and where."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from host.ports import free_port as port_of_ours
from inputs import sweeps
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.sweep import SweepSpec
from seedsweep.local.machine import ports
from seedsweep.local.machine.hardware import parse_gpu_list, usable_cores, visible_gpus
from seedsweep.local.machine.places import Place, find_places, place_problems, port_for
from seedsweep.local.machine.ports import FIRST_DYNAMIC_PORT, FIRST_PORT, LOOPBACK, free_port

H200 = "GPU 0: NVIDIA H200 (UUID: GPU-aaa)\n"


def spec(**changes: Any) -> SweepSpec:
    text = sweeps.FINE_TUNING
    for path, value in {"spec.parallelism": 100, **changes}.items():
        text = sweeps.changed(path, value, text)
    return parse_sweep(text).spec


def threads(count: int) -> SweepSpec:
    return spec(**{"spec.trainer.fineTuning.threadsPerEpisode": count})


@pytest.mark.parametrize(("cores", "each", "places"), [(8, 1, 8), (8, 3, 2), (2, 4, 1), (1, 1, 1)])
def test_places_without_gpus_are_cores_over_threads(cores: int, each: int, places: int) -> None:
    assert len(find_places(threads(each), {}, cores)) == places


def test_parallelism_bounds_the_places() -> None:
    assert len(find_places(spec(**{"spec.parallelism": 3}), {}, 8)) == 3


def test_each_gpu_is_a_place_whatever_the_cores() -> None:
    places = find_places(threads(4), {"0": "NVIDIA H200", "1": "NVIDIA H200"}, 1)
    assert [(place.gpus, place.device) for place in places] == [(("0",), "NVIDIA H200"), (("1",), "NVIDIA H200")]


def test_episode_with_several_gpus_gets_them_all() -> None:
    wanted = spec(**{"spec.trainer.resources": {"limits": {"nvidia.com/gpu": 2}}})
    assert [place.gpus for place in find_places(wanted, dict.fromkeys("01234", "x"), 8)] == [("0", "1"), ("2", "3")]


def test_episode_without_gpus_trains_on_cores() -> None:
    wanted = spec(**{"spec.trainer.resources": {"limits": {"nvidia.com/gpu": 0}}})
    assert [place.gpus for place in find_places(wanted, {"0": "x"}, 2)] == [(), ()]


@pytest.mark.parametrize("amount", ["500m", "1k", "1.5"])
def test_number_of_gpus_that_is_not_whole_is_a_problem_and_no_crash(amount: str) -> None:
    wanted = spec(**{"spec.trainer.resources": {"limits": {"nvidia.com/gpu": amount}}})
    gpus = {"0": "x"}
    problems = place_problems(wanted, gpus, find_places(wanted, gpus, 2))
    assert [(p.path, p.value) for p in problems] == [("spec.trainer.resources.limits[nvidia.com/gpu]", amount)]


def test_explicit_port_is_the_first_of_one_for_each_place() -> None:
    assert [place.port for place in find_places(spec(**{"spec.scrape": {"port": 9500}}), {}, 3)] == [9500, 9501, 9502]


def test_default_port_is_any_free_one() -> None:
    assert {place.port for place in find_places(spec(), {}, 3)} == {None}


def test_ports_beyond_the_last_are_refused() -> None:
    wanted = spec(**{"spec.scrape": {"port": 65535}})
    places = find_places(wanted, {}, 2)
    assert [problem.path for problem in place_problems(wanted, {}, places)] == ["spec.scrape.port"]


def test_an_attempt_whose_places_port_was_taken_meanwhile_gets_another() -> None:
    place = Place(0, "cpu", port=port_of_ours())
    with socket.create_server((LOOPBACK, place.port)):
        assert port_for(place) != place.port
    assert port_for(place) == place.port


def test_a_chosen_port_is_none_that_an_outgoing_connection_may_get_before_the_trainer_listens() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < first for _ in range(50))


def test_two_runners_at_once_never_choose_the_same_port() -> None:
    program = "from seedsweep.local.machine.ports import free_port; print(*{free_port() for _ in range(300)})"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {free_port() for _ in range(300)} & set(map(int, other.split()))


def test_where_all_ports_of_ones_own_are_given_out_there_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    own = set(ports._own_ports())
    assert own
    assert free_port() in own
    assert free_port(own) not in own
    monkeypatch.setattr(ports, "_own_ports", lambda: range(0))
    assert FIRST_PORT <= free_port() < FIRST_DYNAMIC_PORT


def test_port_that_was_given_out_is_not_given_out_again() -> None:
    given = set(range(65536)) - {free_port()}
    assert free_port(given) not in given


@pytest.mark.parametrize(("value", "gpus"), [("0,2", ["0", "2"]), ("", []), ("-1", []), ("GPU-aaa", ["GPU-aaa"])])
def test_gpus_are_those_that_may_be_seen(value: str, gpus: list[str]) -> None:
    assert list(visible_gpus({"CUDA_VISIBLE_DEVICES": value})) == gpus


def test_gpus_are_listed_by_the_driver_where_nothing_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nprint({json.dumps(H200)}, end='')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == {"0": "NVIDIA H200"}


def test_machine_without_a_driver_has_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus({}) == {}


def test_parts_of_a_gpu_take_its_place() -> None:
    listed = H200 + "  MIG 1g.18gb Device  0: (UUID: MIG-b)\n  MIG 1g.18gb Device  1: (UUID: MIG-c)\n"
    assert parse_gpu_list(listed) == {"MIG-b": "MIG 1g.18gb", "MIG-c": "MIG 1g.18gb"}


@pytest.mark.parametrize(("limit", "cores"), [("150000 100000", 1), ("50000 100000", 1), ("max 100000", None)])
def test_cores_are_bounded_by_the_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, cores: int | None
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    (tmp_path / "cpu.max").write_text(limit)
    assert usable_cores(tmp_path) == (cores or 6)
