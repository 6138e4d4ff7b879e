"""Which scores a figure of curves shows. Without numpy, which live views do without."""

from collections.abc import Sequence

Range = tuple[float, float]


def robust_range(scores: Sequence[float], *, maximize: bool) -> Range | None:
    """All, or without a far-off worst part, which would press all else into a line.

    None without any score. The better end is never cut off.
    """
    if not scores:
        return None
    ordered = sorted(scores)
    low, high = ordered[0], ordered[-1]
    if maximize:
        usual = _quantile(ordered, 0.05)
        return (usual, high) if high - low > 3 * (high - usual) > 0 else (low, high)
    usual = _quantile(ordered, 0.95)
    return (low, usual) if high - low > 3 * (usual - low) > 0 else (low, high)


def is_near(score: float, low: float, high: float) -> bool:
    """Whether it lies no farther from these bounds than they from each other."""
    return low - (high - low) < score < high + (high - low)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """By linear interpolation."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
