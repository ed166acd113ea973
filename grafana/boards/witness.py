"""What a watched session sees while somebody puts a load on its broker's servers."""

from grafana.boards.board import Board, Line, Section
from grafana.boards.panels import BYTES_PER_SECOND, COUNT, PER_SECOND, SECONDS, SHARE, bars, heats, lines
from grafana.boards.promql import (
    SHOWN,
    Query,
    grown,
    heat,
    light_round_trip,
    mean,
    per_second,
    quantile,
    rule,
    series,
    total,
)
from probe.measure.records import Metric

_ATTEMPTS = total(grown("connect_attempts", over=SHOWN))
_FAILURES = total(grown("connect_failures", over=SHOWN))

_ANSWERS = Section(
    title="Are requests answered?",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Asked and not answered",
                    "Requests to the broker's application each second, and those of them whose answer did not come in"
                    " time.",
                    PER_SECOND,
                    Query(expr=per_second("requests"), legend="asked {{target}}"),
                    Query(expr=per_second("requests_expired"), legend="not answered {{target}}"),
                ),
                lines(
                    "Keep-alives",
                    "Pings and keep-alives each second, and those without an answer: whether the server still reads.",
                    PER_SECOND,
                    Query(expr=per_second("heartbeats"), legend="sent {{target}}"),
                    Query(expr=per_second("heartbeats_unanswered"), legend="not answered {{target}}"),
                ),
                lines(
                    "Answers of the application",
                    "Under load the 99th percentile leaves first.",
                    SECONDS,
                    *(
                        Query(
                            expr=quantile(q, Metric.APP_RTT.value),
                            legend=f"p{round(100 * q)} {{{{target}}}}",
                            exemplars=True,
                        )
                        for q in (0.5, 0.99)
                    ),
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                lines(
                    "Lightest round trip",
                    "A ping, or the lightest question. It rising with the answers: the way or the front is full;"
                    " answers alone: the application is.",
                    SECONDS,
                    *(
                        Query(
                            expr=light_round_trip(q),
                            legend=f"p{round(100 * q)} {{{{target}}}} {{{{endpoint}}}}",
                            exemplars=True,
                        )
                        for q in (0.5, 0.99)
                    ),
                ),
                heats(
                    "Answers of the application: all of them",
                    "How many took how long. A second stripe high up is a queue.",
                    heat(Metric.APP_RTT.value),
                ),
            ),
        ),
    ),
)

_DOORS = Section(
    title="Does one still get in?",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Failed attempts",
                    "Of the connections that were tried, the share that came less far than they were meant to.",
                    SHARE,
                    Query(expr=f"{_FAILURES} / ({_ATTEMPTS} > 0)"),
                ),
                lines(
                    "Steps of connecting",
                    "How long each step took on average, of all chosen targets. Under load it is upgrade or login that"
                    " grows first.",
                    SECONDS,
                    Query(
                        expr=f"avg by (phase) ({mean('connect_phase_duration_seconds', 'phase')})",
                        legend="{{phase}}",
                    ),
                    stacked=True,
                    bars=True,
                ),
                bars(
                    "Reconnects",
                    "In the time that is shown, by what made them necessary.",
                    COUNT,
                    Query(
                        expr=f"sum by (trigger) ({grown('reconnects')})", legend="{{trigger}}", instant=True
                    ),
                ),
            ),
        ),
    ),
)

_FLOW = Section(
    title="Does the feed keep up?",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Messages",
                    "That came each second, by target.",
                    PER_SECOND,
                    Query(expr=per_second("messages_received")),
                ),
                lines(
                    "Bytes",
                    "That came each second, by target.",
                    BYTES_PER_SECOND,
                    Query(expr=per_second("received_bytes")),
                ),
                lines(
                    "Between two prices, p95",
                    "Prices that come in bursts with pauses between were queued.",
                    SECONDS,
                    Query(expr=quantile(0.95, "tick_interarrival_seconds")),
                ),
            ),
        ),
    ),
)

_TRUST = Section(
    title="Whether to believe it",
    lines=(
        Line(
            height=7,
            panels=(
                lines(
                    "Our own lateness, p99",
                    "A load generator on the same machine makes the watcher late: beyond the dashed line, measure from"
                    " another one.",
                    SECONDS,
                    Query(expr=quantile(0.99, "event_loop_lag_seconds"), legend="{{instance}}"),
                    limit=rule("monitor_overloaded"),
                ),
                lines(
                    "Writing the metrics",
                    "How long one scrape took to be written, on average.",
                    SECONDS,
                    Query(
                        expr=f"{per_second('scrape_duration_seconds', 'sum')}"
                        f" / ({per_second('scrape_duration_seconds', 'count')} > 0)",
                        legend="{{instance}}",
                    ),
                ),
                lines(
                    "Series",
                    "That the exporter has now.",
                    COUNT,
                    Query(expr=series("series"), legend="{{instance}}"),
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="tradeprobe-witness",
    title="Tradeprobe: witness of a load",
    description="What the watched sessions see while somebody puts a load on their servers: the witness beside a load test, whose own"
    " figures are on the board of load tests.",
    sections=(_ANSWERS, _DOORS, _FLOW, _TRUST),
    since="now-1h",
)
