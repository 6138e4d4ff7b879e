"""What to type when a sweep in a cluster is over: where its weights are, above all."""

from typing import Any

import pytest

from inputs import records
from seedsweep.api.core.objects import Condition
from seedsweep.api.status import Best
from seedsweep.api.sweep import SeedSweep, Storage
from seedsweep.cluster.next_steps import next_steps


def over(storage: dict[str, Any] | None, weights: str | None = None) -> SeedSweep:
    sweep = records.finished().sweep
    best = Best(episode="wi1-do1", weight_init=1, data_order=1, score=0.9, evaluation=9, weights=weights)
    assert sweep.status is not None
    return sweep.evolve(
        metadata=sweep.metadata.evolve(namespace="nlp", uid="u-1"),
        spec=sweep.spec.evolve(storage=Storage.model_validate(storage) if storage is not None else None),
        status=sweep.status.evolve(best=best),
    )


def told(sweep: SeedSweep) -> str:
    return "\n".join("\n".join([step.what, *step.commands]) for step in next_steps(sweep, []))


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ({"persistentVolumeClaim": {"claimName": "team"}}, "are in claim team\nnlp/u-1/wi1-do1/"),
        ({"uri": "s3://bucket/runs/"}, "are in its folder\ns3://bucket/runs/nlp/u-1/wi1-do1/"),
        (None, "went with its pod: spec.storage would keep them"),
    ],
)
def test_weights_that_were_not_exported_are_where_the_trainer_put_them(
    storage: dict[str, Any] | None, said: str
) -> None:
    assert said in told(over(storage))


def test_a_winners_folder_comes_before_the_trainers_own_and_is_fetched() -> None:
    said = told(over({"uri": "s3://bucket"}, "s3://bucket/winner"))
    assert said.endswith("Fetch the winner from s3://bucket/winner\nseedsweep fetch rte -n nlp --to rte")


def test_a_sweep_without_a_result_tells_of_no_weights() -> None:
    sweep = over(None)
    assert sweep.status is not None
    assert "weights" not in told(sweep.evolve(status=sweep.status.evolve(best=None)))


@pytest.mark.parametrize(("seconds", "next_time"), [(300, 299), (299, 298), (1, 2)])
def test_the_line_that_tries_a_hand_over_again_changes_the_spec_each_time(seconds: int, next_time: int) -> None:
    sweep = over({"uri": "s3://bucket"})
    assert sweep.status is not None
    since = "2026-03-02T08:00:00Z"
    failed = Condition(type="Failed", status="True", reason="HandOverFailed", last_transition_time=since)
    again = sweep.evolve(
        spec=sweep.spec.evolve(wait_for_capacity_seconds=seconds),
        status=sweep.status.evolve(phase="Failed", conditions=[failed]),
    )
    assert f'{{"spec":{{"waitForCapacitySeconds":{next_time}}}}}' in told(again)
