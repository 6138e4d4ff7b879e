"""Every query of every dashboard, with its variables filled in as Grafana would."""

from dataclasses import dataclass
from typing import Any

from write import BOARDS

EMPTY = {
    ("sweeps.json", "Waiting, and why"),
    ("sweeps.json", "Conditions that want a look"),
    ("sweep.json", "Failures and interruptions"),
}
"""Panels that show nothing where nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Query:
    """One target of one panel."""

    board: str
    title: str
    ref: str
    expr: str
    legend: str
    over_time: bool

    @property
    def empty_when_all_is_well(self) -> bool:
        """Whether no data is good news."""
        return (self.board, self.title) in EMPTY

    def filled(self, *, namespace: str, sweep: str, span: str) -> str:
        """As Prometheus gets it."""
        expr = self.expr
        values = {"__rate_interval": "5s", "__range": span, "namespace": namespace, "sweep": sweep, "curves": "50"}
        for name, value in values.items():
            expr = expr.replace(f"${name}", value)
        return expr


def _queries() -> list[Query]:
    return [
        Query(name, panel.title or "", target.ref_id, target.expr, _legend(panel, target), not target.instant)
        for name, make in BOARDS.items()
        for panel in make().build().panels or []
        for target in getattr(panel, "targets", None) or []
    ]


def _legend(panel: Any, target: Any) -> str:
    """What names the series, or the column of a table."""
    renamed = panel.transformations[-1].options["renameByName"] if panel.transformations else {}
    return str(renamed.get(f"Value #{target.ref_id}") or renamed.get("Value") or target.legend_format or "")


QUERIES = _queries()
