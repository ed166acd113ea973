"""Real load runs held against each other: the same simulator again and again, and one that answers later. How often is a change
seen where there is none, and is one found that there is?

python -m tests.soak.compared: 21 runs of 20 s of the same, and 3 with 10 ms more (ten minutes)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from probe.load.compare import Comparison, compare
from probe.load.record import RunRecord
from probe.simulator.apart import SimulatorApart, simulator_apart

PATIENCE = 60.0  # seconds to begin and to end a run


@dataclass(frozen=True, kw_only=True)
class Plan:
    same: int = 21  # runs; each is held against the one before
    slower: int = 3
    seconds: int = 20
    planted: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    alarms: list[Comparison]  # of two runs of the same
    finds: list[Comparison]  # of the same and a slower one

    @property
    def false_alarms(self) -> int:
        return sum(bool(each.worse) for each in self.alarms)

    @property
    def found(self) -> int:
        return sum(bool(each.worse) for each in self.finds)

    def lines(self, plan: Plan) -> Iterator[str]:
        yield f"{self.false_alarms} alarms in {len(self.alarms)} pairs of the same (aim: one at most)"
        for each in self.alarms:
            for shift in each.worse:
                yield f"  {shift.name}, quantile {shift.quantile:g}"
        yield f"{self.found} of {len(self.finds)} times {plan.planted * 1000:g} ms more were found (aim: always)"


def runs(plan: Plan, count: int, folder: Path, *faults: str) -> Iterator[RunRecord]:
    """VALID or not: what a busy machine does to them is noise that must be recognised as such."""
    with simulator_apart("pocketoption", faults=faults, seed=7) as simulator:
        for number in range(count):
            yield run(simulator, plan.seconds, folder / f"{len(faults)}-{number}.json")


def run(simulator: SimulatorApart, seconds: int, file: Path) -> RunRecord:
    target = [simulator.url, "--broker", "pocketoption", "--ssid", "env:OPENS_IT"]
    much = ["--users", "20", "--rate", "60/s", "--duration", f"{seconds}s"]
    done = subprocess.run(
        [sys.executable, "-m", "probe", "load", *target, *much, "--quiet", "--json", str(file)],
        env=os.environ | {"OPENS_IT": simulator.credential.reveal()},
        capture_output=True,
        text=True,
        timeout=seconds + PATIENCE,
        check=False,
    )
    assert done.returncode in (0, 4), done.stderr
    return RunRecord.from_json(json.loads(file.read_bytes()))


def found(plan: Plan, folder: Path) -> Found:
    usual = list(runs(plan, plan.same, folder))
    slower = runs(plan, plan.slower, folder, f"delay:seconds={plan.planted},direction=up")
    return Found(
        alarms=[compare(*pair, rng=Random(1)) for pair in pairwise(usual)],
        finds=[compare(*pair, rng=Random(1)) for pair in zip(usual, slower, strict=False)],
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.compared", description=__doc__)
    parser.add_argument("--same", type=int, default=Plan.same, help="runs of the same")
    parser.add_argument("--seconds", type=int, default=Plan.seconds, help="of each")
    asked = parser.parse_args(arguments)
    plan = Plan(same=asked.same, slower=min(3, asked.same), seconds=asked.seconds)
    with tempfile.TemporaryDirectory() as folder:
        seen = found(plan, Path(folder))
    print("\n".join(seen.lines(plan)))
    return int(seen.false_alarms > 1 or seen.found < len(seen.finds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
