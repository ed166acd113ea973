"""The objective: how many seconds were good, what the bad ones were, and how fast the budget goes."""

from grafana.boards.board import Board, Line, Section
from grafana.boards.panels import COUNT, NOTHING, SECONDS, SHARE, bars, figures, limits, lines, steps
from grafana.boards.promql import SHOWN, Query, grown, recorded, rule, series, total
from grafana.rules.recording import BUDGET_LEFT, bad_ratio

_OBSERVED = total(grown("session_observed_seconds"))
_ATTAINED = f"1 - {total(grown('session_bad_seconds'))} / ({_OBSERVED} > 0)"
_BUDGET = f"(1 - {series('slo_objective_ratio')})"
_LEFT = recorded(BUDGET_LEFT)
_ENOUGH = steps((0, "orange"), (0.25, "green"), base="red")


def _burn(window: str) -> Query:
    return Query(
        expr=f"{recorded(bad_ratio(window))} / on (job, instance, target) {_BUDGET}",
        legend=f"{window} {{{{target}}}}",
    )


_WHERE = Section(
    title="Where we stand",
    lines=(
        Line(
            height=6,
            panels=(
                figures(
                    "Objective",
                    "The share of the observed seconds that shall be good, from the configuration.",
                    SHARE,
                    Query(expr=series("slo_objective_ratio"), instant=True),
                ),
                figures(
                    "Attained",
                    "The share of the observed seconds that were good, in the time that is shown.",
                    SHARE,
                    Query(expr=_ATTAINED, instant=True),
                ),
                figures(
                    "Error budget left",
                    "Of the last 30 days, or of as much of them as Prometheus has. Below 0 it is overspent.",
                    SHARE,
                    Query(expr=_LEFT),
                    limit=_ENOUGH,
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                lines(
                    "Error budget left, over time",
                    "Of the 30 days that ended then.",
                    SHARE,
                    Query(expr=_LEFT),
                ),
            ),
        ),
    ),
)

_SPEED = Section(
    title="How fast the budget goes",
    lines=(
        Line(
            height=8,
            panels=tuple(
                lines(
                    f"Burn rate of {window}",
                    f"How many times faster than allowed. Beyond the dashed line an alert begins, if the last {short}"
                    " were no better.",
                    NOTHING,
                    _burn(window),
                    _burn(short),
                    limit=rule(f"error_budget_burn_{window}"),
                )
                for window, short in (("1h", "5m"), ("6h", "30m"))
            ),
        ),
        Line(
            height=8,
            panels=tuple(
                lines(
                    f"Burn rate of {window}",
                    f"How many times faster than allowed. Beyond the dashed line a ticket is due, if the last {short}"
                    " were no better.",
                    NOTHING,
                    _burn(window),
                    _burn(short),
                    limit=rule(f"error_budget_burn_{window}"),
                )
                for window, short in (("1d", "2h"), ("3d", "6h"))
            ),
        ),
    ),
)

_WHAT = Section(
    title="What it went for",
    lines=(
        Line(
            height=8,
            panels=(
                bars(
                    "Bad seconds by cause",
                    "In the time that is shown, the worst first.",
                    SECONDS,
                    Query(
                        expr=f"sort_desc(sum by (cause) ({grown('session_bad_seconds')}))",
                        legend="{{cause}}",
                        instant=True,
                    ),
                ),
                bars(
                    "Bad seconds by target",
                    "In the time that is shown, the worst first.",
                    SECONDS,
                    Query(expr=f"sort_desc({total(grown('session_bad_seconds'))})", instant=True),
                ),
                lines(
                    "Stretches of bad time",
                    "That began, by cause.",
                    COUNT,
                    Query(
                        expr=f"sum by (cause) ({grown('incidents', over=SHOWN)})",
                        legend="{{cause}}",
                    ),
                    stacked=True,
                    bars=True,
                ),
            ),
        ),
        Line(
            height=7,
            panels=(
                bars(
                    "Longest time without prices",
                    "The longest stretch with an open market since the monitor began.",
                    SECONDS,
                    Query(expr=series("session_longest_blind_seconds"), instant=True),
                    limit=limits(rule("tick_stale")),
                ),
                lines(
                    "Seconds without prices",
                    "Of those with an open market.",
                    SECONDS,
                    Query(expr=grown("session_blind_seconds", over=SHOWN)),
                    bars=True,
                ),
                lines(
                    "Seconds that nobody watched",
                    "This machine slept or was late; they are neither good nor bad, and not in the budget.",
                    SECONDS,
                    Query(expr=grown("session_unobserved_seconds", over=SHOWN)),
                    bars=True,
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="tradeprobe-slo",
    title="Tradeprobe: objectives",
    description="Counted in seconds in which one could trade as one should.",
    sections=(_WHERE, _SPEED, _WHAT),
    since="now-30d",
    refresh="5m",  # sums over a month cost Prometheus something
)
