"""What the alert rules read, taken from a watch; and how a target stands, for whoever shows it."""

from collections.abc import Mapping
from dataclasses import replace

from probe.measure.alert_rules import Readings
from probe.measure.records import Alert, Data, Login, Metric, Period, SessionState, ping_in
from probe.measure.reference import Reference, farthest
from probe.measure.snapshot import EndpointView, Quantiles, Snapshot, SymbolView, quantiles
from probe.measure.watch import Watch
from probe.model.endpoint import Endpoint

REFUSING_STATUS = (200, 403, 429, 503)
_MIN10, _MIN15, _HOUR = 600.0, 900.0, 3600.0


def readings_of(watch: Watch, now: float, now_utc: float) -> Readings:
    condition, sums, measurements = watch.condition, watch.measurements.lately.sums, watch.measurements
    if condition.state is SessionState.IDLE:
        return Readings()
    period = watch.window(now)
    round_trips, answers = ping_in(period.histograms), period.histograms.get(Metric.APP_RTT)
    recent = [each for each in watch.tries.lately if now_utc - each.at_utc <= _MIN15]
    in_time = [each for each in recent if now_utc - each.at_utc <= _MIN10]
    is_open = watch.freshness.any_open(now_utc)
    down = 0.0 if watch.down_since is None else now - watch.down_since
    ages = [
        watch.freshness.age(symbol, now)
        for symbol in watch.symbols
        if condition.login is Login.ACCEPTED and watch.freshness.is_expected(symbol, now_utc)
    ]
    median = round_trips.quantile(0.5) if round_trips else None
    skew = skew_seconds(watch)
    expires = watch.tries.earliest_expiry()
    return Readings(
        **{f"bad_ratio_{name}": bad / observed for name, (bad, observed) in sums.items() if observed > 0},
        **{f"observed_{name}_seconds": sums[name][1] for name in ("5m", "30m", "2h", "6h")},
        error_budget=1 - watch.objective,
        down_seconds=down if is_open else 0.0,
        disconnected_seconds=down,
        auth_rejected=float(condition.state is SessionState.AUTH_REJECTED),
        stalled_seconds=0.0 if watch.stalled_since is None else now - watch.stalled_since,
        tick_age_seconds=max((age for age in ages if age is not None), default=0.0),
        reconnects_1h=float(sum(now - at <= _HOUR for at in watch.tries.connected_lately)),
        attempts_10m=float(len(in_time)),
        failures_10m=float(sum(each.failure is not None for each in in_time)),
        refusals_15m=float(
            sum(each.failure is not None and each.http_status in REFUSING_STATUS for each in recent)
        ),
        rtt_p95_10m_seconds=round_trips.quantile(0.95) if round_trips else None,
        rtt_count_10m=float(round_trips.count) if round_trips else 0.0,
        rtt_anomalous=None if median is None else float(measurements.baseline.is_anomalous(median)),
        certificate_seconds_left=None if expires is None else expires - now_utc,
        clock_skew_seconds=skew,
        surprise_ratio_10m=period.surprises / period.messages if period.messages else None,
        messages_10m=float(period.messages),
        error_ratio_10m=period.requests_expired / period.requests_sent if period.requests_sent else None,
        operations_10m=float(period.requests_sent),
        response_mean_10m_seconds=answers.total / answers.count if answers and answers.count else None,
        response_median_10m_seconds=answers.quantile(0.5) if answers else None,
        responses_10m=float(answers.count) if answers else 0.0,
    )


def reference_of(watch: Watch, other: Watch, apart_since: float | None, now: float) -> Reference | None:
    """How another target stands, for one that is compared with it. None: they have no symbol in common."""
    if set(watch.symbols).isdisjoint(other.symbols):
        return None
    theirs, ours = other.vitals, watch.vitals
    prices = {
        symbol: price
        for symbol in other.symbols
        if theirs is not None and (price := theirs.price(symbol)) is not None
    }
    reference = Reference(
        name=other.target, data=other.condition.data, prices=prices, apart_since=apart_since
    )
    flows = watch.condition.data is Data.FLOWING is other.condition.data
    is_apart = ours is not None and flows and farthest(ours, reference)[0] is not None
    if not is_apart:
        return replace(reference, apart_since=None)
    return reference if apart_since is not None else replace(reference, apart_since=now)


def skew_seconds(watch: Watch) -> float | None:
    """The broker's clock ahead of ours, if it is known well enough."""
    skew = watch.vitals.skew if watch.vitals else None
    return skew.skew_seconds if skew is not None and skew.uncertainty_seconds < 1.0 else None


def snapshot_of(
    watch: Watch, endpoints: tuple[Endpoint, ...], alerts: tuple[Alert, ...], now: float, now_utc: float
) -> Snapshot:
    ledger = watch.ledger
    period = watch.window(now)
    allowed = (1 - watch.objective) * ledger.observed
    blamed = watch.measurements.blamed()
    balance = watch.vitals.balance if watch.vitals else None
    tries = watch.tries
    return Snapshot(
        at_utc=now_utc,
        target=watch.target,
        broker=watch.broker,
        account=watch.account,
        endpoint=None if watch.endpoint is None else watch.endpoint.region,
        condition=watch.condition,
        since_utc=watch.since_utc,
        session_since_utc=watch.session_since_utc,
        next_attempt_utc=None if watch.waits_until is None else watch.waits_until + (now_utc - now),
        score=watch.score(now),
        started_utc=watch.started_utc,
        observed_seconds=ledger.observed,
        unobserved_seconds=ledger.unobserved,
        bad_seconds=dict(ledger.bad),
        availability=ledger.availability,
        objective=watch.objective,
        budget_left=1 - sum(ledger.bad.values()) / allowed if allowed > 0 else None,
        open_seconds=ledger.open,
        blind_seconds=ledger.blind,
        longest_blind_seconds=ledger.longest_blind,
        attempts=sum(tries.tried.values()),
        failures=sum(tries.failed.values()),
        disconnects=tries.disconnects,
        reconnects=max(tries.connects - 1, 0),
        rtt=_quantiles(period, watch.own_lag_quantiles),
        recent={metric: tuple(values) for metric, values in watch.measurements.recent.items()},
        symbols=tuple(_symbol(watch, symbol, now, now_utc) for symbol in watch.symbols),
        endpoints=tuple(_endpoint(watch, endpoint) for endpoint in endpoints),
        incidents=watch.incidents.newest_first(),
        alerts=alerts,
        traffic=watch.traffic,
        uplink={None: "not measured", True: "up", False: "down"}[watch.uplink],
        blame=blamed.sentence if blamed else None,
        clock_skew_seconds=skew_seconds(watch),
        tainted_samples=watch.measurements.tainted,
        balance=balance.amount if balance else None,
    )


def _quantiles(period: Period, own_lag: Quantiles | None) -> Mapping[Metric, Quantiles]:
    found = {metric: quantiles(histogram) for metric, histogram in period.histograms.items()}
    return found | ({Metric.LOOP_LAG: own_lag} if own_lag else {})


def _symbol(watch: Watch, symbol: str, now: float, now_utc: float) -> SymbolView:
    live = watch.condition.login is Login.ACCEPTED
    return SymbolView(
        symbol=symbol,
        is_open=watch.freshness.is_open(symbol, now_utc),
        age_seconds=watch.freshness.age(symbol, now) if live else None,
        limit_seconds=watch.freshness.limit(symbol),
        ticks=watch.ticks.get(symbol, 0),
        stalled=any(symbol == each.symbol for each in watch.overdue),
    )


def _endpoint(watch: Watch, endpoint: Endpoint) -> EndpointView:
    name = endpoint.region
    view = EndpointView(
        endpoint=name,
        host=endpoint.address.host_header,
        account=endpoint.account,
        selected=watch.endpoint == endpoint,
        attempts=watch.tries.tried.get(name, 0),
        failures=watch.tries.failed.get(name, 0),
        wins=watch.tries.won.get(name, 0),
    )
    last = watch.tries.last.get(name)
    if last is None:
        return view
    return replace(
        view,
        phases=last.phases,
        problem=None if last.failure is None else str(last.failure),
        measured_utc=last.at_utc,
        certificate_expires_utc=last.certificate_expires_utc,
    )
