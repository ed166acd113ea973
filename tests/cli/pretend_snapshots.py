"""Plausible snapshots and records, for tests of what people see of them."""

import dataclasses
import math
from typing import Any

from probe.measure.health import Component, Grade, HealthScore
from probe.measure.records import (
    Alert,
    Cause,
    Condition,
    Data,
    Incident,
    Login,
    Metric,
    PhaseTime,
    Protocol,
    SessionState,
    Severity,
    StateChanged,
    Transport,
)
from probe.measure.snapshot import EndpointView, Quantiles, Snapshot, SymbolView
from probe.model.endpoint import Account
from probe.model.events import Phase
from probe.model.failures import Blame
from probe.session.transcript import Line

NOW = 1_795_262_585.0  # 2026-11-21 12:03:05 UTC
STREAMING = Condition(
    transport=Transport.UP,
    protocol=Protocol.OPEN,
    login=Login.ACCEPTED,
    data=Data.FLOWING,
    state=SessionState.STREAMING,
    sentence="first price after 0.42 s",
)
STALLED = dataclasses.replace(
    STREAMING,
    data=Data.STALLED,
    state=SessionState.STALLED,
    cause=Cause.STALLED,
    sentence="no price of EURUSD_otc for 5.2 s while heartbeats go on",
    code="session.silent-stall",
)
_PHASES = (
    (Phase.RESOLVING, 0.0012),
    (Phase.CONNECTING, 0.0214),
    (Phase.SECURING, 0.0441),
    (Phase.UPGRADING, 0.0622),
    (Phase.OPENING, 0.0208),
    (Phase.JOINING, 0.0205),
    (Phase.AUTHENTICATING, 0.1502),
)


def score(value: float | None = 92.4, grade: Grade = Grade.EXCELLENT) -> HealthScore:
    names = (
        ("availability", 30.0, 29.1, "99.2 % good"),
        ("freshness", 25.0, 25.0, "0.2 × limit"),
        ("latency", 15.0, 13.3, "p95 212 ms"),
        ("stability", 10.0, 10.0, "0 drops/h"),
        ("errors", 15.0, 15.0, "0.0 %"),
        ("credential", 5.0, 0.0, "6.0 d left"),
    )
    components = tuple(
        Component(
            name=name,
            weight=weight,
            points=points,
            figure=figure,
            threshold="full up to here, none from there",
            sentence=f"{name}: {figure}",
        )
        for name, weight, points, figure in names
    )
    return HealthScore(
        value=value,
        grade=grade,
        components=components if value is not None else (),
        cap=None,
        sentence="the certificate ends soon" if value is not None else "46 s more are needed",
        window_seconds=900.0,
        observed_seconds=900.0,
    )


def incident(**changed: Any) -> Incident:
    """A stall that is over, unless told otherwise."""
    return dataclasses.replace(
        Incident(
            id="demo-1",
            target="demo",
            began_utc=NOW - 600,
            ended_utc=NOW - 512,
            cause=Cause.STALLED,
            code="session.silent-stall",
            sentence="no price of EURUSD_otc for 5.2 s while heartbeats go on",
            advice="Try another region with --region.",
            blame=Blame.BROKER,
            endpoint="demo-eu",
            evidence=(
                Line(NOW - 601, "<", '["updateStream",[]]', False),
                Line(NOW - 600, ">", '42["ps"]', False),
            ),
            figures={"ws_ping_rtt_seconds": 0.0412, "tcp_rtt_seconds": None},
            blind_seconds=88.0,
            candles_missed=1,
        ),
        **changed,
    )


def alert(**changed: Any) -> Alert:
    return dataclasses.replace(
        Alert(
            name="stream_stalled",
            target="demo",
            severity=Severity.PAGE,
            message="no prices for 61 s while the market is open",
            value=61.0,
            threshold=60.0,
            fired_utc=NOW - 20,
        ),
        **changed,
    )


def changed(condition: Condition = STREAMING, **other: Any) -> StateChanged:
    return dataclasses.replace(
        StateChanged(
            at_utc=NOW, target="demo", endpoint="demo-eu", before=SessionState.IDLE, condition=condition
        ),
        **other,
    )


def endpoint(region: str, *, selected: bool = False, **other: Any) -> EndpointView:
    return dataclasses.replace(
        EndpointView(
            endpoint=region,
            host=f"{region}.example.net",
            account=Account.DEMO,
            selected=selected,
            attempts=4,
            failures=0,
            wins=3,
            phases=tuple(PhaseTime(phase=phase, seconds=seconds) for phase, seconds in _PHASES),
            measured_utc=NOW - 30,
        ),
        **other,
    )


def symbol(name: str = "EURUSD_otc", **other: Any) -> SymbolView:
    return dataclasses.replace(
        SymbolView(symbol=name, is_open=True, age_seconds=0.4, limit_seconds=5.0, ticks=1200, stalled=False),
        **other,
    )


def snapshot(**other: Any) -> Snapshot:
    """A target that does well."""
    waves = tuple(0.04 + 0.01 * math.sin(at / 3) for at in range(120))
    return dataclasses.replace(
        Snapshot(
            at_utc=NOW,
            target="demo",
            broker="pocketoption",
            account=Account.DEMO,
            endpoint="demo-eu",
            condition=STREAMING,
            since_utc=NOW - 3785,
            session_since_utc=NOW - 3786,
            next_attempt_utc=None,
            score=score(),
            started_utc=NOW - 3790,
            observed_seconds=3790.0,
            unobserved_seconds=0.0,
            bad_seconds={Cause.STALLED: 88.0, Cause.DISCONNECTED: 0.0},
            availability=0.97678,
            objective=0.99,
            budget_left=-1.32,
            open_seconds=3790.0,
            blind_seconds=88.0,
            longest_blind_seconds=88.0,
            attempts=6,
            failures=1,
            disconnects=2,
            reconnects=2,
            rtt={
                Metric.WS_RTT: Quantiles(count=45, p50=0.0412, p95=0.0523, p99=0.0611, largest=0.07),
                Metric.APP_RTT: Quantiles(count=15, p50=0.0812, p95=0.2123, p99=0.311, largest=0.4),
                Metric.TCP_RTT: Quantiles(count=45, p50=0.0213, p95=0.0251, p99=0.0262, largest=0.03),
                Metric.LOOP_LAG: Quantiles(count=900, p50=0.00012, p95=0.0008, p99=0.0021, largest=0.01),
            },
            recent=dict.fromkeys((Metric.WS_RTT, Metric.APP_RTT, Metric.TCP_RTT, Metric.LOOP_LAG), waves),
            symbols=(
                symbol(),
                symbol("AUDCAD", is_open=False, age_seconds=7200.0),
                symbol("GBPJPY_otc", is_open=None, age_seconds=None),
            ),
            endpoints=(
                endpoint("demo-us", problem="the host did not answer the connection attempt", failures=1),
                endpoint("demo-eu", selected=True),
                endpoint("demo-asia", attempts=0, phases=(), measured_utc=None),
            ),
            incidents=(incident(),),
        ),
        **other,
    )


def troubled(**other: Any) -> Snapshot:
    """One with an open incident and a firing alert."""
    open_one = incident(id="demo-2", began_utc=NOW - 65, ended_utc=None, pattern="every 18 min ± 1")
    return snapshot(
        **{
            "condition": STALLED,
            "since_utc": NOW - 65,
            "score": score(41.0, Grade.POOR),
            "symbols": (symbol(age_seconds=70.2, stalled=True), symbol("AUDCAD", is_open=False)),
            "incidents": (open_one, incident()),
            "alerts": (alert(),),
        }
        | other
    )


def unknown(**other: Any) -> Snapshot:
    """One of which nothing is known yet."""
    return snapshot(
        **{
            "endpoint": None,
            "condition": Condition(),
            "since_utc": NOW,
            "session_since_utc": None,
            "score": score(None, Grade.UNKNOWN),
            "observed_seconds": 0.0,
            "bad_seconds": {},
            "availability": None,
            "budget_left": None,
            "open_seconds": 0.0,
            "blind_seconds": 0.0,
            "longest_blind_seconds": 0.0,
            "attempts": 0,
            "failures": 0,
            "disconnects": 0,
            "reconnects": 0,
            "rtt": {},
            "recent": {},
            "symbols": (symbol(is_open=None, age_seconds=None, ticks=0),),
            "endpoints": (endpoint("demo-eu", attempts=0, phases=(), measured_utc=None),),
            "incidents": (),
        }
        | other
    )
