"""What a second worker gains: `python -m tests.bench.load.workers` has users ask without a pause, by one process and by two.

The lean server needs a core of its own, so that two workers have less than two cores unless the machine has three.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from probe.load.record import RunRecord
from tests.bench.load.ours import ROOT, SSID
from tests.bench.load.truth import Server

USERS, SECONDS = 50, 10
SCENARIO = f"""
title = "As fast as it goes."
pace = "0s"
[operations]
balance = 1
[[stages]]
name = "All"
duration = "{SECONDS}s"
"""


def asked_by(workers: int) -> RunRecord:
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        scenario, record = Path(folder, "fast.toml"), Path(folder, "record.json")
        scenario.write_text(SCENARIO)
        command = [sys.executable, "-m", "probe", "load", server.url, "--broker", "pocketoption"]
        command += ["--ssid", "env:WORKERS_SSID", "--users", str(USERS), "--workers", str(workers), "--quiet"]
        command += ["--scenario", str(scenario), "--json", str(record)]
        environment = os.environ | {"WORKERS_SSID": SSID}
        subprocess.run(command, cwd=ROOT, env=environment, check=False, stdout=subprocess.DEVNULL)
        told = RunRecord.from_json(json.loads(record.read_text()))
        counted = server.ask("counters")["answers"]
        if told.total.all_requests().sent != counted:
            raise RuntimeError(f"{told.total.all_requests().sent} were sent, and the server has {counted}")
        return told


def main() -> None:
    print(
        f"{USERS} users, each asks again as soon as it has its answer; {os.cpu_count()} cores, one of them for the server"
    )
    rates = {}
    for workers in (1, 2):
        told = asked_by(workers)
        generators = told.total.generators.values()
        rates[workers] = told.total.all_requests().answered / SECONDS
        cpu = sum(each.cpu_seconds for each in generators)
        print(
            f"{workers} worker{'s' if workers > 1 else ''}: {rates[workers]:,.0f} answers/s, "
            f"{cpu / SECONDS:.2f} cores, {cpu / told.total.all_requests().answered * 1e6:.0f} us each",
            flush=True,
        )
    print(f"gain {rates[2] / rates[1]:.2f} x")


if __name__ == "__main__":
    main()
