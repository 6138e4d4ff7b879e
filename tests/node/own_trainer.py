"""Sweeps with a trainer of one's own: the example's loop from a ConfigMap, its survivors averaged."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from chart.rendering import CHART
from node.images import reference
from node.story import CLAIM, Object, Story
from seedsweep.kube.objects.names import HOUSEKEEPING
from seedsweep.kube.pods.manifest import STORAGE

EXAMPLES = CHART.parents[1] / "examples"
CODE = "own-loop"
"""The ConfigMap with the loop."""
AVERAGED, FAILING = "own-trainer", "score-fails"
EVALUATIONS = 4
_MOUNTED = "/code"
_LOOP = ["python", f"{_MOUNTED}/own_loop.py"]

Tensors = dict[str, npt.NDArray[np.float64]]


def averaged() -> Object:
    """Four short episodes on GPUs, of which two survive.

    They have one initialisation: the average of two loops that began alike scores better than they do.
    """
    sweep = _own_trainer(AVERAGED, _LOOP)
    sweep["spec"]["seeds"] = {"grid": {"weightInits": {"values": [1]}, "dataOrders": {"count": 4}}}
    sweep["spec"]["trainer"]["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    return sweep


def failing() -> Object:
    """Two episodes without GPUs, whose score command looks for the storage, which it must not see."""
    sweep = _own_trainer(FAILING, ["ls", STORAGE])
    sweep["spec"]["seeds"] = {"grid": {"weightInits": {"values": [1]}, "dataOrders": {"count": 2}}}
    del sweep["spec"]["earlyStopping"]
    return sweep


def _own_trainer(name: str, score_command: list[str]) -> Object:
    sweep: Object = YAML(typ="safe", pure=True).load(EXAMPLES / "own-trainer.yaml")
    sweep["metadata"]["name"] = name
    sweep["spec"] |= {
        "storage": {"persistentVolumeClaim": {"claimName": CLAIM}},
        "podTemplate": {"spec": {"volumes": [{"name": CODE, "configMap": {"name": CODE}}]}},
    }
    sweep["spec"]["trainer"] |= {
        "image": reference("trainer"),
        "command": _LOOP,
        "weights": {"scoreCommand": score_command},
        "config": {"json": json.dumps({"evaluations": EVALUATIONS})},
        "evaluations": EVALUATIONS,
        "volumeMounts": [{"name": CODE, "mountPath": _MOUNTED}],
    }
    return sweep


def run_both(story: Story) -> list[Object]:
    """Run both until they are over; the housekeeping pods of the first, as they were last seen."""
    story.run(f"kubectl create configmap {CODE} --from-file examples/own_loop.py")
    for sweep in (averaged(), failing()):
        story.run("kubectl apply -f -", given=json.dumps(sweep))
    seen: dict[str, Object] = {}

    def over() -> bool:
        seen.update({pod["metadata"]["uid"]: pod for pod in story.pods(HOUSEKEEPING, AVERAGED)})
        return all("completionTime" in story.sweep(name)["status"] for name in (AVERAGED, FAILING))

    story.wait(over, "over")
    return list(seen.values())


def best_weights(story: Story, sweep: str, episode: str) -> Tensors:
    """Of an episode, as its attempts have stored them on the claim."""
    found = (story.storage / _folder(story, sweep)).glob(f"{episode}/*/best")
    # A later best is a better one.
    best = max(found, key=lambda folder: int(json.loads((folder / "best.json").read_text())["evaluation"]))
    return load_file(best / "model.safetensors")


def handed_over(story: Story, sweep: str) -> Path:
    """The folder on the claim."""
    return story.storage / _folder(story, sweep) / "best"


def _folder(story: Story, sweep: str) -> Path:
    _, _, folder = story.sweep(sweep)["status"]["best"]["weights"].partition(":")
    return Path(folder).parent
