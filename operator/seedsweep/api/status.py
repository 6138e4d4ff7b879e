"""The status of a SeedSweep: small whatever t is, a summary for people and never a trigger."""

from typing import Literal

from pydantic import Field

from seedsweep.api.base import ApiModel
from seedsweep.api.core import Condition

Phase = Literal["Pending", "Running", "Suspended", "Concluding", "Complete", "Failed"]


class EpisodeCounts(ApiModel):
    """How many episodes are where; the sum is t."""

    waiting: int = 0
    running: int = 0
    paused: int = 0
    finished: int = 0
    lost: int = 0
    audited: int = 0
    failed: int = 0
    diverged: int = 0


class CutSummary(ApiModel):
    """A cut in the status; the whole of it is in the Cut object `ref`."""

    bracket: int
    rung: int
    evaluation: int
    threshold: float | None = None
    """Score of the last one kept."""
    kept: int
    of: int
    ref: str


class TestScore(ApiModel):
    """The winner on data that nothing was selected on."""

    metric: str
    score: float
    n: int
    interval: list[float]
    """Lower and upper bound, over examples."""
    confidence: float
    baseline: float | None = None


class Best(ApiModel):
    """The result: the best validation score that counts, and what it is worth."""

    episode: str
    weight_init: int
    data_order: int
    score: float
    evaluation: int
    weights: str | None = None
    """Where the weights are, loadable by from_pretrained."""
    test: TestScore | None = None
    baseline: float | None = None
    """Validation score of the constant prediction."""


class Cost(ApiModel):
    """Optimizer steps and GPU seconds (seconds of a place where there is no GPU), each kind counted apart."""

    useful_steps: int = 0
    overshoot_steps: int = 0
    """Past the rung before a loser stopped."""
    wasted_steps: int = 0
    """Trained twice, because an interruption lost them."""
    audit_steps: int = 0
    planned_steps: int | None = None
    """t step(e) + p (S - step(e)), summed over rungs and brackets: what the design costs at most."""
    full_steps: int | None = None
    """t S: every episode trained fully."""
    gpu_seconds: float = 0.0
    saved_steps: int = 0
    """Steps that lost episodes did not train, of all they would have: grows with every cut."""
    saved_gpu_seconds: float = 0.0
    """What those would have taken at the rate of those trained."""


class SweepStatus(ApiModel):
    """What is known, decided and spent."""

    observed_generation: int | None = None
    phase: Phase = "Pending"
    message: str = ""
    """One line for people: what happens now, or why nothing does."""
    start_time: str | None = None
    completion_time: str | None = None
    suspended_seconds: float = 0.0
    evaluations: int | None = None
    """E, once known."""
    steps: int | None = None
    """S, once a trainer reported it."""
    observed_places: int | None = None
    """Fewer GPUs than asked for were to be had; absent while none was refused."""
    design: Literal["full", "cut", "cut+audit"] = "full"
    """What statistics this record can carry."""
    counts: EpisodeCounts = EpisodeCounts()
    conditions: list[Condition] = Field(default_factory=list)
    cuts: list[CutSummary] = Field(default_factory=list)
    best: Best | None = None
    cost: Cost = Cost()
    data_digest: str | None = None
    fingerprints: list[str] = Field(default_factory=list)

    def condition(self, type_: str) -> Condition | None:
        """The condition of this type, if it was ever set."""
        return next((c for c in self.conditions if c.type == type_), None)
