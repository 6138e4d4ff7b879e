"""`report.html`: one self-contained page from a record, made again from the same record without a difference."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from seedsweep.api.cut import Cut, CutData, RankedEpisode
from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout
from seedsweep.files import write_whole
from seedsweep.report.beside import Beside, read_beside
from seedsweep.report.episodes import episode_rows, rung_titles
from seedsweep.report.facts import (
    casualties,
    chosen_among,
    cost_lines,
    full_duration,
    has_test_set,
    imported_from,
    not_counted,
    saved_share,
    tie_words,
    wall_seconds,
    warnings,
    why_untested,
    yaml_text,
)
from seedsweep.report.figures.all_figures import figures_of
from seedsweep.report.figures.drawing import page_svgs
from seedsweep.report.figures.grid_figure import no_grid, seed_grid
from seedsweep.report.figures.plot import LABELLED_CUTS
from seedsweep.report.figures.scales import positions, shown_from
from seedsweep.report.figures.selection import drawn_curves, longest
from seedsweep.report.findings.all_findings import findings_of
from seedsweep.report.findings.losers import tests_of
from seedsweep.report.findings.paper import PUBLISHED, PUBLISHED_COLUMNS
from seedsweep.report.record import REPORT, Record, read_record
from seedsweep.report.statistics.analysis import Withheld, analyses, withheld
from seedsweep.report.statistics.audited import Audit, audit_of
from seedsweep.report.statistics.floor import at_floor
from seedsweep.report.statistics.whole import whole_runs
from seedsweep.report.training import last_losses
from seedsweep.report.words import (
    NOBODY_BEAT_A_CONSTANT,
    chance_text,
    counted,
    data_words,
    duration_text,
    metric_words,
    one_line,
    p_text,
    score_text,
    share_text,
)

CUT_ROWS = 40
"""Of a cut: the table of episodes has all of them."""
SCRIPT = Path(__file__).parent / "templates" / "report.js"


@dataclass(frozen=True, slots=True)
class CutTable:
    """A cut as the page shows it."""

    data: CutData
    title: str
    rows: list[tuple[int, RankedEpisode]]
    """By rank; of many, those nearest the threshold."""
    places: dict[str, float]
    """By episode with a score, where it lies between the lowest and the highest of the table, from 0 to 1."""
    threshold_place: float


_NOTHING = Beside()


def build_report(sweep: SeedSweep, episodes: Sequence[Episode], cuts: Sequence[Cut], known: Beside = _NOTHING) -> str:
    """The page as HTML: figures inlined, nothing fetched from anywhere.

    `known`: the answers to single validation examples that lie beside the record.
    """
    record = Record(sweep, list(episodes), list(cuts))
    status = sweep.status or SweepStatus()
    whole, audit = whole_runs(record), audit_of(record)
    findings = findings_of(record, whole, known)
    tests = tests_of(margin.losers for margin in findings.verdict.margins)
    rows, drawings = episode_rows(record, tests, last_losses(record, known)), figures_of(record, known)
    script = SCRIPT.read_text(encoding="utf-8")
    return _template().render(
        sweep=sweep,
        status=status,
        maximize=sweep.spec.trainer.maximize,
        metric=metric_words(sweep.spec.trainer, status),
        figures={drawing.name: page_svgs(drawing) for drawing in drawings},
        words={drawing.name: drawing.words for drawing in drawings},
        shown_from=shown_from(record),
        drawn=drawn_curves(record),
        labelled_cuts=LABELLED_CUTS,
        excluded_rows=CUT_ROWS // 2,
        grid=seed_grid(record),
        no_grid=no_grid(record),
        rows=rows,
        rung_titles=rung_titles(record),
        brackets=len(Layout.of(sweep).sizes),
        tested=any(row.test is not None for row in rows),
        compared=any(row.against_last_kept is not None for row in rows),
        with_losses=any(row.training_loss is not None for row in rows),
        winner=status.best.episode if status.best is not None else None,
        curves_data=_curves_data(record),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        analyses=analyses(record),
        audited={episode.spec.id.name for episode in episodes if episode.spec.audited},
        findings=findings,
        published=PUBLISHED,
        published_columns=PUBLISHED_COLUMNS,
        nobody=NOBODY_BEAT_A_CONSTANT,
        whole=whole,
        audit=audit if isinstance(audit, Audit) else None,
        withheld=[
            *withheld(status),
            *whole.withheld,
            *findings.withheld,
            *([audit] if isinstance(audit, Withheld) else []),
        ],
        cuts=[_cut_table(cut.data, many=len(cuts) > 1) for cut in cuts],
        floor=at_floor(record),
        casualties=casualties(episodes),
        warnings=warnings(status),
        cost_lines=cost_lines(status.cost),
        tie=tie_words(status.best, episodes) if status.best is not None else "",
        saved=saved_share(status),
        not_counted=not_counted(status),
        chosen_among=chosen_among(episodes),
        wall=wall_seconds(status),
        full_duration=full_duration(status.cost),
        sweep_yaml=yaml_text(sweep),
        imported=imported_from(status),
        untested=why_untested(sweep),
        has_test_set=has_test_set(sweep.spec.trainer),
        episodes=episodes,
    )


@cache
def _template() -> Template:
    """Compiled once, however many pages a process writes."""
    environment = Environment(
        loader=PackageLoader("seedsweep.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (chance_text, counted, data_words, duration_text, one_line, p_text, score_text, share_text)
    environment.filters.update({function.__name__: function for function in words})
    return environment.get_template("report.html")


def write_report(directory: Path) -> Path:
    """Write report.html beside the record it is made from, and return its path.

    Raises:
        RecordError: the folder holds no readable record.
        OSError: it cannot be written; a report from before stays as it was.
    """
    record = read_record(directory)
    return write_page(directory, record, read_beside(directory, record))


def write_page(directory: Path, record: Record, known: Beside) -> Path:
    """The same of a record, and the answers beside it, that were read from there; raises OSError."""
    path = directory / REPORT
    write_whole(path, build_report(*record, known).encode())
    return path


def _curves_data(record: Record) -> str:
    """All curves as JSON for the page's script, to five digits: where evaluations stand, and scores by episode."""
    scores = {
        episode.spec.id.name: [None if score is None else float(f"{score:.5g}") for score in episode.status.scores]
        for episode in record.episodes
    }
    return json.dumps({"x": positions(record, longest(record)), "scores": scores}, separators=(",", ":"))


def _cut_table(data: CutData, *, many: bool) -> CutTable:
    scores = {entry.episode: entry.score for entry in data.rows if entry.score is not None}
    low, high = (min(scores.values()), max(scores.values())) if scores else (0.0, 0.0)
    span = high - low or 1.0
    places = {name: (score - low) / span for name, score in scores.items()}
    threshold_place = (data.threshold - low) / span if data.threshold is not None else 0.0
    where = f"Bracket {data.bracket}, rung {data.rung}: cut" if many else "Cut"
    start = max(0, len(data.kept) - CUT_ROWS // 2) if len(data.ranked) > CUT_ROWS else 0
    rows = list(enumerate(data.rows, start=1))[start : start + CUT_ROWS]
    return CutTable(data, f"{where} at evaluation {data.evaluation}", rows, places, threshold_place)
