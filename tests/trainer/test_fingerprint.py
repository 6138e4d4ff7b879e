"""What counts as the same conditions, and how torch is set up for them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.fingerprint import autocast_dtype, digest, fingerprint, prepare_torch
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
def test_bf16_is_used_where_it_is_asked_for_or_the_processor_has_it(
    precision: str,
    hardware: bool,
    expected: torch.dtype | None,
    fine_tuning: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: hardware)
    assert autocast_dtype(fine_tuning(precision=precision), CPU) == expected


def test_bf16_is_refused_on_a_gpu_without_it(fine_tuning: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old GPU")
    with pytest.raises(ConfigurationError, match="'bf16': Old GPU does not have it; use 'auto' or 'fp32'"):
        autocast_dtype(fine_tuning(precision="bf16"), torch.device("cuda"))
