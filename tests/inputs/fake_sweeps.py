"""Sweeps with a trainer that keeps the contract and trains nothing."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seedsweep.report.record import Record, read_record

FAKE_TRAINER = Path(__file__).parents[1] / "local" / "fake_trainer.py"


@dataclass
class FakeSweep:
    """A sweep with the fake trainer; `write` puts it into a file."""

    folder: Path
    weight_inits: int = 3
    data_orders: int = 3
    evaluations: int = 10
    seconds: float = 0.0
    trouble: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    """Fields of the spec, over the usual ones; None removes one."""

    @property
    def out(self) -> Path:
        """Where it runs."""
        return self.folder / "out"

    def hold(self, *episodes: str, at: int = 1) -> Path:
        """Let none of these, and so not the sweep, come to this evaluation while the file that is returned exists."""
        held = self.folder / "held"
        held.touch()
        wait = {"at": at, "how": "wait", "while": str(held)}
        self.trouble = {**self.trouble, **dict.fromkeys(episodes, wait)}
        return held

    def write(self) -> Path:
        """Write the file (JSON is YAML) and return its path."""
        config = {"evaluations": self.evaluations, "seconds": self.seconds, "trouble": self.trouble}
        spec = {
            "seeds": {"grid": {"weightInits": {"count": self.weight_inits}, "dataOrders": {"count": self.data_orders}}},
            "parallelism": 4,
            "backoffLimitPerEpisode": 0,
            "earlyStopping": {"rungs": [{"atPercent": 40, "keep": 2}]},
            "trainer": {
                "command": [sys.executable, str(FAKE_TRAINER)],
                "config": {"json": json.dumps(config)},
                "metric": {"name": "accuracy", "goal": "maximize", "range": {"min": "0", "max": "1"}},
            },
            **self.spec,
        }
        api = {"apiVersion": "seedsweep.io/v1alpha1", "kind": "SeedSweep", "metadata": {"name": "fake"}}
        path = self.folder / "sweep.yaml"
        given = {field: value for field, value in spec.items() if value is not None}
        path.write_text(json.dumps({**api, "spec": given}))
        return path

    def arguments(self, *more: str) -> list[str]:
        """Of `seedsweep`, to run it."""
        return ["run", str(self.write()), "--out", str(self.out), *more]

    @property
    def record(self) -> Record:
        """What is on record."""
        return read_record(self.out)


def outcome(record: Record) -> dict[str, Any]:
    """All that must not depend on how a sweep ran: cuts, result, and the survivors' whole curves."""
    status = record.sweep.status
    assert status is not None
    assert status.best is not None
    kept = {name for cut in record.cuts for name in cut.data.kept}
    return {
        "cuts": [cut.data.model_dump() for cut in record.cuts],
        "best": status.best.model_dump(exclude={"weights"}),
        "rungs": {e.spec.id.name: [r.model_dump() for r in e.status.rung_scores] for e in record.episodes},
        "curves": {e.spec.id.name: e.status.scores for e in record.episodes if e.spec.id.name in kept},
    }
