"""All that the page says of a record beyond its tables, each found or withheld with its reason."""

from dataclasses import dataclass

from seedsweep.report.beside import Beside
from seedsweep.report.figures.densities import no_densities
from seedsweep.report.figures.tuning import bands_of
from seedsweep.report.findings.how import How, how_of
from seedsweep.report.findings.luck import Apart, Approximate, luck_of
from seedsweep.report.findings.paper import Paper, paper_of
from seedsweep.report.findings.verdict import Verdict, verdict_of
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Withheld
from seedsweep.report.statistics.whole import Whole
from seedsweep.science.bands import Band


@dataclass(frozen=True, slots=True)
class Findings:
    """None, or empty, where there is none."""

    verdict: Verdict
    apart: Apart | None
    approximate: Approximate | None
    bands: tuple[Band, ...]
    how: How
    paper: Paper | None
    withheld: tuple[Withheld, ...]


def findings_of(record: Record, whole: Whole, known: Beside) -> Findings:
    """Look at a record, what its whole runs tell, and the predictions beside it."""
    verdict, luck = verdict_of(record, known), luck_of(record, known)
    bands = bands_of(record, whole.expected) if whole.expected is not None else ()
    densities = no_densities(record)
    withheld = [found for found in (bands, densities, luck) if isinstance(found, Withheld)]
    return Findings(
        verdict,
        luck if isinstance(luck, Apart) else None,
        luck if isinstance(luck, Approximate) else None,
        bands if isinstance(bands, tuple) else (),
        how_of(record, known),
        paper_of(record),
        (*verdict.withheld, *withheld),
    )
