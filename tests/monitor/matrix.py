"""A monitored session that meets a fault, in time that does not wait: what must be said of each, and what was said."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest import mock

from probe.brokers import find_broker
from probe.diagnose.case import Host
from probe.drivers.tls import TlsProfile
from probe.measure.records import (
    Alert,
    Attempt,
    Cause,
    Disconnected,
    Incident,
    Notice,
    Record,
    Sample,
    SessionState,
    StateChanged,
    Tick,
)
from probe.measure.snapshot import Snapshot
from probe.model.endpoint import Endpoint
from probe.monitor.judging import NOT_JUDGED
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import ConnectMode, Wanted
from probe.session.broker import Broker, Region
from probe.simulator.run import Simulator
from tests.monitor.linked import regions
from tests.monitor.named import NOT_FIRST, first_of, names, names_for, wrong_certainties

WEDNESDAY_NOON = 1_767_787_200.0  # 2026-01-07 12:00 UTC
REGIONS = regions("near", "far", latency=0.005)
OFTEN = 0.5
SETTLED = 20.0  # a session that was well before
# What a public monitor said of the same runs: its score and its word.
BASELINE = {"stall": (100, "EXCELLENT"), "never connected": (60, "FAIR")}
PATIENCE = 900.0
LONG_AFTER = 1300.0  # until the last quarter of an hour is good again
A_WHILE = 5.0
NAMED_WITHIN = 150.0
CONNECTING = 3.0  # bad seconds that a first connection takes
R = TypeVar("R")


@contextmanager
def simulated_at(utc: float) -> Iterator[None]:
    """The simulator's clock begins there, and not at the hour of the test run."""
    with mock.patch("probe.simulator.run.time", SimpleNamespace(time=lambda: utc)):
        yield


class Course:
    """One monitored target from its beginning; all times are seconds since then."""

    def __init__(self, simulator: Simulator, broker: Broker, *, tls: bool, **changes: Any) -> None:
        name, loop = broker.name, asyncio.get_running_loop()
        floor = simulator.worlds[name].floor
        served = [each for each in simulator.endpoints if (each.ca_file is not None) is tls]
        ways = {each.url.partition("://")[0] for each in served[:1]}
        served = [each for each in served if each.url.partition("://")[0] in ways]
        endpoints = tuple(
            Endpoint(broker=name, region=each.region, url=each.url, account=each.account, named_by_user=True)
            for each in served
        )
        self.simulator, self.records = simulator, list[Record]()
        self.also: list[Callable[[Record], object]] = []  # whoever else is told every record
        self.began, self.loop = loop.time(), loop
        self.began_utc = floor.at(self.began)
        self.samples = 0
        wanted: dict[str, Any] = {
            "name": "one",
            "broker": broker,
            "endpoints": endpoints,
            "key": simulator.key(endpoints[0]),
            "symbols": (broker.house.symbol or broker.default_symbol,),
            "connect": ConnectMode.FALLBACK,
            "proxy": "none",
            "tls": TlsProfile(ca_file=simulator.ca_file),
        }
        self.monitor = Monitor(
            [Wanted(**wanted | changes)],
            sinks=[self._take],
            utc=lambda: floor.at(loop.time()),
            rng=random.Random(1),
            host=Host,  # that of the test run is no part of it
        )

    def _take(self, record: Record) -> None:
        for told in self.also:
            told(record)
        if type(record) is Sample:
            self.samples += 1
        elif type(record) is not Tick:
            self.records.append(record)

    @property
    def now(self) -> float:
        return self.loop.time() - self.began

    def at(self, utc: float | None) -> float | None:
        return None if utc is None else utc - self.began_utc

    def of(self, kind: type[R]) -> list[R]:
        return [record for record in self.records if isinstance(record, kind)]

    @property
    def incidents(self) -> list[Incident]:
        """As they were last told, in order."""
        return list({incident.id: incident for incident in self.of(Incident)}.values())

    @property
    def states(self) -> set[SessionState]:
        return {change.condition.state for change in self.of(StateChanged)}

    @property
    def alerts(self) -> set[str]:
        return {alert.name for alert in self.of(Alert)}

    def snapshot(self) -> Snapshot:
        return self.monitor.snapshots()[0]

    @property
    def is_over(self) -> bool:
        """All is well, and said to be."""
        streams = self.snapshot().condition.state is SessionState.STREAMING
        return streams and all(incident.ended_utc is not None for incident in self.incidents)

    async def until(self, condition: Callable[[], object], within: float = PATIENCE) -> bool:
        end = self.now + within
        while not condition() and self.now < end:  # noqa: ASYNC110 - in time that does not wait
            await asyncio.sleep(OFTEN)
        return bool(condition())


@asynccontextmanager
async def course(
    broker: str | Broker,
    *faults: str,
    at: Sequence[Region] | None = REGIONS,
    utc: float = WEDNESDAY_NOON,
    tls: bool = False,
    **changes: Any,
) -> AsyncIterator[Course]:
    spoken = find_broker(broker) if isinstance(broker, str) else broker
    with simulated_at(utc):
        async with Simulator([spoken], regions=at, faults=faults, tls=tls) as simulator:
            one = Course(simulator, spoken, tls=tls, **changes)
            running = asyncio.create_task(one.monitor.run())
            await asyncio.sleep(0)
            try:
                yield one
            finally:
                one.monitor.stop()
                await running


BROKERS = ("pocketoption", "quotex")


class Then(Enum):
    """What becomes of the session."""

    STAYS = "stays"
    RECONNECTS = "reconnects"
    STOPS = "stops"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a fault must look like.

    Args:
        fault: As on the command line. Of those whose time counts from the login, `at=0s`: they are held without a pause.
        states: Must be seen while it is held.
        cause: To which most of the bad seconds while it is held are given; None: none is bad.
        code: Of the incident.
        alert: Must fire when the fault is held for so long as `long`, and be resolved afterwards.
        from_start: It is on before the first connection, for it happens to connections and not to sessions.
        symbols: None: the broker's usual one.
        heals: Whether everything is well again soon after it ended.
    """

    fault: str
    states: tuple[SessionState, ...] = ()
    cause: Cause | None = None
    code: str | None = None
    alert: str | None = None
    then: Then = Then.STAYS
    from_start: bool = False
    symbols: tuple[str, ...] | None = None
    brokers: tuple[str, ...] = BROKERS
    held: float = 60.0
    long: float = 240.0
    heals: bool = True
    looks: str = ""

    @property
    def name(self) -> str:
        return self.fault.partition(":")[0].partition("@")[0]


async def suffer(row: Row, broker: str, seconds: float | None, **changes: Any) -> None:
    """`seconds`: hold it so long; None: until what must be seen was seen."""
    if row.symbols is not None:
        changes["symbols"] = row.symbols
    has_socket = find_broker(broker).has_socket
    if not has_socket:
        changes["at"] = None
    async with course(broker, *([row.fault] if row.from_start else []), **changes) as one:
        number = 1
        if not row.from_start:
            assert await one.until(lambda: one.now >= SETTLED)
            assert (one.incidents, one.alerts, one.is_over) == ([], set(), True)
            number = await one.simulator.board.switch_on(row.fault)
        switched_on, before = one.now, one.snapshot()
        if seconds is not None:
            await asyncio.sleep(seconds)
        else:
            await one.until(lambda: row.code is not None and was_seen(row, one), row.held)
            await asyncio.sleep(A_WHILE)
            if row.code is not None and (wanted := names_for(row.fault, row.code)):
                await one.until(lambda: wanted & names(one.incidents), NAMED_WITHIN)
        held = one.snapshot()
        bad = {cause: held.bad_seconds[cause] - before.bad_seconds[cause] for cause in Cause}
        await one.simulator.board.switch_off(number)
        switched_off = one.now

        if row.cause is None:
            assert (one.incidents, one.alerts, sum(bad.values()) < CONNECTING) == ([], set(), True)
        else:
            assert bad[row.cause] > 0
            if seconds is not None:
                assert max(bad, key=lambda cause: bad[cause]) is row.cause
        assert set(row.states) <= one.states
        failures = [
            *(each.failure for each in one.of(Disconnected)),
            *(each.failure for each in one.of(Attempt) if each.purpose == "hold"),
        ]
        assert any(failures) is (row.then is not Then.STAYS)
        if row.code is not None:
            wanted = names_for(row.fault, row.code)
            assert NOT_JUDGED not in {each.code for each in one.of(Notice)}
            assert not wanted or wanted & names(one.incidents), [each.verdicts for each in one.incidents]
            assert not wanted or row.fault in NOT_FIRST or first_of(one.incidents) in wanted, [
                (each.code, each.verdicts) for each in one.incidents
            ]
            assert wrong_certainties(row.fault, row.code, one.incidents) == set(), [
                (each.code, each.verdicts) for each in one.incidents
            ]
            assert row.code in [incident.code for incident in one.incidents]
            first = one.incidents[0]
            assert switched_on - 5.5 <= (one.at(first.began_utc) or 0.0) <= switched_on + row.held
        if row.heals:
            assert await one.until(lambda: one.is_over)
        elif row.then is Then.STOPS:
            await asyncio.sleep(60.0)
            assert one.snapshot().condition.state is SessionState.AUTH_REJECTED
            if has_socket:
                assert len(one.simulator.sessions.records()) == (1 if row.from_start else 2)
        if seconds is None:
            return
        if row.alert is not None:
            assert row.alert in one.alerts
        if row.heals:
            await asyncio.sleep(A_WHILE if row.cause is None else LONG_AFTER)
            assert one.is_over
            told = [alert for alert in one.of(Alert) if not alert.name.startswith("error_budget")]
            assert {each.name for each in told if each.resolved_utc} == {each.name for each in told}
            assert (one.snapshot().score.value or 0.0) > 90
        assert switched_off > switched_on


def was_seen(row: Row, one: Course) -> bool:
    codes = {incident.code for incident in one.incidents}
    return row.code in codes and set(row.states) <= one.states


def label(row: Row) -> str:
    where = row.brokers[0] if len(row.brokers) == 1 else ""
    return " ".join([row.fault, *(row.symbols or ()), where]).strip()


_S = SessionState
_DISCONNECTED = dict[str, Any](cause=Cause.DISCONNECTED, alert="connection_lost", then=Then.RECONNECTS)
_OPENING = _DISCONNECTED | {"from_start": True, "states": (_S.CONNECTING, _S.BACKOFF)}
_EVERYWHERE = _OPENING | {"alert": "all_endpoints_failing"}
_REJECTED = dict[str, Any](
    states=(_S.AUTH_REJECTED,),
    cause=Cause.AUTH,
    alert="auth_rejected",
    then=Then.STOPS,
    from_start=True,
    heals=False,
)
_ENDED = _DISCONNECTED | {"states": (_S.BACKOFF, _S.CONNECTING)}
_STALLED = dict[str, Any](
    states=(_S.STALLED,), cause=Cause.STALLED, code="session.silent-stall", alert="stream_stalled"
)
_DEGRADED = dict[str, Any](states=(_S.DEGRADED,), cause=Cause.DEGRADED, alert="error_budget_burn_1h")
_STRANGE = _DEGRADED | {"code": "cfg.client-outdated"}
TWO = ("EURUSD_otc", "GBPUSD_otc")

ROWS = (
    # the upgrade
    Row(fault="http-status", code="http.cf-challenge", **_OPENING),
    Row(
        fault="http-status:code=429,retry_after=20s",
        code="http.429",
        **_EVERYWHERE,
    ),
    Row(fault="http-status:code=503", code="http.bad-gateway", **_EVERYWHERE),
    Row(fault="silent-upgrade", code="http.open-timeout", **_EVERYWHERE),
    Row(
        fault="slow:seconds=12s",
        states=(_S.AUTHENTICATING,),
        cause=Cause.DISCONNECTED,
        code="session.disconnected",
        from_start=True,
        looks="a login that takes more than the ten seconds that a first connection may take",
    ),
    Row(
        fault="slow",
        from_start=True,
        cause=Cause.DISCONNECTED,
        looks="a first connection that takes five seconds longer; no incident",
    ),
    Row(fault="no-open", code="eio.no-open", **_EVERYWHERE),
    Row(fault="no-join", code="sio.connect-silent", **_EVERYWHERE),
    Row(fault="connect-error", code="sio.connect-error", **_OPENING),
    Row(
        fault="beat-terms",
        brokers=("pocketoption",),
        code="eio.ping-timeout",
        **_ENDED | {"from_start": True, "alert": "error_budget_burn_1h"},
    ),
    Row(
        fault="beat-terms",
        brokers=("quotex",),
        from_start=True,
        looks="nothing: the client asks, not the server",
    ),
    # the login
    Row(fault="auth-refused", code="auth.session-expired", **_REJECTED),
    Row(fault="auth-refused:then=stay", code="auth.session-expired", **_REJECTED),
    Row(fault="auth-41", code="auth.rejected-41", **_REJECTED),
    Row(
        fault="auth-silent",
        states=(_S.AUTHENTICATING, _S.BACKOFF),
        cause=Cause.AUTH,
        code="auth.silent-after-connect",
        alert="connection_lost",
        then=Then.RECONNECTS,
        from_start=True,
    ),
    Row(fault="auth-close", code="auth.demo-real-mismatch", **_REJECTED),
    Row(fault="auth-outage", code="auth.session-expired", **_REJECTED),
    Row(
        fault="false-success",
        **_STALLED | {"code": "auth.false-success", "from_start": True},
    ),
    Row(
        fault="lying-balance",
        code="auth.demo-real-mismatch",
        from_start=True,
        heals=False,
        **_DEGRADED,
        looks="until the server tells another balance",
    ),
    Row(
        fault="lying-balance:word=nothing",
        from_start=True,
        looks="the server names no kind: nothing to contradict",
    ),
    Row(fault="session-cap", looks="nothing, until somebody else logs in"),
    Row(
        fault="kicked-elsewhere:at=0s",
        code="auth.logged-in-elsewhere",
        **_REJECTED | {"from_start": False},
    ),
    # the end
    Row(fault="close:at=0s", code="session.closed-normal", **_ENDED | {"alert": "error_budget_burn_1h"}),
    Row(fault="goodbye:at=0s", code="session.closed-normal", **_ENDED | {"alert": "error_budget_burn_1h"}),
    Row(fault="drop:at=0s", code="session.closed-1006", **_ENDED | {"alert": "error_budget_burn_1h"}),
    Row(fault="tcp-reset:at=0s", code="session.tcp-reset", **_ENDED | {"alert": "error_budget_burn_1h"}),
    Row(fault="close-loop", code="session.closed-1005", **_ENDED | {"alert": "error_budget_burn_1h"}),
    Row(
        fault="idle-kick",
        code="session.closed-normal",
        **_ENDED | {"alert": "error_budget_burn_1h"},
        looks="planned, and soon on a beat",
    ),
    # heartbeats
    Row(
        fault="half-open:at=0s",
        code="session.half-open",
        **_ENDED | {"states": (_S.STALLED, _S.BACKOFF), "alert": "error_budget_burn_1h"},
        looks="stalled first; disconnected when not even a heartbeat is answered",
    ),
    Row(
        fault="stop-pings",
        brokers=("pocketoption",),
        code="eio.ping-timeout",
        **_ENDED | {"alert": None},
        looks="a reconnect each time that the promised heartbeat is overdue",
    ),
    Row(fault="stop-pings", brokers=("quotex",), code="session.peer-stopped-ponging", **_DEGRADED),
    Row(fault="no-pong", code="session.peer-stopped-ponging", **_DEGRADED),
    Row(
        fault="disowned:at=0s",
        **_STALLED | {"code": "session.heartbeat-without-data"},
    ),
    # prices
    Row(fault="half-subscribed", **_STALLED),
    Row(fault="silent-stall:at=0s", **_STALLED),
    Row(
        fault="one-symbol-stall:at=0s",
        code="session.one-symbol-stall",
        symbols=TWO,
        **_DEGRADED,
    ),
    Row(fault="one-symbol-stall:at=0s", **_STALLED, looks="the only symbol that is watched: a stall"),
    Row(fault="stream-cap", code="session.one-symbol-stall", symbols=TWO, **_DEGRADED),
    Row(fault="duplicate-ticks", code="data.duplicates", **_DEGRADED),
    Row(fault="out-of-order-ticks", code="data.out-of-order", **_DEGRADED),
    Row(fault="past-timestamps", code="data.out-of-order", **_DEGRADED),
    Row(fault="frozen-price", code="data.stale-ticks", held=90.0, **_DEGRADED),
    Row(fault="clock-jump:at=0s", code="data.clock-offset", **_DEGRADED),
    Row(fault="clock-skew", code="data.clock-offset", **_DEGRADED | {"alert": "clock_skewed"}, long=800.0),
    # answers and the account
    Row(fault="stuck-history", code="data.stale-history", held=330.0, long=600.0, **_DEGRADED),
    Row(fault="short-history", looks="nothing: the page that a monitor asks for is shorter"),
    Row(
        fault="rate-limit:limit=1,window=5m",
        code="session.policy-1008",
        **_ENDED | {"alert": "connection_lost"},
        held=120.0,
        long=300.0,
        looks="with the usual limit nothing: a monitor asks once a minute",
    ),
    Row(fault="rate-limit", looks="nothing: a monitor asks once a minute"),
    Row(fault="history-unanswered", code="session.request-no-reply", held=75.0, **_DEGRADED),
    # messages
    Row(fault="interleave", brokers=("pocketoption",), looks="nothing: it is understood"),
    Row(fault="interleave", brokers=("quotex",), **_STRANGE),
    Row(fault="drop-attachment", **_STRANGE),
    Row(fault="truncate-json", **_STRANGE),
    Row(fault="rename-event", **_STALLED | {"code": "cfg.client-outdated"}),
    Row(fault="extra-element", **_STRANGE),
    Row(fault="missing-element", brokers=("quotex",), looks="nothing: the last element is not needed"),
    Row(fault="missing-element", brokers=("pocketoption",), **_STALLED | {"code": "cfg.client-outdated"}),
    Row(fault="numbers-as-text", looks="nothing: it is understood"),
    Row(fault="garbage:at=0s", **_STRANGE),
    Row(fault="binary-garbage:at=0s", **_STRANGE),
    Row(fault="big-message:at=0s", code="session.message-too-big", **_ENDED),
    Row(fault="flood:at=0s", code="session.slow-consumer", held=20.0, long=200.0, **_DEGRADED),
    # bytes
    Row(fault="delay", looks="slower, and worse against the usual once that is known"),
    Row(fault="delay:seconds=1.5s", code="net.slow", held=90.0, **_DEGRADED),
    Row(fault="jitter", looks="slower"),
    Row(fault="jitter:seconds=9s", code="session.peer-stopped-ponging", held=90.0, **_DEGRADED),
    Row(fault="slice", looks="nothing that anybody would notice"),
    Row(fault="throttle", looks="nothing that anybody would notice"),
    Row(
        fault="throttle:bytes_per_second=100",
        code="eio.ping-timeout",
        brokers=("pocketoption",),
        **_ENDED | {"states": (_S.STALLED, _S.BACKOFF), "alert": "error_budget_burn_1h"},
        held=120.0,
        looks="prices wait in the line, then everything does",
    ),
    Row(
        fault="freeze",
        code="session.half-open",
        **_ENDED | {"states": (_S.STALLED, _S.BACKOFF)},
        looks="stalled first; disconnected when not even a heartbeat is answered",
    ),
    Row(fault="cut", code="session.closed-1006", **_ENDED),
    Row(fault="reset", code="session.tcp-reset", **_ENDED),
    Row(fault="corrupt", code="session.protocol-error", **_ENDED),
    # connections
    Row(fault="connection-cap", looks="nothing: a session and a knock are two"),
    Row(fault="connection-cap:cap=1", looks="nothing but a knock that is refused"),
    Row(fault="refuse", code="tcp.refused", **_EVERYWHERE),
)

NOT_MET = {
    "order-unanswered": "a monitor places no orders",
    "order-late": "a monitor places no orders",
    "order-ignored": "a monitor places no orders",
    "close-after-order": "a monitor places no orders",
    "close-lost": "a monitor places no orders",
    "close-late": "a monitor places no orders",
    "demo-trade-cap": "a monitor places no orders",
    "balance-drift": "the balance may move for any reason; a monitor does not keep accounts",
    "pre-auth-events": "a monitor asks nothing before the login",
    "history-by-word": "a monitor reads no web history",
    "signin-challenge": "met while signing in, not by a session",
    "signin-form-missing": "met while signing in, not by a session",
    "signin-region-blocked": "met while signing in, not by a session",
    "signin-pin": "met while signing in, not by a session",
    "signin-refused": "met while signing in, not by a session",
    "signin-settings-missing": "met while signing in, not by a session",
    "signin-stale-token": "met while signing in, not by a session",
    "signin-expired": "met while signing in, not by a session",
    "signin-slow": "met while signing in, not by a session",
}
