"""What the plugin lets the processes of a run do, in a process of its own: writes what was seen as JSON."""

import locust  # first of all: it patches the standard library  # isort: skip

import json
import sys
import time
from types import SimpleNamespace
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtests import plugin, settings
from loadtests.guard import guard
from loadtests.plugin import Attached
from probe.load.permission import Caps, Limits
from probe.load.wishes import Wishes, plan_of

CAPS = Caps(connections=10, rate=100.0, seconds=60.0)


class Sent:
    """The runner of a master or a worker, without a network."""

    def __init__(self, **states: str) -> None:
        self.clients = {name: SimpleNamespace(state=state) for name, state in states.items()}
        self.sent: dict[str, Any] = {}
        self.ended: list[str] = []

    def send_message(self, kind: str, data: Any, worker: str) -> None:
        self.sent[worker] = data

    def stop(self) -> None:
        self.ended.append("stop")

    def quit(self) -> None:
        self.ended.append("quit")


class Master(Sent, MasterRunner):  # type: ignore[misc]
    __init__ = Sent.__init__
    __del__ = lambda self: None  # noqa: E731


class Worker(Sent, WorkerRunner):  # type: ignore[misc]
    __init__ = Sent.__init__
    __del__ = lambda self: None  # noqa: E731


class Local(Sent, LocalRunner):  # type: ignore[misc]
    __init__ = Sent.__init__
    __del__ = lambda self: None  # noqa: E731


def attached(runner: Any) -> Attached:
    environment = Environment(user_classes=[])
    environment.runner = runner
    environment.parsed_options = SimpleNamespace(headless=True)
    guard().begin_run()
    guard()._share, guard()._sharing = None, 1
    guard()._take_caps()
    return Attached(environment)


def shares(runner: Sent) -> dict[str, Any]:
    sent, runner.sent = runner.sent, {}
    return {
        name: [data["share"]["connections"], round(data["share"]["rate"], 3), data["sharing"], data["begins"]]
        for name, data in sent.items()
    }


def divided() -> dict[str, Any]:
    runner: Any = Master(a="ready", b="ready")
    master = attached(runner)
    master.share_out()
    told: dict[str, Any] = {"before a run": shares(runner)}
    master._share_anew()
    told["at its beginning"] = shares(runner)
    runner.clients["c"] = SimpleNamespace(state="ready")
    master.share_out()
    told["one more"] = shares(runner)
    runner.clients["a"].state = "missing"
    runner.clients["d"] = SimpleNamespace(state="ready")
    master.share_out()
    told["one missing and one more"] = shares(runner)
    return told


def obeyed() -> dict[str, Any]:
    worker = attached(Worker())

    def limited(**said: Any) -> None:
        worker._limited(None, SimpleNamespace(data={"sharing": 1, "begins": True, **said}))

    limited(share={"connections": 10**9, "rate": 1e9, "seconds": 1e9})
    told: dict[str, Any] = {"huge": [guard()._mine.connections, guard()._mine.rate]}
    guard().claim_connection()
    first = guard().ends_at
    told["seconds"] = round(first - time.monotonic())
    worker.running = SimpleNamespace()  # type: ignore[assignment] # a run is on
    limited(share={"connections": 1, "rate": 1.0, "seconds": 1e9})
    told["as long as before"] = guard().ends_at == first
    worker.running = None
    limited(share={"connections": 1, "rate": 1.0, "seconds": 30.0})
    told["of the next run"] = round(guard().ends_at - time.monotonic())
    return told


def ended(runner: Sent, *, headless: bool = True) -> list[str]:
    found = attached(runner)
    found.environment.parsed_options.headless = headless
    guard().take_share(1, 1.0, time.monotonic() - plugin.OVERTIME + 5.0)
    found._end_in_time()
    gevent.sleep(0)
    before = list(runner.ended)
    guard().take_share(1, 1.0, time.monotonic() - plugin.OVERTIME - 0.1)
    for _ in range(3):
        found._end_in_time()
        gevent.sleep(0)
    return [*before, "|", *runner.ended]


def main() -> None:
    plan = plan_of(Wishes(), run="r", broker="pocketoption", url="ws://127.0.0.1:9/", dialect=())
    settings.use(settings.RunSettings(plan=plan, limits=Limits(here=CAPS)))
    told = {
        "divided": divided(),
        "obeyed": obeyed(),
        "ended": {
            "alone": ended(Local()),
            "with a page": ended(Local(), headless=False),
            "master": ended(Master()),
            "worker": ended(Worker()),
        },
        "locust": locust.__name__,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
