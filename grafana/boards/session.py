"""One session: its state, its round trips, how it connects, and whether the instrument itself can be believed."""

from grafana.boards.board import Board, Line, Section
from grafana.boards.panels import (
    BYTES_PER_SECOND,
    COUNT,
    NOTHING,
    PER_SECOND,
    SECONDS,
    SHARE,
    Column,
    band,
    bars,
    heats,
    lines,
    rows,
    states,
)
from grafana.boards.promql import (
    LIGHT,
    SHOWN,
    Query,
    counted,
    every_round_trip,
    grown,
    heat,
    light_round_trip,
    mean,
    per_second,
    quantile,
    recorded,
    rule,
    series,
    state_number,
    total,
)
from grafana.rules.recording import PING_SPREAD, PING_USUAL
from probe.measure.baseline import ANOMALOUS_MADS
from probe.measure.records import Metric

DOCS = "https://tradeprobe.example/"  # where docs/ is to be read
_BASELINE = recorded(PING_USUAL)
_SPREAD = recorded(PING_SPREAD)
_UPPER, _LOWER = "usual, at most", "usual, at least"

_STATE = Section(
    title="State",
    lines=(
        Line(
            height=5,
            panels=(
                states(
                    "State",
                    "Which state held when; a gap: nobody looked. docs/monitor-states.md says what each means.",
                    Query(expr=state_number()),
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                rows(
                    "Diagnosis",
                    "The verdicts that hold now. docs/failures.md has an entry for each code, `probe explain CODE`"
                    " prints it. Empty: nothing is known to be wrong.",
                    (
                        Column(
                            query=Query(expr=f"{series('diagnosis')} == 1", instant=True),
                            heading="Holds",
                            unit=NOTHING,
                        ),
                    ),
                    {"code": "Code", "target": "Target"},
                    sort="Code",
                    link=("Code", "What it is, and what helps", f"{DOCS}failures.md"),
                ),
                lines(
                    "Parts of the score",
                    "What each part has of its weight; docs/health-score.md has the arithmetic.",
                    SHARE,
                    Query(expr=series("health_component_ratio"), legend="{{component}}"),
                ),
                lines(
                    "Bad time by cause",
                    "The share of the seconds in which one could not trade as one should; each second has one cause.",
                    SHARE,
                    Query(expr=per_second("session_bad_seconds"), legend="{{cause}}"),
                    stacked=True,
                ),
            ),
        ),
    ),
)

_LATENCY = Section(
    title="Round trips",
    lines=(
        Line(
            height=9,
            panels=(
                band(
                    lines(
                        "Lightest round trip",
                        "Of a ping, or where there is none, of the lightest question. The pale band is what is"
                        " usual: six hours' median, and to both sides as much as is no anomaly. The dashed line is where"
                        " the alert about the 95th percentile begins.",
                        SECONDS,
                        *(
                            Query(
                                expr=light_round_trip(q),
                                legend=f"p{round(100 * q)} {{{{endpoint}}}}",
                                exemplars=True,
                            )
                            for q in (0.5, 0.95, 0.99)
                        ),
                        Query(expr=f"{_BASELINE} + {ANOMALOUS_MADS} * {_SPREAD}", legend=_UPPER),
                        Query(
                            expr=f"clamp_min({_BASELINE} - {ANOMALOUS_MADS} * {_SPREAD}, 0)", legend=_LOWER
                        ),
                        limit=rule("rtt_high"),
                    ),
                    _LOWER,
                    _UPPER,
                ),
                heats(
                    "Lightest round trip: all of them",
                    "How many took how long. Two stripes are two routes, or two machines behind one name.",
                    heat(*LIGHT),
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                lines(
                    "Answers of the application",
                    "Between a request to the broker's application and its answer.",
                    SECONDS,
                    *(
                        Query(
                            expr=quantile(q, Metric.APP_RTT.value, "endpoint"),
                            legend=f"p{round(100 * q)} {{{{endpoint}}}}",
                            exemplars=True,
                        )
                        for q in (0.5, 0.95, 0.99)
                    ),
                ),
                lines(
                    "Every kind of round trip, p95",
                    "Each lies inside the next: kernel, ping, application. Where the first slow one is, the time"
                    " arises.",
                    SECONDS,
                    Query(expr=every_round_trip(0.95), legend="{{what}} {{endpoint}}"),
                ),
            ),
        ),
    ),
)

_CONNECTING = Section(
    title="Connecting",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Steps of connecting",
                    "How long each step took on average: the whole bar is what a connection costs.",
                    SECONDS,
                    Query(expr=mean("connect_phase_duration_seconds", "phase"), legend="{{phase}}"),
                    stacked=True,
                    bars=True,
                ),
                heats(
                    "From the first dial to flowing data",
                    "How many connections took how long.",
                    heat("connect_duration_seconds"),
                ),
                heats(
                    "Gaps",
                    "From the end of a session to data flowing again: how many took how long.",
                    heat("reconnect_gap_seconds"),
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                lines(
                    "Failed attempts",
                    "By the step that failed and the reason.",
                    COUNT,
                    Query(
                        expr=f"{total(counted('connect_failures'), 'phase', 'reason')} > 0",
                        legend="{{phase}}: {{reason}}",
                    ),
                    stacked=True,
                    bars=True,
                ),
                lines(
                    "Ends of live sessions",
                    "By who ended them and the close code that came.",
                    COUNT,
                    Query(
                        expr=total(counted("disconnects"), "initiator", "close_code"),
                        legend="{{initiator}} {{close_code}}",
                    ),
                    stacked=True,
                    bars=True,
                ),
                bars(
                    "Why it connected anew",
                    "Reconnects in the time that is shown, by what made them necessary.",
                    COUNT,
                    Query(expr=total(grown("reconnects"), "trigger"), legend="{{trigger}}", instant=True),
                ),
            ),
        ),
        Line(
            height=7,
            panels=(
                lines(
                    "HTTP answers to the request for a WebSocket",
                    "101 is a success; the alert about being blocked counts 200, 403, 429 and 503.",
                    COUNT,
                    Query(expr=total(counted("upgrade_responses"), "code"), legend="HTTP {{code}}"),
                    stacked=True,
                    bars=True,
                ),
                lines(
                    "Endpoint of the session",
                    "1 while the session is at this endpoint.",
                    NOTHING,
                    Query(expr=series("endpoint_selected"), legend="{{endpoint}}"),
                    stacked=True,
                ),
            ),
        ),
    ),
)

_TRAFFIC = Section(
    title="Traffic",
    lines=(
        Line(
            height=7,
            panels=(
                lines(
                    "Messages",
                    "That came and went each second.",
                    PER_SECOND,
                    Query(expr=per_second("messages_received"), legend="received"),
                    Query(expr=per_second("messages_sent"), legend="sent"),
                    Query(expr=per_second("messages_not_understood"), legend="not understood"),
                ),
                lines(
                    "Bytes",
                    "That came and went each second.",
                    BYTES_PER_SECOND,
                    Query(expr=per_second("received_bytes"), legend="received"),
                    Query(expr=per_second("sent_bytes"), legend="sent"),
                ),
                lines(
                    "Left without an answer",
                    "Pings, keep-alives and questions whose answer did not come in time.",
                    COUNT,
                    Query(expr=grown("heartbeats_unanswered", over=SHOWN), legend="keep-alives"),
                    Query(expr=grown("requests_expired", over=SHOWN), legend="questions"),
                    bars=True,
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
                    "Our own lateness",
                    "How late the measuring loop ran. While it is beyond the dashed line, the figures above are worth"
                    " less.",
                    SECONDS,
                    *(
                        Query(
                            expr=quantile(q, "event_loop_lag_seconds"),
                            legend=f"p{round(100 * q)} {{{{instance}}}}",
                        )
                        for q in (0.5, 0.99)
                    ),
                    limit=rule("monitor_overloaded"),
                ),
                lines(
                    "Numbers left out",
                    "Measured while we were late ourselves; they are in no histogram.",
                    COUNT,
                    Query(expr=grown("samples_tainted", over=SHOWN), legend="{{target}}"),
                    bars=True,
                ),
                lines(
                    "Seconds that nobody watched",
                    "This machine slept or was late; they are neither good nor bad.",
                    SECONDS,
                    Query(expr=grown("session_unobserved_seconds", over=SHOWN), legend="{{target}}"),
                    bars=True,
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="tradeprobe-session",
    title="Tradeprobe: session",
    description="One session from its state down to its messages.",
    sections=(_STATE, _LATENCY, _CONNECTING, _TRAFFIC, _TRUST),
    since="now-3h",
    of_one=True,
)
