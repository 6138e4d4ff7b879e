"""The steps of a record: it holds the last one alone, so they are kept only where that says all of them."""

from collections.abc import Mapping, Sequence

from seedsweep.api.episode import EpisodeId
from seedsweep.engine.layout import step_of


def common_steps(runs: Mapping[EpisodeId, Sequence[int | None]], planned: int) -> tuple[int | None, list[str]]:
    """The step of the last evaluation, or None and why the record has no steps.

    Args:
        runs: the steps of the evaluations of each run, of which one has all that are planned.
        planned: how many evaluations a whole run has.
    """
    known = [step for steps in runs.values() for step in steps if step is not None]
    if not known:
        return None, []
    full = next(steps for steps in runs.values() if len(steps) == planned)
    for episode, steps in runs.items():
        for number, (step, expected) in enumerate(zip(steps, full, strict=False), start=1):
            if step is None:
                return None, [f"steps are left out: evaluation {number} of {episode.name} has none"]
            if step != expected and expected is not None:
                return None, [
                    f"steps are left out: evaluation {number} follows step {expected} in one run and {step} in "
                    f"{episode.name}"
                ]
    whole = [step for step in full if step is not None]
    if whole[-1] < planned:
        return None, [f"steps are left out: {planned} evaluations cannot end at step {whole[-1]}"]
    uneven = _first_uneven(whole)
    if uneven is None:
        return whole[-1], []
    number, expected = uneven
    even = next((n for n in range(planned - 1, 1, -1) if n <= whole[n - 1] and _first_uneven(whole[:n]) is None), None)
    return None, [
        f"steps are left out: evaluations are not evenly spaced (evaluation {number} is at step {whole[number - 1]}, "
        f"not {expected})" + (f"; --evaluations {even} makes them so" if even is not None else "")
    ]


def _first_uneven(steps: Sequence[int]) -> tuple[int, int] | None:
    """The first evaluation that does not follow the step it would, spaced evenly up to the last, and that step."""
    for number, step in enumerate(steps, start=1):
        expected = step_of(number, len(steps), steps[-1])
        if step != expected:
            return number, expected
    return None
