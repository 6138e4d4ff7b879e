"""How many GPUs an episode holds."""

from typing import Any

import pytest

from inputs.pod_sweeps import sweep_with
from seedsweep.api.gpus import gpu_problems, gpus_per_episode
from seedsweep.api.reading.parse import InvalidSweepError

Object = dict[str, Any]


def limited(limits: Object, **more: Any) -> Object:
    return {"spec.trainer.resources": {"limits": limits}, **more}


@pytest.mark.parametrize(
    ("limits", "gpus"),
    [
        ({}, 1),
        ({"cpu": "8", "memory": "16Gi"}, 1),
        ({"nvidia.com/gpu": 4, "cpu": 8}, 4),
        ({"amd.com/gpu": "2"}, 2),
        ({"nvidia.com/gpu": 0}, 1),
        ({"nvidia.com/mig-1g.10gb": 1}, 1 / 7),
        ({"nvidia.com/mig-1g.10gb.me": 1}, 1 / 7),
        ({"nvidia.com/mig-3g.40gb": 2}, 6 / 7),
        ({"nvidia.com/mig-7g.80gb": 1}, 1),
    ],
)
def test_gpus_are_counted_by_the_limits_whoever_makes_them(limits: Object, gpus: float):
    spec = sweep_with(limited(limits)).spec
    assert gpus_per_episode(spec) == pytest.approx(gpus)
    assert list(gpu_problems(spec)) == []


CLAIMED: Object = {
    "spec.podTemplate": {"spec": {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]}},
    "spec.trainer.resources": {"claims": [{"name": "gpu"}]},
}


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        (limited({"nvidia.com/gpu.shared": 1}), "limits[nvidia.com/gpu.shared]"),
        (limited({"nvidia.com/mig-1c.3g.20gb": 1}), "limits[nvidia.com/mig-1c.3g.20gb]"),
        (CLAIMED, "a resource claim"),
    ],
)
def test_a_share_that_no_name_tells_is_asked_for_and_then_counted(fields: Object, what: str):
    (problem,) = gpu_problems(sweep_with(fields).spec)
    assert problem.path == "spec.gpusPerEpisode"
    assert what in str(problem)
    stated = sweep_with({**fields, "spec.gpusPerEpisode": "0.25"}).spec
    assert list(gpu_problems(stated)) == []
    assert gpus_per_episode(stated) == 0.25


def test_what_the_author_says_counts_before_all_names():
    # Time-slicing that kept the resource's name; a card that MIG divides in four.
    for limits, said in (({"nvidia.com/gpu": 1}, "0.5"), ({"nvidia.com/mig-1g.6gb": 1}, "0.25")):
        spec = sweep_with(limited(limits, **{"spec.gpusPerEpisode": said})).spec
        assert gpus_per_episode(spec) == float(said)


@pytest.mark.parametrize("amount", ["0", "0.0", "-1", "half", "1e9", "", 1, 0.5])
def test_a_count_that_is_none_is_refused(amount: object):
    with pytest.raises(InvalidSweepError, match=r"gpusPerEpisode"):
        sweep_with({"spec.gpusPerEpisode": amount})
