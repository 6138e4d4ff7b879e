"""Sweeps that are wrong in one way, and what must be said about each: by the parser, and by the API server."""

from dataclasses import dataclass
from typing import Any

from inputs.sweeps import FINE_TUNING, changed


@dataclass(frozen=True)
class InvalidSweep:
    """A valid sweep with one field set to what it cannot be."""

    path: str
    value: Any
    field: str
    """In the parser's message."""
    remedy: str
    """In the parser's message."""
    server: str | None
    """In the API server's message; None where it lets the sweep pass, or where it cannot be sent there."""

    @property
    def text(self) -> str:
        return changed(self.path, self.value, FINE_TUNING)

    def __str__(self) -> str:
        return f"{self.path}={self.value!r}"[:60]


TOO_LOW, TOO_HIGH = "must be at least 1", "must be at most 99"
NOT_OURS = "names that begin with SEEDSWEEP_ are set by SeedSweep; choose another"
CLAIM = {"name": "x", "persistentVolumeClaim": {"claimName": "y"}}
OWN = {"command": ["python", "loop.py"], "metric": {"name": "acc", "goal": "maximize"}}
TASK = {"task": "rte", "path": "glue/RTE"}
TRAIN = {"train": "train.csv"}


def rungs(*ladder: tuple[int, int]) -> list[dict[str, int]]:
    return [{"atPercent": at, "keep": keep} for at, keep in ladder]


def template(**metadata: dict[str, str]) -> dict[str, Any]:
    return {"metadata": metadata}


def averaged(t: int, **stopping: object) -> dict[str, Any]:
    """A spec of t episodes whose survivors are averaged."""
    tuning = {"model": "m", "dataset": {**TRAIN, "split": {"validation": 40}}, "epochs": 2, "evaluationsPerEpoch": 10}
    return {
        "seeds": {"single": {"count": t}},
        "parallelism": 1,
        "result": "average",
        "trainer": {"fineTuning": {**tuning, "metric": {"name": "accuracy", "goal": "maximize"}}},
        **({"earlyStopping": stopping} if stopping else {}),
    }


SEEDS = {"single": {"count": 2}}
RUNGS = "spec.earlyStopping.rungs"
TUNING = "spec.trainer.fineTuning"
TEMPLATE = "spec.podTemplate"
KEY, VALUE, SET_BY_US = "a key is at most 63 letters", "at most 63 letters", "set by SeedSweep: choose another key"
LONG = "x" * 32_768

INVALID = [
    InvalidSweep(RUNGS, rungs((0, 2)), "rungs[0].atPercent", TOO_LOW, "rungs[0].atPercent: Invalid value: 0"),
    InvalidSweep(RUNGS, rungs((100, 2)), "rungs[0].atPercent", TOO_HIGH, "less than or equal to 99"),
    InvalidSweep(RUNGS, rungs((30, 9)), "rungs[0].keep", "keep 8 or fewer", "keep as many as spec.seeds gives"),
    InvalidSweep(RUNGS, rungs((30, 0)), "rungs[0].keep", TOO_LOW, "rungs[0].keep: Invalid value: 0"),
    InvalidSweep(RUNGS, rungs((50, 4), (30, 2)), "rungs[1].atPercent", "must be above the 50", "must be above the one"),
    InvalidSweep(RUNGS, rungs((50, 4), (50, 2)), "rungs[1].atPercent", "must be above the 50", "must be above the one"),
    InvalidSweep(
        RUNGS, rungs((30, 2), (50, 3)), "rungs[1].keep", "more than the 2 kept", "more than what was kept before it"
    ),
    InvalidSweep(RUNGS, rungs((4, 2)), "rungs[0].atPercent", "use 5 or more", "use a higher atPercent"),
    InvalidSweep(RUNGS, rungs((30, 4), (31, 2)), "rungs[1].atPercent", "space the rungs", "space the rungs"),
    InvalidSweep("spec.earlyStopping", {}, "earlyStopping", "exactly one of rungs", "exactly one of rungs"),
    InvalidSweep("spec.earlyStopping", {"floor": {}}, "spec.budget", "how many full runs", "floor go together"),
    InvalidSweep("spec.budget", 4, "spec.budget", "is for earlyStopping.floor alone", "floor go together"),
    InvalidSweep("spec.result", "best", "spec.result", "must be", "Unsupported value"),
    InvalidSweep(
        "spec",
        {"seeds": SEEDS, "parallelism": 1, "result": "average", "trainer": OWN},
        "spec.result",
        "weights.scoreCommand: add that, or use winner",
        "weights.scoreCommand: add that, or use winner",
    ),
    InvalidSweep(
        "spec",
        {"seeds": SEEDS, "parallelism": 1, "result": "average", "trainer": {**OWN, "weights": {}}},
        "spec.result",
        "weights.scoreCommand: add that, or use winner",
        "weights.scoreCommand: add that, or use winner",
    ),
    InvalidSweep(
        "spec",
        {**averaged(101), "trainer": {**OWN, "weights": {"scoreCommand": ["score"]}}},
        "spec.result",
        "of up to 101 survivors",
        "more than 100 survivors",
    ),
    InvalidSweep(
        "spec.trainer",
        {**OWN, "weights": {}, "gauges": {"score": "a"}},
        "spec.trainer",
        "two gauges name none",
        "two gauges name none",
    ),
    InvalidSweep("spec.trainer.weights", {}, "spec.trainer", "remove weights or remove fineTuning", "remove command"),
    InvalidSweep(
        "spec.trainer",
        {**OWN, "weights": {"scoreCommand": ["x" * 32_768] * 4}},
        "spec.trainer",
        "more than 131072: mount a ConfigMap",
        "more than 131072 characters together: mount a ConfigMap",
    ),
    InvalidSweep("spec", averaged(101), "spec.result", "of up to 101 survivors", "more than 100 survivors"),
    InvalidSweep("spec", averaged(200, rungs=rungs((30, 150))), "spec.result", "of up to 150", "more than 100"),
    InvalidSweep(
        "spec",
        averaged(200, brackets=[{"episodes": 90, "rungs": rungs((30, 60))}, {"episodes": 110, "rungs": []}]),
        "spec.result",
        "of up to 170",
        "more than 100",
    ),
    InvalidSweep("spec.budget", 0, "spec.budget", TOO_LOW, "spec.budget: Invalid value: 0"),
    InvalidSweep(
        "spec.earlyStopping", {"floor": {"margin": "10.5"}}, "floor", "must be from 0 to 10", "must be from 0 to 10"
    ),
    InvalidSweep(
        "spec.earlyStopping", {"floor": {"margin": "-1"}}, "floor", "must be from 0 to 10", "must be from 0 to 10"
    ),
    InvalidSweep("spec.earlyStopping", {"floor": {"margin": 1.5}}, "floor.margin", "must be", "must be of type string"),
    InvalidSweep(
        "spec.earlyStopping",
        {"floor": {}, "audit": {"percent": 10}},
        "earlyStopping",
        "remove audit or floor",
        "remove audit or floor",
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"floor": {}, "rungs": rungs((50, 2)), "audit": {"percent": 10}},
        "earlyStopping",
        "remove audit or floor",
        "remove audit or floor",
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"floor": {}, "hyperband": {}},
        "earlyStopping",
        "or floor and rungs together; found hyperband, floor",
        "or floor and rungs together",
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"floor": {}, "rungs": rungs((50, 2)), "brackets": [{"episodes": 8, "rungs": []}]},
        "earlyStopping",
        "or floor and rungs together; found rungs, brackets, floor",
        "or floor and rungs together",
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"floor": {}, "rungs": rungs((49, 2))},
        "earlyStopping",
        "rungs[0].atPercent 49 is before the floor at 50: use 50 or more",
        "atPercent is before the floor's",
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"floor": {}, "rungs": rungs((50, 2), (60, 1))},
        "earlyStopping",
        "rungs: found 2 beside a floor, which goes with one",
        "a floor goes with one rung",
    ),
    InvalidSweep(
        "spec",
        {
            "seeds": {"single": {"count": 8}},
            "parallelism": 1,
            "budget": 4,
            "earlyStopping": {"floor": {}, "rungs": rungs((60, 9))},
            "trainer": OWN,
        },
        "spec.earlyStopping.rungs[0].keep",
        "spec.budget pays for no more: keep 4 or fewer (found 9)",
        "keep is more than spec.budget pays for",
    ),
    InvalidSweep(
        "spec.earlyStopping", {"floor": {"atPercent": 4}}, "floor.atPercent", "use 5 or more", "use a higher atPercent"
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"brackets": [{"episodes": 5, "rungs": []}]},
        "brackets",
        "all 8 episodes",
        "brackets must hold all episodes",
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"brackets": [{"episodes": 8, "rungs": rungs((30, 9))}]},
        "brackets[0].rungs[0].keep",
        "keep 8 or fewer",
        "more than the episodes there are in this bracket",
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"brackets": [{"episodes": 8, "rungs": rungs((50, 4), (30, 2))}]},
        "brackets[0].rungs[1].atPercent",
        "must be above the 50",
        "must be above the one",
    ),
    InvalidSweep(
        "spec.earlyStopping",
        {"brackets": [{"episodes": 8, "rungs": rungs((30, 4), (31, 2))}]},
        "brackets[0].rungs[1].atPercent",
        "space the rungs",
        "space the rungs",
    ),
    InvalidSweep(
        "spec.seeds",
        {"pairs": [{"weightInit": 1, "dataOrder": 2}] * 2},
        "spec.seeds.pairs",
        "listed 2 times",
        "spec.seeds.pairs[1]: Duplicate value",
    ),
    InvalidSweep("spec.seeds.grid.weightInits", {"count": 0}, "weightInits.count", TOO_LOW, "weightInits.count"),
    InvalidSweep(
        "spec.seeds.grid.weightInits",
        {"values": [3, 3]},
        "weightInits.values",
        "3 is listed 2 times",
        "weightInits.values[1]: Duplicate value: 3",
    ),
    InvalidSweep("spec.seeds.grid.weightInits", {}, "weightInits", "exactly one of count", "exactly one of count"),
    InvalidSweep(
        "spec.seeds.grid.sample", {"size": 9}, "seeds.grid", "larger than the grid of 8 cells", "larger than the grid"
    ),
    InvalidSweep(
        "spec.seeds.grid",
        {"weightInits": {"count": 101}, "dataOrders": {"count": 100}},
        "seeds.grid",
        "sample from it",
        "sample from it",
    ),
    InvalidSweep(
        "spec.seeds.grid",
        {"weightInits": {"count": 5_000}, "dataOrders": {"count": 5_000}, "sample": {"size": 1}},
        "seeds.grid",
        "a grid of 25000000 cells is more than 250000, sampled or not",
        "more than 250000 cells, sampled or not",
    ),
    InvalidSweep(
        "spec.seeds.grid",
        {"weightInits": {"count": 501}, "dataOrders": {"values": list(range(500))}, "sample": {"size": 1}},
        "seeds.grid",
        "lower weightInits or dataOrders, or list pairs",
        "lower weightInits or dataOrders, or list pairs",
    ),
    InvalidSweep("spec.seeds", {"single": {"count": 10_001}}, "single.count", "at most 10000", "equal to 10000"),
    InvalidSweep("spec.parallelism", 10_001, "spec.parallelism", "at most 10000", "equal to 10000"),
    InvalidSweep("spec.seeds", {}, "spec.seeds", "exactly one of grid, pairs", "exactly one of grid, pairs or single"),
    InvalidSweep(
        "spec.seeds",
        {"single": {"count": 3}, "pairs": [{"weightInit": 1, "dataOrder": 2}]},
        "spec.seeds",
        "found pairs, single",
        "exactly one of grid, pairs or single",
    ),
    InvalidSweep(f"{TUNING}.metric", {"name": "accuracy"}, "metric.goal", "is required", "metric.goal: Required value"),
    InvalidSweep(
        f"{TUNING}.metric",
        {"name": "acuracy", "goal": "maximize"},
        f"{TUNING}.metric.name",
        "mse, loss; did you mean accuracy? (found 'acuracy')",
        "is not one of accuracy, f1",
    ),
    InvalidSweep(f"{TUNING}.metric", ..., "fineTuning", "metric is required", "metric is required"),
    InvalidSweep(
        f"{TUNING}.metric",
        {"name": "mse", "goal": "minimize", "range": {"min": "1", "max": "1e0"}},
        "range",
        "must be below",
        "min must be below max",
    ),
    InvalidSweep(
        f"{TUNING}.learningRate", 2e-5, "learningRate", 'write learningRate: "2e-05"', "must be of type string"
    ),
    InvalidSweep(f"{TUNING}.learningRate", "fast", "learningRate", "decimal number", "should match"),
    InvalidSweep(
        "spec.gpusPerEpisode", 0.25, "gpusPerEpisode", 'write gpusPerEpisode: "0.25"', "must be of type string"
    ),
    InvalidSweep("spec.gpusPerEpisode", "a quarter", "gpusPerEpisode", "above 0 in quotes", "should match"),
    InvalidSweep("spec.gpusPerEpisode", "0.0", "gpusPerEpisode", "above 0", "gpusPerEpisode: Invalid value"),
    InvalidSweep(f"{TUNING}.learningRate", "0", f"{TUNING}.learningRate", "above 0", "learningRate: Invalid value"),
    InvalidSweep(f"{TUNING}.maxGradNorm", "-1", f"{TUNING}.maxGradNorm", "above 0", "maxGradNorm: Invalid value"),
    InvalidSweep(f"{TUNING}.maxGradNorm", "1e-46", f"{TUNING}.maxGradNorm", "at least 1e-19", "1.0 is usual"),
    InvalidSweep(f"{TUNING}.weightDecay", "-1", f"{TUNING}.weightDecay", "not be below 0", "must not be below 0"),
    InvalidSweep(f"{TUNING}.epochs", "3", "epochs", "whole number", "must be of type integer"),
    InvalidSweep(f"{TUNING}.epochs", 200, "fineTuning", "more than 300", "more than 300: evaluate less often"),
    InvalidSweep(f"{TUNING}.epoch", 3, "fineTuning.epoch", "did you mean epochs?", 'unknown field "spec.trainer.fine'),
    InvalidSweep(f"{TUNING}.head", "keep", "fineTuning.head", "one weight-init seed", "use one weight-init seed"),
    InvalidSweep(f"{TUNING}.head", "new", "fineTuning.head", "'reinit' or 'keep'", '"reinit", "keep"'),
    InvalidSweep(f"{TUNING}.reinit", ["a.b", "a.b"], "reinit", "list it once", "Duplicate value"),
    InvalidSweep(f"{TUNING}.dataset", TRAIN, "dataset", "no validation data", "no validation data"),
    InvalidSweep(f"{TUNING}.dataset", {**TRAIN, **TASK}, "dataset", "exactly one of task", "exactly one of task"),
    InvalidSweep(f"{TUNING}.dataset", {"task": "rte"}, "dataset", "go together", "task and path go together"),
    InvalidSweep(
        f"{TUNING}.dataset",
        {"hub": {"name": "x", "validation": "dev"}, "test": "test.csv"},
        "dataset",
        "inside hub",
        "splits inside hub",
    ),
    InvalidSweep(
        f"{TUNING}.dataset",
        {**TASK, "kind": "regression", "labels": ["a", "b"]},
        "dataset",
        "regression has no labels",
        "regression has no labels",
    ),
    InvalidSweep(f"{TUNING}.dataset.labels", ["a", "a"], "dataset.labels", "listed 2 times", "labels[1]: Duplicate"),
    InvalidSweep("spec.trainer.command", ["sh"], "spec.trainer", "remove command or", "remove command, args"),
    InvalidSweep("spec.trainer.metric", OWN["metric"], "spec.trainer", "goes inside", "goes inside fineTuning"),
    InvalidSweep("spec.trainer.evaluations", 20, "spec.trainer", "remove evaluations or", "remove command, args"),
    InvalidSweep(
        "spec.trainer.gauges", {"score": "accuracy"}, "spec.trainer", "remove gauges or", "remove command, args"
    ),
    InvalidSweep(
        "spec.trainer", {**OWN, "evaluations": 301}, "trainer.evaluations", "at most 300", "trainer.evaluations: Inv"
    ),
    InvalidSweep("spec.trainer", {**OWN, "evaluations": 0}, "trainer.evaluations", TOO_LOW, "trainer.evaluations: Inv"),
    InvalidSweep(
        "spec.trainer", {**OWN, "evaluations": 3}, "rungs[0].atPercent", "use 34 or", "use a higher atPercent"
    ),
    InvalidSweep("spec.trainer", {"command": ["sh"]}, "spec.trainer", "needs fineTuning, or", "needs fineTuning, or"),
    InvalidSweep("spec.trainer", {**OWN, "config": {}}, "config", "exactly one of json", "exactly one of json"),
    InvalidSweep(
        "spec.trainer",
        {**OWN, "command": [LONG] * 3, "args": [LONG, "x"]},
        "spec.trainer",
        "131073 characters together, more than 131072: mount a ConfigMap",
        "more than 131072 characters together: mount a ConfigMap",
    ),
    InvalidSweep(
        "spec.trainer",
        {**OWN, "config": {"json": "x" * 98_304}, "env": [{"name": "A", "value": LONG}]},
        "spec.trainer",
        "more than 131072: mount a ConfigMap",
        "more than 131072 characters together: mount a ConfigMap",
    ),
    InvalidSweep(
        f"{TUNING}.dataset.labels",
        [f"{i:04096}" for i in range(17)],
        "dataset",
        "more than 65536: shorten them",
        "more than 65536 characters together: shorten them",
    ),
    InvalidSweep(
        f"{TUNING}.dataset.where",
        {"x" * 65_537: ""},
        "dataset",
        "labels and where have 65537 characters",
        "more than 65536 characters together: shorten them",
    ),
    InvalidSweep("spec.trainer.env", [{"name": "SEEDSWEEP_SEED", "value": "1"}], "env[0]", NOT_OURS, NOT_OURS),
    InvalidSweep("spec.trainer.env", [{"name": "A"}] * 2, "trainer.env", "listed 2 times", "env[1]: Duplicate"),
    InvalidSweep(
        "spec.podTemplate",
        {"spec": {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}},
        "volumes[0].hostPath",
        "is not a field",
        "unknown field",
    ),
    InvalidSweep(
        "spec.podTemplate",
        {"spec": {"volumes": [{**CLAIM, "emptyDir": {}}]}},
        "volumes[0]",
        "exactly one of persistentVolumeClaim",
        "exactly one of persistentVolumeClaim",
    ),
    InvalidSweep("spec.podTemplate", {"spec": {"hostNetwork": True}}, "hostNetwork", "not a field", "unknown field"),
    InvalidSweep(TEMPLATE, template(labels={"seedsweep.io/sweep": "x"}), "metadata.labels", SET_BY_US, SET_BY_US),
    InvalidSweep(
        TEMPLATE, template(labels={"app.kubernetes.io/component": "x"}), "metadata.labels", SET_BY_US, SET_BY_US
    ),
    InvalidSweep(
        TEMPLATE, template(annotations={"seedsweep.io/stop-after": "1"}), "metadata.annotations", SET_BY_US, SET_BY_US
    ),
    InvalidSweep(TEMPLATE, template(labels={"two words": "x"}), "metadata.labels", KEY, KEY),
    InvalidSweep(TEMPLATE, template(labels={"Example.org/x": "x"}), "metadata.labels", KEY, KEY),
    InvalidSweep(TEMPLATE, template(labels={"x" * 64: "x"}), "metadata.labels", KEY, KEY),
    InvalidSweep(TEMPLATE, template(labels={f"{'x' * 254}/x": "x"}), "metadata.labels", KEY, KEY),
    InvalidSweep(TEMPLATE, template(labels={"team": "two words"}), "labels.team", VALUE, "labels.team: Invalid value"),
    InvalidSweep(
        TEMPLATE, template(labels={"team": "x" * 64}), "labels.team", "longer than 63", "may not be more than 63"
    ),
    InvalidSweep(TEMPLATE, template(annotations={"a/b/c": "x"}), "metadata.annotations", KEY, KEY),
    InvalidSweep(
        TEMPLATE,
        template(annotations={f"a{i}": "x" * 4_096 for i in range(16)}),
        "metadata.annotations",
        "more than 65536 in all: shorten them",
        "more than 65536 characters in all: shorten them",
    ),
    InvalidSweep(TEMPLATE, {"spec": {"nodeSelector": {"-": "x"}}}, "spec.nodeSelector", KEY, KEY),
    InvalidSweep(TEMPLATE, {"spec": {"nodeSelector": {"x": "-"}}}, "nodeSelector.x", VALUE, "nodeSelector.x: Invalid"),
    InvalidSweep(TEMPLATE, {"spec": {"tolerations": [{"key": "a b"}]}}, "[0].key", KEY, "[0].key: Invalid value"),
    InvalidSweep(
        TEMPLATE, {"spec": {"tolerations": [{"tolerationSeconds": 2**63}]}}, "tolerationSeconds", "64 bits", "integer"
    ),
    InvalidSweep("spec.trainer.resources", {"limits": {"a gpu": 1}}, "resources.limits", KEY, KEY),
    InvalidSweep("spec.storage", {}, "spec.storage", "exactly one of persistent", "exactly one of persistent"),
    InvalidSweep(
        "spec.storage", {"uri": "bucket"}, "spec.storage.uri", "must be a URI", "spec.storage.uri: Invalid value"
    ),
    InvalidSweep(f"{TUNING}.learning_rate", "2e-5", "learning_rate", "did you mean learningRate?", "unknown field"),
    InvalidSweep("spec.paralelism", 3, "spec.paralelism", "did you mean parallelism?", "unknown field"),
    InvalidSweep("spec.parallelism", True, "spec.parallelism", "whole number", "must be of type integer"),
    InvalidSweep("spec.parallelism", ..., "spec.parallelism", "is required", "spec.parallelism: Required value"),
    InvalidSweep("metadata.name", "Not_a_name", "metadata.name", "lower case letters", "metadata.name: Invalid value"),
    InvalidSweep("metadata.name", "a.b", "metadata.name", "lower case letters", "pods are named after it"),
    InvalidSweep("metadata.name", "a" * 41, "metadata.name", "longer than 40", "at most 40 characters"),
    InvalidSweep(
        "metadata.lables", {"a": "b"}, "metadata.lables", "did you mean labels?", 'unknown field "metadata.la'
    ),
    InvalidSweep("kind", "Deployment", "kind", "must be SeedSweep", None),
    InvalidSweep("apiVersion", "v1", "apiVersion", "must be seedsweep.io/v1alpha1", None),
]
