"""A record in Python: `seedsweep.load`, and the tables and figure of what it gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seedsweep.api.status import Best
from seedsweep.api.sweep import SeedSweep
from seedsweep.parts import require
from seedsweep.report.record import IN_CLUSTER, Record, read_record
from seedsweep.report.words import counted

if TYPE_CHECKING:
    from seedsweep.notebook.picture import Picture


@dataclass(frozen=True)
class Run:
    """A sweep that ran here or in a cluster, or that was imported, as it stood when it was loaded.

    `episodes`, `curves` and `cuts` are pandas.DataFrames where pandas is installed, else lists of dictionaries. What is
    undefined or unknown is missing there (None, NaN), and never counts as a score.
    """

    record: Record
    """All of it, as the types of the API."""
    folder: Path | None
    """Where it was read; None for a sweep in a cluster."""

    @property
    def sweep(self) -> SeedSweep:
        """What was asked for (`.spec`), and how far it is (`.status`)."""
        return self.record.sweep

    @property
    def best(self) -> Best | None:
        """The result: episode, seeds, score, test score, where the weights are. None while there is none."""
        return self.record.sweep.status.best if self.record.sweep.status is not None else None

    @cached_property
    def episodes(self) -> Any:
        """A row an episode, the best first: seeds, rank and score at each rung, best and final score, what it cost."""
        require("report")
        from seedsweep.report.beside import Beside, read_beside
        from seedsweep.report.episodes import episodes_table
        from seedsweep.report.findings.losers import against_last_kept
        from seedsweep.report.training import last_losses

        known = read_beside(self.folder, self.record) if self.folder is not None else Beside()
        table = episodes_table(self.record, against_last_kept(self.record, known), last_losses(self.record, known))
        return _table([dict(zip(table.columns, row, strict=True)) for row in table.rows])

    @cached_property
    def curves(self) -> Any:
        """A row an evaluation: episode, seeds, evaluation, step, score, loss, whether it counts for the result."""
        require("report")
        from seedsweep.exchange.evaluations import evaluation_rows

        return _table(evaluation_rows(self.record))

    @cached_property
    def cuts(self) -> Any:
        """A row an episode of each cut, the best first: its rank and score there, and whether it was kept."""
        return _table(
            [
                {
                    "bracket": cut.data.bracket,
                    "rung": cut.data.rung,
                    "evaluation": cut.data.evaluation,
                    "threshold": cut.data.threshold,
                    "rank": rank,
                    **row._asdict(),
                }
                for cut in self.record.cuts
                for rank, row in enumerate(cut.data.rows, start=1)
            ]
        )

    def plot(self) -> "Picture":
        """The curves with the cuts and the winner; a notebook shows it, `.save(path)` writes PNG, SVG or PDF."""
        require("report")
        from seedsweep.notebook.picture import Picture
        from seedsweep.report.figures.curve_figures import curves_figure

        return Picture(curves_figure(self.record))

    def __repr__(self) -> str:
        status, count = self.sweep.status, len(self.record.episodes)
        best = f", best {self.best.score:.4f} by {self.best.episode}" if self.best is not None else ""
        phase = status.phase if status is not None else "not started"
        return f"<Run {self.sweep.metadata.name}: {phase}, {counted(count, 'episode')}{best}>"


def load(source: str | PathLike[str], *, namespace: str | None = None) -> Run:
    """Read a record: the folder of a run, of a fetch or an import, or `sweep/NAME` for a sweep in a cluster.

    Args:
        source: as `seedsweep report` takes it. A folder of your own called sweep is `./sweep`.
        namespace: of the sweep in a cluster. Absent: that of the kubeconfig's context.

    Raises:
        RecordError: no readable record in the folder; a ValueError that names the file and the remedy.
        CommandError: no such sweep in the cluster, no right to read it, or a part of SeedSweep is not installed.
    """
    name = fspath(source)
    if not name.startswith(IN_CLUSTER):
        folder = Path(name)
        return Run(read_record(folder), folder)
    require("operator")
    from seedsweep.cluster.record import read_stored_record
    from seedsweep.notebook.event_loop import complete

    return Run(complete(read_stored_record(name.removeprefix(IN_CLUSTER), namespace)), None)


def _table(rows: Sequence[dict[str, Any]]) -> Any:
    if find_spec("pandas") is None:
        return list(rows)
    import pandas as pd

    return pd.DataFrame.from_records(rows)
