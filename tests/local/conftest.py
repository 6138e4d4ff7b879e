"""The command line in this process, on a machine with four cores, and what sweeps on it are made of."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from inputs.fake_sweeps import FakeSweep
from local.tiny_sweeps import make_material
from seedsweep import cli


@dataclass(frozen=True)
class Result:
    """What a command came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def fake_sweep(tmp_path: Path) -> FakeSweep:
    return FakeSweep(tmp_path)


Command = Callable[..., Result]


@pytest.fixture
def seedsweep(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `seedsweep` with these arguments, on a machine with four cores."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for module in ("checks.machine", "rerun"):
        monkeypatch.setattr(f"seedsweep.local.{module}.usable_cores", lambda: 4)

    def run(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["seedsweep", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return Result(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model and made-up reviews, for sweeps of our own trainer."""
    return make_material(tmp_path_factory.mktemp("material"), hidden_size=16)
