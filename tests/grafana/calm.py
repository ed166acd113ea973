"""All that a healthy exporter shows, over forty minutes: of it no alert may fire, whatever else happens to the numbers."""

from collections.abc import Sequence

from probe.measure.metrics import FAMILIES, Family, Kind
from tests.grafana.world import HOUR, MINUTE, World

MINUTES = 40
RESTARTED = 20 * MINUTE  # and it is away for a minute before

# What grows each minute; the others stand still.
_GROWING = {
    "session_observed_seconds": 60.0, "session_open_seconds": 60.0, "connect_attempts": 0.1, "connect_successes": 0.1, "endpoint_wins": 0.1,
    "heartbeats": 3.0, "requests": 1.0, "messages_received": 200.0, "messages_sent": 5.0, "received_bytes": 9e4,
    "sent_bytes": 900.0, "ticks": 100.0, "notifications": 0.1, "upgrade_responses": 0.1,
}  # fmt: skip
_BEFORE = 7.0  # hours that it ran already when Prometheus sees it first: no counter begins at zero then
_PUT = {
    "config_last_reload_successful": 1.0, "uplink_up": 1.0, "slo_objective_ratio": 0.99, "session_up": 1.0,
    "market_open": 1.0, "symbol_open": 1.0, "clock_offset_seconds": 0.1, "health_score": 97.0,
    "tls_cert_not_after_timestamp_seconds": 90 * 24.0 * HOUR,
}  # fmt: skip
_PINGS = {
    "ws_ping_rtt_seconds": 0.03,
    "poll_rtt_seconds": 0.03,
    "app_rtt_seconds": 0.2,
    "event_loop_lag_seconds": 0.002,
}
_CHOSEN = {"code": "101", "symbol": "EURUSD", "endpoint": "eu"}


def calm(
    *, step: int, without: Sequence[str] = (), instances: Sequence[str] = ("m",), ends: int | None = None
) -> World:
    """
    Args:
        step: Between two scrapes.
        without: Families that are not there, as where there is no TLS, store or uplink.
        instances: The exporters; all watch the same target.
        ends: The second in which the target is taken away.
    """
    world = World(minutes=MINUTES, step=step)
    world.series.clear()
    for instance in instances:
        world.put("up", lambda at: float(not _is_away(at)), instance=instance)
        world.put(
            "process_resident_memory_bytes", lambda at: None if _is_away(at) else 9e7, instance=instance
        )
        for family in FAMILIES:
            if family.name not in without:
                _show(world, family, instance)
    if ends is not None:
        world.end(ends)
    return world


def _is_away(at: int) -> bool:
    return RESTARTED - MINUTE <= at < RESTARTED


def _show(world: World, family: Family, instance: str) -> None:
    labels = {each: _CHOSEN.get(each, "a") for each in family.label_names} | {"instance": instance}
    for label in family.labels:
        if label.values:
            labels[label.name] = label.values[0]
    name = family.full_name
    match family.kind:
        case Kind.STATES:
            for state in family.states:
                _stand(world, name, float(state in {"streaming", "accepted"}), **labels, **{name: state})
        case Kind.HISTOGRAM if family.name in _PINGS:
            for bound in (*(f"{each:g}" for each in family.buckets), "+Inf"):
                share = float(_PINGS[family.name] <= float(bound))
                _count(world, f"{name}_bucket", 3.0 * share, **labels, le=bound)
            _count(world, f"{name}_count", 3.0, **labels)
            _count(world, f"{name}_sum", 3.0 * _PINGS[family.name], **labels)
        case Kind.COUNTER:
            _count(world, name, _GROWING.get(family.name, 0.0), **labels)
        case Kind.GAUGE if family.name.startswith("last_"):
            world.put(name, lambda at: None if _is_away(at) else float(at), **labels)
        case Kind.GAUGE | Kind.INFO:
            _stand(world, name, _PUT.get(family.name, float(family.kind is Kind.INFO)), **labels)
        case _:
            pass


def _stand(world: World, name: str, value: float, **labels: str) -> None:
    world.put(name, lambda at: None if _is_away(at) else value, **labels)


def _count(world: World, name: str, each_minute: float, **labels: str) -> None:
    def total(at: int) -> float | None:
        if _is_away(at):
            return None
        since = at - RESTARTED if at >= RESTARTED else at + _BEFORE * HOUR
        return since / MINUTE * each_minute

    world.put(name, total, **labels)
