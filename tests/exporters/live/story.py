"""What the alerts do when faults come: who fires live and why, who is silenced by whom, and who cannot be shown in a minute."""

from collections.abc import Mapping

from tests.exporters.live.programs import Alert

# -- the faults ----------------------------------------------------------------------------------------------------------

# Targets that one exporter watches, and what their simulated brokers do once all is well.
FAULTS: Mapping[str, tuple[str, ...]] = {
    "calm": (),
    "gone": ("refuse", "drop:at=0s"),
    "locked": (),  # its credential is one that nobody takes, from the start
    "stalled": ("silent-stall:at=0s",),
    "blocked": ("http-status:code=503,retry_after=1s", "drop:at=0s"),
    "flaky": ("drop:at=1s",),
    "skewed": (),
    "changed": ("garbage:at=0s,every=100ms",),
    "secured": (),
    "mute": ("silent-stall:at=0s",),
    "polled": (),
    "terminal": (),
}
# Of another broker than the rest, because of what the dashboards show.
BROKERS: Mapping[str, str] = {"mute": "quotex", "polled": "crypto", "terminal": "mt5"}
# And what they do from the start, because it takes a while to be seen.
FROM_THE_START: Mapping[str, str] = {"skewed": "clock-skew:seconds=90"}
LOST = "lost"  # the target of the other exporter, whose own line is down

# -- what comes of them --------------------------------------------------------------------------------------------------

FIRES: Mapping[Alert, str] = {
    ("TradeprobeErrorBudgetBurn 1h", "gone"): "its connections are refused",
    ("TradeprobeErrorBudgetBurn 6h", "gone"): "its connections are refused",
    ("TradeprobeSessionDown", "gone"): "its connections are refused",
    ("TradeprobeAllEndpointsFailing", "gone"): "its connections are refused",
    ("TradeprobeAuthRejected", "locked"): "its credential is one that its broker does not take",
    ("TradeprobeStreamStalled", "stalled"): "its prices stop while its heartbeats go on",
    ("TradeprobeReconnectStorm", "flaky"): "each session is dropped after a second",
    ("TradeprobeClockSkewed", "skewed"): "the broker's clock is 90 s ahead",
    ("TradeprobeProtocolChanged", "changed"): "messages come that mean nothing",
    ("TradeprobeNotificationsFailing", ""): "the command that brings the monitor's own alerts fails",
    ("TradeprobeStoreFailing", ""): "another program holds a lock on its history",
    ("TradeprobeConfigReloadFailed", ""): "the configuration is broken and read again",
    ("TradeprobeExporterDown", ""): "the other exporter is not started yet",
    ("TradeprobeUplinkDown", ""): "nobody listens at the control address of the other exporter",
    ("TradeprobeMonitorOverloaded", ""): "the other exporter is stopped for most of each second",
    ("TradeprobeSeriesRefused", ""): "the other exporter watches two targets and may export one",
}
# By whom; one of them is enough.
SILENCED: Mapping[Alert, frozenset[str]] = {
    ("TradeprobeSessionDown", "locked"): frozenset({"TradeprobeAuthRejected"}),
    ("TradeprobeConnectionLost", "gone"): frozenset(
        {"TradeprobeSessionDown", "TradeprobeAllEndpointsFailing"}
    ),
    ("TradeprobeUpgradeBlocked", "blocked"): frozenset({"TradeprobeAllEndpointsFailing"}),
    ("TradeprobeTickStale", "stalled"): frozenset({"TradeprobeStreamStalled"}),
    ("TradeprobeSessionDown", LOST): frozenset({"TradeprobeUplinkDown"}),
}
NOT_LIVE: Mapping[str, str] = {
    "TradeprobeErrorBudgetBurn 1d": "needs an hour of observation, two minutes even when hurried",
    "TradeprobeErrorBudgetBurn 3d": "needs three hours of observation, six minutes even when hurried",
    "TradeprobeCertificateExpiring": "must hold for an hour, two minutes even when hurried",
    "TradeprobeRttHigh": "needs ten pings in its window, and a session pings every 20 s, hurried or not",
    "TradeprobeRttAnomalous": "needs half an hour of pings",
    "TradeprobeHighErrorRate": "needs ten questions in its window; a session asks one question a minute, hurried or not",
    "TradeprobeSlowResponse": "needs five answers in its window; a session asks one question a minute, hurried or not",
    "TradeprobeHighMemory": "needs a monitor that has 500 MB",
    "TradeprobeMetricsAbsent": "needs that there is no exporter at all, so nothing else could be shown",
}
# They fire in Prometheus, and nobody is told.
FOR_NOBODY: Mapping[Alert, str] = {("TradeprobeWatchdog", ""): "fires always, and its receiver is nobody"}
SHOWN = frozenset({*FIRES, *SILENCED, *FOR_NOBODY})

# What fires only because the machine that runs the tests is slow, at whatever time.
OF_SLOW_MACHINES = frozenset(
    {
        "TradeprobeMonitorOverloaded",
        "TradeprobeRttHigh",
        "TradeprobeRttAnomalous",
        "TradeprobeSlowResponse",
        "TradeprobeHighErrorRate",
    }
)


def live_page() -> str:
    """docs/alerts-live.md."""
    lines = [
        "# The alerts, live",
        "",
        "Drawn from `tests/exporters/live/story.py` by `make docs`. In `make test-long` a real Prometheus scrapes two exporters that watch",
        "simulated brokers, evaluates the rules of `grafana/prometheus/`, and tells a real Alertmanager with the inhibition of",
        "`grafana/alertmanager/`, which tells a webhook. Faults are switched on while it runs, and taken away again: what fires has to",
        "arrive, what is explained by another alert has to be silenced, and all of it has to be resolved. A smaller one is in `make test`.",
        "",
        "For that, time goes thirty times as fast: `for`, `keep_firing_for`, the ranges of expressions and what Alertmanager waits for are",
        "divided by 30, so are thresholds that count observed seconds or messages, and every group is evaluated each second. What brokers and sessions",
        "do takes as long as ever, so two thresholds are others: a price is stale after 5 s instead of 60, and three reconnects in 40 s",
        "are a storm instead of twenty-one in an hour. The real files, undivided, are held by `promtool test rules`, each alert by a test of its own.",
        "",
        "| alert | shown by |",
        "|---|---|",
    ]
    for alert in sorted({name for name, _ in SHOWN} | {*NOT_LIVE}):
        said = [
            *(f"fires: {why}" for (name, _), why in FIRES.items() if name == alert),
            *(why for (name, _), why in FOR_NOBODY.items() if name == alert),
            *(
                f"is silenced by {' or '.join(f'`{each}`' for each in sorted(by))} (target `{target}`)"
                for (name, target), by in SILENCED.items()
                if name == alert
            ),
            *(f"not here: {why}" for name, why in NOT_LIVE.items() if name == alert),
        ]
        lines.append(f"| `{alert}` | {'; '.join(said)} |")
    lines += [
        "",
        "No page that is silenced may be brought at any time, also not while what explains it ends: so `TradeprobeAuthRejected` and",
        "`TradeprobeUplinkDown` keep firing for 20 s, in which sessions come back that take as long as ever.",
        "",
        "Every query of the dashboards, of their panels and variables, is asked of the same Prometheus, and has to have a number.",
    ]
    return "\n".join([*lines, ""])
