"""Panels as we draw them, over the builders of Grafana's own SDK: each has a title, a description, a unit and queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import heatmap as heatmap_options
from grafana_foundation_sdk.models import prometheus as query_options

from grafana.boards.promql import Query
from probe.measure.alert_rules import Comparison, Rule
from probe.measure.records import SessionState, Severity

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

SECONDS, SHARE, COUNT, NOTHING = "s", "percentunit", "short", "none"
# A cell with a target's name leads to its session board, and to the same time.
TO_SESSION = (
    "Target",
    "Its session",
    "/d/tradeprobe-session?var-target=${__value.raw}&${__url_time_range}&${datasource:queryparam}",
)

PER_SECOND, BYTES_PER_SECOND, WHEN = "cps", "Bps", "dateTimeFromNow"

_COLOURS = {
    Severity.PAGE: "red",
    Severity.TICKET: "orange",
    Severity.WARNING: "orange",
    Severity.INFO: "blue",
}
_STATE_COLOURS = {
    SessionState.IDLE: "gray",
    SessionState.CONNECTING: "light-blue",
    SessionState.AUTHENTICATING: "blue",
    SessionState.STREAMING: "green",
    SessionState.DEGRADED: "yellow",
    SessionState.STALLED: "orange",
    SessionState.BACKOFF: "light-red",
    SessionState.AUTH_REJECTED: "dark-red",
    SessionState.STOPPED: "dark-purple",
}

Panel = timeseries.Panel | statetimeline.Panel | heatmap.Panel | bargauge.Panel | table.Panel | stat.Panel
_P = TypeVar(
    "_P", timeseries.Panel, statetimeline.Panel, heatmap.Panel, bargauge.Panel, table.Panel, stat.Panel
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Of a table: a query, whose value has a heading and a unit."""

    query: Query
    heading: str
    unit: str
    limit: Rule | None = None


def steps(*limits: tuple[float, str], base: str = "green") -> builders.ThresholdsConfig:
    first = models.Threshold(value=None, color=base)
    return builders.ThresholdsConfig().steps(
        [first, *(models.Threshold(value=at, color=colour) for at, colour in limits)]
    )


def limits(rule: Rule) -> builders.ThresholdsConfig:
    """Green, and where the alert rule's threshold is, the colour of its severity."""
    colour = _COLOURS[rule.severity]
    if rule.comparison is Comparison.BELOW:
        return steps((rule.threshold, "green"), base=colour)
    if rule.comparison is Comparison.OUTSIDE:
        return steps((-rule.threshold, "green"), (rule.threshold, colour), base=colour)
    return steps((rule.threshold, colour))


def _target(query: Query, number: int, how: query_options.PromQueryFormat) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).format(how)
    target.editor_mode(query_options.QueryEditorMode.CODE).ref_id(chr(ord("A") + number)).datasource(SOURCE)
    if query.instant:
        return target.instant()
    return target.range().exemplar(True) if query.exemplars else target.range()


def _dressed(
    panel: _P,
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    how: query_options.PromQueryFormat = query_options.PromQueryFormat.TIME_SERIES,
) -> _P:
    panel.title(title).description(description).datasource(SOURCE).unit(unit)
    for number, query in enumerate(queries):
        panel.with_target(_target(query, number, how))
    return panel


def lines(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limit: Rule | None = None,
    stacked: bool = False,
    bars: bool = False,
) -> timeseries.Panel:
    panel = _dressed(timeseries.Panel(), title, description, unit, queries)
    panel.legend(
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.TABLE)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["lastNotNull", "max"])
    )
    panel.tooltip(
        common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(options.SortOrder.DESCENDING)
    )
    panel.show_points(options.VisibilityMode.AUTO).line_width(1).span_nulls(False)
    if limit is None or limit.comparison is not Comparison.OUTSIDE:
        panel.axis_soft_min(0)
    if bars:  # the bars of events: a step so long that each event is in about one of them
        panel.draw_style(options.GraphDrawStyle.BARS).fill_opacity(70).interval("1m")
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL).group("A")).fill_opacity(60)
    if limit is not None:
        panel.thresholds(limits(limit)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
        )
        panel.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
    return panel


def band(panel: timeseries.Panel, lower: str, upper: str) -> timeseries.Panel:
    """Fills what lies between two of its lines, and draws them as one pale thing."""
    pale = [
        models.DynamicConfigValue("custom.lineWidth", 0),
        models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "light-blue"}),
    ]
    filled = [
        models.DynamicConfigValue("custom.fillBelowTo", lower),
        models.DynamicConfigValue("custom.fillOpacity", 20),
    ]
    return panel.override_by_name(upper, [*pale, *filled]).override_by_name(lower, pale)


def heats(title: str, description: str, query: Query, unit: str = SECONDS) -> heatmap.Panel:
    panel = _dressed(
        heatmap.Panel(), title, description, unit, (query,), query_options.PromQueryFormat.HEATMAP
    )
    panel.color(
        heatmap.HeatmapColorOptions()
        .mode(heatmap_options.HeatmapColorMode.SCHEME)
        .scheme("Spectral")
        .scale(heatmap_options.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
        .fill("dark-orange")
    )
    return panel.y_axis(heatmap.YAxisConfig().unit(unit)).show_y_histogram().cell_gap(1)


def figures(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    limit: builders.ThresholdsConfig | None = None,
    least: float | None = None,
    most: float | None = None,
) -> stat.Panel:
    """The last value of each series as a figure."""
    panel = _dressed(stat.Panel(), title, description, unit, queries)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    panel.graph_mode(options.BigValueGraphMode.AREA).color_mode(options.BigValueColorMode.VALUE)
    panel.text_mode(options.BigValueTextMode.VALUE_AND_NAME).no_value("not known")
    panel.thresholds(limit or steps(base="text"))
    if least is not None:
        panel.min(least)
    return panel if most is None else panel.max(most)


def bars(
    title: str, description: str, unit: str, *queries: Query, limit: builders.ThresholdsConfig | None = None
) -> bargauge.Panel:
    panel = _dressed(bargauge.Panel(), title, description, unit, queries)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
    panel.orientation(options.VizOrientation.HORIZONTAL).display_mode(options.BarGaugeDisplayMode.BASIC)
    return panel.min(0).thresholds(limit or steps(base="blue"))


def strip(
    title: str, description: str, query: Query, values: Mapping[int, tuple[str, str]]
) -> statetimeline.Panel:
    """Which of `values` (words and colour of each number) held when."""
    panel = _dressed(statetimeline.Panel(), title, description, NOTHING, (query,))
    mapped = {
        str(number): models.ValueMappingResult(text=text, color=colour, index=number)
        for number, (text, colour) in values.items()
    }
    panel.mappings([models.ValueMap(options=mapped)]).merge_values(True).row_height(0.8)
    panel.show_value(options.VisibilityMode.AUTO).fill_opacity(80).line_width(0)
    return panel.color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS)).thresholds(
        steps(base="text")
    )


def states(title: str, description: str, query: Query) -> statetimeline.Panel:
    """Of the number of a session's state."""
    values = {
        number: (state.value.replace("_", " "), _STATE_COLOURS[state])
        for number, state in enumerate(SessionState)
    }
    return strip(title, description, query, values)


def rows(
    title: str,
    description: str,
    columns: Sequence[Column],
    labels: Mapping[str, str],
    *,
    sort: str,
    link: tuple[str, str, str] | None = None,
) -> table.Panel:
    """A row for each combination of `labels` (and the heading of each), a column for each query.

    Args:
        link: Of the cells under a heading: the heading, what the link is called, and where it leads.
    """
    panel = _dressed(
        table.Panel(),
        title,
        description,
        columns[0].unit,
        [column.query for column in columns],
        query_options.PromQueryFormat.TABLE,
    )
    single = len(columns) == 1
    fields = ["Value" if single else f"Value #{chr(ord('A') + number)}" for number in range(len(columns))]
    headings = [*labels, *fields]
    panel.transformations(
        [
            *([] if single else [models.DataTransformerConfig(id_val="merge", options={})]),
            models.DataTransformerConfig(
                id_val="filterFieldsByName", options={"include": {"names": headings}}
            ),
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "indexByName": {name: place for place, name in enumerate(headings)},
                    "renameByName": {
                        **labels,
                        **dict(zip(fields, (c.heading for c in columns), strict=True)),
                    },
                    "excludeByName": {},
                },
            ),
        ]
    )
    for column in columns:
        properties = [models.DynamicConfigValue("unit", column.unit)]
        if column.limit is not None:
            properties += [
                models.DynamicConfigValue("thresholds", limits(column.limit).build()),
                models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ]
        panel.override_by_name(column.heading, properties)
    if link is not None:
        heading, called, url = link
        links = [{"title": called, "url": url}]
        panel.override_by_name(heading, [models.DynamicConfigValue("links", links)])
    return panel.show_header(True).sort_by([common.TableSortByFieldState().display_name(sort)])
