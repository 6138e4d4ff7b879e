"""How the cluster's programs are found and built; a shell script stands for Go, which takes minutes."""

import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster import binaries

TESTS = Path(__file__).parents[1]
SLOW_GO = """#!/bin/sh
echo "$*" >> "$GO_CALLS"
while [ "$1" != -o ]; do shift; done
printf half > "$2"
sleep 0.2
printf ' and half' >> "$2"
"""
GO_THAT_NEVER_ENDS_WITH_KWOK = SLOW_GO.replace("sleep 0.2", "case $2 in *kwok) sleep 600;; esac")
GO_WITH_SOURCE = SLOW_GO.replace("while", '[ "$1" != list ] || exec echo "$SOURCE"\nwhile')
BROKEN_GO = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
printf half > "$2"
echo "no such host" >&2
exit 1
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing preinstalled."""
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    return tmp_path / "cache" / "seedsweep" / "tools"


def install_go(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "go").write_text(script)
    (folder / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize("tool", binaries.TOOLS.values(), ids=lambda tool: tool.name)
def test_go_mod_pins_every_tool(tool: binaries.Tool) -> None:
    assert re.fullmatch(r"v\d+\.\d+\.\d+", tool.version)


def test_tool_of_no_required_module_is_refused() -> None:
    with pytest.raises(LookupError, match=r"go/kwok/go\.mod requires no module that holds example\.org/tool"):
        _ = binaries.Tool("tool", "kwok", "example.org/tool", 1).version


def test_programs_in_kubebuilder_assets_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etcd").touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert binaries.find(["etcd"]) == {"etcd": tmp_path / "etcd"}


def test_a_program_is_kept_with_the_chart_of_its_source_and_not_taken_without(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_go(tmp_path / "bin", GO_WITH_SOURCE, monkeypatch)
    monkeypatch.setenv("SOURCE", str(tmp_path / "source"))
    (tmp_path / "source" / "charts" / "kueue").mkdir(parents=True)
    (tmp_path / "source" / "charts" / "kueue" / "Chart.yaml").write_text("name: kueue")
    (tmp_path / "kueue").touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert binaries.chart("kueue").parent == cache / f"kueue-{binaries.TOOLS['kueue'].version}"
    with tarfile.open(binaries.chart("kueue")) as chart:
        assert chart.getnames() == ["kueue", "kueue/Chart.yaml"]
    assert (binaries.chart("kueue").parent / "kueue").read_text() == "half and half"


def test_builders_at_once_build_a_program_once_and_find_it_whole(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_go(tmp_path / "bin", SLOW_GO, monkeypatch)
    with ThreadPoolExecutor(4) as builders:
        found = list(builders.map(binaries.find, [["kwok"]] * 4))
    version = binaries.TOOLS["kwok"].version
    assert found == [{"kwok": cache / f"kwok-{version}" / "kwok"}] * 4
    assert found[0]["kwok"].read_text() == "half and half"
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_first_build_says_what_it_builds_and_how_long_that_takes(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install_go(tmp_path / "bin", SLOW_GO, monkeypatch)
    binaries.find(["etcd", "kube-apiserver"])
    said = capsys.readouterr().err.splitlines()[0]
    assert said.startswith("building etcd, kube-apiserver: about 4 min on two cores, once")
    binaries.find(["etcd", "kube-apiserver"])
    assert capsys.readouterr().err == ""


def test_build_that_is_killed_leaves_no_half_program_and_the_next_one_goes_on(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_go(tmp_path / "bin", GO_THAT_NEVER_ENDS_WITH_KWOK, monkeypatch)
    command = [sys.executable, "-m", "cluster", "build", "etcd", "kwok", "helm"]
    with subprocess.Popen(command, cwd=TESTS, stderr=subprocess.PIPE, text=True, start_new_session=True) as build:
        try:
            assert build.stderr is not None
            assert next(line for line in build.stderr if line.startswith("build kwok"))
            while not list(cache.glob(".partial-*/kwok")):
                time.sleep(0.01)
        finally:
            os.killpg(build.pid, signal.SIGKILL)
    (tmp_path / "bin" / "go").write_text(SLOW_GO)
    found = binaries.find(["etcd", "kwok", "helm"])
    assert {path.read_text() for path in found.values()} == {"half and half"}
    calls = (tmp_path / "calls").read_text().split()
    assert [calls.count(binaries.TOOLS[name].package) for name in found] == [1, 2, 1]
    assert {path.name for path in cache.iterdir()} == {".lock", *(path.parent.name for path in found.values())}


def test_build_that_fails_says_why_and_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_go(tmp_path / "bin", BROKEN_GO, monkeypatch)
    with pytest.raises(binaries.BuildError, match=r"build etcd v[\d.]+: failed: no such host"):
        binaries.find(["etcd"])
    assert [path.name for path in cache.iterdir()] == [".lock"]
