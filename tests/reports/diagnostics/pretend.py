"""Diagnostics reports about targets that never were."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from probe.measure.health import Grade
from probe.measure.histogram import Histogram
from probe.measure.periods import COUNTED
from probe.measure.records import Alert, Cause, Incident, Metric, Severity
from probe.model.events import Phase
from probe.model.failures import Blame
from probe.session.transcript import Line
from reports.diagnostics import words
from reports.diagnostics.facts import (
    Budget,
    Connecting,
    Health,
    Latency,
    PhaseFigures,
    Region,
    Report,
    Side,
    Slot,
    Sums,
    Symbol,
    TargetReport,
    Told,
    Trust,
)
from reports.diagnostics.figures import why_of
from reports.diagnostics.telling import lasted

NOVEMBER = 1793491200.0  # 1 Nov 2026, UTC
HOUR, DAY = 3600.0, 86400.0
HOSTILE = "<img src=http://elsewhere.example/x onerror=alert(1)></script>\x1b[2J\u202e\"'`&]]>|[a](http://b)\n# @all"
_PHASES = (
    (Phase.RESOLVING, 0.012),
    (Phase.CONNECTING, 0.031),
    (Phase.SECURING, 0.062),
    (Phase.UPGRADING, 0.045),
    (Phase.OPENING, 0.034),
    (Phase.JOINING, 0.033),
    (Phase.AUTHENTICATING, 0.12),
)
_EVIDENCE = (
    Line(0.0, "<", '451-["updateStream",{"_placeholder":true,"num":0}]', False),
    Line(0.4, "<", '[["EURUSD_otc",1793498400.123,1.08412]]', True),
    Line(4.0, ">", "2", False),
    Line(24.0, ">", "2", False),
)
_TOLD = {
    Cause.DISCONNECTED: (
        "ws.closed",
        "the connection ended without a goodbye",
        "Nothing, if it was once. If it comes back, look at the line: probe doctor TARGET.",
        Blame.NETWORK,
    ),
    Cause.AUTH: (
        "auth.session-expired",
        "the server refused the login: the session is over",
        "Log in again with your browser and put the new session where the old one was.",
        Blame.CREDENTIAL,
    ),
    Cause.STALLED: (
        "session.silent-stall",
        "no price of EURUSD_otc for 41 s while the connection stood",
        "Let the monitor reconnect; it does so by itself. If one region does it often, use another.",
        Blame.BROKER,
    ),
    Cause.DEGRADED: (
        "session.slow",
        "round trips took four times as long as usual",
        "Compare the regions below, and use a nearer one.",
        Blame.NETWORK,
    ),
}


@cache
def histogram(median: float, values: int = 2000, *, spread: float = 0.4, seed: int = 1) -> Histogram:
    made, chance = Histogram(), random.Random(seed)
    made.add_all([median * math.exp(chance.gauss(0, spread)) for _ in range(values)])
    return made


def incident(cause: Cause, began: float, lasted: float | None, *, target: str = "demo") -> Incident:
    code, sentence, advice, blame = _TOLD[cause]
    blind = 0.0 if cause is Cause.DEGRADED else lasted or 0.0
    return Incident(
        id=f"{target}-{began:.3f}",
        target=target,
        began_utc=began,
        ended_utc=None if lasted is None else began + lasted,
        cause=cause,
        code=code,
        sentence=sentence,
        advice=advice,
        blame=blame,
        endpoint="demo-eu",
        evidence=tuple(line._replace(at=began - 30 + line.at) for line in _EVIDENCE),
        figures={"ws_ping_rtt_seconds": 0.043, "tick_age_seconds": 41.2},
        blind_seconds=blind,
        candles_missed=int(blind // 60),
    )


def target(
    name: str = "demo",
    *,
    since: float = NOVEMBER,
    seconds: float = 30 * DAY,
    step: float = HOUR,
    incidents: Sequence[Incident] = (),
    away: tuple[float, float] = (0.0, 0.0),
    seed: int = 1,
    **changes: Any,
) -> TargetReport:
    """Watched but for `away`, and well but for the incidents."""
    chance = random.Random(seed)
    until = since + seconds
    slots = []
    for number in range(math.ceil(seconds / step)):
        began = since + number * step
        lasts = min(step, until - began)
        observed = lasts - _shared(began, began + lasts, *away)
        bad = dict[Cause, float]()
        for each in incidents:
            ended = until if each.ended_utc is None else each.ended_utc
            if (shared := min(_shared(began, began + lasts, each.began_utc, ended), observed)) > 0:
                bad[each.cause] = bad.get(each.cause, 0.0) + shared
        ping = 0.04 * (1 + 0.4 * math.sin((began % DAY) / DAY * math.tau)) * chance.uniform(0.9, 1.2)
        blind = sum(lost for cause, lost in bad.items() if cause is not Cause.DEGRADED)
        slots.append(
            Slot(
                began_utc=began,
                seconds=lasts,
                observed=observed,
                bad=bad,
                blind=blind,
                score=None
                if not observed
                else max(99.5 - chance.random() - 90 * min(4 * sum(bad.values()) / lasts, 1), 0),
                disconnects=int(Cause.DISCONNECTED in bad),
                ping=(ping, ping * chance.uniform(1.2, 2.5)) if observed else None,
                answer=(ping * 1.6, ping * chance.uniform(2, 6)) if observed else None,
            )
        )
    bad_seconds = {
        cause: sum(slot.bad.get(cause, 0.0) for slot in slots)
        for cause in Cause
        if any(cause in s.bad for s in slots)
    }
    observed = sum(slot.observed for slot in slots)
    judged = [slot.score for slot in slots if slot.score is not None]
    mean = sum(judged) / len(judged) if judged else None
    lost = 0.0 if mean is None else 100 - mean
    blind = sum(slot.blind for slot in slots)
    spent = sum(bad_seconds.values())
    sums = Sums(
        asked=seconds,
        observed=observed,
        unobserved=0.0,
        bad=bad_seconds,
        open=observed,
        blind=blind,
        longest_blind=max((each.blind_seconds for each in incidents), default=0.0),
    )
    budget = Budget(
        objective=0.995, is_configured=True, allowed_seconds=0.005 * observed, spent_seconds=spent
    )
    blamed = {each.blame: lasted(each) for each in incidents}
    made = TargetReport(
        target=name,
        verdict=words.verdict(sums, budget, next(iter(blamed), Blame.UNKNOWN)),
        sums=sums,
        budget=budget,
        health=Health(
            score=judged[-1] if judged else None,
            grade=Grade.EXCELLENT if judged else Grade.UNKNOWN,
            mean=mean,
            mean_grade=Grade.UNKNOWN if mean is None else Grade.EXCELLENT if mean > 90 else Grade.GOOD,
            lowest=min(judged, default=None),
            judged_seconds=observed,
            lost={}
            if mean is None
            else {"availability": lost * 0.6, "freshness": lost * 0.25, "cap": lost * 0.15},
        ),
        incidents=tuple(sorted(incidents, key=lambda each: each.began_utc)),
        blamed=blamed,
        why=why_of(incidents, since, until),
        counts=dict.fromkeys(COUNTED, 7),
        latency=(
            Latency(metric=Metric.LOOP_LAG, side=Side.OWN, histogram=histogram(0.0009, seed=seed)),
            Latency(
                metric=Metric.TCP_RTT, side=Side.NETWORK, histogram=histogram(0.031, seed=seed, spread=0.2)
            ),
            Latency(metric=Metric.WS_RTT, side=Side.NETWORK, histogram=histogram(0.042, seed=seed)),
            Latency(
                metric=Metric.APP_RTT, side=Side.BROKER, histogram=histogram(0.078, seed=seed, spread=0.6)
            ),
        ),
        regions=tuple(
            Region(
                name=region,
                used_seconds=observed * part,
                bad_seconds=spent * part,
                round_trips=histogram(median, seed=seed) if part else Histogram(),
                attempts=attempts,
                failures=attempts // 40,
                connect=histogram(median * 8, 200, seed=seed),
            )
            for region, part, median, attempts in (
                ("demo-eu", 0.93, 0.042, 812),
                ("demo-us", 0.07, 0.118, 96),
                ("demo-asia", 0.0, 0.21, 40),
            )
        ),
        symbols=tuple(
            Symbol(
                name=symbol,
                ticks=ticks,
                first_utc=until - DAY,
                last_utc=until - 1,
                gap_p50=0.5 * chance.uniform(0.8, 1.2),
                gap_p99=1.9 * chance.uniform(0.8, 1.2),
                gap_longest=41.0 * chance.uniform(0.8, 1.2),
                repeated=ticks // 900,
                out_of_order=ticks // 90_000,
            )
            for symbol, ticks in (("EURUSD_otc", 172_031), ("GBPUSD_otc", 168_402), ("BTCUSD", 81_220))
        ),
        tick_gap=histogram(0.5, seed=seed),
        connecting=Connecting(
            attempts=14,
            failures={"tcp.refused": 2, "ws.closed": 1},
            disconnects=9,
            planned_disconnects=2,
            reconnects=9,
            phases=tuple(
                PhaseFigures(
                    phase=phase,
                    seconds=histogram(median, 14, seed=place),
                    ended=2 if phase is Phase.CONNECTING else 0,
                )
                for place, (phase, median) in enumerate(_PHASES)
            ),
            whole=histogram(0.42, 11, seed=seed),
        ),
        alerts=tuple(
            Alert(
                name="stream_stalled" if each.cause is Cause.STALLED else "connection_lost",
                target=name,
                severity=Severity.PAGE,
                message=each.sentence,
                value=None,
                threshold=None,
                fired_utc=each.began_utc + 30,
                resolved_utc=None if each.ended_utc is None else each.ended_utc + 60,
            )
            for each in incidents
            if each.cause is not Cause.DEGRADED
        ),
        advice=tuple(dict.fromkeys(each.advice for each in incidents)) or ("Nothing: go on as it is.",),
        trust=Trust(
            coverage=observed / seconds,
            samples=1_214_033,
            tainted=420,
            runs=3,
            killed=1,
            clock_steps=1,
            own_lag_p99=0.0021,
            remarks=("One run of the monitor ended without saying so: it was killed, or the power failed.",),
        ),
        timeline=tuple(slots),
        state="streaming",
    )
    return replace(made, **changes)


def report(*targets: TargetReport, **changes: Any) -> Report:
    since = min((each.timeline[0].began_utc for each in targets if each.timeline), default=NOVEMBER)
    until = max(
        (each.timeline[-1].began_utc + each.timeline[-1].seconds for each in targets if each.timeline),
        default=NOVEMBER + DAY,
    )
    made = Report(
        made_utc=until + 60,
        since_utc=since,
        until_utc=until,
        verdict=words.verdict_over_all(targets),
        targets=targets,
        own_alerts=(),
        notices=(
            Told(
                code="store.slow",
                times=3,
                last_utc=until - DAY / 2,
                sentence="The disk was slow; nothing was lost.",
            ),
        ),
    )
    return replace(made, **changes)


def bad_day(name: str = "demo", *, since: float = NOVEMBER + 2 * DAY, seed: int = 1) -> TargetReport:
    """A day in slots of five minutes: a pause of the monitor's, and everything that can be wrong."""
    wrong = (
        (Cause.DEGRADED, 2.5 * HOUR, 1400.0),
        (Cause.STALLED, 5.2 * HOUR, 41.0),
        (Cause.DISCONNECTED, 5.9 * HOUR, 12.5),
        (Cause.DISCONNECTED, 11.1 * HOUR, 1260.0),
        (Cause.STALLED, 15.0 * HOUR, 600.0),
        (Cause.AUTH, 22.4 * HOUR, None),
    )
    incidents = [incident(cause, since + at, lasted, target=name) for cause, at, lasted in wrong]
    return target(
        name,
        since=since,
        seconds=DAY,
        step=300.0,
        incidents=incidents,
        away=(since + 7 * HOUR, since + 9.5 * HOUR),
        seed=seed,
    )


def month(targets: int = 10, *, each: int = 40) -> Report:
    """Hours of November, with incidents all over it."""
    causes = list(Cause)

    def one(number: int) -> TargetReport:
        name, chance = f"account-{number:02}", random.Random(number)
        wrong = [
            incident(
                chance.choice(causes),
                NOVEMBER + chance.uniform(0, 29.9) * DAY,
                chance.expovariate(1 / (20 + 12 * number)),
                target=name,
            )
            for _ in range(each)
        ]
        return target(name, incidents=wrong, seed=number)

    return report(*(one(number) for number in range(targets)))


def nothing(name: str = "demo", *, slots: bool = True) -> TargetReport:
    """A target of which nothing was measured."""
    none = Histogram()
    asleep = Slot(
        began_utc=NOVEMBER,
        seconds=DAY,
        observed=0.0,
        bad={},
        blind=0.0,
        score=None,
        disconnects=0,
        ping=None,
        answer=None,
    )
    return TargetReport(
        target=name,
        verdict=f"Nobody watched {name} in this period.",
        sums=Sums(asked=DAY, observed=0.0, unobserved=0.0, bad={}, open=0.0, blind=0.0, longest_blind=0.0),
        budget=Budget(objective=0.995, is_configured=False, allowed_seconds=0.0, spent_seconds=0.0),
        health=Health(
            score=None,
            grade=Grade.UNKNOWN,
            mean=None,
            mean_grade=Grade.UNKNOWN,
            lowest=None,
            judged_seconds=0.0,
            lost={},
        ),
        incidents=(),
        blamed={},
        why=(),
        counts=dict.fromkeys(COUNTED, 0),
        latency=(Latency(metric=Metric.WS_RTT, side=Side.NETWORK, histogram=none),),
        regions=(),
        symbols=(),
        tick_gap=none,
        connecting=Connecting(
            attempts=0, failures={}, disconnects=0, planned_disconnects=0, reconnects=0, phases=(), whole=none
        ),
        alerts=(),
        advice=(),
        trust=Trust(
            coverage=0.0, samples=0, tainted=0, runs=0, killed=0, clock_steps=0, own_lag_p99=None, remarks=()
        ),
        timeline=(asleep,) if slots else (),
        state=None,
    )


def said_by_a_server(text: str = HOSTILE) -> Report:
    """The same text wherever one can stand that is not ours."""
    day = bad_day(text)
    wrong = [
        replace(
            each,
            sentence=text,
            advice=text,
            endpoint=text,
            code=text,
            pattern=text,
            figures={text: 1.0},
            evidence=(Line(each.began_utc, "<", text, False),),
        )
        for each in day.incidents
    ]
    one = replace(
        day,
        verdict=text,
        incidents=tuple(wrong),
        advice=(text, text[:200]),
        regions=tuple(replace(each, name=text) for each in day.regions),
        symbols=tuple(replace(each, name=text) for each in day.symbols),
        connecting=replace(day.connecting, failures={text: 1}),
        alerts=tuple(replace(each, name=text, message=text) for each in day.alerts),
        trust=replace(day.trust, remarks=(text,)),
        health=replace(day.health, lost={text: 100 - (day.health.mean or 0)}),
        state=text,
    )
    made = report(one, replace(one, target=f"{text} two"), verdict=text, own_alerts=one.alerts)
    return replace(made, notices=tuple(replace(each, code=text, sentence=text) for each in made.notices))


def _shared(began: float, ended: float, since: float, until: float) -> float:
    return max(min(ended, until) - max(began, since), 0.0)
