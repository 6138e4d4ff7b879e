"""The paper's printed plans: which f, p and t were best for each budget, and by how much they lowered the error.

A printed plan is the best of many, each valued with noise by the same draws: its gain is an optimistic one.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from study_claims import error_reduction
from study_records import rows_of

UNTRAINED = 1
"""Of the paper's 30 evaluations the first is of the untrained model."""


@dataclass(frozen=True)
class Printed:
    """The best plan for a budget."""

    budget: int
    started: int
    kept: int
    evaluation: int
    """Of 30."""
    found: float
    gain: float
    """Over no stopping, as recorded."""

    @property
    def stops(self) -> bool:
        """Whether it stops anything."""
        return self.kept < self.started

    @property
    def share(self) -> float:
        """f, as a share of the steps."""
        return (self.evaluation - UNTRAINED) / (30 - UNTRAINED)

    @property
    def kept_of_budget(self) -> float:
        """p / B."""
        return self.kept / self.budget

    @property
    def reduction(self) -> float:
        """Relative error reduction, in percent."""
        return error_reduction(100 * self.gain, 100 * (self.found - self.gain))


def printed(folder: Path, task: str) -> list[Printed]:
    """The best plan of each budget from 1 to 30 full runs."""
    rows = rows_of(folder / "dodge2020" / "plans.csv", task=task, rank="1")
    return [
        Printed(
            int(row["budget_full_runs"]),
            int(row["started"]),
            int(row["fully_trained"]),
            int(row["evals_of_30"]),
            float(row["mean_best"]),
            float(row["improvement_over_no_stop"]),
        )
        for row in rows
    ]


def spread(values: list[float]) -> str:
    """Median and quartiles, as a table shows them."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
