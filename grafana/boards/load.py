"""A load test while it runs: what the server did, what users had of it, and whether the figures can be believed."""

from grafana.boards.board import Board, Line, Section
from grafana.boards.panels import (
    BYTES_PER_SECOND,
    COUNT,
    NOTHING,
    PER_SECOND,
    SECONDS,
    SHARE,
    bars,
    figures,
    heats,
    lines,
    steps,
)
from grafana.boards.promql import SHOWN, Query, grown, heat, mean, per_second, quantile, series, total

_ENDED = total(per_second("load_requests"), "outcome")


def _percentiles(name: str, *by: str) -> tuple[Query, ...]:
    of = "".join(f" {{{{{label}}}}}" for label in by)
    return tuple(Query(expr=quantile(q, name, *by), legend=f"p{round(100 * q)}{of}") for q in (0.5, 0.99))


_VERDICT = Section(
    title="Is it to be believed?",
    lines=(
        Line(
            height=5,
            panels=(
                figures(
                    "Verdict so far",
                    "1: the load is made as planned, and the figures are the server's. 0: they are not; beside it stands why.",
                    NOTHING,
                    Query(expr=series("load_verdict", tradeprobe_load_verdict="valid"), legend="{{target}}"),
                    limit=steps((1, "green"), base="red"),
                    least=0,
                    most=1,
                ),
                figures(
                    "Why not",
                    "The rules that say so, as docs/load.md names them. 0: there is none.",
                    NOTHING,
                    Query(expr=f"count by (rule) ({series('load_verdict_reason')}) or vector(0)", legend="{{rule}}"),
                    limit=steps((1, "red")),
                ),
                figures(
                    "Thresholds",
                    "1: it holds. 0: it is broken. A run of which no threshold was asked has none.",
                    NOTHING,
                    Query(expr=series("load_threshold_holds"), legend="{{threshold}}"),
                    limit=steps((1, "green"), base="red"),
                    least=0,
                    most=1,
                ),
                figures(
                    "Stage, and the time left",
                    "The stage of the scenario that runs, and how long the plan still goes.",
                    SECONDS,
                    Query(
                        expr=f"{series('load_remaining_seconds')} * on (job, instance, target) group_left (stage)"
                        f" {series('load_stage')}",
                        legend="{{stage}}",
                    ),
                ),
            ),
        ),
    ),
)  # fmt: skip

_OPERATIONS = Section(
    title="How long do answers take?",
    lines=(
        Line(
            height=9,
            panels=(
                lines(
                    "Response",
                    "From when a request was due until it was answered: what somebody who wanted it then had to wait.",
                    SECONDS,
                    *_percentiles("load_response_seconds", "operation"),
                ),
                lines(
                    "Service",
                    "From when it was sent until it was answered: what the server and the way to it took. Where the response is much"
                    " more, requests waited to be sent.",
                    SECONDS,
                    *_percentiles("load_service_seconds", "operation"),
                ),
                lines(
                    "Lateness",
                    "From when it was due until it was sent: the generator's own share of the response.",
                    SECONDS,
                    *_percentiles("load_lateness_seconds", "operation"),
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                lines(
                    "Requests",
                    "Each second: that the plan wants, that were due by the clock, and that ended, by how.",
                    PER_SECOND,
                    Query(expr=series("load_wanted_rate"), legend="wanted"),
                    Query(expr=total(per_second("load_requests_due")), legend="due"),
                    Query(expr=_ENDED, legend="{{outcome}}"),
                ),
                heats(
                    "Response: all of them",
                    "How many took how long. A second stripe high up is a queue.",
                    heat("load_response_seconds"),
                ),
            ),
        ),
    ),
)

_SESSIONS = Section(
    title="Do sessions hold?",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Sessions",
                    "That are wanted, and that are live.",
                    COUNT,
                    Query(expr=series("load_sessions_wanted"), legend="wanted {{target}}"),
                    Query(expr=series("load_sessions_live"), legend="live {{target}}"),
                ),
                lines(
                    "Lost, cut, opened again",
                    "Within each step: sessions that ended and not by us, that the scenario cut, and that came back.",
                    COUNT,
                    Query(expr=total(grown("load_sessions_lost", over=SHOWN), "reason"), legend="lost: {{reason}}"),
                    Query(expr=total(grown("load_sessions_dropped", over=SHOWN)), legend="cut by us"),
                    Query(expr=total(grown("load_sessions_reopened", over=SHOWN)), legend="opened again"),
                ),
                lines(
                    "Heartbeats",
                    "Each second: that were sent, and those whose answer did not come in time.",
                    PER_SECOND,
                    Query(expr=total(per_second("heartbeats")), legend="sent"),
                    Query(expr=total(per_second("heartbeats_unanswered")), legend="not answered"),
                ),
            ),
        ),
        Line(
            height=8,
            panels=(
                lines(
                    "Until a session is live",
                    "From when it was due.",
                    SECONDS,
                    *_percentiles("load_connect_seconds"),
                ),
                lines(
                    "Steps of connecting",
                    "How long each took on average. Under load it is upgrade or login that grows first.",
                    SECONDS,
                    Query(expr=mean("connect_phase_duration_seconds", "phase"), legend="{{phase}}"),
                    stacked=True,
                    bars=True,
                ),
                bars(
                    "Connections that failed",
                    "In the time that is shown, by the step and why.",
                    COUNT,
                    Query(
                        expr=f"sum by (phase, reason) ({grown('connect_failures')})",
                        legend="{{phase}}: {{reason}}",
                        instant=True,
                    ),
                ),
            ),
        ),
    ),
)  # fmt: skip

_PRICES = Section(
    title="Do prices keep up?",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Prices",
                    "That came each second over all sessions, by symbol.",
                    PER_SECOND,
                    Query(expr=total(per_second("ticks"), "symbol"), legend="{{symbol}}"),
                ),
                lines(
                    "Between two prices",
                    "Of one symbol in one session. Prices that come in bursts with pauses between were queued.",
                    SECONDS,
                    *_percentiles("tick_interarrival_seconds"),
                ),
                lines(
                    "Age of the newest price",
                    "Once a second of each session.",
                    SECONDS,
                    *_percentiles("load_tick_staleness_seconds"),
                ),
                lines(
                    "Skew, and the first price",
                    "How long after the first session the same price came to the others, and how long after a subscription its first.",
                    SECONDS,
                    Query(expr=quantile(0.99, "load_tick_skew_seconds"), legend="skew p99"),
                    Query(expr=quantile(0.99, "load_first_tick_seconds"), legend="first price p99"),
                ),
            ),
        ),
    ),
)

_GENERATOR = Section(
    title="Does the generator keep up?",
    lines=(
        Line(
            height=8,
            panels=(
                lines(
                    "Processor",
                    "Of one core each. From 0.9 on a process has no time left to be on time.",
                    SHARE,
                    Query(
                        expr=f"sum by (job, instance, target, worker) ({per_second('load_generator_cpu_seconds')})",
                        legend="{{worker}}",
                    ),
                ),
                lines(
                    "Its own lateness, p99",
                    "How late a timer of its loop came: what is measured may be off by this much.",
                    SECONDS,
                    Query(expr=quantile(0.99, "load_generator_lag_seconds", "worker"), legend="{{worker}}"),
                ),
                lines(
                    "Memory",
                    "Of each process that makes load.",
                    "bytes",
                    Query(expr=series("load_generator_resident_bytes"), legend="{{worker}}"),
                ),
                bars(
                    "What was not done",
                    "Requests that were due when no session was live, what the caps stopped, and processes that are gone.",
                    COUNT,
                    Query(expr=f"sum({grown('load_generator_unsent')})", legend="unsent", instant=True),
                    Query(
                        expr=f"sum by (cap) ({grown('load_generator_refused')})",
                        legend="stopped by the cap on {{cap}}",
                        instant=True,
                    ),
                    Query(expr=f"sum({series('load_workers_lost')})", legend="processes lost", instant=True),
                ),
            ),
        ),
        Line(
            height=7,
            panels=(
                lines(
                    "Messages",
                    "That came and went each second.",
                    PER_SECOND,
                    Query(expr=total(per_second("messages_received")), legend="came"),
                    Query(expr=total(per_second("messages_sent")), legend="went"),
                ),
                lines(
                    "Bytes",
                    "That came and went each second.",
                    BYTES_PER_SECOND,
                    Query(expr=total(per_second("received_bytes")), legend="came"),
                    Query(expr=total(per_second("sent_bytes")), legend="went"),
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="tradeprobe-load",
    title="Tradeprobe: load test",
    description="A load test while it runs, from `probe load … --exporter`. What a session that is only watched sees meanwhile is on the"
    " board of its witness.",
    sections=(_VERDICT, _OPERATIONS, _SESSIONS, _PRICES, _GENERATOR),
    since="now-15m",
    refresh="5s",
    known_by="load_sessions_wanted",
)
