"""A made-up record with two cuts, one right after the other, and as many finalists as a test wants."""

from inputs import records
from seedsweep.report.record import Record


def two_cuts(weight_inits: int, data_orders: int, keep: int) -> Record:
    """A record whose first cut keeps half, and whose second, right after it, so many."""
    record = records.finished(weight_inits, data_orders)
    first = record.cuts[0].data
    kept = first.ranked[:keep]
    by_name = {e.spec.id.name: i for i, e in enumerate(record.episodes)}
    for name in kept:
        i = by_name[name]
        scores = records.curve(i)
        status = record.episodes[i].status.evolve(state="Finished", scores=scores, best=records.best_of(scores))
        assert status.verdict is not None
        status = status.evolve(verdict=status.verdict.evolve(outcome="Finished", rung=None, cut=None))
        record.episodes[i] = record.episodes[i].evolve(status=status)
    half = first.evolve(keep=len(first.ranked) // 2, threshold=first.scores[len(first.ranked) // 2 - 1])
    second = first.evolve(
        rung=1,
        evaluation=records.RUNG + 1,
        keep=keep,
        ranked=first.ranked[: len(first.ranked) // 2],
        scores=first.scores[: len(first.ranked) // 2],
        losses=[],
        excluded=[],
        threshold=first.scores[keep - 1],
    )
    best = max(record.episodes, key=lambda e: e.status.best.score if e.status.best is not None else 0.0)
    assert best.status.best is not None
    assert record.status.best is not None
    won = record.status.best.evolve(
        episode=best.spec.id.name, score=best.status.best.score, evaluation=best.status.best.evaluation
    )
    record = record.with_status(best=won)
    cut = record.cuts[0]
    cuts = [cut.evolve(data=half), cut.evolve(metadata=cut.metadata.evolve(name="rte-b0-r1"), data=second)]
    return Record(record.sweep, record.episodes, cuts)
