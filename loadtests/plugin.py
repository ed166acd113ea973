"""What Locust is told about a load run: its options, and what happens when a test begins, goes on and ends."""

import logging
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

import gevent
import locust.stats
from gevent.lock import RLock
from locust import events
from locust.runners import STATE_RUNNING, STATE_SPAWNING, LocalRunner, MasterRunner, WorkerRunner

from loadtests import by_hand, webtab
from loadtests import settings as run_settings
from loadtests.collector import KEY, Collector, WorkerCollector
from loadtests.conductor import ALONE, CUE, STATE, Conductor, Player, common_start
from loadtests.generator import GeneratorMeter, raise_handle_limit, settle
from loadtests.guard import guard
from loadtests.outlet import NowhereOutlet, outlet
from loadtests.running import Running
from loadtests.samples import Samples
from loadtests.settings import RunSettings
from loadtests.shape import PlanShape
from loadtests.stats import LocustStatistics
from probe.load.capacity import CapacityResult
from probe.load.figures import Figures, Slice
from probe.load.permission import Caps
from probe.load.plain import from_plain, to_plain
from probe.load.plan import LoadPlan
from probe.load.record import RunRecord
from probe.logs import redact
from probe.model.endpoint import read_url
from probe.model.errors import ConfigError, ProbeError
from probe.simulator.apart import SimulatorApart

RUN = "tradeprobe-run"  # the message with which a master tells its workers what the run is
SHARE = "tradeprobe-share"  # and of all that a run may do, how much each of them may
BUG_CODE = 70
_LOG = logging.getLogger(__name__)
OVER = "tradeprobe-over"  # and that they shall stop, and tell what they have not told
OVERTIME = 3.0  # seconds; a plan that takes exactly as long as it may comes to its own end
LAST_REPORTS_WITHIN = 2.5  # seconds; sessions have two of them to leave


class Attached:
    """A load run to one environment of Locust: in the only process, in the master or in a worker."""

    def __init__(self, environment: Any) -> None:
        self.environment = environment
        self.running: Running | None = None
        self.conductor: Conductor | None = None
        self.collector: Collector | None = None  # where the slices come together
        self._telling: WorkerCollector | None = None  # in a worker
        self._meter: GeneratorMeter | None = None
        self._is_by_hand = False  # Locust says how many users there are, and when it ends
        self._greenlets: list[Any] = []
        self._simulator: SimulatorApart | None = None
        self._faults: dict[str, int] = {}
        self._stack = ExitStack()  # ends our own simulator
        self._is_over = False
        self._is_begun, self._ending = False, RLock()
        self._is_going_on = False  # and workers are missed
        self.refusal = ""  # why the last run did not go on, for who looks at the page

    @property
    def is_worker(self) -> bool:
        return isinstance(self.environment.runner, WorkerRunner)

    @property
    def is_master(self) -> bool:
        return isinstance(self.environment.runner, MasterRunner)

    @property
    def _is_headless(self) -> bool:
        """Nobody begins another run on a page."""
        options = self.environment.parsed_options
        return options is None or bool(options.headless)

    # -- beginning -----------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Once in the life of this process.

        Raises:
            ProbeError: in words for who started it.
        """
        runner = self.environment.runner
        if not run_settings.is_known():
            learnt, self._simulator = by_hand.learn(
                self.environment, self._stack, is_alone=isinstance(runner, LocalRunner)
            )
            run_settings.use(learnt)
            self._is_by_hand = by_hand.is_told_by_locust(self.environment)
        raise_handle_limit()
        settle()
        gevent.get_hub().loop.update_now()  # starting took a while, and Locust's timer for its end counts from what this says
        if self.is_worker:
            runner.register_message(RUN, self._told)
            runner.register_message(CUE, self._cued)
            runner.register_message(SHARE, self._limited)
            runner.register_message(OVER, self._is_to_stop)
            return
        self._refuse_strangers(run_settings.current().plan.broker)
        self._aim(self.environment.host)  # complains now, and not only when somebody lets it begin
        if self.environment.web_ui is not None and not any(each.host for each in runner.user_classes):
            self.environment.host = run_settings.current().plan.url  # what the page shows
        if self.is_master:
            runner.register_message(STATE, self._heard)
        if not self._is_by_hand:
            self._new_conductor(run_settings.current())  # complains now about what cannot be
            shape = PlanShape(self.begin)
            shape.runner = runner
            self.environment.shape_class = shape
            if self._is_headless:
                # While a shape goes on Locust does not listen to this, and leaves its workers behind.
                gevent.signal_handler(signal.SIGTERM, gevent.spawn, runner.quit)

    def _refuse_strangers(self, broker: str) -> None:
        for each in self.environment.user_classes:
            if not each.host and getattr(each, "broker", broker) != broker:
                raise ConfigError(
                    f"it speaks {each.broker}, and the run's target {broker}",
                    where=each.__name__,
                    next_step="Give the class a `host`, the URL of a server of its own, or run it by itself.",
                )

    def begin(self) -> Conductor | None:
        """A run by the plan, here and in all workers. None: it cannot be made, and somebody was told why."""
        try:
            return self._begin()
        except ProbeError as problem:
            self._broke(problem)
            return None

    def _begin(self) -> Conductor:
        settings = self._aimed()
        self.conductor = conductor = self._new_conductor(settings)
        if self.is_master:
            self._share_anew()
            self._begin_collecting(settings, None)
            for worker in self._workers():
                self._tell_run(worker)
        else:
            self._begin_running(settings, conductor.began_at)
        conductor.step()  # so that workers know of it before they are sent users
        self._greenlets.append(gevent.spawn(conductor.run))
        return conductor

    def _new_conductor(self, settings: RunSettings) -> Conductor:
        return Conductor(
            settings.plan,
            clock=time.monotonic,
            send=self._send,
            say=outlet().say,
            workers=self._workers,
            switch=self._switch if settings.simulated else None,
            told=self._told_between,
        )

    def begin_by_hand(self) -> None:
        """Locust begins a test, and nobody has told us of one."""
        if self.running is not None or self.conductor is not None:
            return
        if self.is_master:
            self._share_anew()
            self._begin_collecting(self._aimed(), None)
        else:
            self.run_by_hand()

    def run_by_hand(self) -> Running:
        settings = self._aimed()
        running = self._begin_running(settings, time.monotonic())
        if running.pacer is not None and settings.plan.rate is not None:
            workers = getattr(self.environment.runner, "worker_count", 1)
            running.pacer.pace(settings.plan.rate / max(workers, 1))
        return running

    def _begin_running(self, settings: RunSettings, began_at: float) -> Running:
        runner = self.environment.runner
        if isinstance(runner, LocalRunner):
            self._limit(guard().caps, begins=True)
        samples = Samples(self.environment.events.request)
        self.running = running = Running(
            settings,
            worker=ALONE if isinstance(runner, LocalRunner) else getattr(runner, "client_id", ALONE),
            began_at=began_at,
            on_bug=self._broke,
            on_sample=samples.tell if samples.listeners else None,
        )
        running.player = Player(
            settings.plan,
            began_at=began_at,
            sessions=running.fleet,
            pacer=running.pacer,
            recorder=running.recorder,
            answer=self._answer,
            done=running.finished,
        )
        self._meter = GeneratorMeter(read_url(settings.plan.url).port)
        self._meter.start()
        self._begin_collecting(settings, running)
        self._greenlets.append(gevent.spawn(self._cut_each_second, running))
        return running

    def _begin_collecting(self, settings: RunSettings, running: Running | None) -> None:
        ours = version("tradeprobe")
        self._is_begun = self._is_going_on = True
        cut = None if running is None else partial(self._cut, running)
        if running is not None and cut is not None and self.is_worker:
            self._telling = WorkerCollector(cut, self._meter, worker=running.recorder.worker, version=ours)
            return
        self.collector = Collector(
            settings.plan,
            cut,
            self._meter,
            outlet(),
            version=ours,
            worker=ALONE,
            record=RunRecord(
                settings.plan,
                began_utc=time.time(),
                simulated=settings.simulated,
                versions={"tradeprobe": ours, "locust": version("locust")},
            ),
        )
        if self.is_master:
            for worker in self._workers():
                self.collector.joined(worker)
            self._greenlets.append(gevent.spawn(self._watch_workers, self.collector))

    def _aimed(self) -> RunSettings:
        """At the target, or where the Host field says."""
        self._is_over, self.refusal = False, ""
        try:
            self._aim(self.environment.host)
        except ProbeError as problem:
            self._broke(problem)
        return run_settings.current()

    def _aim(self, host: str | None) -> None:
        """
        Raises:
            ProbeError: nothing may be sent there, or there is no such place.
        """
        settings = run_settings.current()
        if host and host != settings.plan.url:
            settings = replace(settings, plan=replace(settings.plan, url=host))
            run_settings.use(settings)
        address = read_url(settings.plan.url)
        try:
            guard().resolve(address.host, address.port)
        except OSError as problem:
            raise ConfigError(
                f"{address.host}: the name leads nowhere ({problem.strerror or problem})",
                next_step="Check how it is written.",
            ) from problem

    def judge_host(self, host: str) -> str:
        """Why the page's Host field cannot begin a run there; nothing: it can."""
        before = run_settings.current()
        if self.environment.runner.state in (STATE_SPAWNING, STATE_RUNNING):
            if host == before.plan.url:
                return ""
            why = f"A run goes on, at {before.plan.url}. Stop it before you begin one elsewhere."
        else:
            try:
                self._aim(host)
            except ProbeError as problem:
                run_settings.use(before)
                why = str(problem)
            else:
                return ""
        why = redact(why)
        _LOG.error("%s", why)
        return why

    # -- between the processes -----------------------------------------------------------------------------------------

    def _workers(self) -> Sequence[str]:
        if not self.is_master:
            return (ALONE,)
        clients = self.environment.runner.clients
        return tuple(sorted(name for name in clients if clients[name].state != "missing"))

    def _tell_run(self, worker: str) -> None:
        told = {"plan": to_plain(run_settings.current().plan), "version": version("tradeprobe")}
        self.environment.runner.send_message(RUN, told, worker)

    def joined(self, worker: str) -> None:
        """In mid-run, or before it."""
        if self.conductor is not None:
            self._tell_run(worker)
        if self._is_going_on and self.collector is not None:
            self.collector.joined(worker)
        self.share_out()

    def _watch_workers(self, collector: Collector) -> None:
        """Who dies is missed now, and not only at the end."""
        while True:
            gevent.sleep(1.0)
            if self._is_going_on:
                collector.look_round(set(self._workers()))
                self._end_in_time()

    def _share_anew(self) -> None:
        self._limit(guard().caps, begins=True)
        self.share_out(begins=True)

    def share_out(self, *, begins: bool = False) -> None:
        """What a run may do is divided among those who do it. One that comes later makes the others' shares smaller."""
        if not self.is_master or guard().ends_at == inf:  # there is no run
            return
        whole = replace(guard().caps, seconds=guard().ends_at - time.monotonic())
        # Who is missing may still go on with his share. Locust forgets him when he has ended himself for want of a master.
        workers, there = sorted(self.environment.runner.clients), self._workers()
        for number, worker in enumerate(workers):
            share = to_plain(whole.share(len(workers), number))
            told = {"share": share, "sharing": len(workers), "begins": begins}
            if worker in there:
                self.environment.runner.send_message(SHARE, told, worker)

    def _limited(self, environment: Any, msg: Any) -> None:
        told = msg.data
        begins = told["begins"] and self.running is None  # no master can make a run that is on begin anew
        self._limit(from_plain(Caps, told["share"]), sharing=told.get("sharing", 1), begins=begins)

    def _limit(self, share: Caps, *, sharing: int = 1, begins: bool) -> None:
        if begins:
            guard().begin_run()
        guard().take_share(share.connections, share.rate, time.monotonic() + share.seconds, sharing=sharing)

    def _end_in_time(self) -> None:
        """When a run has taken what it may, nothing more is sent, and then the sessions end, too."""
        if time.monotonic() < guard().ends_at + OVERTIME or self._is_over:
            return
        self._is_over = True
        _LOG.warning(
            "The run ends, because it has taken all the time that it may. [safety] in probe.toml says how much."
        )
        runner = self.environment.runner
        gevent.spawn(runner.quit if self._is_headless and not self.is_worker else runner.stop)

    def _send(self, worker: str, cue: Mapping[str, Any]) -> None:
        if self.is_master:
            self.environment.runner.send_message(CUE, dict(cue), worker)
        elif self.running is not None and self.running.player is not None:
            self.running.player.receive(cue)

    def _answer(self, state: Mapping[str, Any]) -> None:
        if self.is_worker:
            self.environment.runner.send_message(STATE, dict(state))
        elif self.conductor is not None:
            self.conductor.heard(ALONE, state)

    def _told(self, environment: Any, msg: Any) -> None:
        if msg.data["version"] == version("tradeprobe"):
            run_settings.with_plan(from_plain(LoadPlan, msg.data["plan"]))
        else:
            name = self.environment.runner.client_id
            # Its report says to the master why it goes.
            self._telling = WorkerCollector(_nothing, None, worker=name, version=version("tradeprobe"))
            self.environment.runner._send_stats()  # noqa: SLF001 - it may not come to another one
            self._broke(
                ConfigError(
                    f"this worker is of version {version('tradeprobe')}, and its master of {msg.data['version']}",
                    next_step="Install the same version on all machines of a run.",
                )
            )

    def _cued(self, environment: Any, msg: Any) -> None:
        if self.running is None and not msg.data["over"]:
            try:
                self._begin_running(self._aimed(), common_start(msg.data, time.monotonic()))
            except ProbeError as problem:
                self._broke(problem)
        if self.running is not None and self.running.player is not None:
            self.running.player.receive(msg.data)

    def _heard(self, environment: Any, msg: Any) -> None:
        if self.conductor is not None:
            self.conductor.heard(msg.node_id, msg.data)

    def report(self, data: dict[str, Any]) -> None:
        """Of a worker, to its master."""
        if self._telling is not None:
            data[KEY] = self._telling.pack()

    def reported(self, worker: str, data: Mapping[str, Any]) -> None:
        if self.collector is None or KEY not in data:
            return
        if not self.collector.take(data[KEY]):
            self.environment.runner.send_message("quit", client_id=worker)

    def _told_between(self, first: int, until: int) -> Figures | None:
        return self.collector.window(first, until) if self.collector is not None else None

    def _switch(self, fault: str, on: bool) -> None:  # noqa: FBT001 - as the conductor calls it
        """Of our own simulator, or of the one that the command has started."""
        if self._simulator is None:
            outlet().say("fault", fault=fault, on=on)
        elif on:
            self._faults[fault] = self._simulator.switch_on(fault)
        else:
            self._simulator.switch_off(self._faults.pop(fault))

    # -- each second ---------------------------------------------------------------------------------------------------

    def _cut_each_second(self, running: Running) -> None:
        while True:
            now = time.monotonic()
            gevent.sleep(1.0 - (now - running.began_at) % 1.0 + 0.01)
            collector = self._telling or self.collector
            if collector is not None:
                collector.tick(time.monotonic())
            self._end_in_time()

    def _cut(self, running: Running, now: float, *, at_the_end: bool = False) -> list[Slice]:
        """The same figures to Locust's statistics."""
        slices = running.cut(now, at_the_end=at_the_end)
        wall_at_begin = time.time() - time.monotonic() + running.began_at
        statistics = LocustStatistics(locust.stats.bucket_response_time)
        for each in slices:
            statistics.feed(self.environment.stats, each.figures, wall_at_begin + each.second)
        return slices

    # -- the end -------------------------------------------------------------------------------------------------------

    def stopping(self) -> None:
        """Before the users go: nothing more is asked, and no worker is told to begin anew."""
        self._is_going_on = False
        if self.conductor is not None:
            self.conductor.end()
        if self.running is not None and self.running.pacer is not None:
            self.running.pacer.stop()

    def stop(self) -> None:
        """Once of each run, however often Locust says so, and in however many greenlets."""
        with self._ending:
            if self._is_begun:
                self._end()
                self._is_begun = False

    def _end(self) -> None:
        for each in self._greenlets:
            if each is not gevent.getcurrent():
                each.kill(block=False)
        self._greenlets.clear()
        if self.conductor is not None:
            self.conductor.end()
            self._tell_capacity(self.conductor.capacity)
            self.conductor = None
        running, self.running = self.running, None
        if running is not None:
            running.fleet.close()
        now = time.monotonic()
        if self._telling is not None:
            self._telling.finish(now)
            self.environment.runner._send_stats()  # noqa: SLF001 - now: after this the master waits for nothing
            self._telling = None
        elif self.collector is not None:
            if self.is_master:
                self._hear_last_reports(self.collector)
            self.collector.finish(now)
        if self._meter is not None:
            self._meter.stop()
            self._meter = None

    def _hear_last_reports(self, collector: Collector) -> None:
        """When Locust quits, it waits half a second for its workers, whose sessions may need longer to leave."""
        for worker in collector.waits_for.intersection(self._workers()):
            self.environment.runner.send_message(OVER, {}, worker)
        with gevent.Timeout(LAST_REPORTS_WITHIN, False):
            while collector.waits_for.intersection(self._workers()):
                gevent.sleep(0.02)

    def _is_to_stop(self, environment: Any, msg: Any) -> None:
        gevent.spawn(self.environment.runner.stop)

    def _tell_capacity(self, found: CapacityResult | None) -> None:
        if found is not None and self.collector is not None:
            self.collector.record.search = to_plain(found)

    def quit(self) -> None:
        if self.running is not None:  # ended by a signal, before the test was stopped
            self.environment.runner.stop()
        self.stop()  # Locust does not say so when its last worker has died
        self._stack.close()
        if self.collector is not None and isinstance(outlet(), NowhereOutlet):
            path = getattr(self.environment.parsed_options, "load_json", None)
            code = by_hand.conclude(self.collector.record, path)
            if code and not self._is_by_hand and self.environment.process_exit_code is None:
                self.environment.process_exit_code = code

    def _broke(self, problem: Exception) -> None:
        """No session can go on: somebody is told why, once, and the test ends."""
        if self._is_over:
            return
        self._is_over, self.refusal = True, redact(str(problem))
        if isinstance(problem, ProbeError | OSError):
            code = getattr(problem, "exit_code", 2)
            _LOG.error("%s", redact(str(problem)))
            outlet().say("refused", text=str(problem), code=code)
        else:
            code = BUG_CODE
            gevent.get_hub().handle_error(self, type(problem), problem, problem.__traceback__)
            outlet().say("bug", what=type(problem).__name__, place="a session")
        self.environment.process_exit_code = code
        runner = self.environment.runner
        gevent.spawn(runner.quit if self.is_worker or self._is_headless else runner.stop)


_attached: WeakKeyDictionary[Any, Attached] = WeakKeyDictionary()


def _nothing(*_: object, **__: object) -> list[Slice]:
    return []


def attached(environment: Any) -> Attached:
    if environment not in _attached:
        _attached[environment] = Attached(environment)
    return _attached[environment]


def running(environment: Any) -> Running:
    """The run that a user of this environment belongs to."""
    found = attached(environment)
    return found.running or found.run_by_hand()


# -- Locust's events ---------------------------------------------------------------------------------------------------


def _init(environment: Any, **_: object) -> None:
    try:
        attached(environment).prepare()
    except ProbeError as problem:
        outlet().say("refused", text=str(problem), code=problem.exit_code)
        print(f"error: {problem}", file=sys.stderr)  # noqa: T201 - as commands do
        sys.exit(problem.exit_code)
    if environment.web_ui is not None:
        webtab.extend(environment.web_ui, attached(environment))


def _test_start(environment: Any, **_: object) -> None:
    found = attached(environment)
    if found.environment.shape_class is None and not found.is_worker:
        found.begin_by_hand()


def _worker_connect(client_id: str, **_: object) -> None:
    for found in list(_attached.values()):
        if found.is_master:
            gevent.spawn(found.joined, client_id)  # a moment later: Locust does not know it yet


def _test_stopping(environment: Any, **_: object) -> None:
    attached(environment).stopping()


def _test_stop(environment: Any, **_: object) -> None:
    attached(environment).stop()


def _quitting(environment: Any, **_: object) -> None:
    attached(environment).quit()


# Locust's two say nothing about whose they are: there is one environment in a process that has a master or is one.
def _report(data: dict[str, Any], **_: object) -> None:
    for found in list(_attached.values()):
        found.report(data)


def _reported(client_id: str, data: Mapping[str, Any], **_: object) -> None:
    for found in list(_attached.values()):
        found.reported(client_id, data)


for _hook, _listener in (
    (events.init_command_line_parser, by_hand.add_options),
    (events.init, _init),
    (events.test_start, _test_start),
    (events.worker_connect, _worker_connect),
    (events.test_stopping, _test_stopping),
    (events.test_stop, _test_stop),
    (events.quitting, _quitting),
    (events.report_to_master, _report),
    (events.worker_report, _reported),
):
    _hook.add_listener(_listener)  # type: ignore[no-untyped-call]
