"""Draw the panels of a dashboard from a Prometheus's answers, for the documentation: Grafana draws them otherwise.

    PYTHONPATH=tests python monitoring/pictures.py docs/monitoring

runs sweeps on the test cluster, has a real Prometheus watch them, and writes a picture of each dashboard.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from board_queries import QUERIES, Query
from cluster.controlplane import ControlPlane
from cluster.fleet import Fleet
from cluster.simulator.script import Script
from cluster.trial import Scene, Trial, on_trials, sweep_of
from cluster.watched import configuration, discover
from host.prometheus import Prometheus, prometheus
from write import BOARDS

GRID = 24
INCHES_A_COLUMN, INCHES_A_ROW = 0.62, 0.34
ROWS_SHOWN = 10
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000"]
"""Okabe and Ito's, which colour-blind people can tell apart."""
MANY = 12
"""Curves that no legend can name."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """What is shown: variables and time."""

    variables: Mapping[str, str]
    began: float
    ended: float

    def filled(self, query: Query) -> str:
        """A query as Grafana would send it."""
        return query.filled(span=f"{int(self.ended - self.began)}s", **self.variables)


async def picture(server: Prometheus, name: str, span: Span, path: Path) -> None:
    """Draw one dashboard."""
    panels: list[Any] = [panel for panel in BOARDS[name]().build().panels or [] if panel.type_val != "row"]
    rows = max(panel.grid_pos.y + panel.grid_pos.h for panel in panels)
    figure = plt.figure(figsize=(GRID * INCHES_A_COLUMN, rows * INCHES_A_ROW), dpi=110)
    for panel in panels:
        at = panel.grid_pos
        place = [(at.x + 0.9) / GRID, 1 - (at.y + at.h - 1.5) / rows, (at.w - 1.5) / GRID, (at.h - 2.8) / rows]
        axes = figure.add_axes((place[0], place[1], place[2], place[3]))
        axes.set_title(panel.title, fontsize=9, loc="left", fontweight="bold")
        queries = [query for query in QUERIES if (query.board, query.title) == (name, panel.title)]
        await DRAWN[panel.type_val](server, axes, queries, panel, span)
    figure.savefig(path, pil_kwargs={"optimize": True})
    plt.close(figure)


async def _curves(server: Prometheus, axes: Axes, queries: list[Query], panel: Any, span: Span) -> None:
    unit = panel.field_config.defaults.unit
    found = [
        (_legend(query.legend, series["metric"]), series["values"])
        for query in queries
        for series in await server.query_range(span.filled(query), span.began, span.ended, 1.0)
    ]
    stacked = getattr(panel.field_config.defaults.custom.stacking, "mode", None) == "normal"
    if stacked:
        _stack(axes, found)
    for number, (legend, values) in enumerate([] if stacked else found):
        threshold = legend.startswith("threshold")
        style: Object = {"color": "black", "lw": 1.6, "ls": "--"} if threshold else {"lw": 1.0}
        style = {"color": COLOURS[number % len(COLOURS)], **style}
        axes.plot([_moment(at) for at, _ in values], [float(v) for _, v in values], label=legend, **style)
    drawn, legends = axes.get_legend_handles_labels()
    named = [
        (line, legend) for line, legend in zip(drawn, legends, strict=True) if len(found) <= MANY or "thr" in legend
    ]
    axes.legend(*zip(*named, strict=True) if named else ([], []), fontsize=6.5, ncols=3, loc="best", frameon=False)
    axes.set_ylim(bottom=panel.field_config.defaults.min_val)
    if unit == "percentunit":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S"))
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=3, maxticks=8))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)


def _stack(axes: Axes, found: list[tuple[str, list[Any]]]) -> None:
    moments = sorted({at for _, values in found for at, _ in values})
    heights = [[float(dict(values).get(at, 0)) for at in moments] for _, values in found]
    if heights:
        labels = [legend for legend, _ in found]
        axes.stackplot([_moment(at) for at in moments], heights, labels=labels, colors=COLOURS, alpha=0.8)


async def _number(server: Prometheus, axes: Axes, queries: list[Query], panel: Any, span: Span) -> None:
    (query,) = queries
    found = await server.query_range(span.filled(query), span.began, span.ended, 1.0)
    value = float(found[-1]["values"][-1][1]) if found else None
    unit, decimals = panel.field_config.defaults.unit, panel.field_config.defaults.decimals or 0
    text = "no data" if value is None else f"{value:.0%}" if unit == "percentunit" else f"{value:,.{int(decimals)}f}"
    axes.text(0.5, 0.45, text + (" h" if unit == "h" else ""), ha="center", va="center", fontsize=22)
    axes.axis("off")


async def _table(server: Prometheus, axes: Axes, queries: list[Query], panel: Any, span: Span) -> None:
    del panel
    rows: dict[tuple[tuple[str, str], ...], Object] = {}
    for query in queries:
        for series in await server.query(span.filled(query), span.ended):
            metric = {key: value for key, value in series["metric"].items() if key != "__name__"}
            row = rows.setdefault(tuple(sorted(metric.items())), dict(metric))
            row[query.legend or "value"] = f"{float(series['value'][1]):.4g}"
    axes.axis("off")
    if not rows:
        axes.text(0.5, 0.5, "nothing", ha="center", fontsize=8)
        return
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    shown = list(rows.values())[:ROWS_SHOWN]
    cells = [[row.get(column, "") for column in columns] for row in shown]
    drawn = axes.table(cells, colLabels=columns, loc="upper left", edges="horizontal", cellLoc="left")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(7)
    drawn.auto_set_column_width(list(range(len(columns))))


async def _histogram(server: Prometheus, axes: Axes, queries: list[Query], panel: Any, span: Span) -> None:
    del panel
    (query,) = queries
    axes.hist([float(s["value"][1]) for s in await server.query(span.filled(query), span.ended)], 20, color=COLOURS[0])
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)


DRAWN = {"timeseries": _curves, "stat": _number, "table": _table, "histogram": _histogram}


def _legend(pattern: str, metric: Mapping[str, str]) -> str:
    for name, value in metric.items():
        pattern = pattern.replace(f"{{{{{name}}}}}", value)
    return pattern


def _moment(at: float) -> float:
    return float(mdates.date2num(datetime.fromtimestamp(at, UTC)))


def _sweep(name: str, weight_inits: int, data_orders: int, keep: int, parallelism: int, **spec: Any) -> Object:
    grid = {"weightInits": {"count": weight_inits}, "dataOrders": {"count": data_orders}}
    stopping = {"rungs": [{"atPercent": 30, "keep": keep}]}
    made = sweep_of(seeds={"grid": grid}, parallelism=parallelism, earlyStopping=stopping, **spec)
    return {**made, "metadata": {"name": name}}


async def _watch(folder: Path, out: Path) -> None:
    scripts = {"nlp": Script(evaluations=20, seconds=4.0), "vision": Script(evaluations=20, seconds=6.0)}
    with ControlPlane({"operator": []}) as plane, Fleet(plane):
        for namespace in scripts:
            await asyncio.to_thread(plane.create_namespace, namespace)
        async with AsyncExitStack() as stack:
            scenes = {namespace: Scene(script) for namespace, script in scripts.items()}
            trials = await stack.enter_async_context(on_trials(plane, scenes))
            operator = trials["nlp"].operator
            server = await stack.enter_async_context(prometheus(folder, configuration(folder, operator.port)))
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            discovery = tasks.create_task(discover(list(trials.values()), folder))
            began = time.time()
            await _play(trials)
            ended = time.time()
            for name, variables in (
                ("sweeps.json", {"namespace": ".+", "sweep": ""}),
                ("sweep.json", {"namespace": "nlp", "sweep": "rte-10x10"}),
            ):
                path = out / Path(name).with_suffix(".png")
                await picture(server, name, Span(variables, began, ended), path)
            discovery.cancel()


async def _play(trials: Mapping[str, Trial]) -> None:
    """Three sweeps of different sizes, one of which waits for a node that there is not."""
    await trials["nlp"].apply(_sweep("rte-10x10", 10, 10, 10, 40))
    await trials["vision"].apply(_sweep("scenes-5x4", 5, 4, 4, 10))
    nowhere = {"spec": {"nodeSelector": {"gpu": "of-next-year"}}}
    await trials["vision"].apply(_sweep("too-early", 2, 2, 1, 4, podTemplate=nowhere))
    for namespace, name in (("nlp", "rte-10x10"), ("vision", "scenes-5x4")):
        while True:
            _, found = await trials[namespace].request("GET", trials[namespace].path("seedsweeps", name))
            if found.get("status", {}).get("phase") == "Complete":
                break
            await asyncio.sleep(1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(_watch(Path(temporary), Path(sys.argv[1])))
