"""What sweeps say of the initialisations that they share, as text for people and as JSON for programs."""

from collections.abc import Iterator
from typing import Any

from seedsweep.report.words import counted, p_text
from seedsweep.studies.seeds.initializations import Standing, Study
from seedsweep.terminal.wrapping import wrapped

WIDTH = 80
LEVEL = 0.05
SHOWN = 5


def study_lines(study: Study, *, by_number: bool) -> Iterator[str]:
    """Line by line."""
    found = study.agreement
    if found is None:
        yield from wrapped(f"Not testable: {study.why}.", WIDTH)
    elif found.p <= LEVEL:
        yield "Some initialisations are better than others on these tasks."
    else:
        yield "Nothing shows that an initialisation is good on more than one of these tasks."
    yield ""
    for folder, many in zip(study.folders, study.data_orders, strict=True):
        means = f"mean over {counted(many, 'data-order seed')}" if many else "no data-order seed that all have"
        yield from _indented(f"{folder}: best scores, {means}")
    left_out = f"; left out: {study.alone:,} that some task lacks" if study.alone else ""
    how = "by the numbers of their seeds, as --by says" if by_number else "by their tensors"
    yield from _indented(f"{counted(study.joined, 'initialisation')} in common, joined {how}{left_out}")
    if found is None:
        return
    yield from _indented(
        f"Kendall's W {found.w:.3f} (1: all tasks rank alike), mean rank correlation {found.correlation:+.3f}, "
        f"p = {p_text(found.p)} by shuffles within tasks"
    )
    if found.p > LEVEL:
        return
    yield ""
    yield f"  mean rank of {study.joined}, and weight-init seed in each task:"
    for standing in (*study.standings[:SHOWN], *study.standings[-SHOWN:]):
        yield f"  {standing.mean_rank:8.1f}   {_seeds(standing)}"
    yield from _indented("The first were picked because they came first: on another task expect less of them.")


def _indented(text: str) -> Iterator[str]:
    return (f"  {line}" for line in wrapped(text, WIDTH - 2))


def study_json(study: Study) -> dict[str, Any]:
    """The same for programs; null where something cannot be tested, for which `why` has the reason."""
    found = study.agreement
    return {
        "testable": found is not None,
        "why": study.why or None,
        "tasks": [
            {"record": folder, "dataOrders": many}
            for folder, many in zip(study.folders, study.data_orders, strict=True)
        ],
        "initializations": study.joined,
        "leftOut": study.alone,
        "kendallsW": found.w if found is not None else None,
        "rankCorrelation": found.correlation if found is not None else None,
        "p": found.p if found is not None else None,
        "standings": [
            {"weightInitSeeds": standing.seeds, "ranks": standing.ranks, "meanRank": standing.mean_rank}
            for standing in study.standings
        ],
    }


def _seeds(standing: Standing) -> str:
    return ", ".join(map(str, standing.seeds)) if len(set(standing.seeds)) > 1 else str(standing.seeds[0])
