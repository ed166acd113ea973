"""The prices: whether they come, in order, in time, and by a clock that is right."""

from grafana.boards.board import Board, Line, Section
from grafana.boards.panels import COUNT, PER_SECOND, SECONDS, SHARE, figures, heats, lines, steps, strip
from grafana.boards.promql import (
    SHOWN,
    Query,
    grown,
    heat,
    per_second,
    quantile,
    rule,
    series,
)
from probe.measure.records import Metric

_AGE = f"time() - {series('last_tick_timestamp_seconds')} and {series('symbol_open')} == 1"
_BY_SYMBOL = "{{symbol}}"
_ODD = f"({per_second('messages_not_understood')} / {per_second('messages_received')})"

_FRESH = Section(
    title="Do prices come?",
    lines=(
        Line(
            height=4,
            panels=(
                strip(
                    "Market",
                    "Whether the market of any watched symbol is open, as far as is known. Rules about prices look only"
                    " while it is.",
                    Query(expr=series("market_open")),
                    {0: ("closed", "gray"), 1: ("open", "green")},
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                lines(
                    "Age of the last price",
                    "By symbol, while its market is open. The dashed line is where the alert about stale prices begins.",
                    SECONDS,
                    Query(expr=_AGE, legend=_BY_SYMBOL),
                    limit=rule("tick_stale"),
                ),
                lines(
                    "Prices",
                    "That came each second, by symbol.",
                    PER_SECOND,
                    Query(expr=per_second("ticks"), legend=_BY_SYMBOL),
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                heats(
                    "Between two prices",
                    "How many pairs of prices of one symbol were how far apart.",
                    heat("tick_interarrival_seconds"),
                ),
                lines(
                    "Between two prices: quantiles",
                    "The same as lines, by target.",
                    SECONDS,
                    *(
                        Query(
                            expr=quantile(q, "tick_interarrival_seconds"),
                            legend=f"p{round(100 * q)} {{{{target}}}}",
                        )
                        for q in (0.5, 0.95)
                    ),
                ),
                lines(
                    "Seconds without prices",
                    "Of the seconds with an open market, the share in which no price came.",
                    SHARE,
                    Query(
                        expr=f"{grown('session_blind_seconds', over=SHOWN)}"
                        f" / ({grown('session_open_seconds', over=SHOWN)} > 0)"
                    ),
                ),
            ),
        ),
    ),
)

_RIGHT = Section(
    title="Are they right?",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Lag of prices",
                    "Between a price's own time and when its sender had it; where the broker says both.",
                    SECONDS,
                    *(
                        Query(
                            expr=quantile(q, Metric.FEED_LAG.value),
                            legend=f"p{round(100 * q)} {{{{target}}}}",
                        )
                        for q in (0.5, 0.95)
                    ),
                ),
                lines(
                    "Clock",
                    "The broker's clock ahead of ours. A gap: it is not known well enough. Beyond a dashed line, look at"
                    " this machine's clock first.",
                    SECONDS,
                    Query(expr=series("clock_offset_seconds")),
                    limit=rule("clock_skewed"),
                ),
            ),
        ),
        Line(
            height=7,
            panels=(
                lines(
                    "Out of order",
                    "Prices that were older than the one before.",
                    COUNT,
                    Query(expr=grown("ticks_out_of_order", over=SHOWN)),
                    bars=True,
                ),
                lines(
                    "Repeated",
                    "Prices that came twice: same symbol, same time, same price.",
                    COUNT,
                    Query(expr=grown("ticks_repeated", over=SHOWN)),
                    bars=True,
                ),
                lines(
                    "Not understood",
                    "The share of messages that this version does not know. Beyond the dashed line the broker has"
                    " probably changed its messages.",
                    SHARE,
                    Query(expr=_ODD),
                    limit=rule("protocol_changed"),
                ),
                figures(
                    "Stalls",
                    "Times that no price came while the market was open, in the time that is shown.",
                    COUNT,
                    Query(expr=grown("stalls"), instant=True),
                    limit=steps((1, "orange")),
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="tradeprobe-data-quality",
    title="Tradeprobe: data quality",
    description="Whether the prices that one trades by come at all, in order, and in time.",
    sections=(_FRESH, _RIGHT),
    since="now-3h",
    of_one=True,  # by symbol: of all targets at once there would be hundreds of lines
)
