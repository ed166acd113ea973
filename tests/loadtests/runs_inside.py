"""Several load runs after each other in one process of Locust, as its web page lets people make them.

python -m tests.loadtests.runs_inside: prints, as one line of JSON, of each run what was recorded and what Locust counted.
"""

import locust  # first of all: it patches the standard library  # isort: skip

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gevent
from gevent.monkey import get_original
from locust.env import Environment

from loadtests import plugin
from loadtests import settings as run_settings
from loadtests.guard import guard
from loadtests.users import PocketOptionUser
from probe.model.errors import ProbeError
from probe.model.intents import AskBalance
from probe.simulator.apart import SimulatorApart, simulator_apart

PATIENCE = 30.0
BLOCKED_SECONDS = 0.5
FAULTS = ("auth-refused", "drop:at=300ms", "tcp-reset:at=300ms", "flood", "binary-garbage")


class Asking(PocketOptionUser):
    wait_time = locust.constant(0.05)

    @locust.task
    def ask_for_money(self) -> None:
        self.ask(AskBalance(), name="money", within=1.0)


class Raising(Asking):
    @locust.task
    def fall(self) -> None:
        raise RuntimeError("a mistake in a task")


class OwnStart(Asking):
    def on_start(self) -> None:
        """Its session is opened by two questions at once."""
        both = [gevent.spawn(self.ask, AskBalance(), name="both") for _ in range(2)]
        gevent.joinall(both, raise_error=True)


class Expecting(PocketOptionUser):
    wait_time = locust.constant(0.05)

    @locust.task
    def fall(self) -> None:
        def wrong(meaning: Any) -> bool:
            return bool(meaning.nonsense)

        self.session._told = None  # so that it is what comes that is looked at
        self.tell(AskBalance())
        self.expect(wrong, within=5.0, name="nonsense")


class Stopping(Asking):
    def on_stop(self) -> None:
        self.ask(AskBalance(), name="on stop")
        super().on_stop()


class LeftBehind(Asking):
    def on_stop(self) -> None:
        """Its session is not closed."""


class Endless(PocketOptionUser):
    @locust.task
    def never_end(self) -> None:
        self.session  # noqa: B018 - opened by on_start
        while True:
            self.ask(AskBalance(), name="endless")


class Blocking(Asking):
    @locust.task
    def hold_everything_up(self) -> None:
        get_original("time", "sleep")(BLOCKED_SECONDS)


class Elsewhere(locust.User):
    """Of somebody else, beside ours."""

    wait_time = locust.constant(0.05)

    @locust.task
    def say(self) -> None:
        self.environment.events.request.fire(
            request_type="X", name="theirs", response_time=1, response_length=0, exception=None, context={}
        )


def rows(environment: Environment) -> dict[str, tuple[int, int]]:
    """Requests and failures, as Locust shows them; "service" is beside them."""
    entries = environment.stats.entries.values()
    return {each.name: (each.num_requests, each.num_failures) for each in entries if each.method != "service"}


class Runs:
    def __init__(self, simulator: SimulatorApart) -> None:
        self.environment = Environment(events=locust.events, stop_timeout=1.0)
        self.environment.create_local_runner()
        self.simulator = simulator
        plugin.attached(self.environment).prepare()

    def run(self, users: list[type[Any]], enough: Callable[[], bool], *, of_each: int = 1) -> dict[str, Any]:
        environment, found = self.environment, plugin.attached(self.environment)
        environment.user_classes = users
        for each in users:
            each.fixed_count = of_each
        runner: Any = environment.runner
        before = self.simulator.counters()
        runner.start(len(users) * of_each, 100)
        until = time.monotonic() + PATIENCE
        while not (runner.state == "running" and enough()) and time.monotonic() < until:
            gevent.sleep(0.02)
        runner.stop()
        collector: Any = found.collector
        figures = collector.record.total
        after = self.simulator.counters()
        return {
            "came": time.monotonic() < until,
            "operations": {
                name: [each.due, each.sent, each.answered, each.failed]
                for name, each in figures.requests.items()
            },
            "connects": [figures.connects.opened, figures.connects.failed],
            "sessions": [
                figures.sessions.wanted.highest,
                figures.sessions.live.last,
                figures.sessions.left,
                figures.sessions.lost,
            ],
            "refused": [each.refused for each in figures.generators.values()],
            "locust": rows(environment),
            "open": [guard()._open, after.sessions_open],
            "messages_to_it": [
                figures.frames.messages_sent,
                after.traffic.messages_received - before.traffic.messages_received,
            ],
            "codes": [each.code for each in collector.record.verdict.reasons],
            "mistakes": sorted({each["msg"] for each in runner.exceptions.values()}),
            "seconds": collector.record.seconds,
        }

    def answered(self, name: str, least: int) -> Callable[[], bool]:
        """So many, and Locust has been told."""
        return lambda: rows(self.environment).get(name, (0, 0))[0] >= least


def main() -> None:
    told: dict[str, Any] = {}
    logging.disable(logging.CRITICAL)  # of mistakes that are made on purpose
    with simulator_apart("pocketoption") as simulator:
        learnt = run_settings.by_hand(target=simulator.url)
        run_settings.use(
            replace(learnt, credential=simulator.credential, simulator_key=simulator.key, simulated=True)
        )
        runs = Runs(simulator)
        mistaken: list[type[Any]] = [Raising, OwnStart, Expecting, Stopping, LeftBehind, Endless, Elsewhere]
        told["mistakes"] = runs.run(
            mistaken,
            lambda: runs.answered("money", 5)() and len(runs.environment.runner.exceptions) >= 2,  # type: ignore[union-attr]
        )
        told["again"] = runs.run([Asking], runs.answered("money", 5), of_each=2)
        told["blocked"] = runs.run([Blocking], runs.answered("money", 1))
        for fault in FAULTS:
            number = simulator.switch_on(fault)
            began_at = time.monotonic()
            told[fault] = runs.run([Asking], lambda began_at=began_at: time.monotonic() > began_at + 1.0)  # type: ignore[misc]
            simulator.switch_off(number)
        told["after them"] = runs.run([Asking], runs.answered("money", 5))
        runs.environment.user_classes, Asking.broker = [Asking], "bingx"
        try:
            plugin.attached(runs.environment).prepare()
        except ProbeError as problem:
            told["refusal"] = str(problem)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
