"""All targets at once: who is well, who is not, and since when."""

from grafana.boards.board import FIRING, Board, Line, Section
from grafana.boards.panels import (
    COUNT,
    NOTHING,
    SECONDS,
    SHARE,
    TO_SESSION,
    WHEN,
    Column,
    figures,
    limits,
    lines,
    rows,
    states,
    steps,
)
from grafana.boards.promql import (
    ALL,
    Query,
    grown,
    light_round_trip,
    per_second,
    recorded,
    rule,
    series,
    state_number,
    total,
)
from grafana.rules.recording import BUDGET_LEFT, TICK_AGE

_NAMED = (
    f"{series('session_up')} * on (job, instance, target) group_left (broker, transport) {series('target')}"
)


def _of_target(how: str, expr: str) -> str:
    return f"{how} by (job, instance, target) ({expr})"


_NOW = Section(
    title="Now",
    lines=(
        Line(
            height=5,
            panels=(
                figures(
                    "Sessions one could trade with",
                    "The share of the watched targets that are logged in and have prices, or whose market is closed.",
                    SHARE,
                    Query(expr=f"avg({series('session_up')})", legend="of all targets"),
                    limit=steps((0.5, "orange"), (1, "green"), base="red"),
                    least=0,
                    most=1,
                ),
                figures(
                    "Lowest score",
                    "The health score of the worst target, 0 to 100. It is for people: no alert is made of it.",
                    NOTHING,
                    Query(expr=f"bottomk(1, {series('health_score')})", instant=True),
                    limit=steps((50, "orange"), (80, "green"), base="red"),
                    least=0,
                    most=100,
                ),
                figures(
                    "Error budget left",
                    "Of 30 days, at the target that has least. Below 0 it is overspent.",
                    SHARE,
                    Query(expr=f"bottomk(1, {recorded(BUDGET_LEFT)})", instant=True),
                    limit=steps((0, "orange"), (0.25, "green"), base="red"),
                ),
                figures(
                    "Oldest price",
                    "The age of the oldest watched price of an open market, at the worst target.",
                    SECONDS,
                    Query(expr=f"topk(1, {recorded(TICK_AGE)})", instant=True),
                    limit=limits(rule("tick_stale")),
                ),
            ),
        ),
        Line(
            height=9,
            panels=(
                states(
                    "State of each session",
                    "Which state held when; a gap: nobody looked. docs/monitor-states.md says what each means.",
                    Query(expr=state_number()),
                ),
            ),
        ),
        Line(
            height=9,
            panels=(
                rows(
                    "Targets",
                    "One line for each. The round trip is the 95th percentile of the slowest endpoint, the"
                    " certificate the one that ends first; both and the reconnects are of the time that is shown.",
                    (
                        Column(query=Query(expr=_NAMED, instant=True), heading="Could trade", unit=NOTHING),
                        Column(
                            query=Query(expr=_of_target("max", series("health_score")), instant=True),
                            heading="Score",
                            unit=NOTHING,
                        ),
                        Column(
                            query=Query(
                                expr=f"1000 * {_of_target('max', series('session_start_timestamp_seconds'))}",
                                instant=True,
                            ),
                            heading="Session began",
                            unit=WHEN,
                        ),
                        Column(
                            query=Query(
                                expr=_of_target("max", light_round_trip(0.95, over=ALL)), instant=True
                            ),
                            heading="Round trip p95",
                            unit=SECONDS,
                            limit=rule("rtt_high"),
                        ),
                        Column(
                            query=Query(expr=total(grown("reconnects")), instant=True),
                            heading="Reconnects",
                            unit=COUNT,
                        ),
                        Column(
                            query=Query(
                                expr=_of_target("min", series("tls_cert_not_after_timestamp_seconds"))
                                + " - time()",
                                instant=True,
                            ),
                            heading="Certificate left",
                            unit=SECONDS,
                            limit=rule("certificate_expiring"),
                        ),
                    ),
                    {"target": "Target", "broker": "Broker", "transport": "Transport", "instance": "Monitor"},
                    sort="Score",
                    link=TO_SESSION,
                ),
            ),
        ),
    ),
)

_BAD = Section(
    title="What went wrong",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Bad time by cause",
                    "The share of the seconds in which one could not trade as one should, on average of the chosen"
                    " targets; each second has one cause.",
                    SHARE,
                    Query(
                        expr=f"avg by (cause) ({per_second('session_bad_seconds')})",
                        legend="{{cause}}",
                    ),
                    stacked=True,
                ),
                rows(
                    "Alerts that fire",
                    "Of the chosen exporters, as Prometheus evaluates the rules beside these boards; empty: none"
                    " fires, or the rules are not loaded. That nothing is scraped at all only Alertmanager tells.",
                    (Column(query=Query(expr=FIRING, instant=True), heading="Now", unit=NOTHING),),
                    {"alertname": "Alert", "severity": "Severity", "target": "Target", "instance": "Monitor"},
                    sort="Severity",
                    link=TO_SESSION,
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                lines(
                    "Oldest price of an open market",
                    "By target. The dashed line is where the alert about stale prices begins.",
                    SECONDS,
                    Query(expr=recorded(TICK_AGE)),
                    limit=rule("tick_stale"),
                ),
                lines(
                    "Health score",
                    "By target, 0 to 100. A gap: too little was known for a score.",
                    NOTHING,
                    Query(expr=series("health_score")),
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="tradeprobe-fleet",
    title="Tradeprobe: fleet",
    description="All watched sessions at a glance. Follow one of them on the session board.",
    sections=(_NOW, _BAD),
)
