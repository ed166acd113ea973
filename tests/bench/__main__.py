"""`make bench`: every figure of docs/performance.md, or those whose name contains one of the given words."""

import sys

from tests.bench import blackbox, checks, core, exporter, exports, pings, polling, report

BENCHES = (
    core.one_tick,
    core.idle_memory,
    core.six_hours,
    checks.checks_ws,
    checks.checks_wss,
    pings.pings,
    polling.polling,
    blackbox.blackbox,
    exporter.exporter,
    exports.exports,
    report.report,
)

for bench in BENCHES:
    if len(sys.argv) < 2 or any(word in bench.__name__ for word in sys.argv[1:]):
        for figure in bench():
            print(figure, flush=True)
