"""The audit of a sweep that the engine carried out: what was paid for is what the report tells."""

import numpy as np
import pytest

from bench.made_up_curves import in_order, made_up
from compare_clock import replay
from compare_ours import Engine
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.cut import Cut, cut_name
from seedsweep.api.episode import Episode
from seedsweep.api.sweep import SeedSweep, SweepMeta
from seedsweep.report.record import Record
from seedsweep.report.statistics.audited import Audit, audit_of
from seedsweep.science.stopping.audit import estimate_regret

STOPPING = {"rungs": [{"atPercent": 50, "keep": 4}], "audit": {"percent": 40, "seed": 2}}


def record_of(engine: Engine) -> Record:
    layout = engine.layout
    sweep = SeedSweep(
        api_version="seedsweep.io/v1alpha1",
        kind="SeedSweep",
        metadata=SweepMeta(name=layout.name),
        spec=layout.spec,
        status=engine.status,
    )
    episodes = [
        Episode(metadata=ObjectMeta(name=f"{layout.name}-{e.name}"), spec=layout.episode_spec(e), status=status)
        for e, status in sorted(engine.records.items(), key=lambda item: layout.index[item[0]])
    ]
    cuts = [Cut(metadata=ObjectMeta(name=cut_name(layout.name, *key)), data=data) for key, data in engine.cuts.items()]
    return Record(sweep, episodes, cuts)


@pytest.mark.parametrize("workers", [1, 4, 30])
def test_a_sweep_with_an_audit_tells_of_all_its_losers_that_were_drawn(workers):
    curves = made_up(30)
    engine = Engine(curves, 30, workers, STOPPING)
    replay(engine, in_order(curves), 30, workers)
    found = audit_of(record_of(engine))
    assert isinstance(found, Audit)
    kept = engine.cuts[0, 0].kept
    losers = [e for e in engine.ids if e.name not in kept]
    drawn = [curves.scores[engine.number[e]].max() for e in losers if e in engine.layout.audited]
    assert found.losers == len(losers) == 26
    assert found.notes == ()
    assert engine.status.best is not None
    assert found.estimate == estimate_regret(drawn, engine.status.best.score, 0.4, maximize=True)
    assert found.complete
    assert found.estimate.mean == pytest.approx(np.mean(drawn))
