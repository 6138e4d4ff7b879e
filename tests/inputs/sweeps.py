"""Sweeps as text, for every test that needs one: a valid file and changes to it."""

import json
from typing import Any

from ruamel.yaml import YAML

from seedsweep.api.sweep import SeedSweep

FINE_TUNING = """\
apiVersion: seedsweep.io/v1alpha1
kind: SeedSweep
metadata: {name: demo}
spec:
  seeds: {grid: {weightInits: {count: 4}, dataOrders: {count: 2}}}
  parallelism: 2
  earlyStopping: {rungs: [{atPercent: 30, keep: 2}]}
  trainer:
    fineTuning:
      model: some/model
      dataset: {train: train.csv, split: {validation: 40, test: 40}}
      metric: {name: accuracy, goal: maximize}
      epochs: 2
      evaluationsPerEpoch: 10
"""


def changed(path: str, value: Any, text: str = FINE_TUNING) -> str:
    """The sweep with one field, named by a dotted path, set to a value; `...` removes it."""
    document = YAML(typ="safe", pure=True).load(text)
    place = document
    *parents, last = path.split(".")
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    # JSON is YAML, and leaves no doubt about what is a text.
    return json.dumps(document)


def as_resource(sweep: SeedSweep) -> dict[str, Any]:
    """The sweep as a cluster's API server takes it."""
    return sweep.model_dump(mode="json", by_alias=True, exclude_unset=True)
