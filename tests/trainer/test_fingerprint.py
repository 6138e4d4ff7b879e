"""What counts as the same conditions, and how torch is set up for them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, digest, fingerprint, prepare_torch, settled
from seedsweep_trainer.errors import ConfigurationError

Make = Callable[..., FineTuning]
CPU = torch.device("cpu")


@pytest.mark.parametrize("fields", [{"threadsPerEpisode": 2}, {"precision": "bf16"}, {"compile": True}])
def test_threads_precision_and_compilation_change_the_fingerprint(fields: dict[str, Any], fine_tuning: Make) -> None:
    plain, other = fingerprint(fine_tuning(), CPU), fingerprint(fine_tuning(**fields), CPU)
    assert digest(plain) != digest(other)


def test_seeds_rates_and_data_leave_the_fingerprint_alone(fine_tuning: Make, sentences: dict[str, str]) -> None:
    other = fine_tuning(learningRate="1e-5", dropoutSeed=1, epochs=1, dataset={**sentences, "maxLength": 8})
    assert fingerprint(fine_tuning(), CPU) == fingerprint(other, CPU)


def test_the_fingerprint_names_the_device_and_the_versions(fine_tuning: Make) -> None:
    conditions = fingerprint(fine_tuning(), CPU)
    assert conditions["device"] != ""
    assert conditions["torch"] == torch.__version__
    assert (conditions["threads"], conditions["dtype"], conditions["mode"]) == (1, "float32", "eager")


def test_torch_is_told_to_be_deterministic_with_the_threads_asked_for(fine_tuning: Make) -> None:
    prepare_torch(fine_tuning(threadsPerEpisode=2))
    threads = torch.get_num_threads()
    prepare_torch(fine_tuning())
    assert (threads, torch.get_num_threads()) == (2, 1)
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("precision", "hardware", "expected"),
    [
        ("fp32", True, None),
        ("auto", True, torch.bfloat16),
        ("auto", False, None),
        ("bf16", True, torch.bfloat16),
        ("bf16", False, torch.bfloat16),
    ],
)
def test_bf16_is_used_where_it_is_asked_for_or_the_processor_multiplies_matrices_of_it(
    precision: str,
    hardware: bool,
    expected: torch.dtype | None,
    fine_tuning: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": hardware})
    assert autocast_dtype(fine_tuning(precision=precision), CPU) == expected


def test_a_torch_that_does_not_tell_of_the_processor_has_fp32(
    fine_tuning: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert autocast_dtype(fine_tuning(precision="auto"), CPU) is None


@pytest.mark.parametrize(
    ("precision", "begun", "hardware", "expected"),
    [
        ("auto", None, True, "bf16"),
        ("auto", None, False, "fp32"),
        ("auto", "fp32", True, "fp32"),
        ("auto", "bf16", False, "bf16"),
        ("fp32", "bf16", True, "fp32"),
    ],
)
def test_an_episode_goes_on_in_the_precision_that_it_began_in(
    precision: str,
    begun: str | None,
    hardware: bool,
    expected: str,
    fine_tuning: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": hardware})
    config = settled(fine_tuning(precision=precision), CPU, begun)
    assert config.precision == expected
    assert fingerprint(config, CPU)["dtype"] == {"fp32": "float32", "bf16": "bfloat16"}[expected]


def test_a_gpu_without_bf16_goes_on_in_fp32(fine_tuning: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert settled(fine_tuning(precision="auto"), torch.device("cuda"), "bf16").precision == "fp32"


def test_bf16_is_refused_on_a_gpu_without_it(fine_tuning: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old GPU")
    with pytest.raises(ConfigurationError, match="'bf16': Old GPU does not have it; use 'auto' or 'fp32'"):
        autocast_dtype(fine_tuning(precision="bf16"), torch.device("cuda"))
