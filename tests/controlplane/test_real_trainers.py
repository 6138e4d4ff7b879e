"""Real trainers behind the pods: our own on the quickstart's data, and one that knows no more than two gauges."""

import json
import sys
from pathlib import Path

import pytest

from cluster.controlplane import ControlPlane
from cluster.objects import make_claim
from cluster.real_trainers import (
    EXAMPLES,
    Object,
    condition,
    ended,
    episodes,
    example,
    make_small,
    read,
    real_trainers,
)
from host.needs import node_js
from seedsweep.api.reading.parse import parse_stored
from seedsweep.api.reading.stored import read_cut, read_episode
from seedsweep.api.sweep import API_VERSION
from seedsweep.report.beside import read_beside
from seedsweep.report.findings.losers import losers_of
from seedsweep.report.record import Record

pytestmark = pytest.mark.timeout(1200)
"""Real models are trained here, on processors that others use too."""


def quickstart(folder: Path) -> Object:
    """Smaller: four short episodes, of which one is kept at evaluation 2 of 5."""
    sweep = example("quickstart.yaml")
    sweep["spec"]["seeds"] = {"grid": {"weightInits": {"count": 2}, "dataOrders": {"count": 2}}}
    sweep["spec"]["earlyStopping"]["rungs"][0]["keep"] = 1
    sweep["spec"]["parallelism"] = 4
    sweep["spec"]["trainer"]["fineTuning"] |= {"epochs": 1, "evaluationsPerEpoch": 5}
    make_small(sweep["spec"]["trainer"]["fineTuning"], folder / "model")
    sweep["spec"]["earlyStopping"]["rungs"][0]["atPercent"] = 40
    return sweep


async def test_our_trainer_on_the_quickstarts_data_yields_a_winner_and_exact_curves(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    sweep = quickstart(tmp_path)
    async with real_trainers(control_plane, namespace, tmp_path):
        status = await ended(control_plane, namespace, sweep)
    assert condition(status, "Complete") == ("True", "WinnerFound")
    assert condition(status, "ExactScores") == ("True", "CurvesPublished")
    assert (status["counts"]["finished"], status["counts"]["lost"]) == (1, 3)
    assert status["cost"]["usefulSteps"] <= status["cost"]["plannedSteps"] < status["cost"]["fullSteps"]
    found = await episodes(control_plane, namespace)
    assert len(found[status["best"]["episode"]]["scores"]) == 5
    assert all(len(episode["scores"]) >= 2 for episode in found.values())


async def test_with_storage_on_two_gpus_the_winners_folder_is_all_that_is_left(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    sweep = quickstart(tmp_path)
    sweep["spec"] |= {"parallelism": 2, "storage": {"persistentVolumeClaim": {"claimName": "weights"}}}
    sweep["spec"]["result"] = "average"
    sweep["spec"]["earlyStopping"]["rungs"][0]["keep"] = 2
    make_claim(control_plane, namespace, "weights")
    async with real_trainers(control_plane, namespace, tmp_path):
        status = await ended(control_plane, namespace, sweep)
    assert condition(status, "Complete") == ("True", "WinnerFound")
    assert condition(status, "StorageTidy")[0] == "True"
    average = status["best"]["average"]
    assert average["members"] == 2
    assert 0 < average["score"] < 1, "it was made, and scored on validation"
    assert average.get("handedOver", False) == (not average.get("reason"))
    assert status["cost"]["wastedSteps"] == 0, "survivors go on from their checkpoints"
    check_what_is_left(status)
    await check_evidence(control_plane, namespace, status)


async def check_evidence(control_plane: ControlPlane, namespace: str, status: Object) -> None:
    """The cut has on record what a report finds in the storage."""
    here = f"/apis/{API_VERSION}/namespaces/{namespace}"
    sweeps, episodes, cuts = [
        (await read(control_plane, f"{here}/{plural}"))["items"] for plural in ("seedsweeps", "episodes", "cuts")
    ]
    record = Record.of(parse_stored(sweeps[0]), map(read_episode, episodes), map(read_cut, cuts))
    found = losers_of(record, read_beside(Path(status["best"]["weights"]).parent, record), record.cuts[0].data)
    evidence = record.cuts[0].evidence
    assert found is not None
    assert evidence is not None
    assert evidence.alike_episodes == [name for name, test in found.tests.items() if not test.told_apart]
    assert (evidence.compared, evidence.examples, evidence.exact) == (found.losers, found.examples, found.exact)


def check_what_is_left(status: Object) -> None:
    """The winner's folder, and best weights of whoever was kept."""
    best = Path(status["best"]["weights"])
    assert {path.name for path in best.iterdir()} >= {"config.json", "model.safetensors", "README.md", "test.json"}
    assert status["best"]["test"]["score"] == json.loads((best / "test.json").read_text())["score"]
    kept = {path.name for path in best.parent.iterdir()} - {"best", "cache", "attempts"}
    # Those that were kept at the cut need not be the winner.
    assert status["best"]["episode"] in kept
    assert len(kept) <= 3
    assert not list(best.parent.glob("**/training.safetensors")), "no checkpoint is left that could be resumed from"
    assert len(list(best.parent.glob("attempts/*/conditions.json"))) >= 4, "what reports are made from, of losers too"


async def test_a_trainer_of_two_gauges_is_cut_by_samples_and_the_sweep_says_so(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    sweep = example("any-language.yaml")
    sweep["spec"]["parallelism"] = 6
    sweep["spec"]["trainer"] |= {"image": "node:20", "command": [node_js(), str(EXAMPLES / "any_language.mjs")]}
    async with real_trainers(control_plane, namespace, tmp_path):
        status = await ended(control_plane, namespace, sweep)
    assert condition(status, "Complete") == ("True", "WinnerFound")
    assert condition(status, "ExactScores") == ("False", "ScoresSampled")
    assert status["counts"]["finished"] == 2
    found = await episodes(control_plane, namespace)
    assert all(episode["rungScores"][0]["sampled"] for episode in found.values())


def own_trainer(control_plane: ControlPlane, namespace: str, *score_command: str) -> Object:
    """The example on a claim: four short episodes of two initialisations, of which two are kept."""
    make_claim(control_plane, namespace, "weights")
    sweep = example("own-trainer.yaml")
    sweep["spec"] |= {
        "seeds": {"grid": {"weightInits": {"count": 2}, "dataOrders": {"count": 2}}},
        "parallelism": 4,
        "storage": {"persistentVolumeClaim": {"claimName": "weights"}},
    }
    loop = [sys.executable, str(EXAMPLES / "own_loop.py")]
    weights = {"scoreCommand": list(score_command) or loop}
    config = {"json": '{"evaluations": 4}'}
    sweep["spec"]["trainer"] |= {
        "image": "mine:1",
        "command": loop,
        "weights": weights,
        "config": config,
        "evaluations": 4,
    }
    return sweep


HOUSEKEEPING = "--housekeeping-image=house:1"


async def test_the_average_of_an_own_trainer_is_scored_by_its_command_in_the_housekeeping_pod(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    async with real_trainers(control_plane, namespace, tmp_path, HOUSEKEEPING):
        status = await ended(control_plane, namespace, own_trainer(control_plane, namespace))
    assert condition(status, "Complete") == ("True", "WinnerFound")
    assert condition(status, "StorageTidy")[0] == "True"
    average = status["best"]["average"]
    assert average["members"] == 2
    assert 0 < average["score"] < 1, "it was made, and scored"
    assert average.get("handedOver", False) == (not average.get("reason"))
    (best,) = (tmp_path / "storage").glob("*/*/best")
    assert {path.name for path in best.iterdir()} == {
        "average.json",
        "manifest.json",
        "model.safetensors",
        "README.md",
    }
    assert not list(best.parent.glob("**/state.npz")), "no checkpoint is left that could be resumed from"


async def test_where_its_command_fails_the_winner_is_handed_over_by_the_next_pod(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    fails = (sys.executable, "-c", "raise SystemExit('no validation data')")
    async with real_trainers(control_plane, namespace, tmp_path, HOUSEKEEPING):
        status = await ended(control_plane, namespace, own_trainer(control_plane, namespace, *fails))
    assert condition(status, "Complete") == ("True", "WinnerFound")
    average = status["best"]["average"]
    assert average["reason"] == ("it could not be scored: the score command ended with exit code 1: no validation data")
    (best,) = (tmp_path / "storage").glob("*/*/best")
    winner = (best.parent / status["best"]["episode"]).glob("*/best/model.safetensors")
    assert (best / "model.safetensors").read_bytes() == next(winner).read_bytes()
    assert json.loads((best / "average.json").read_text())["reason"] == average["reason"]
