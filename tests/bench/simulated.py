"""A simulator in a process of its own, so that only our side's CPU is counted."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Simulated:
    endpoints: list[dict[str, Any]] = field(default_factory=list)

    def endpoint(self, scheme: str, account: str = "demo") -> dict[str, Any]:
        """The first (nearest) region."""
        return next(
            e for e in self.endpoints if e["url"].startswith(f"{scheme}:") and e["account"] == account
        )


@contextlib.contextmanager
def simulator(broker: str, *options: str) -> Iterator[Simulated]:
    command = [
        sys.executable,
        "-m",
        "probe",
        "sim",
        broker,
        "--json",
        "--tls",
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        found = Simulated()
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            if told.get("ready"):
                break
            found.endpoints.append(told)
        yield found
    finally:
        process.terminate()
        process.communicate(timeout=10)
