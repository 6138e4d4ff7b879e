"""`report.html`: one self-contained page from a record, made again from the same record without a difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from seedsweep.api.cut import Cut, CutData
from seedsweep.api.episode import Episode
from seedsweep.api.status import SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout
from seedsweep.files import write_whole
from seedsweep.report.analysis import Withheld, analyses, withheld
from seedsweep.report.audited import Audit, audit_of
from seedsweep.report.facts import (
    casualties,
    full_seconds,
    has_test_set,
    imported_from,
    saved_share,
    steps_trained,
    wall_seconds,
    warnings,
    why_untested,
    yaml_text,
)
from seedsweep.report.figure import draw_curves, shown_from
from seedsweep.report.record import Record, read_record
from seedsweep.report.whole import whole_runs
from seedsweep.report.words import (
    counted,
    data_words,
    duration_text,
    metric_words,
    one_line,
    p_text,
    score_text,
    share_text,
)


@dataclass(frozen=True, slots=True)
class CutTable:
    """A cut as the page shows it."""

    data: CutData
    title: str
    places: dict[str, float]
    """By episode with a score, where it lies between the lowest and the highest of the table, from 0 to 1."""
    threshold_place: float


def build_report(sweep: SeedSweep, episodes: Sequence[Episode], cuts: Sequence[Cut]) -> str:
    """The page as HTML: figures inlined, nothing fetched from anywhere."""
    record = Record(sweep, list(episodes), list(cuts))
    status = sweep.status or SweepStatus()
    whole, audit = whole_runs(record), audit_of(record)
    environment = Environment(
        loader=PackageLoader("seedsweep.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (counted, data_words, duration_text, one_line, p_text, score_text, share_text)
    environment.filters.update({function.__name__: function for function in words})
    return environment.get_template("report.html").render(
        sweep=sweep,
        status=status,
        maximize=Layout.of(sweep).maximize,
        metric=metric_words(sweep.spec.trainer, status),
        figure=draw_curves(record),
        shown_from=shown_from(record),
        analyses=analyses(record),
        audited={episode.spec.id.name for episode in episodes if episode.spec.audited},
        whole=whole,
        audit=audit if isinstance(audit, Audit) else None,
        withheld=[*withheld(status), *whole.withheld, *([audit] if isinstance(audit, Withheld) else [])],
        cuts=[_cut_table(cut.data, many=len(cuts) > 1) for cut in cuts],
        casualties=casualties(episodes),
        warnings=warnings(status),
        trained=steps_trained(status.cost),
        saved=saved_share(status.cost),
        wall=wall_seconds(status),
        full_seconds=full_seconds(status.cost),
        sweep_yaml=yaml_text(sweep),
        imported=imported_from(status),
        untested=why_untested(sweep),
        has_test_set=has_test_set(sweep.spec.trainer),
        episodes=episodes,
    )


def write_report(directory: Path) -> Path:
    """Write report.html beside the record it is made from, and return its path.

    Raises:
        RecordError: the folder holds no readable record.
        OSError: it cannot be written; a report from before stays as it was.
    """
    path = directory / "report.html"
    write_whole(path, build_report(*read_record(directory)).encode())
    return path


def _cut_table(data: CutData, *, many: bool) -> CutTable:
    scores = {entry.episode: entry.score for entry in data.rows if entry.score is not None}
    low, high = (min(scores.values()), max(scores.values())) if scores else (0.0, 0.0)
    span = high - low or 1.0
    places = {name: (score - low) / span for name, score in scores.items()}
    threshold_place = (data.threshold - low) / span if data.threshold is not None else 0.0
    where = f"Bracket {data.bracket}, rung {data.rung}: cut" if many else "Cut"
    return CutTable(data, f"{where} at evaluation {data.evaluation}", places, threshold_place)
