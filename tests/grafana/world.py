"""What an exporter would have shown, scrape by scrape, and what the monitor's own engine would have read meanwhile."""

import statistics
from collections.abc import Callable, Sequence
from itertools import accumulate

from probe.measure.alert_rules import Readings
from probe.measure.baseline import Baseline
from probe.measure.metrics import FAMILIES
from probe.measure.reading import REFUSING_STATUS

Value = float | None
MONITOR = {"job": "tradeprobe", "instance": "m"}
DOWN = ("connecting", "authenticating", "backoff", "auth_rejected", "stopped")
BUCKETS = {family.full_name: family.buckets for family in FAMILIES if family.buckets}
MINUTE, HOUR = 60, 3600


class World:
    """Begins at the epoch, as promtool's does."""

    def __init__(self, *, minutes: float, step: int) -> None:
        self.step = step
        self.times = range(0, int(minutes * MINUTE) + 1, step)
        self.series: dict[str, dict[tuple[tuple[str, str], ...], list[Value]]] = {}
        self._samples: dict[str, list[Sequence[float]]] = {}
        self._usual = Baseline()
        self.of_target("slo_objective_ratio", 0.99)

    def end(self, from_second: int) -> None:
        """The target is taken away."""
        for found in self.series.values():
            for labels, values in found.items():
                if "target" in dict(labels):
                    values[from_second // self.step :] = [None] * (len(values) - from_second // self.step)

    def put(self, name: str, of: float | Callable[[int], Value], /, **labels: str) -> None:
        """`of`: the value at each second; None: no such series then."""
        values = [of(at) if callable(of) else of for at in self.times]
        self.series.setdefault(name, {})[tuple((MONITOR | labels).items())] = values

    def of_target(self, name: str, of: float | Callable[[int], Value], /, **labels: str) -> None:
        self.put(f"tradeprobe_{name}", of, **{"target": "a"} | labels)

    def state(self, of: Callable[[int], str]) -> None:
        for state in (*DOWN, "idle", "streaming", "degraded", "stalled"):
            holds = [float(of(at) == state) for at in self.times]
            self._list("tradeprobe_session_state", holds, {"target": "a", "tradeprobe_session_state": state})

    def observe(self, name: str, of: Callable[[int], Sequence[float]], /, **labels: str) -> None:
        """A histogram: `of` gives what was measured between a scrape and the next."""
        full = f"tradeprobe_{name}"
        samples = self._samples[name] = [of(at) if at else () for at in self.times]
        for bound in (*BUCKETS[full], float("inf")):
            counts = accumulate(sum(value <= bound for value in each) for each in samples)
            text = "+Inf" if bound == float("inf") else f"{bound:g}"
            self._list(f"{full}_bucket", [float(each) for each in counts], {**labels, "le": text})
        self._list(f"{full}_count", [float(each) for each in accumulate(map(len, samples))], labels)
        self._list(f"{full}_sum", list(accumulate(map(sum, samples))), labels)

    def _list(self, name: str, values: list[Value] | list[float], labels: dict[str, str]) -> None:
        self.series.setdefault(name, {})[tuple((MONITOR | labels).items())] = list(values)

    # -- as Prometheus is told ---------------------------------------------------------------------------------------

    def written(self) -> list[dict[str, str]]:
        return [
            {
                "series": f"{name}{{{','.join(f'{label}={value!r}' for label, value in labels)}}}".replace(
                    "'", '"'
                ),
                # What a scrape has no more is marked so, and is not looked back for.
                "values": " ".join("stale" if value is None else f"{value:.10g}" for value in values),
            }
            for name, found in self.series.items()
            for labels, values in found.items()
        ]

    # -- as the engine reads it --------------------------------------------------------------------------------------

    def readings(self, at: int) -> Readings:
        read = _Look(self, at // self.step)
        if at % MINUTE == 0:
            self._usual.add(read.median("ws_ping_rtt_seconds", 5 * MINUTE))
        return Readings(
            **{f"bad_ratio_{each}": read.bad_ratio(seconds) for each, seconds in _WINDOWS.items()},
            **{
                f"observed_{each}_seconds": read.grown("session_observed_seconds_total", _WINDOWS[each])
                for each in ("5m", "30m", "2h", "6h")
            },
            error_budget=_minus(1.0, read.now("slo_objective_ratio")),
            down_seconds=_both(read.state(*DOWN), read.now("market_open")),
            disconnected_seconds=read.state(*DOWN),
            auth_rejected=read.state("auth_rejected"),
            stalled_seconds=read.state("stalled"),
            tick_age_seconds=read.tick_age(),
            reconnects_1h=read.grown("reconnects_total", HOUR),
            attempts_10m=read.grown("connect_attempts_total"),
            failures_10m=read.grown("connect_failures_total"),
            refusals_15m=read.grown(
                "upgrade_responses_total", 15 * MINUTE, code={str(each) for each in REFUSING_STATUS}
            ),
            rtt_p95_10m_seconds=read.quantile(95, "ws_ping_rtt_seconds", "poll_rtt_seconds"),
            rtt_count_10m=float(len(read.measured("ws_ping_rtt_seconds", "poll_rtt_seconds"))),
            rtt_anomalous=read.anomalous(self._usual),
            certificate_seconds_left=_minus(read.now("tls_cert_not_after_timestamp_seconds"), float(at)),
            clock_skew_seconds=read.now("clock_offset_seconds"),
            surprise_ratio_10m=_over(
                read.grown("messages_not_understood_total"), read.grown("messages_received_total")
            ),
            messages_10m=read.grown("messages_received_total"),
            error_ratio_10m=_over(read.grown("requests_expired_total"), read.grown("requests_total")),
            operations_10m=read.grown("requests_total"),
            response_mean_10m_seconds=read.mean("app_rtt_seconds"),
            response_median_10m_seconds=read.median("app_rtt_seconds"),
            responses_10m=float(len(read.measured("app_rtt_seconds"))),
            loop_lag_p99_5m_seconds=read.quantile(99, "event_loop_lag_seconds", seconds=5 * MINUTE),
            memory_mb=read.memory(),
            uplink_down=_minus(1.0, read.now("uplink_up")),
            notifications_failed_15m=read.grown("notifications_failed_total", 15 * MINUTE),
            store_failing=read.now("store_failing"),
        )


_WINDOWS = {
    "5m": 300,
    "30m": 1800,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "6h": 6 * HOUR,
    "1d": 24 * HOUR,
    "3d": 72 * HOUR,
}


class _Look:
    def __init__(self, world: World, place: int) -> None:
        self._world, self._place = world, place

    def _found(self, name: str) -> dict[tuple[tuple[str, str], ...], list[Value]]:
        return self._world.series.get(f"tradeprobe_{name}", {})

    def now(self, name: str, **labels: str) -> Value:
        """The smallest."""
        found = (
            values[self._place] for of, values in self._found(name).items() if set(labels.items()) <= set(of)
        )
        return min((each for each in found if each is not None), default=None)

    def state(self, *states: str) -> Value:
        found = [self.now("session_state", tradeprobe_session_state=each) for each in states]
        return None if None in found else float(sum(each or 0.0 for each in found))

    def grown(self, name: str, seconds: float = 600, code: set[str] | None = None) -> Value:
        """Of all series of this name: how much more than so long ago. One that was not there was nothing."""
        chosen = [
            values for of, values in self._found(name).items() if code is None or dict(of)["code"] in code
        ]
        before = self._place - int(seconds // self._world.step)
        return (
            sum(
                (each[self._place] or 0.0) - ((each[before] or 0.0) if before >= 0 else 0.0)
                for each in chosen
            )
            if chosen
            else None
        )

    def bad_ratio(self, seconds: float) -> Value:
        bad, observed = (self.grown(f"session_{each}_seconds_total", seconds) for each in ("bad", "observed"))
        return _over(bad, observed)

    def tick_age(self) -> Value:
        if self.state("streaming", "degraded", "stalled") != 1.0:
            return 0.0
        at = self._world.times[self._place]
        ages = [
            at - last
            for of, values in self._found("last_tick_timestamp_seconds").items()
            if (last := values[self._place]) is not None
            and self.now("symbol_open", symbol=dict(of)["symbol"]) == 1.0
        ]
        return max(ages, default=0.0)

    def memory(self) -> Value:
        found = self._world.series.get("process_resident_memory_bytes", {})
        return (
            next((each[self._place] or 0.0 for each in found.values()), 0.0) / 1e6
            if found and self._found("build_info")
            else None
        )

    def measured(self, *names: str, seconds: float = 600) -> list[float]:
        first = max(0, self._place + 1 - int(seconds // self._world.step))
        found = (
            each for name in names for each in self._world._samples.get(name, ())[first : self._place + 1]
        )
        return sorted(value for each in found for value in each)

    def quantile(self, percent: int, *names: str, seconds: float = 600) -> Value:
        values = self.measured(*names, seconds=seconds)
        return values[min(len(values) - 1, len(values) * percent // 100)] if values else None

    def median(self, name: str, seconds: float = 600) -> Value:
        values = self.measured(name, seconds=seconds)
        return statistics.median(values) if values else None

    def mean(self, name: str) -> Value:
        values = self.measured(name)
        return statistics.fmean(values) if values else None

    def anomalous(self, usual: Baseline) -> Value:
        median = self.median("ws_ping_rtt_seconds", 5 * MINUTE)
        return None if median is None else float(usual.is_anomalous(median))


def _over(top: Value, bottom: Value) -> Value:
    return top / bottom if top is not None and bottom else None


def _minus(left: Value, right: Value) -> Value:
    return None if left is None or right is None else left - right


def _both(left: Value, right: Value) -> Value:
    return None if left is None or right is None else left * right
