"""docs/metrics.md, drawn from the table of metrics."""

from probe.measure.metrics import OF_LOAD, OF_MONITOR, OF_TARGETS, Family, Kind, Label

HEAD = """# Metrics

Drawn from `probe/measure/metrics.py` by `make docs`: the exporter, the dashboards, the rules and this page have one table. All of it is at
`/metrics` of [`probe exporter`](exporter.md), as Prometheus' text or as OpenMetrics; the second has exemplars, where the table says so.
Besides it there are the client library's `process_*` and `python_*`, and at `/probe` the `probe_*` of a single check.

- **What is not known has no series.** A clock offset, a score, a session's beginning, a price's time: missing until there is one, and
  missing again when it is known no more. No value is ever 0 because nobody looked.
- **What can be known in advance begins at 0**: causes, states, triggers, the usual failures of an endpoint that was tried. Other
  combinations of labels appear when they first happen.
- **Series go with their target.** When the configuration removes a target, its series are gone within a second. One that was changed
  begins anew, and its counters with it.
- **Only endpoints that were tried have series.**
- **There is a bound for everything.** `exporter.max_series` (5,000) and `exporter.max_targets` (64) are hard, and each label has the
  bound below. A value beyond its bound becomes `other` where that is said, and is refused elsewhere. `tradeprobe_series_refused_total`
  and `tradeprobe_targets_refused` count what is left out; both should be 0.
- **One target takes about 210 series** (one endpoint, three symbols), 430 with four endpoints and ten symbols. 5,000 series are therefore
  enough for 23 small targets or 11 large ones, and 64 targets need `max_series` at 15,000 or more. A target for which there is no more room
  is exported in part; the alert [TradeprobeSeriesRefused](runbooks/TradeprobeSeriesRefused.md) tells.
- **Seconds, bytes and ratios.** Times are UTC seconds.
- **Numbers that were measured while this process was late itself** are in no histogram; `tradeprobe_samples_tainted_total` counts them.

Exemplars: `session` is the second in which the session began, in hexadecimal; `incident` is the id under which the
history has it.
"""

LOAD = """## Of a load test

At `/metrics` of [`probe load TARGET --exporter HOST:PORT`](load.md), while it runs. What means the same there has the name from above:
`connect_attempts`, `connect_successes`, `connect_failures`, `connect_phase_duration`, `reconnect_gap`, `beat_rtt`, `heartbeats`, messages
and bytes, `messages_not_understood`, `ticks`, `ticks_out_of_order`, `ticks_repeated` and `tick_interarrival`, each over all of the test's
sessions. An alert about one of these sees the test as well: scrape it as a job of its own, and leave that job out where nobody should be woken.

The histograms are cumulative, and taken from the finer ones of the test's record, whose buckets are 1/64 of a power of two wide. The bounds
of `load_*` are edges of those, so their counts are exact; only a value of just a bound's length counts beyond it. The bounds of the others
are taken at the nearest edge, which is off by 0.8 % at the most.
"""
NOT_EXPORTED = """## What is not exported, and why

| what | why |
|---|---|
| messages by event | the names are the broker's and change as it likes: without a bound, or with one that hides what is new. What is not understood is counted |
| how old a price is when it comes | the broker's clock and its zone are guessed from these very prices; where a gateway says when it had the price, `tradeprobe_feed_lag_seconds` does |
| the engine's ping interval and last ping | one dialect's own; a missed one is `tradeprobe_heartbeats_unanswered_total` and a verdict |
| a session's round trips by symbol or operation | the bounds multiply; an alert on one of them would see a handful of samples. A load test has so many that it tells them by operation |
| the median and the 95th percentile | they cannot be added up: `histogram_quantile` over the buckets can |
| prices and balances | they are data of an account, and not how its session does |
| addresses, host names, cipher suites | an endpoint is its region or alias; the doctor shows the rest |
| the text of errors | it comes from others. `reason` and `code` have a closed set of words |
| `_created` series | they would be a quarter more series, and Prometheus does not use them |
"""
_KINDS = {Kind.STATES: "state set"}


def metrics_page() -> str:
    families = (*OF_MONITOR, *OF_TARGETS, *OF_LOAD)
    labels = dict.fromkeys(label for family in families for label in family.labels if label.help)
    return "\n".join(
        [
            HEAD,
            "## Of the monitor itself",
            "",
            *_table(OF_MONITOR),
            "",
            "## Of each target",
            "",
            *_table(OF_TARGETS),
            "",
            LOAD,
            *_table(OF_LOAD),
            "",
            "## Labels",
            "",
            "| label | what | at most, at one target |",
            "|---|---|---|",
            *(f"| `{label.name}` | {label.help} | {_bound(label)} |" for label in labels),
            "",
            NOT_EXPORTED,
        ]
    )


def _table(families: tuple[Family, ...]) -> list[str]:
    rows = ["| name | kind | labels | what it says |", "|---|---|---|---|"]
    for family in families:
        named = ", ".join(f"`{name}`" for name in family.label_names) or "·"
        kind = _KINDS.get(family.kind, family.kind.value)
        more = [
            f" Bounds: {', '.join(f'{bound:g}' for bound in family.buckets)}." if family.buckets else "",
            f" States: {', '.join(f'`{state}`' for state in family.states)}." if family.states else "",
            " Exemplars." if family.exemplars else "",
        ]
        rows.append(f"| `{family.full_name}` | {kind} | {named} | {family.help}{''.join(more)} |")
    return rows


def _bound(label: Label) -> str:
    if label.values:
        values = ", ".join(f"`{value}`" for value in label.values)
        return values + (
            "; anything else is `other`" if label.has_other and "other" not in label.values else ""
        )
    if label.most is None:
        return "as the configuration says"
    return f"{label.most}; then `other`" if label.has_other else f"{label.most}"
