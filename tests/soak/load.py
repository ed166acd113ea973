"""Thousands of live sessions of one load generator against the simulator, each in one process: what it costs, and whether one is lost.

`python -m tests.soak.load --sessions 5000 --minutes 5`, and afterwards the highest rate of ticks at which the run is still VALID:
the time between two ticks of a session is halved until it is not, or until ticks are missing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from probe.load.figures import Generator
from probe.load.record import RunRecord
from probe.simulator.apart import SimulatorApart, simulator_apart
from probe.simulator.sessions import Counters

ROOT = Path(__file__).parents[2]
BROKER, SYMBOL = "pocketoption", "EURUSD_otc"
TICK_EVERY = 5.0
RAMP_RATE = 80.0  # sessions a second: the simulator takes 6 ms for each
LEAVE_RATE = 500.0
LOOK_SECONDS = 30.0  # at each rate
LEAST_TICK_EVERY = 0.05
COMPLETE = 0.95  # of the ticks that were to be told
ENDS_WITHIN = 60.0  # seconds beyond what is planned
RAMP, HOLD = 0, 1  # stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    sessions: int
    seconds: float  # after the ramp
    ramp: float
    tick_every: float = TICK_EVERY

    @property
    def leave(self) -> float:
        return max(1.0, self.sessions / LEAVE_RATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What it was like, from when all were there."""

    plan: Plan
    record: RunRecord
    counted: Counters  # by the simulator, at the end
    simulator_cpu: float  # seconds, of the hold
    simulator_wall: float
    simulator_bytes: int  # resident, at the end of the hold

    @property
    def generator(self) -> Generator:
        (generator,) = self.record.stages[HOLD].figures.generators.values()
        return generator

    @property
    def generator_share(self) -> float:
        return self.generator.cpu_seconds / self.generator.wall_seconds

    @property
    def simulator_share(self) -> float:
        return self.simulator_cpu / self.simulator_wall

    @property
    def live(self) -> tuple[float, float]:
        """At the least and at the most, from a second after the ramp to the end of the hold."""
        begun, lasts = int(self.plan.ramp) + 1, int(self.plan.ramp + self.plan.seconds)
        levels = [
            point.figures.sessions.live
            for point in self.record.timeline
            if begun <= point.second < lasts and point.figures.sessions.live.is_known
        ]
        lowest = min((each.lowest for each in levels), default=0.0)
        return lowest, max((each.highest for each in levels), default=0.0)

    @property
    def tick_rate(self) -> float:
        return self.record.stages[HOLD].figures.all_ticks().arrived / self.plan.seconds

    @property
    def completeness(self) -> float:
        """Of the ticks that were to be told in the hold. The last session is there a moment after it has begun, and all leave
        a moment after it has ended."""
        return self.tick_rate * self.plan.tick_every / self.plan.sessions

    @property
    def holds(self) -> bool:
        sessions = self.record.total.sessions
        return self.record.verdict.is_valid and not sessions.lost and self.completeness >= COMPLETE

    def lines(self) -> Iterator[str]:
        hold, plan = self.record.stages[HOLD].figures, self.plan
        ticks, sessions, frames = hold.all_ticks(), self.record.total.sessions, self.record.total.frames
        lowest, highest = self.live
        agree = frames.messages_received - frames.cut_received == (
            self.counted.traffic.messages_sent - self.counted.cut.messages_sent
        )
        yield (
            f"{plan.sessions:,} sessions for {plan.seconds:g} s after a ramp of {plan.ramp:g} s, a tick each every {plan.tick_every:g} s: "
            f"{self.record.verdict.word}"
        )
        yield from (f"  {reason.sentence}" for reason in self.record.verdict.reasons)
        yield f"  live        {lowest:,.0f} at the least, {highest:,.0f} at the most; lost {sum(sessions.lost.values())}"
        yield (
            f"  ticks       {self.tick_rate:,.0f}/s, {self.completeness:.1%} of those to be told; "
            f"gap p50 {_ms(ticks.gap.quantile(0.5))}, p99 {_ms(ticks.gap.quantile(0.99))}"
        )
        yield (
            f"  heartbeats  {sessions.beats_sent:,} sent, {sessions.beats_missed} missed, round trip "
            f"p99 {_ms(sessions.beat_round_trip.quantile(0.99))}; {sessions.peer_beats:,} of the simulator answered"
        )
        yield (
            f"  generator   {self.generator_share:.0%} of a core, {self.generator.resident_bytes.highest / 1e6:.0f} MB, "
            f"loop {_ms(self.generator.lag.quantile(0.99))} late at p99"
        )
        yield f"  simulator   {self.simulator_share:.0%} of a core, {self.simulator_bytes / 1e6:.0f} MB"
        yield (
            f"  messages    {frames.messages_received:,} heard, {self.counted.traffic.messages_sent:,} told by the simulator: "
            f"{'the same' if agree else 'they differ'}, but for {frames.cut_received} of cut connections"
        )


def hold(plan: Plan) -> Held:
    with (
        simulator_apart(BROKER, tick_every=plan.tick_every, latency=False) as simulator,
        tempfile.TemporaryDirectory() as folder,
    ):
        scenario, record = Path(folder, "soak.toml"), Path(folder, "record.json")
        scenario.write_text(_scenario(plan))
        command = [
            sys.executable,
            "-m",
            "probe",
            "load",
            simulator.url,
            "--broker",
            BROKER,
            "--ssid",
            "env:SOAK_SSID",
        ]
        command += [
            "--users",
            str(plan.sessions),
            "--scenario",
            str(scenario),
            "--json",
            str(record),
            "--quiet",
        ]
        environment = os.environ | {"SOAK_SSID": simulator.credential.reveal()}
        looking = _Looking(psutil.Process(simulator.pid), plan)
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as run:
            try:
                looking.start()
                said, _ = run.communicate(timeout=plan.ramp + plan.seconds + plan.leave + ENDS_WITHIN)
            finally:
                run.kill()
                looking.cancel()
        if not record.exists():
            raise RuntimeError(f"the run ended without a record: {said}")
        return Held(
            plan=plan,
            record=RunRecord.from_json(json.loads(record.read_text())),
            counted=_counted(simulator),
            simulator_cpu=looking.cpu_seconds,
            simulator_wall=looking.wall_seconds,
            simulator_bytes=looking.resident_bytes,
        )


def _counted(simulator: SimulatorApart) -> Counters:
    """When it has heard of every end, or long after."""
    until = time.monotonic() + ENDS_WITHIN
    while (counted := simulator.counters()).sessions_open and time.monotonic() < until:
        time.sleep(0.1)
    return counted


class _Looking(threading.Thread):
    """Looks at a process at both ends of the hold."""

    def __init__(self, process: psutil.Process, plan: Plan) -> None:
        super().__init__(daemon=True)
        self._process, self._plan = process, plan
        self._cancelled = threading.Event()
        self.cpu_seconds = 0.0
        self.wall_seconds = plan.seconds * 0.8
        self.resident_bytes = 0

    def run(self) -> None:
        # The command takes a few seconds to begin and the ramp its own: what is looked at lies well within the hold.
        self._cancelled.wait(self._plan.ramp + 3.0 + self._plan.seconds * 0.1)
        before = self._cpu()
        self._cancelled.wait(self.wall_seconds)
        self.cpu_seconds, self.resident_bytes = self._cpu() - before, self._process.memory_info().rss

    def cancel(self) -> None:
        self._cancelled.set()
        self.join()

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _scenario(plan: Plan) -> str:
    return f"""
    title = "Sessions that are held, and ask nothing."
    symbols = ["{SYMBOL}"]
    [[stages]]
    name = "Ramp"
    duration = "{plan.ramp:g}s"
    ramp = "{plan.ramp:g}s"
    [[stages]]
    name = "Hold"
    duration = "{plan.seconds:g}s"
    [[stages]]
    name = "Leave"
    duration = "{plan.leave:g}s"
    ramp = "{plan.leave:g}s"
    users = 0
    """


def highest_rate(sessions: int, ramp: float) -> Iterator[Held]:
    """Run after run, each with twice the ticks of the one before, until one does not hold."""
    tick_every = TICK_EVERY / 2
    while tick_every >= LEAST_TICK_EVERY:
        held = hold(Plan(sessions=sessions, seconds=LOOK_SECONDS, ramp=ramp, tick_every=tick_every))
        yield held
        if not held.holds:
            return
        tick_every /= 2


def first_out(held: Held) -> str:
    shares = (
        f"the simulator used {held.simulator_share:.0%} of a core, the generator {held.generator_share:.0%}"
    )
    side = "simulator" if held.simulator_share >= held.generator_share else "generator"
    return f"The {side} ran out first: {shares}."


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:,.1f} ms"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--ramp", type=float, metavar="SECONDS", help="default: 80 sessions a second")
    parser.add_argument("--no-search", action="store_true", help="leave out the highest rate")
    chosen = parser.parse_args(arguments)
    ramp = chosen.ramp or max(1.0, chosen.sessions / RAMP_RATE)
    held = hold(Plan(sessions=chosen.sessions, seconds=chosen.minutes * 60, ramp=ramp))
    print("\n".join(held.lines()), flush=True)
    if chosen.no_search:
        return
    best = held if held.holds else None
    for held in highest_rate(chosen.sessions, ramp):
        print("\n".join(held.lines()), flush=True)
        best = held if held.holds else best
    if best is not None:
        rate = best.record.stages[HOLD].figures.all_ticks().arrived / LOOK_SECONDS
        print(
            f"Highest rate that held: a tick of each session every {best.plan.tick_every:g} s, {rate:,.0f}/s."
        )
    print(first_out(held))


if __name__ == "__main__":
    main()
