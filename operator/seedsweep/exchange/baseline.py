"""Whether the score of a constant answer, as it was typed, fits the runs: rounded, it misses those that gave one."""

from collections.abc import Sequence

from seedsweep.report.words import counted

_NEAR = 0.02
"""Of the baseline: what is farther off is another score."""


def doubts(baseline: float | None, bests: Sequence[float], *, maximize: bool) -> list[str]:
    """What to say about a baseline beside the best scores of the runs."""
    if baseline is None or not bests:
        return []
    worst, best = (min(bests), max(bests)) if maximize else (max(bests), min(bests))
    if (best <= baseline) if maximize else (best >= baseline):
        return [f"no run is better than --baseline {baseline!r}, so all count as failed: check it, and --goal"]
    gap = worst - baseline if maximize else baseline - worst
    sharing = bests.count(worst)
    if sharing > 1 and 0 < gap < min(_last_digit(baseline), _NEAR * abs(baseline)):
        which, where = ("lowest", "above") if maximize else ("highest", "below")
        return [
            f"{counted(sharing, 'run')} share the {which} best score, just {where} --baseline {baseline!r}, and do not "
            f"count as failed: if that is the score of a constant answer, give it unrounded: --baseline {worst!r}"
        ]
    return []


def _last_digit(number: float) -> float:
    """One unit of the last digit that it was written with."""
    mantissa, _, exponent = repr(number).partition("e")
    return float(10 ** (int(exponent or 0) - len(mantissa.partition(".")[2])))
