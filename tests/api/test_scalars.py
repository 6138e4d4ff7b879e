"""What a plain scalar means is what kubectl, and with it the API server, makes of it."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster import binaries
from host.needs import lack
from inputs.sweeps import changed
from seedsweep.api.reading.document import DocumentError, read_document
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.report.facts import yaml_text

HEAD = "apiVersion: seedsweep.io/v1alpha1\nkind: SeedSweep\nmetadata: {name: x}\nspec:\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("007", 7),
        ("010", 8),
        ("-010", -8),
        ("08", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("1_000", 1000),
        ("1e3", 1000),
        ("3.0", 3),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("yes", True),
        ("Off", False),
        ("n", False),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("2026-01-01", "2026-01-01"),
        ("2026-13-45", "2026-13-45"),
        ("_1", "_1"),
        ("0x", "0x"),
        ("0o8", "0o8"),
        ("'010'", "010"),
        ('"yes"', "yes"),
        ("! 010", "010"),
        ("!!str 010", "010"),
        ('!!int "010"', 8),
        ("!!float 3.5", 3.5),
        ("|\n    010\n", "010\n"),
        ("&a 5\n  b: *a", 5),
        ("{<<: {p: 1, q: 2}, q: 3}", {"p": 1, "q": 3}),
        ("{<<: [{p: 1, q: 2}, {q: 9, r: 5}]}", {"p": 1, "q": 2, "r": 5}),
        ("{010: a, yes: b}", {"8": "a", "true": "b"}),
        ('{"<<": {a: 1}}', {"<<": {"a": 1}}),
    ],
)
def test_a_scalar_means_what_it_means_to_kubectl(text: str, value: object) -> None:
    found = spec_of(read_document(f"{HEAD}  v: {text}\n"))["v"]
    assert (found, type(found)) == (value, type(value))


def test_scalars_of_any_kind_mean_what_they_mean_to_kubectl() -> None:
    drawn = random.Random(0)
    lines: list[str] = []
    pieces = [
        *"0123456789+-._eExXobBnNyY~a",
        "inf",
        "nan",
        "yes",
        "no",
        "on",
        "off",
        "true",
        "null",
        "0x",
        "0b",
        "0o",
        ":",
    ]
    while len(lines) < 3_000:
        line = f"  - {''.join(drawn.choices(pieces, k=drawn.randint(1, 5)))}"
        if accepted(f"{HEAD}  v:\n{line}\n"):
            lines.append(line)
    text = "\n".join([f"{HEAD}  v:", *lines]) + "\n"
    ours, theirs = spec_of(read_document(text))["v"], spec_of(as_kubectl_reads(text))["v"]
    differing = [(line, a, b) for line, a, b in zip(lines, ours, theirs, strict=True) if json.dumps(a) != json.dumps(b)]
    assert not differing


def test_a_sweep_that_is_written_out_reads_the_same_again() -> None:
    odd = ["yes", "010", "1_000", "~", "", "null", "1e3", "2026-01-01", "a: b", "*x", "plain", "0x1F", "9" * 500]
    sweep = parse_sweep(changed("spec.trainer.fineTuning.dataset.labels", odd))
    assert parse_sweep(yaml_text(sweep)).spec == sweep.spec
    assert spec_of(as_kubectl_reads(yaml_text(sweep)))["trainer"]["fineTuning"]["dataset"]["labels"] == odd


def accepted(text: str) -> bool:
    try:
        return isinstance(spec_of(read_document(text))["v"], list)
    except DocumentError:
        return False


def spec_of(document: object) -> dict[str, Any]:
    assert isinstance(document, dict)
    spec = document["spec"]
    assert isinstance(spec, dict)
    return spec


def as_kubectl_reads(text: str) -> object:
    """What kubectl sends to an API server; it needs none for a change that it only shows."""
    kubectl = binaries.present("kubectl")
    if kubectl is None:
        lack("controlplane", "kubectl: python -m cluster build")
    command = [str(kubectl), "annotate", "--local", "-f", "-", "-o", "json", "read=1"]
    environment = {"KUBECONFIG": "/dev/null", "HOME": str(Path("/nonexistent"))}
    shown = subprocess.run(command, input=text.encode(), capture_output=True, env=environment, check=True, timeout=60)
    found: object = json.loads(shown.stdout)
    return found
