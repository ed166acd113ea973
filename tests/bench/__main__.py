"""`make bench`: every figure of docs/performance.md, or those whose name contains a given word."""

import sys

from tests.bench import core

BENCHES = (core.one_tick, core.idle_memory, core.six_hours)

for bench in BENCHES:
    if len(sys.argv) < 2 or any(word in bench.__name__ for word in sys.argv[1:]):
        print(bench(), flush=True)
