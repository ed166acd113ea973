"""Records of every kind, a writer that a test can look into, and what the writer has told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from probe.measure.histogram import Histogram
from probe.measure.records import (
    Alert,
    Attempt,
    Cause,
    Condition,
    Disconnected,
    Incident,
    Login,
    Metric,
    Notice,
    Period,
    PhaseTime,
    Recognised,
    Record,
    Sample,
    SessionState,
    Severity,
    StateChanged,
    Tick,
    Transport,
    Trigger,
)
from probe.model.events import Phase
from probe.model.failures import Blame, CloseFacts, Failure, Speaker
from probe.model.findings import Certainty
from probe.session.transcript import Line
from probe.store.retention import Keep
from probe.store.writer import StoreWriter

NOON = 1_700_049_600.0  # a whole hour, UTC
FAILURE = Failure(
    kind="http.429",
    spoke_last=Speaker.REMOTE,
    detail="“slow down”",
    close=CloseFacts(received_code=1008, received_reason="rate", received_first=True),
    http_status=429,
    retry_after_seconds=7.5,
)
STATE = StateChanged(
    at_utc=NOON + 1,
    target="demo",
    endpoint="eu",
    before=SessionState.CONNECTING,
    condition=Condition(
        transport=Transport.UP,
        login=Login.REJECTED,
        state=SessionState.AUTH_REJECTED,
        cause=Cause.AUTH,
        sentence="the credential was refused",
        code="auth.rejected-41",
    ),
    trigger=Trigger.REMOTE_CLOSE,
)
ATTEMPT = Attempt(
    at_utc=NOON + 2,
    target="demo",
    endpoint="eu",
    purpose="hold",
    trigger=Trigger.START,
    phases=(PhaseTime(phase=Phase.RESOLVING, seconds=0.25), PhaseTime(phase=Phase.SECURING, seconds=0.5)),
    failure=FAILURE,
    address="127.0.0.1",
    http_status=429,
    certificate_expires_utc=NOON + 1e6,
    tls="TLSv1.3 X",
    proxy="socks5://127.0.0.1",
    tcp_rtt_seconds=0.03,
)
SUCCESS = Attempt(at_utc=NOON + 2.5, target="demo", endpoint="eu", purpose="knock")
DISCONNECT = Disconnected(
    at_utc=NOON + 3,
    target="demo",
    endpoint="eu",
    lasted_seconds=60.0,
    initiator="remote",
    close_code=1008,
    planned=True,
    failure=None,
)
NOTICE = Notice(at_utc=NOON + 4, code="loop.late", sentence="we were late")
INCIDENT = Incident(
    id="demo/1",
    target="demo",
    began_utc=NOON + 5,
    ended_utc=None,
    cause=Cause.STALLED,
    code="data.stalled",
    sentence="prices stopped",
    advice="wait",
    blame=Blame.BROKER,
    endpoint="eu",
    evidence=(Line(NOON + 4.5, "<", '42["tick"]', False), Line(NOON + 4.75, ">", "3", True)),
    figures={"ws": 0.25, "app": None},
    blind_seconds=12.5,
    candles_missed=1,
    pattern="every 18 min ± 1",
    verdicts=(
        Recognised(
            code="session.silent-stall",
            certainty=Certainty.LIKELY,
            says="prices stopped, and the connection stands",
            at_utc=NOON + 9.5,
            evidence=("no price for 12.5 s", "pings are answered"),
            excluded=("session.half-open",),
            remaining=("data.market-closed",),
        ),
        Recognised(
            code="host.cpu-starved", certainty=Certainty.POSSIBLE, says="work waited", at_utc=NOON + 10
        ),
    ),
)
ALERT = Alert(
    name="connection_lost",
    target="demo",
    severity=Severity.PAGE,
    message="lost",
    value=1.0,
    threshold=None,
    fired_utc=NOON + 6,
)
OWN_ALERT = Alert(
    name="high_memory",
    target=None,
    severity=Severity.INFO,
    message="much",
    value=2.0,
    threshold=1.0,
    fired_utc=NOON + 6.5,
)
SAMPLE = Sample(NOON + 7, "demo", "eu", Metric.WS_RTT, 0.0625, True)
SAMPLE_OF_NO_ENDPOINT = Sample(NOON + 7, "demo", None, Metric.LOOP_LAG, 0.001, False)
TICK = Tick(NOON + 8, "demo", "EURUSD_otc", NOON + 7.5, 1.08642)


def minute(began_utc: float, *, target: str = "demo", values: tuple[float, ...] = (0.1, 0.2, 0.9)) -> Period:
    return Period(
        began_utc=began_utc,
        seconds=60.0,
        target=target,
        observed_seconds=55.0,
        unobserved_seconds=5.0,
        bad_seconds={Cause.STALLED: 10.0, Cause.DEGRADED: 1.5},
        open_seconds=50.0,
        blind_seconds=10.0,
        connects=1,
        connect_failures=2,
        disconnects=3,
        ticks=4,
        messages=5,
        beats_sent=6,
        beats_missed=7,
        requests_sent=8,
        requests_expired=9,
        surprises=10,
        tainted=11,
        histograms={Metric.WS_RTT: Histogram.of(values), Metric.TICK_GAP: Histogram.of(values[:1])},
        score=87.5,
        judged_seconds=55.0,
        lost={"availability": 110.0, "cap": 577.5},
        longest_blind_seconds=25.0,
    )


MINUTE = minute(NOON)


def comparable(period: Period) -> dict[str, object]:
    """A histogram is what its bytes are."""
    fields: dict[str, object] = {name: getattr(period, name) for name in Period.__slots__}
    return fields | {"histograms": {metric: each.to_bytes() for metric, each in period.histograms.items()}}


@dataclass
class Kept:
    """A running writer and everything it told."""

    path: Path
    notices: list[Notice] = field(default_factory=list)

    def writer(self, **options: object) -> StoreWriter:
        settings: dict[str, object] = {"keep": Keep(), "clock_utc": lambda: NOON, "retry_seconds": 0.05}
        return StoreWriter(self.path, notice=self.notices.append, **(settings | options))  # type: ignore[arg-type]

    @contextmanager
    def running(self, **options: object) -> Iterator[StoreWriter]:
        writer = self.writer(**options)
        writer.start()
        try:
            yield writer
        finally:
            assert writer.close(10)

    @property
    def codes(self) -> list[str]:
        return [notice.code for notice in self.notices]

    def keep(self, *records: Record) -> None:
        with self.running() as writer:
            for record in records:
                writer.write(record)
            assert writer.flush(10)
