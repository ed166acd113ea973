"""Every metric we export: the one table that the exporter, its documentation, the dashboards and the golden test are made from."""

from dataclasses import dataclass
from enum import Enum

from probe.catalogue import Reason
from probe.measure.health import PARTS
from probe.measure.records import Cause, Metric, SessionState, Trigger
from probe.model.events import Phase

PREFIX = "tradeprobe_"


class Kind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"  # sum and count
    STATES = "stateset"  # 1 for the state that holds, 0 for every other
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """`most`: how many values it can have at one target, or of the monitor; None: it is bounded by the configuration."""

    name: str
    help: str
    values: tuple[str, ...] = ()  # all of them, where they are known
    most: int | None = None
    has_other: bool = False  # a value beyond these becomes `other`; elsewhere it is refused

    @property
    def bound(self) -> int | None:
        return len(self.values) or self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """`name` as in the exposition without prefix and without the suffix that its kind adds (`_total`, `_info`)."""

    name: str
    kind: Kind
    help: str
    unit: str = ""  # seconds, bytes, ratio; part of the name
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    states: tuple[str, ...] = ()
    exemplars: bool = False

    @property
    def full_name(self) -> str:
        """As it is queried; histograms and summaries have their suffixes besides."""
        suffix = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(self.kind, "")
        return f"{PREFIX}{self.name}{suffix}"

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @property
    def is_of_target(self) -> bool:
        return "target" in self.label_names


def word(text: str) -> str:
    """As a label's value."""
    return text.replace(" ", "_")


# The thresholds of alerts (0.5 s of a ping, 5 s of an answer) are bounds: a quantile that is interpolated crosses them when the
# measured one does.
_ROUND_TRIP = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_CONNECT = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_GAP = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
_TICK_GAP = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
# Of load tests: edges of the buckets in which they are measured, so that the counts are exact.
_LOADED = tuple(
    each / 1024
    for each in (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192, 16384, 32768)
)  # fmt: skip
_LAG = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

CREDENTIAL_STATES = ("unknown", "accepted", "rejected", "expired", "malformed")
OTHER = "other"  # what does not fit within a label's bound

TARGET = Label(name="target", help="the alias from the configuration")
ENDPOINT = Label(name="endpoint", help="the region or alias of one of the broker's servers", most=32)
SYMBOL = Label(name="symbol", help="one of the symbols that are watched", most=20)
PHASE = Label(
    name="phase",
    help="a step of connecting",
    values=tuple(word(each.value) for each in Phase if each not in (Phase.LIVE, Phase.CLOSING, Phase.ENDED)),
)
REASON = Label(
    name="reason",
    help="why it failed, in the catalogue's few words",
    values=tuple(each.value for each in Reason),
    has_other=True,
)
CAUSE = Label(
    name="cause",
    help="why a second was bad; each has exactly one",
    values=tuple(each.value for each in Cause),
)
TRIGGER = Label(
    name="trigger", help="why a new connection was made", values=tuple(each.value for each in Trigger)
)
INITIATOR = Label(name="initiator", help="who ended it", values=("local", "remote", "network"))
STATUS = Label(name="code", help="an HTTP status", most=20, has_other=True)
CLOSE_CODE = Label(
    name="close_code",
    help="the WebSocket close code that came; `none`: none did, `4xxx`: the broker's own",
    most=20,
    has_other=True,
)
COMPONENT = Label(
    name="component", help="a part of the health score", values=tuple(each.name for each in PARTS)
)
CODE = Label(name="code", help="an entry of the catalogue of failures", most=30)
CHANNEL = Label(name="channel", help="a channel of alerts", most=50)

OPERATION = Label(name="operation", help="what the users of a load test ask for", most=20)
OUTCOME = Label(name="outcome", help="`answered`, or how a request failed, such as `expired`", most=20)
WORKER = Label(name="worker", help="a process that makes load; `alone`: there is one", most=64)
STAGE = Label(name="stage", help="a stage of a load test's scenario", most=50)
RULE = Label(name="rule", help="why the figures of a load test are not the server's", most=20)
THRESHOLD = Label(name="threshold", help="a threshold of a load test, as it was written", most=20)
CAP = Label(
    name="cap", help="what a load test may have at the most", values=("connections", "rate", "minutes")
)


def _info(name: str, text: str, *labels: str, of: tuple[Label, ...] = ()) -> Family:
    return Family(
        name=name,
        kind=Kind.INFO,
        help=text,
        labels=(*of, *(Label(name=each, help="", most=4) for each in labels)),
    )


def _of_target(
    name: str,
    kind: Kind,
    text: str,
    *more: Label,
    unit: str = "",
    buckets: tuple[float, ...] = (),
    states: tuple[str, ...] = (),
    exemplars: bool = False,
) -> Family:
    return Family(
        name=name,
        kind=kind,
        help=text,
        unit=unit,
        labels=(TARGET, *more),
        buckets=buckets,
        states=states,
        exemplars=exemplars,
    )


_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM


def _round_trip(metric: Metric, text: str, *, exemplars: bool = False) -> Family:
    return _of_target(
        metric.value, _HISTOGRAM, text, ENDPOINT, unit="seconds", buckets=_ROUND_TRIP, exemplars=exemplars
    )


OF_MONITOR = (
    _info("build", "This program.", "version", "python_version"),
    Family(
        name="config_last_reload_successful",
        kind=_GAUGE,
        help="1 if the configuration could be taken over when it was last read, 0 if it could not.",
    ),
    Family(
        name="config_last_reload_success_timestamp_seconds",
        kind=_GAUGE,
        unit="seconds",
        help="When the configuration was last taken over.",
    ),
    Family(
        name="event_loop_lag_seconds",
        kind=_HISTOGRAM,
        unit="seconds",
        help="How late the measuring loop ran: this process's own lateness.",
        buckets=_LAG,
    ),
    Family(
        name="uplink_up",
        kind=_GAUGE,
        help="1 while the control address is reached, which shows that our own line works. Missing where none is configured.",
    ),
    Family(
        name="notifications", kind=_COUNTER, help="Alerts that were brought to a channel.", labels=(CHANNEL,)
    ),
    Family(
        name="notifications_failed",
        kind=_COUNTER,
        help="Alerts that could not be brought to a channel.",
        labels=(CHANNEL,),
    ),
    Family(
        name="store_failing",
        kind=_GAUGE,
        help="1 while the history cannot be written, 0 while it can. Missing where none is kept.",
    ),
    Family(
        name="store_dropped_records",
        kind=_COUNTER,
        help="Records that the history lacks, because writing it was too slow.",
    ),
    Family(name="series", kind=_GAUGE, help="Series that are exported now."),
    Family(
        name="series_refused",
        kind=_COUNTER,
        help="Values that were not exported, because their series would have been one too many (max_series).",
    ),
    Family(
        name="targets_refused",
        kind=_GAUGE,
        help="Targets that are watched and not exported, because they are too many (max_targets).",
    ),
    Family(
        name="scrape_duration_seconds",
        kind=Kind.SUMMARY,
        unit="seconds",
        help="How long writing /metrics took.",
    ),
)

OF_TARGETS = (
    _info("target", "What is watched.", "broker", "transport", "account", of=(TARGET,)),
    _of_target("slo_objective_ratio", _GAUGE, "The share of seconds that shall be good.", unit="ratio"),
    _of_target("session_state", Kind.STATES, "How the session stands.", states=tuple(each.value for each in SessionState)),
    _of_target("credential_state", Kind.STATES, "What the server last said of the credential.", states=CREDENTIAL_STATES),
    _of_target("session_up", _GAUGE, "1 if one could trade now: logged in, and prices flow or the market is closed. Else 0."),
    _of_target("session_start_timestamp_seconds", _GAUGE, "When the session that stands began. Missing while there is none.", unit="seconds"),
    _of_target("session_observed_seconds", _COUNTER, "Seconds in which it was meant to be up and was watched.", unit="seconds"),
    _of_target("session_unobserved_seconds", _COUNTER, "Seconds that nobody watched: this machine slept or was late.", unit="seconds"),
    _of_target("session_bad_seconds", _COUNTER, "Of the observed seconds, those in which one could not trade as one should.", CAUSE, unit="seconds"),
    _of_target("session_open_seconds", _COUNTER, "Of the observed seconds, those with an open market.", unit="seconds"),
    _of_target("session_blind_seconds", _COUNTER, "Of the observed seconds with an open market, those without prices.", unit="seconds"),
    _of_target("session_longest_blind_seconds", _GAUGE, "The longest stretch without prices while the market was open, since the start.", unit="seconds"),
    _of_target("connect_attempts", _COUNTER, "Connections that were tried: by the session, by knocks and races.", ENDPOINT),
    _of_target("connect_successes", _COUNTER, "Connection attempts that came as far as they were meant to.", ENDPOINT),
    _of_target("connect_failures", _COUNTER, "Connections that came less far than they were meant to, by the step at which they failed, and why.", ENDPOINT, PHASE, REASON),
    _of_target("connect_duration_seconds", _HISTOGRAM, "From the first dial to flowing data.", ENDPOINT, unit="seconds", buckets=_CONNECT, exemplars=True),
    _of_target("connect_phase_duration_seconds", Kind.SUMMARY, "How long each step of connecting took.", ENDPOINT, PHASE, unit="seconds"),
    _of_target("upgrade_responses", _COUNTER, "HTTP answers to the request for a WebSocket.", ENDPOINT, STATUS),
    _of_target("disconnects", _COUNTER, "Sessions that were live and ended.", ENDPOINT, INITIATOR, CLOSE_CODE),
    _of_target("reconnects", _COUNTER, "Connections that were made again.", TRIGGER),
    _of_target("reconnect_gap_seconds", _HISTOGRAM, "From the end of a session to data flowing again.", unit="seconds", buckets=_GAP),
    _of_target("reconnect_backoff_seconds", _GAUGE, "How much longer is waited until the next attempt; 0 when none is waited for.", unit="seconds"),
    _of_target("endpoint_selected", _GAUGE, "1 at the endpoint where the session is, or was last tried; 0 at the others.", ENDPOINT),
    _of_target("endpoint_wins", _COUNTER, "Sessions that proved good at this endpoint: prices came, or the market was closed.", ENDPOINT),
    _round_trip(Metric.WS_RTT, "Round trip of a WebSocket ping and its pong.", exemplars=True),
    _round_trip(Metric.POLL_RTT, "Round trip of the lightest question, where questions are asked one by one.", exemplars=True),
    _round_trip(Metric.APP_RTT, "Round trip of a request to the broker's application and its answer.", exemplars=True),
    _round_trip(Metric.BEAT_RTT, "Round trip of the broker's own keep-alive, where it is answered."),
    _round_trip(Metric.TCP_RTT, "Round trip of the connection, as the kernel measures it."),
    _round_trip(Metric.ACCESS_RTT, "How long connecting to one of the broker's access points took."),
    _round_trip(Metric.TERMINAL_PING, "Round trip between a terminal and its broker, as the terminal says."),
    _round_trip(Metric.FEED_LAG, "From a price's own time until its sender had it."),
    _round_trip(Metric.SERVER_PROCESS, "How long an answer took at the other end, as that end says."),
    _round_trip(Metric.ORDER_RTT, "From an order to its execution, as a terminal's journal says."),
    _round_trip(Metric.UPLINK_RTT, "How long connecting to the control address took, which is our own line."),
    _of_target("heartbeats", _COUNTER, "Pings and keep-alives that were sent."),
    _of_target("heartbeats_unanswered", _COUNTER, "Pings and keep-alives whose answer did not come in time."),
    _of_target("requests", _COUNTER, "Questions to the broker's application; subscriptions are not counted."),
    _of_target("requests_expired", _COUNTER, "Questions to the broker's application that were not answered in time."),
    _of_target("messages_received", _COUNTER, "Messages that came."),
    _of_target("messages_sent", _COUNTER, "Messages that went."),
    _of_target("received_bytes", _COUNTER, "Bytes that came.", unit="bytes"),
    _of_target("sent_bytes", _COUNTER, "Bytes that went.", unit="bytes"),
    _of_target("messages_not_understood", _COUNTER, "Messages that this version does not know."),
    _of_target("last_message_timestamp_seconds", _GAUGE, "When anything last came, prices included. Missing before the first.", unit="seconds"),
    _of_target("last_tick_timestamp_seconds", _GAUGE, "When this symbol's price last came. Missing before the first, and before the next once the clock was set.", SYMBOL, unit="seconds"),
    _of_target("ticks", _COUNTER, "Prices that came.", SYMBOL),
    _of_target("ticks_out_of_order", _COUNTER, "Prices that are older than the one before."),
    _of_target("ticks_repeated", _COUNTER, "Prices that came twice: same symbol, same time, same price."),
    _of_target("tick_interarrival_seconds", _HISTOGRAM, "Between two prices of one symbol.", unit="seconds", buckets=_TICK_GAP),
    _of_target("stalls", _COUNTER, "Times that prices stayed away although the market was open."),
    _of_target("market_open", _GAUGE, "Whether the market of any watched symbol is open, as far as is known: what every rule about prices asks first."),
    _of_target("symbol_open", _GAUGE, "Whether prices of this symbol are to be expected now: its own market is open, as far as is known.", SYMBOL),
    _of_target("clock_offset_seconds", _GAUGE, "The broker's clock ahead of ours. Missing until it is known well enough.", unit="seconds"),
    _of_target("tls_cert_not_after_timestamp_seconds", _GAUGE, "When the certificate of this endpoint ends.", ENDPOINT, unit="seconds"),
    _info("tls", "What the last connection to this endpoint was secured with.", "version", of=(TARGET, ENDPOINT)),
    _of_target("health_score", _GAUGE, "0 to 100, for people to look at; no alert is made of it. Missing while too little is known."),
    _of_target("health_component_ratio", _GAUGE, "What each part of the score has of its full points, 0 to 1. Missing while it is not known.", COMPONENT, unit="ratio"),
    _of_target("incidents", _COUNTER, "Stretches of bad time that began.", CAUSE),
    _of_target("diagnosis", _GAUGE, "1 for each verdict that holds now; others have no series.", CODE),
    _of_target("samples_tainted", _COUNTER, "Numbers that were measured while we were late ourselves, and are in no histogram here."),
)  # fmt: skip


def _loaded(name: str, text: str, *more: Label) -> Family:
    return _of_target(f"load_{name}_seconds", _HISTOGRAM, text, *more, unit="seconds", buckets=_LOADED)


OF_LOAD = (
    _info("load_run", "The load test that runs.", "scenario", "run", of=(TARGET,)),
    _of_target("load_requests", _COUNTER, "Requests of a load test that ended, by how.", OPERATION, OUTCOME),
    _of_target("load_requests_due", _COUNTER, "Requests of a load test that were to be sent, by its clock.", OPERATION),
    _loaded("response", "From when a request was due until it was answered: what somebody who wanted it then had to wait.", OPERATION),
    _loaded("service", "From when a request was sent until it was answered: what the server and the way to it took.", OPERATION),
    _loaded("lateness", "From when a request was due until it was sent: the load generator's own lateness.", OPERATION),
    _loaded("connect", "From when a session was due until it was live."),
    _loaded("first_tick", "From a subscription to its first price."),
    _loaded("tick_staleness", "How old the newest price of a session was, once a second of each session."),
    _loaded("tick_skew", "The same price, after the first session had it."),
    _of_target("load_sessions_wanted", _GAUGE, "Sessions that the load test wants now."),
    _of_target("load_sessions_live", _GAUGE, "Sessions of the load test that are live now."),
    _of_target("load_sessions_lost", _COUNTER, "Sessions that were live and ended, and not by us.", REASON),
    _of_target("load_sessions_dropped", _COUNTER, "Sessions that the load test cut, as its scenario says."),
    _of_target("load_sessions_reopened", _COUNTER, "Sessions that were opened again after they were lost or cut."),
    _of_target("load_wanted_rate", _GAUGE, "Requests a second that the plan wants now. Missing where users wait for their answers."),
    _of_target("load_stage", _GAUGE, "1 for the stage that runs; others have no series.", STAGE),
    _of_target("load_remaining_seconds", _GAUGE, "Until the plan ends. Missing in a search for the capacity.", unit="seconds"),
    _of_target("load_verdict", Kind.STATES, "Whether the figures so far are the server's. Missing until something was measured.", states=("valid", "invalid")),
    _of_target("load_verdict_reason", _GAUGE, "1 for each reason why the figures are not the server's; others have no series.", RULE),
    _of_target("load_threshold_holds", _GAUGE, "1 while a threshold holds, 0 while it does not. Missing until it is known.", THRESHOLD),
    _of_target("load_generator_cpu_seconds", _COUNTER, "Processor time of a process that makes load.", WORKER, unit="seconds"),
    _loaded("generator_lag", "How late a timer of a process that makes load came.", WORKER),
    _of_target("load_generator_resident_bytes", _GAUGE, "Memory of a process that makes load.", WORKER, unit="bytes"),
    _of_target("load_generator_unsent", _COUNTER, "Requests that were due when there was no session to send them on.", WORKER),
    _of_target("load_generator_refused", _COUNTER, "What the caps on a load test stopped.", CAP),
    _of_target("load_workers_lost", _GAUGE, "Processes that made load and are gone without having said so."),
)  # fmt: skip

FAMILIES: tuple[Family, ...] = (*OF_MONITOR, *OF_TARGETS, *OF_LOAD)
