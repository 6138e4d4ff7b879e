"""What an attempt starts with."""

import json
from pathlib import Path

import pytest

from inputs import sweeps
from seedsweep.api.core.objects import EnvVar
from seedsweep.api.episode import EpisodeId
from seedsweep.api.finetuning import Metric
from seedsweep.api.reading.parse import parse_sweep
from seedsweep.api.sweep import Config, Trainer
from seedsweep.local.processes.environment import Start, contract_variables, launch_form, resolve_paths

START = Start(
    episode=EpisodeId(3, 7),
    uid="u1",
    rungs=(6, 12),
    stop_after=6,
    port=1234,
    work=Path("/out/attempts/u1"),
    checkpoints=Path("/out/work/wi3-do7"),
)


def test_contract_is_kept_with_all_that_is_known_of_the_attempt() -> None:
    variables = contract_variables(parse_sweep(sweeps.FINE_TUNING).spec, START, "127.0.0.1", Path("/data"))
    config = json.loads(variables.pop("SEEDSWEEP_CONFIG"))
    assert variables == {
        "SEEDSWEEP_CONTRACT": "1",
        "SEEDSWEEP_EPISODE": "wi3-do7",
        "SEEDSWEEP_ATTEMPT_UID": "u1",
        "SEEDSWEEP_WEIGHT_INIT_SEED": "3",
        "SEEDSWEEP_DATA_ORDER_SEED": "7",
        "SEEDSWEEP_METRIC": '{"name":"accuracy","goal":"maximize"}',
        "SEEDSWEEP_RUNGS": "6,12",
        "SEEDSWEEP_STOP_AFTER": "6",
        "SEEDSWEEP_WORK_DIR": "/out/attempts/u1",
        "SEEDSWEEP_CHECKPOINT_DIR": "/out/work/wi3-do7",
        "SEEDSWEEP_METRICS_HOST": "127.0.0.1",
        "SEEDSWEEP_METRICS_PORT": "1234",
        "SEEDSWEEP_TERMINATION_LOG": "/out/attempts/u1/termination-log",
    }
    assert config["dataset"]["train"] == "/data/train.csv"


def test_single_seeds_are_given_as_one() -> None:
    spec = parse_sweep(sweeps.changed("spec.seeds", {"single": {"count": 8}})).spec
    assert contract_variables(spec, START, "127.0.0.1", Path("/data"))["SEEDSWEEP_SEED"] == "3"


def test_gpus_are_those_of_the_place() -> None:
    start = Start(**{**{name: getattr(START, name) for name in Start.__dataclass_fields__}, "gpus": ("1", "3")})
    variables = contract_variables(parse_sweep(sweeps.FINE_TUNING).spec, start, "127.0.0.1", Path("/data"))
    assert variables["CUDA_VISIBLE_DEVICES"] == "1,3"


def test_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    tuning = parse_sweep(sweeps.FINE_TUNING).spec.trainer.fine_tuning
    assert tuning is not None
    data = tuning.dataset
    found = resolve_paths(
        tuning.evolve(model="model", dataset=data.evolve(validation="/abs/v.csv", test="package:p/t.csv")), tmp_path
    )
    assert (found.model, found.dataset.train) == (str(tmp_path / "model"), str(tmp_path / "train.csv"))
    assert (found.dataset.validation, found.dataset.test) == ("/abs/v.csv", "package:p/t.csv")


@pytest.mark.parametrize("model", ["some/model", "package:name/model"])
def test_name_of_a_model_that_is_no_folder_stays_as_it_is(tmp_path: Path, model: str) -> None:
    tuning = parse_sweep(sweeps.FINE_TUNING).spec.trainer.fine_tuning
    assert tuning is not None
    assert resolve_paths(tuning.evolve(model=model), tmp_path).model == model


def test_variables_may_refer_to_those_before_them() -> None:
    trainer = Trainer(
        command=["python", "train.py"],
        args=["--seed", "$(SEEDSWEEP_SEED)", "--out", "$(WHERE)"],
        env=[EnvVar(name="WHERE", value="$(ROOT)/$(SEEDSWEEP_EPISODE)"), EnvVar(name="ROOT", value="/r")],
        config=Config(json_text='{"lr": 1}'),
        metric=Metric(name="acc", goal="maximize"),
    )
    command, environment = launch_form(trainer, {"SEEDSWEEP_SEED": "3", "SEEDSWEEP_EPISODE": "e"})
    assert command == ["python", "train.py", "--seed", "3", "--out", "$(ROOT)/e"]
    assert environment["ROOT"] == "/r"
