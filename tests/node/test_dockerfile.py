"""What the Dockerfile says, and what its parts print; that it builds and works is shown on a node."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ("operator", "trainer")


def stages() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Name and instructions of every stage."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    for stage in re.split(r"^(?=FROM )", text, flags=re.M)[1:]:
        lines = [line.split(None, 1) for line in stage.splitlines() if line.strip()]
        yield lines[0][1].split(" AS ")[1], [(keyword, rest) for keyword, rest in lines]


STAGES = dict(stages())


def program(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / "images" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_starts_python_itself_as_a_user_with_a_number(image: str):
    said = dict(STAGES[image])
    assert re.fullmatch(r"[1-9]\d{4,}:[1-9]\d{4,}", said["USER"])
    # As JSON: no shell stands between SIGTERM and Python.
    assert json.loads(said["ENTRYPOINT"])
    assert json.loads(said["CMD"])


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_its_base_then_dependencies_then_code(image: str):
    steps = [(keyword, rest) for keyword, rest in STAGES[image] if keyword in ("COPY", "RUN")]
    dependencies = ("COPY", f"--from={image}-dependencies /opt/seedsweep /opt/seedsweep")
    assert steps == [dependencies, ("COPY", f"--from={image}-code /code /")]
    assert not [rest for keyword, rest in STAGES[f"{image}-dependencies"] if keyword == "COPY"]


@pytest.mark.parametrize("stage", STAGES)
def test_all_that_is_installed_is_pinned(stage: str):
    for keyword, rest in STAGES[stage]:
        for install in re.findall(r"install --.*?(?=&&|$)", rest if keyword == "RUN" else ""):
            assert "-c constraints.txt" in install or "/wheels/*.whl" in install


def test_a_base_that_carries_torch_keeps_it():
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = program("requirements").requirements
    plain = list(requirements(project, ["trainer"], torch_is_here=False))
    kept = list(requirements(project, ["trainer"], torch_is_here=True))
    assert [requirement for requirement in plain if requirement not in kept] == ["torch>=2.6"]


def test_the_operator_needs_no_torch():
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = program("requirements").requirements(project, ["operator"], torch_is_here=False)
    assert not [requirement for requirement in needed if requirement.startswith(("torch", "transformers"))]


def test_the_bill_of_materials_names_every_package_once():
    command = [sys.executable, str(ROOT / "images" / "sbom.py"), "seedsweep-operator", "0.1.0"]
    bill = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    urls = [component["purl"] for component in bill["components"]]
    assert len(urls) == len(set(urls))
    assert [url for url in urls if url.startswith("pkg:pypi/kopf@")]
    assert {"name": "seedsweep-operator", "version": "0.1.0"}.items() <= bill["metadata"]["component"].items()
