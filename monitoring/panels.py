"""What the dashboards are made of: queries, panels, variables, and links from one dashboard to another."""

from collections.abc import Mapping, Sequence
from typing import get_args

from grafana_foundation_sdk.builders import common, dashboard, histogram, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from seedsweep.api.status import EpisodeCounts, Phase

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
SWEEPS_UID, SWEEP_UID = "seedsweep-sweeps", "seedsweep-sweep"
TAG = "seedsweep"
WHOLE, HALF, THIRD, QUARTER, SIXTH = 24, 12, 8, 6, 4
TALL, LOW = 9, 4
MANY_POINTS = 500
COLOURS = {
    **dict.fromkeys(["finished", "useful", "Complete"], "#009e73"),
    **dict.fromkeys(["running", "Running"], "#0072b2"),
    **dict.fromkeys(["paused", "Suspended"], "#56b4e9"),
    **dict.fromkeys(["waiting", "Pending"], "#999999"),
    **dict.fromkeys(["lost", "overshoot"], "#e69f00"),
    **dict.fromkeys(["failed", "wasted", "Failed"], "#d55e00"),
    **dict.fromkeys(["audited", "audit", "Concluding"], "#f0e442"),
    "diverged": "#cc79a7",
    "trained": "#8fd0ba",
    "unused": "#000000",
}
"""What a state, a phase or a kind of steps looks like wherever it is shown: Okabe and Ito's colours, which colour-blind
people can tell apart."""
STATES, PHASES = tuple(EpisodeCounts.model_fields), get_args(Phase)
KINDS = ("useful", "overshoot", "wasted", "audit")
_TO_SWEEP = f"/d/{SWEEP_UID}?var-datasource=${{datasource}}&var-namespace=${{__data.fields.namespace}}"


def query(expr: str, legend: str = "", *, instant: bool = False) -> prometheus.Dataquery:
    """One query; `instant` asks for the end of the time range alone, as a table."""
    built = prometheus.Dataquery().expr(expr).datasource(SOURCE)
    if instant:
        return built.instant().format(PromQueryFormat.TABLE)
    return built.range().legend_format(legend or "__auto")


def number(title: str, description: str, expr: str, unit: str, decimals: int = 0) -> stat.Panel:
    """The last value, large."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .decimals(decimals)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .color_mode(kinds.BigValueColorMode.NONE)
        .with_target(query(expr, title).ref_id("A"))
        .height(LOW)
        .span(SIXTH)
    )


def curves(
    title: str,
    description: str,
    queries: Mapping[str, str],
    unit: str = "short",
    *,
    stacked: Sequence[str] | None = None,
) -> timeseries.Panel:
    """Values over time.

    Args:
        queries: by their legends.
        stacked: one on the other, and which of them have colours of their own.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .max_data_points(MANY_POINTS)
        .line_width(1)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(kinds.LegendDisplayMode.LIST)
            .placement(kinds.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI))
        .height(TALL)
        .span(HALF)
    )
    if unit != "none":
        panel.min(0)
    if stacked is not None:
        panel.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL)).fill_opacity(60)
        for name in stacked:
            panel.override_by_name(name, [_fixed(COLOURS[name])])
    for ref, (legend, expr) in zip("ABCDEFGH", queries.items(), strict=False):
        panel.with_target(query(expr, legend).ref_id(ref))
    return panel


def counts(
    title: str, description: str, queries: Mapping[str, str], *, stacked: Sequence[str] | None = None
) -> timeseries.Panel:
    """How many of something over time: whole numbers on the axis, and no hundred where all are zero."""
    return curves(title, description, queries, "none", stacked=stacked).min(0).decimals(0).axis_soft_max(1)


def _fixed(colour: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def only_legend_of(ref: str, panel: timeseries.Panel) -> timeseries.Panel:
    """Many curves, of which no legend could name all: it names those of one query, which are dashed and black."""
    panel.hide_from(common.HideSeriesConfig().legend(True).tooltip(False).viz(False))
    shown = {
        "custom.hideFrom": {"legend": False, "tooltip": False, "viz": False},
        "custom.lineStyle": {"fill": "dash", "dash": [10, 6]},
        "custom.lineWidth": 2,
    }
    values = [models.DynamicConfigValue(id_val=name, value=value) for name, value in shown.items()]
    return panel.override_by_query(ref, [_fixed("text"), *values])


def rows(
    title: str, description: str, labels: Sequence[str], queries: Mapping[str, str], *, linked: bool = False
) -> table.Panel:
    """A table of the moment.

    Args:
        labels: the first columns.
        queries: by the columns that they fill, after the labels. Without a name: that there is a row says all.
        linked: a row leads to its sweep.
    """
    panel = table.Panel().title(title).description(description).datasource(SOURCE).height(TALL).span(HALF)
    for ref, expr in zip("ABCDEFGH", queries.values(), strict=False):
        panel.with_target(query(expr, instant=True).ref_id(ref))
    if len(queries) > 1:
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        names = {f"Value #{ref}": name for ref, name in zip("ABCDEFGH", queries, strict=False)}
    else:
        names = {"Value": next(iter(queries))}
    organized = {
        "excludeByName": {"Time": True, "__name__": True, **{value: True for value, name in names.items() if not name}},
        "indexByName": {column: place for place, column in enumerate([*labels, *names])},
        "renameByName": {value: name for value, name in names.items() if name},
    }
    panel.with_transformation(models.DataTransformerConfig(id_val="organize", options=organized))
    if linked:
        link = {"title": "Show this sweep", "url": f"{_TO_SWEEP}&var-sweep=${{__data.fields.sweep}}"}
        panel.override_by_name("sweep", [models.DynamicConfigValue(id_val="links", value=[link])])
    return panel


def distribution(title: str, description: str, expr: str) -> histogram.Panel:
    """How many series have which value."""
    return (
        histogram.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit("none")
        .combine(True)
        .fill_opacity(60)
        .with_target(prometheus.Dataquery().expr(expr).datasource(SOURCE).instant().ref_id("A"))
        .height(TALL)
        .span(HALF)
    )


def board(title: str, uid: str, description: str) -> dashboard.Dashboard:
    """An empty dashboard with its data source and namespace to choose, and a link to the other one."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Dashboards of SeedSweep")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .keep_time(True)
            .include_vars(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )


def chosen(name: str, label: str, values: str, *, several: bool = False) -> dashboard.QueryVariable:
    """A variable whose values are those of a label; `several`: any number of them, all by default."""
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(values)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if several:
        every = models.VariableOption(text="All", value="$__all")
        variable.multi(True).include_all(True).all_value(".+").current(every)
    return variable
