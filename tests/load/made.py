"""Load runs that never were: what slices hold is drawn, with what went wrong as asked for."""

import math
import random
from collections.abc import Collection, Iterator
from typing import Any

from probe.load.figures import Figures, Generator, Requests, Slice, Ticks
from probe.load.plan import LoadPlan, Measured, Scenario, Stage, Threshold, Upset, UpsetKind
from probe.load.record import RunRecord
from probe.measure.histogram import Histogram

STAGES = (
    Stage(name="Ramp Up", seconds=20, ramp=20),
    Stage(name="Peak", seconds=20),
    Stage(
        name="Reconnect storm",
        seconds=12,
        upsets=(Upset(kind=UpsetKind.DROP, share=0.5, at=2.0, jitter=2.0),),
    ),
    Stage(name="Cool Down", seconds=8, users=0.2, ramp=8),
)
OPERATIONS = {"balance": 3.0, "candles": 1.0}
SYMBOLS = ("EURUSD_otc", "GBPUSD_otc")
THRESHOLDS = (
    Threshold(
        measured=Measured.RESPONSE, quantile=0.99, is_most=True, limit=0.25, text="response p99 < 250ms"
    ),
    Threshold(measured=Measured.CONNECT_SUCCESS, is_most=False, limit=0.99, text="connect-success >= 99%"),
)
PHASES = {
    "resolving": 0.0002, "connecting": 0.0008, "securing": 0.004, "upgrading": 0.003, "opening": 0.001, "authenticating": 0.006,
}  # fmt: skip


def plan(**changes: object) -> LoadPlan:
    fields: dict[str, object] = {
        "run": "made",
        "broker": "pocketoption",
        "url": "ws://127.0.0.1:4711/socket.io/?EIO=4&transport=websocket",
        "users": 200,
        "rate": 100.0,
        "scenario": Scenario(
            name="made",
            title="Up to a peak, a storm, and down.",
            stages=STAGES,
            operations=OPERATIONS,
            symbols=SYMBOLS,
            thresholds=THRESHOLDS,
        ),
        "workers": 2,
    }
    return LoadPlan(**fields | changes)  # type: ignore[arg-type]


def users_at(second: int, the_plan: LoadPlan) -> tuple[int, float]:
    """The stage and the users wanted."""
    begun, before = 0.0, 0.0
    for number, stage in enumerate(the_plan.scenario.stages):
        if second < begun + stage.seconds:
            share = min(1.0, (second - begun + 1) / stage.ramp) if stage.ramp else 1.0
            return number, the_plan.users * (before + (stage.users - before) * share)
        begun, before = begun + stage.seconds, stage.users
    raise ValueError(f"the plan ends before second {second}")


def slices(
    the_plan: LoadPlan,
    *faults: str,
    seed: int = 1,
    added: float = 0.0,
    lost_worker: int | None = None,
    seconds: int | None = None,
) -> Iterator[Slice]:
    """One for each worker and second.

    Args:
        faults: "stall" (the server answers nothing from second 30 to 32), "busy-generator", "slow-accept", "slow-answer" and
            "slow-fan-out" (with the number of sessions), "far" (all of it behind 60 ms), "slow-way" (the more sessions, the further),
            "herd" (who was cut comes back at once), "full-queue" (of the server's listener, which takes connects a second late).
        added: Seconds, to every answer.
        lost_worker: From this second the second worker is gone.
    """
    rng = random.Random(seed)
    level, lived = 0.0, [0.0] * the_plan.workers
    for second in range(seconds or int(the_plan.scenario.seconds)):
        stage, users = users_at(second, the_plan)
        level = 0.8 * level + rng.gauss(0, 0.1)
        for worker in range(the_plan.workers):
            if worker == 1 and lost_worker is not None and second >= lost_worker:
                continue
            mine = round(users / the_plan.workers)
            one = _Second(rng, second, mine, users / the_plan.users, math.exp(level), faults, added)
            figures = one.figures(the_plan, lived[worker], f"worker-{worker + 1}")
            lived[worker] = mine
            yield Slice(second=second, stage=stage, figures=figures)


class _Second:
    def __init__(
        self, rng: random.Random, second: int, users: int, load: float, level: float, faults: Collection[str], added: float
    ) -> None:  # fmt: skip
        self.rng, self.second, self.users, self.load, self.level = rng, second, users, load, level
        self.faults, self.added = faults, added
        self.stalls = "stall" in faults and 30 <= second < 32
        self.far = 0.06 if "far" in faults else load**3 * 0.15 if "slow-way" in faults else 0.0
        self.own = load**3 * 0.15 if "busy-generator" in faults else 0.0

    def about(self, seconds: float, spread: float = 0.3) -> float:
        return seconds * self.level * math.exp(self.rng.gauss(0, spread))

    def figures(self, the_plan: LoadPlan, before: float, worker: str) -> Figures:
        made = Figures()
        self.requests(made, the_plan)
        self.ticks(made, the_plan.scenario.symbols)
        self.sessions(made, before)
        generator = made.generators[worker] = Generator(cpu_seconds=0.05 + 0.4 * self.load, wall_seconds=1.0)
        if self.own:
            generator.cpu_seconds = min(0.99, 0.3 + 0.8 * self.load)
        for _ in range(20):
            generator.lag.add(self.about(0.0004) + self.own * self.rng.random())
        for each in made.requests.values():
            generator.lateness.merge(each.lateness)
        if "full-queue" in self.faults:
            generator.queue_overflows = generator.syns_again = made.connects.begun
        generator.resident_bytes.put(60e6 + 20_000 * self.users)
        generator.handles.put(30 + self.users)
        generator.handle_limit.put(20_000)
        generator.ports.put(self.users)
        generator.port_limit.put(28_000)
        asked = sum(each.sent for each in made.requests.values())
        told = sum(each.arrived for each in made.ticks.values())
        made.frames.messages_sent, made.frames.bytes_sent = asked, asked * 40
        made.frames.messages_received, made.frames.bytes_received = asked + told, asked * 300 + told * 60
        return made

    def requests(self, made: Figures, the_plan: LoadPlan) -> None:
        whole = sum(the_plan.scenario.operations.values())
        for name, weight in the_plan.scenario.operations.items():
            one = made.requests[name] = Requests()
            wanted = (the_plan.rate or self.users) * self.load / the_plan.workers
            for _ in range(max(1, round(wanted * weight / whole))):
                late = self.about(0.0003) + self.own * self.rng.random()
                took = self.about(0.012 if name == "candles" else 0.003) + self.added + self.far
                if "slow-answer" in self.faults:
                    took += self.load**3 * self.about(0.2)
                if self.stalls:
                    took += 32 - self.second - self.rng.random()
                one.due += 1
                one.sent += 1
                one.lateness.add(late)
                if self.rng.random() < 0.001:
                    one.failed["expired"] = one.failed.get("expired", 0) + 1
                    continue
                one.answered += 1
                one.service.add(took)
                one.response.add(late + took)

    def ticks(self, made: Figures, symbols: Collection[str]) -> None:
        for symbol in symbols:
            one = made.ticks[symbol] = Ticks()
            slow = self.load**3 * 1.5 if "slow-fan-out" in self.faults else 0.0
            for _ in range(max(1, self.users // 2)):
                gap = 0.5 + self.rng.gauss(0, 0.01) + slow * self.rng.random()
                one.arrived += 1
                one.gap.add(gap + (2.0 if self.stalls else 0.0))
                one.skew.add(self.about(0.001) + slow * self.rng.random())
                one.staleness.add(gap * self.rng.random())
            one.duplicates += self.rng.random() < 0.02

    def sessions(self, made: Figures, before: float) -> None:
        sessions, connects = made.sessions, made.connects
        storm = self.second in (42, 43)
        back = round(self.users * 0.25) if storm else 0
        new = max(0, self.users - round(before))
        for _ in range(new + back):
            connects.begun += 1
            if self.rng.random() < 0.002:
                connects.failed["tcp.refused"] = connects.failed.get("tcp.refused", 0) + 1
                continue
            phases = {name: self.about(seconds) for name, seconds in PHASES.items()}
            phases["connecting"] += self.far
            phases["upgrading"] += self.far
            if "full-queue" in self.faults:
                phases["connecting"] += 1.0
            if "slow-accept" in self.faults:
                phases["upgrading"] += self.load * self.about(1.5)
            for name, seconds in phases.items():
                connects.phases.setdefault(name, Histogram()).add(seconds)
            connects.opened += 1
            connects.whole.add(sum(phases.values()))
        if storm:
            sessions.dropped, sessions.reopened = back, back
            for _ in range(back):
                sessions.recovery.add(self.about(0.8))
                sessions.pause.add(self.rng.uniform(0.0, 0.5 if "herd" in self.faults else 2.0))
        if self.second == 25:
            sessions.lost["ws.closed"] = 2
        sessions.left = max(0, round(before) - self.users)
        sessions.wanted.put(self.users)
        sessions.live.put(self.users - (back if self.second == 42 else 0))
        for _ in range(max(1, self.users // 20)):
            sessions.beats_sent += 1
            sessions.beats_answered += 1
            sessions.beat_round_trip.add(self.about(0.001) + self.far + (1.5 if self.stalls else 0.0))


def record(the_plan: LoadPlan | None = None, *faults: str, **told: Any) -> RunRecord:
    the_plan = the_plan or plan()
    made = RunRecord(the_plan, began_utc=1_790_000_000.0, simulated=True)
    if told.get("lost_worker") is not None:
        made.lost_workers["worker-2"] = f"silent since second {told['lost_worker']}"
    for each in slices(the_plan, *faults, **told):
        made.add(each)
    return made
