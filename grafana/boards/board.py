"""A dashboard around its panels: place, variables, links to the others, and the alerts that fired drawn over all of it."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models

from grafana.boards.panels import SOURCE, Panel
from grafana.boards.promql import CHOSEN, label_values

WIDTH = 24
TAG = "tradeprobe"
FIRING = f'ALERTS{{alertname=~"Tradeprobe.+",alertstate="firing",{CHOSEN}}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Panels beside each other, equally wide."""

    height: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """
    Args:
        uid: Never changed: links and bookmarks hold it.
        of_one: It shows one target at a time.
        known_by: The metric that every target of this board has.
    """

    uid: str
    title: str
    description: str
    sections: tuple[Section, ...]
    since: str = "now-6h"
    refresh: str = "30s"
    of_one: bool = False
    known_by: str = "session_observed_seconds"

    def build(self) -> models.Dashboard:
        made = builders.Dashboard(self.title).uid(self.uid).description(self.description).tags([TAG])
        made.readonly().tooltip(models.DashboardCursorSync.CROSSHAIR).timezone("browser")
        made.time(self.since, "now").refresh(self.refresh)
        for variable in self._variables():
            made.with_variable(variable)
        made.annotation(_Firing())
        made.link(
            builders.DashboardLink("Other boards")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
        self._place(made)
        return made.build()

    def _place(self, made: builders.Dashboard) -> None:
        top, number = 0, 0
        for section in self.sections:
            number += 1
            row = builders.Row(section.title).id(number)
            made.with_row(row.grid_pos(models.GridPos(x=0, y=top, w=WIDTH, h=1)))
            top += 1
            for line in section.lines:
                width = WIDTH // len(line.panels)
                for place, panel in enumerate(line.panels):
                    number += 1
                    at = models.GridPos(x=place * width, y=top, w=width, h=line.height)
                    made.with_panel(panel.id(number).grid_pos(at))
                top += line.height

    def _variables(self) -> tuple[builders.DatasourceVariable | builders.QueryVariable, ...]:
        source = builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
        job = _variable("job", "Job", label_values("build", "job"))
        instance = _variable("instance", "Instance", label_values("build", "instance", 'job=~"$job"'))
        query = label_values(self.known_by, "target", CHOSEN)
        target = _variable("target", "Target", query, of_one=self.of_one)
        return source, job, instance, target


def _variable(name: str, label: str, query: str, *, of_one: bool = False) -> builders.QueryVariable:
    variable = builders.QueryVariable(name).label(label).query(query).datasource(SOURCE)
    variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(models.VariableSort.ALPHABETICAL_ASC)
    if of_one:
        return variable
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return variable.multi(True).include_all(True).all_value(".+").current(everything)


class _Alerts(models.AnnotationQuery):
    """With what only Prometheus' annotations have, and the SDK does not know: the words beside the line."""

    def to_json(self) -> dict[str, object]:
        return {
            **super().to_json(),
            "titleFormat": "{{alertname}}",
            "textFormat": "{{target}}",
            "tagKeys": "severity",
        }


class _Firing(builders.AnnotationQuery):
    def __init__(self) -> None:
        self._internal = _Alerts(
            name="Alerts that fire", datasource=SOURCE, enable=True, icon_color="red", expr=FIRING
        )
