"""A plan played in Locust with users who do nothing, in a process of its own: writes what was seen as JSON."""

import locust  # first of all: it patches the standard library  # isort: skip

import json
import sys
from time import monotonic
from typing import Any

import gevent
from locust.env import Environment

from loadtests.conductor import ALONE, Conductor, Player
from loadtests.shape import PlanShape
from probe.load.plan import LoadPlan, Scenario, Stage

STAGES = (Stage(name="Up", seconds=1, ramp=1), Stage(name="More", seconds=2, users=2))
SLOW = (
    Stage(name="Up", seconds=4, ramp=4),
    Stage(name="More", seconds=2, users=2),
    Stage(name="Nobody", seconds=2, users=0),
)


def plan_of(stages: tuple[Stage, ...], users: int) -> LoadPlan:
    scenario = Scenario(name="made", title="Made for a test.", stages=stages)
    return LoadPlan(run="r", broker="b", url="u", users=users, rate=None, scenario=scenario)


def asked(users: int) -> list[tuple[int, float] | None]:
    """What Locust is told each second, in a time of its own."""
    now = 0.0
    conductor = Conductor(
        plan_of(SLOW, users),
        clock=lambda: now,
        send=lambda worker, cue: None,
        say=lambda kind, **fields: None,
    )
    environment = Environment(user_classes=[Idle])
    shape = PlanShape(lambda: conductor)
    shape.runner = environment.create_local_runner()
    told = []
    for second in range(9):
        now = float(second)
        conductor.step()
        told.append(shape.tick())
        shape.runner.shape_last_tick = told[-1]
    return told


class Idle(locust.User):
    wait_time = locust.constant(60)

    @locust.task
    def rest(self) -> None: ...


class Nothing:
    live = ()

    def enter(self, *_: object) -> None: ...

    def upset(self, *_: object) -> int:
        return 0

    def calm(self, *_: object) -> None: ...


def played(users: int) -> dict[str, Any]:
    plan = plan_of(STAGES, users)
    environment = Environment(user_classes=[Idle])
    runner = environment.create_local_runner()
    conductors: list[Conductor] = []
    stages: list[str] = []
    starts: list[float] = []
    environment.events.test_start.add_listener(lambda **_: starts.append(monotonic()))  # type: ignore[no-untyped-call]

    def begin() -> Conductor:
        conductor = Conductor(
            plan,
            clock=monotonic,
            send=lambda worker, cue: player.receive(cue),
            say=lambda kind, **fields: stages.append(fields["name"]),
        )
        player = Player(
            plan,
            began_at=conductor.began_at,
            sessions=Nothing(),
            pacer=None,
            recorder=Nothing(),
            answer=lambda state: conductor.heard(ALONE, state),
        )
        conductors.append(conductor)
        gevent.spawn(conductor.run)
        return conductor

    environment.shape_class = PlanShape(begin)
    environment.shape_class.runner = runner
    counts = [0]
    runner.start_shape()
    with gevent.Timeout(60):
        while runner.shape_greenlet is not None:
            if runner.user_count != counts[-1]:
                counts.append(runner.user_count)
            gevent.sleep(0.02)
    counts.append(runner.user_count)
    return {
        "counts": counts,
        "stages": stages,
        "starts": len(starts),
        "conductors": len(conductors),
        "state": runner.state,
    }


if __name__ == "__main__":
    json.dump({"asked": asked(int(sys.argv[1]))} | played(int(sys.argv[1])), sys.stdout)
