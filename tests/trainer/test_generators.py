"""Random number generators: all that a step may draw from goes on from a checkpoint as if nothing had been."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seedsweep.api.finetuning import FineTuning
from seedsweep_trainer.determinism.generators import restore, seed_all, states, undisturbed
from seedsweep_trainer.inputs import load_data
from seedsweep_trainer.model.loading import load_model
from seedsweep_trainer.training.evaluation import Evaluation
from seedsweep_trainer.training.step import Learner
from trainer.episodes import Episode

CPU = torch.device("cpu")


def drawn() -> tuple[Any, ...]:
    """From all of them; an odd number of normal deviates leaves one over for the next time."""
    return (
        torch.rand(3).tolist(),
        random.random(),
        random.gauss(0, 1),
        np.random.random(2).tolist(),
        np.random.standard_normal(1).tolist(),
    )


@pytest.mark.parametrize("before", [0, 1, 2])
def test_what_is_drawn_after_a_return_is_what_was_drawn_before(before: int) -> None:
    seed_all(2**63 + 1)
    for _ in range(before):
        drawn()
    kept = states(CPU)
    expected = [drawn() for _ in range(3)]
    restore(kept, CPU)
    assert [drawn() for _ in range(3)] == expected


def test_a_seed_decides_what_all_of_them_draw() -> None:
    found = []
    for seed in (7, 7, 2**40 + 8):
        seed_all(seed)
        found.append(drawn())
    assert found[0] == found[1]
    assert all(one != other for one, other in zip(found[1], found[2], strict=True))


def test_nothing_that_is_drawn_inside_is_missed_outside() -> None:
    seed_all(1)
    expected = drawn()
    seed_all(1)
    with undisturbed(CPU):
        drawn()
    assert drawn() == expected


def test_a_checkpoint_with_the_states_of_torch_only_can_be_resumed_from() -> None:
    restore({"rng/cpu": torch.get_rng_state()}, CPU)


def test_an_evaluation_draws_from_none_of_them(fine_tuning: Callable[..., FineTuning]) -> None:
    config = fine_tuning()
    tokenizer, data = load_data(config)
    model, _ = load_model(config, data, tokenizer, 1)
    model.register_forward_pre_hook(lambda _module, _inputs: (drawn(), None)[1])
    seed_all(1)
    expected = drawn()
    seed_all(1)
    Evaluation(data.validation, tokenizer, batch_size=7).outputs(model, None)
    assert drawn() == expected


def test_an_interrupted_episode_goes_on_drawing_where_it_stopped(
    tmp_path: Path, fine_tuning: Callable[..., FineTuning], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []
    real = Learner.update

    def update(self: Learner, step: int, batches: Any) -> None:
        seen.append(drawn())
        real(self, step, batches)

    monkeypatch.setattr(Learner, "update", update)
    Episode(tmp_path / "whole", fine_tuning()).attempt("only")
    whole = seen.copy()
    seen.clear()
    parts = Episode(tmp_path / "parts", fine_tuning())
    parts.attempt("first", sigterm_at={3})
    # Another process starts from other states.
    seed_all(99)
    parts.attempt("second")
    assert seen == whole
