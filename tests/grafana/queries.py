"""What Grafana would ask Prometheus for a dashboard: every query of its panels, variables and annotations, filled in."""

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")


def queries(board: Json, *, step: str = "1m", span: str = "1h", **chosen: str) -> list[tuple[str, str]]:
    """The panel's title, and its expression.

    Args:
        step, span: What $__rate_interval and $__range become.
        chosen: Variables and their values; the others are All.
    """
    values = {"__rate_interval": step, "__range": span, **chosen}

    def filled(expr: str) -> str:
        return re.sub(r"\$(\w+)", lambda found: values.get(found[1], ".+"), expr)

    return [(title, filled(expr)) for title, expr in raw(board)]


def raw(board: Json) -> Iterator[tuple[str, str]]:
    """With the variables in it."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = LABEL_VALUES.fullmatch(variable["query"])
            expr = f"count by ({found[2]}) ({found[1]})" if found else variable["query"]
            yield f"variable {variable['name']}", expr
    for annotation in board["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]


def panels(board: Json) -> list[Json]:
    """Without the rows, which are headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]
