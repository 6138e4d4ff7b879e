"""What `seedsweep report` writes beside the page: figures for a paper, and every number behind the report."""

from collections.abc import Callable
from pathlib import Path

from seedsweep.files import write_whole
from seedsweep.report.beside import read_beside
from seedsweep.report.episodes import episodes_table
from seedsweep.report.figures.all_figures import figures_of
from seedsweep.report.figures.drawing import FORMATS, file_of
from seedsweep.report.findings.losers import against_last_kept
from seedsweep.report.page import write_page
from seedsweep.report.record import Record
from seedsweep.report.training import last_losses, training_table

Told = Callable[[str, int, int], None]
"""Is told what is made now, how many parts are done, and of how many."""


def write_everything(directory: Path, record: Record, told: Told) -> list[str]:
    """Write report.html and the files in report/; a line for each group of files.

    Raises:
        OSError: a file cannot be written; each file is there whole, or as it was before.
    """
    known, folder = read_beside(directory, record), directory / "report"
    drawings = figures_of(record, known)
    tables = [episodes_table(record, against_last_kept(record, known), last_losses(record, known))]
    tables += [table for drawing in drawings for table in drawing.tables]
    if (training := training_table(record, known)) is not None:
        tables.append(training)
    parts = 2 + len(drawings) * len(FORMATS)
    told("the page", 0, parts)
    page = write_page(directory, record, known)
    folder.mkdir(exist_ok=True)
    for i, drawing in enumerate(drawings):
        for j, form in enumerate(FORMATS):
            told(f"figure {drawing.name}.{form}", 1 + i * len(FORMATS) + j, parts)
            write_whole(folder / f"{drawing.name}.{form}", file_of(drawing, form))
    told("numbers", parts - 1, parts)
    for table in tables:
        write_whole(folder / f"{table.name}.csv", table.csv())
        write_whole(folder / f"{table.name}.json", table.json())
    return [
        str(page),
        f"{folder}: {', '.join(drawing.name for drawing in drawings)}, each as PNG, SVG and PDF",
        f"{folder}: {', '.join(table.name for table in tables)}, each as CSV and JSON",
    ]
