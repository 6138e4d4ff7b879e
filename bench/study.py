"""The article's claims on recorded runs: the tables and figures of docs/study.md.

    python bench/study.py [--figures docs/study]

Prints the tables, in about two minutes, and draws the figures where told. The recorded runs of others are not part of
this repository (docs/study.md says where they are from). Without them it says so, and studies our own alone.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import study_figures as figures
import study_tables as tables
from stopping_pays import folder_of_others
from study_claims import last_scores
from study_records import (
    KNOWN_TO,
    OWN,
    PAPER_CONSTANT,
    TASKS,
    Floats,
    Runs,
    bert_large,
    own,
    paper_grid,
    quickstart,
    thousand,
)

NEEDED = (
    "dodge2020/best_validation.csv",
    "dodge2020/plans.csv",
    "dodge2020/correlation.csv",
    "bertlarge/RTE.csv",
    "bertlarge/MRPC.csv",
    "lowres/curves.csv",
    "tang2020/blarge-sst2-3e-05.tsv",
    "tang2020/blarge-sst2-4e-05.tsv",
)


@dataclass(frozen=True)
class Records:
    """All that is there."""

    others: Path | None
    """The folder of the recorded runs of others; None where they are not all there."""
    bert: list[Runs]
    thousand: list[Runs]
    quickstart: list[Runs]
    ours: list[Runs]

    @classmethod
    def read(cls, folder: Path) -> "Records":
        """What can be read."""
        complete = all((folder / name).exists() for name in NEEDED)
        return cls(
            folder if complete else None,
            bert_large(folder) if complete else [],
            thousand(folder) if complete else [],
            quickstart(),
            own() if OWN.exists() else [],
        )

    @property
    def many(self) -> list[Runs]:
        """All with curves, of enough runs to draw budgets from."""
        return [
            *self.bert,
            *self.thousand,
            *self.quickstart,
            *(runs for runs in self.ours if len(runs.scores) >= tables.FEWEST),
        ]

    @property
    def few(self) -> list[Runs]:
        """Those with too few runs for more than a list."""
        return [runs for runs in self.ours if len(runs.scores) < tables.FEWEST]

    @property
    def grids(self) -> dict[str, Floats]:
        """Those of weight-init and data-order seeds."""
        return tables.grids_of([*self.quickstart, *self.ours], self.others)

    @property
    def scores(self) -> dict[str, tables.Scores]:
        """Of every record."""
        found: dict[str, tables.Scores] = {}
        for task in TASKS if self.others is not None else ():
            assert self.others is not None
            best = paper_grid(self.others, task).ravel()
            found[f"paper, {task.upper()}"] = tables.Scores(best, None, PAPER_CONSTANT[task], KNOWN_TO)
        return found | {runs.name: tables.Scores(runs.best, last_scores(runs), runs.constant) for runs in self.many}


def print_tables(records: Records, reductions: tables.Reductions) -> None:
    for title, lines in _sections(records, reductions):
        print(f"\n### {title}\n")
        for line in lines:
            print(line, flush=True)


def _sections(records: Records, reductions: tables.Reductions) -> Iterator[tuple[str, Iterator[str]]]:
    yield "Scores", tables.spreads(records.scores)
    yield "Evaluate often", tables.evaluating(records.many)
    if records.bert:
        yield "The best of n by validation less one run, in points", tables.choosing(records.bert)
    yield "Seeds", tables.seeds(records.grids)
    if records.others is not None:
        yield "Across tasks", tables.across_tasks(records.bert, records.ours, records.others)
        yield "The printed plans", tables.plans(records.others)
    yield "Early and late", tables.early_and_late(records.many)
    yield "How many to keep: B = 8, a cut at 50 %", tables.kept(records.many)
    if records.others is not None:
        yield "Relative error reduction, percent", tables.reductions(reductions, records.others)
    if records.few:
        yield "Our own episodes", tables.listed(records.few)


def draw_all(records: Records, reductions: tables.Reductions, to: Path) -> None:
    figures.plain_style()
    to.mkdir(parents=True, exist_ok=True)
    figures.save(figures.draw_expected(records.bert, records.others), to / "expected.svg")
    figures.save(figures.draw_expected(records.quickstart, None), to / "expected-minilm.svg")
    figures.save(figures.draw_grids(records.grids), to / "grids.png")
    figures.save(figures.draw_densities(records.grids), to / "densities.svg")
    figures.save(figures.draw_curves(records.bert), to / "curves.svg")
    figures.save(figures.draw_curves([*records.quickstart, *records.ours]), to / "curves-minilm.svg")
    figures.save(figures.draw_correlations(records.many), to / "correlations.png")
    if records.others is not None:
        figures.save(figures.draw_with_the_end(records.many, records.others), to / "with-the-end.svg")
    figures.save(figures.draw_reductions(reductions, records.others), to / "error-reduction.svg")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=Path, default=folder_of_others(), help="recorded runs of others")
    parser.add_argument("--figures", type=Path, help="folder to draw the figures into")
    options = parser.parse_args()
    records = Records.read(options.seeds)
    if records.others is None:
        missing = [name for name in NEEDED if not (options.seeds / name).exists()]
        print(f"not studied: the recorded runs of others, for there is no {' and no '.join(missing)} (see --seeds)")
    print(f"numpy {np.__version__}")
    reductions = tables.reductions_of(records.many)
    print_tables(records, reductions)
    if options.figures is not None:
        draw_all(records, reductions, options.figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
