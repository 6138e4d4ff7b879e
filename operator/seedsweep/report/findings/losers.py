"""Which losers of a cut the validation examples tell apart from the last episode that was kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from seedsweep.api.cut import CutData
from seedsweep.report.beside import Beside, compared_at
from seedsweep.report.record import Record
from seedsweep.science.examples.paired import Paired, paired_test


@dataclass(frozen=True, slots=True)
class Losers:
    """All that a cut lost, each against the last that it kept."""

    tests: Mapping[str, Paired]
    """By name of a loser whose answers are known, in rank order: the last that was kept against it. One or more."""
    losers: int
    """How many there are."""
    examples: int
    few_kept: bool
    """Whether fewer than a quarter of those ranked were kept. The last of them then owes so much of its place to luck
    that equal models are told apart more often than LEVEL says (docs/statistics.md)."""

    @property
    def compared(self) -> int:
        """How many were tested."""
        return len(self.tests)

    @property
    def alike(self) -> int:
        """How many of those tested cannot be told apart from the last that was kept."""
        return sum(not test.told_apart for test in self.tests.values())

    @property
    def exact(self) -> bool:
        """Whether the tests are McNemar's exact ones."""
        return all(test.exact for test in self.tests.values())


def losers_of(record: Record, known: Beside, cut: CutData) -> Losers | None:
    """Test each loser at the evaluations that the cut ranked by.

    None where the last that was kept, or every loser, has no known answers. An episode that was excluded from the
    ranking is no loser here.
    """
    evaluations, losers = compared_at(record, cut), cut.losers
    last = cut.ranked[cut.keep - 1]
    tests, examples = {}, 0
    for name in losers:
        pair = known.at({each: evaluations[each] for each in (last, name) if each in evaluations})
        if pair is not None and pair[1].models == 2:
            tests[name], examples = paired_test(pair[1]), pair[1].examples
    return Losers(tests, len(losers), examples, cut.few_kept) if tests else None


def against_last_kept(record: Record, known: Beside) -> dict[str, Paired]:
    """By name of an episode that lost at a cut: the last that was kept there against it, where both are known."""
    return tests_of(losers_of(record, known, cut.data) for cut in record.cuts)


def tests_of(cuts: Iterable[Losers | None]) -> dict[str, Paired]:
    """All tests of several cuts, by name of the loser."""
    return {name: test for losers in cuts if losers is not None for name, test in losers.tests.items()}
