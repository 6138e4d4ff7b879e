"""Comparisons of losers in a simulated world: each takes a while, and then has found something or is given up."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from seedsweep.api.comparison import ALIKE, APART, Compared
from seedsweep.api.cut import CutEvidence
from seedsweep.engine.decisions import CompareLosers, Plan, RecordEvidence
from seedsweep.engine.layout import Layout
from seedsweep.engine.observation import Evidence, Observation
from seedsweep.engine.plan import plan

SECONDS = (1, 600)
GIVEN_UP = 0.2
REFUSED = 0.2
"""That evidence cannot be put on record this time."""


class Comparer:
    """All comparisons of a world. It draws for itself, so that nothing else depends on it."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"comparisons {seed}")
        self.recorded: dict[str, CutEvidence] = {}
        self._at_work: dict[str, tuple[int, CompareLosers]] = {}
        self._known: dict[str, Evidence] = {}

    @property
    def seen(self) -> Mapping[str, Evidence]:
        """See Observation.evidence."""
        at_work = dict.fromkeys(self._at_work, Evidence(under_way=True))
        return {**at_work, **self._known, **dict.fromkeys(self.recorded, Evidence(settled=True))}

    @property
    def next_end(self) -> int | None:
        """When the next comparison ends."""
        return min((at for at, _ in self._at_work.values()), default=None)

    def begin(self, decision: CompareLosers, now: int) -> None:
        """A decision may be carried out twice."""
        name = decision.cut.name
        assert name not in self.recorded, f"{name} has its evidence"
        self._at_work.setdefault(name, (now + self._rng.randint(*SECONDS), decision))

    def end(self, now: int) -> None:
        """Those that are over by now have found something, or are given up."""
        for name, (at, decision) in list(self._at_work.items()):
            if at <= now:
                del self._at_work[name]
                given_up = self._rng.random() < GIVEN_UP
                self._known[name] = Evidence(settled=True) if given_up else Evidence(found=self._evidence(decision))

    def record(self, record: RecordEvidence) -> bool:
        """Whether it is on record now."""
        name = record.cut.name
        assert name not in self.recorded, f"the evidence of {name} is recorded twice"
        if self._rng.random() < REFUSED:
            return False
        self.recorded[name] = record.evidence
        return True

    def forget(self) -> None:
        """The loop has died: what it knew and had not recorded is gone."""
        self._at_work, self._known = {}, {}

    def _evidence(self, decision: CompareLosers) -> CutEvidence:
        letters = "".join(self._rng.choice(ALIKE + APART) for _ in decision.cut.losers)
        return CutEvidence.of(decision.cut, Compared(letters=letters, examples=100, level=0.05))


def assert_evidence_is_in_nobodys_way(layout: Layout, seen: Observation, now: datetime, todo: Plan) -> None:
    """What is recorded, decided and found does not depend on it; only the end waits, once all else is done."""
    without = plan(layout, replace(seen, compares=False, evidence={}), now)
    assert [r for r in todo.records if not isinstance(r, RecordEvidence)] == list(without.records)
    assert [d for d in todo.decisions if not isinstance(d, CompareLosers)] == list(without.decisions)
    assert todo.status.best == without.status.best
    assert todo.finished <= without.finished
