"""Which sweeps may get more seeds once they exist: those whose result is then the one of all the seeds together.

`mutability` says the same in CEL, for the API server.
"""

from seedsweep.api.early_stopping import EarlyStopping
from seedsweep.api.seeds import SeedRange, Seeds
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SweepSpec

NO_GROWTH = "may get more only without earlyStopping, or with one rung and rankBy best: make a new sweep of all seeds"
HAS_FAILED = "may not get more, for the sweep has failed: make a new sweep of all seeds"
ONLY_MORE = (
    "may only get more, in the form that there is (a sampled grid keeps its axes): raise count or sample.size, or add "
    "to values or pairs; or make a new sweep of all seeds"
)


def growth_problem(before: SweepSpec, after: SweepSpec, status: SweepStatus) -> str | None:
    """Why a sweep with the seeds of `before` cannot go on with those of `after`; None where it can.

    `status`: that of the sweep as it is on record.
    """
    if is_same(before.seeds, after.seeds):
        return None
    return why_no_growth(before, status) or (None if _contains(after.seeds, before.seeds) else ONLY_MORE)


def why_no_growth(spec: SweepSpec, status: SweepStatus) -> str | None:
    """Why a sweep cannot get more seeds, whichever they are; None where it can."""
    if status.failed and not status.hand_over_failed:
        return HAS_FAILED
    return None if _may_grow(spec.early_stopping) else NO_GROWTH


def is_same(seeds: Seeds, others: Seeds) -> bool:
    """Whether both give the same episodes, in the same form; the order in which they are listed does not matter."""
    return _contains(seeds, others) and _contains(others, seeds)


def _may_grow(stopping: EarlyStopping | None) -> bool:
    """Of several rungs a newcomer can put out the one who beat a loser at a later rung, which would revive the loser.

    By `latest` the best may be a loser's from before its rung, whose weights are gone. More seeds than a budget carries
    can be listed from the start.
    """
    if stopping is None:
        return True
    one_rung = stopping.rungs is not None and len(stopping.rungs) == 1
    return one_rung and stopping.rank_by == "best" and stopping.floor is None


def _contains(large: Seeds, small: Seeds) -> bool:
    if large.single is not None and small.single is not None:
        return _extends(large.single, small.single)
    if large.pairs is not None and small.pairs is not None:
        listed = {(pair.weight_init, pair.data_order) for pair in large.pairs}
        return all((pair.weight_init, pair.data_order) in listed for pair in small.pairs)
    if large.grid is None or small.grid is None:
        return False
    sample, smaller = large.grid.sample, small.grid.sample
    axes = (
        (large.grid.weight_inits, small.grid.weight_inits),
        (large.grid.data_orders, small.grid.data_orders),
    )
    if not all(_extends(more, fewer) for more, fewer in axes):
        return False
    if sample is None or smaller is None:
        return sample is smaller
    # The cells whose hash sorts first: more of the same cells hold all of fewer.
    same_cells = all(_extends(fewer, more) for more, fewer in axes)
    return same_cells and sample.seed == smaller.seed and sample.size >= smaller.size


def _extends(more: SeedRange, fewer: SeedRange) -> bool:
    if more.count is not None and fewer.count is not None:
        return more.count >= fewer.count
    return more.values is not None and fewer.values is not None and set(more.values) >= set(fewer.values)
