"""What one command costs, in a process of its own."""

import json
import subprocess
import sys
from typing import NamedTuple

_PROGRAM = """
import json, re, sys, time
began = time.monotonic()
from probe.cli.main import run
code = run(sys.argv[1:])
peak = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
print(json.dumps([time.process_time(), time.monotonic() - began, int(peak) / 1024]), file=sys.stderr)
sys.exit(code)
"""


class Cost(NamedTuple):
    cpu_seconds: float  # with all that its start loads
    wall_seconds: float
    peak_mb: float


def cost_of(*arguments: str) -> Cost:
    """Of `probe` with these; Linux tells the memory."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=False
    )
    *said, cost = done.stderr.splitlines() or [""]
    if done.returncode:
        raise RuntimeError("\n".join(said))
    return Cost(*json.loads(cost))
